//! hnsw_rs, with its SIMD distances. It has no dot product for rows that are not normalized.

use std::path::Path;

use crate::peer::{EF_CONSTRUCTION, Index, M, Metric, Peer, Result, Vectors, unsupported};
use hnsw_rs::prelude::{AnnT, DistDot, DistL2, Distance, Hnsw, HnswIo};

const LAYERS: usize = 16;
const NAME: &str = "graph";

pub struct HnswRs;

impl Peer for HnswRs {
    fn name(&self) -> &'static str {
        "hnsw_rs"
    }

    fn parameters(&self) -> String {
        format!("max_nb_connection {M}, ef_construction {EF_CONSTRUCTION}")
    }

    fn build(&self, base: &Vectors, metric: Metric, dir: &Path) -> Result<()> {
        match metric {
            Metric::Cosine => build(base, DistDot {}, dir),
            Metric::L2 => build(base, DistL2 {}, dir),
            Metric::Dot => unsupported(metric),
        }
    }

    fn open(&self, _: usize, metric: Metric, dir: &Path) -> Result<Box<dyn Index>> {
        match metric {
            Metric::Cosine => open::<DistDot>(dir),
            Metric::L2 => open::<DistL2>(dir),
            Metric::Dot => unsupported(metric),
        }
    }
}

fn build<D: Distance<f32> + Send + Sync>(base: &Vectors, distance: D, dir: &Path) -> Result<()> {
    let index = Hnsw::<f32, D>::new(M, base.len(), LAYERS, EF_CONSTRUCTION, distance);
    for (id, row) in base.rows().enumerate() {
        index.insert((row, id));
    }
    index.file_dump(dir, NAME)?;
    Ok(())
}

fn open<D>(dir: &Path) -> Result<Box<dyn Index>>
where
    D: Distance<f32> + Default + Send + Sync + 'static,
{
    // The index borrows its reader; both live as long as the process.
    let reader: &'static mut HnswIo = Box::leak(Box::new(HnswIo::new(dir, NAME)));
    let mut index: Hnsw<'static, f32, D> = reader.load_hnsw()?;
    index.set_searching_mode(true);
    Ok(Box::new(Open(index)))
}

struct Open<D: Distance<f32> + Send + Sync + 'static>(Hnsw<'static, f32, D>);

impl<D: Distance<f32> + Send + Sync> Index for Open<D> {
    fn search(&self, query: &[f32], k: usize, ef: usize, found: &mut Vec<u32>) -> Result<()> {
        found.extend(self.0.search(query, k, ef).iter().map(|neighbor| neighbor.d_id as u32));
        Ok(())
    }
}
