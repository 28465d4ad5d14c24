//! Owns the libraries in Rust under churn. Those from Python wheels are in `python/churn.py`.

use std::path::{Path, PathBuf};

use altiplano::{
    Batch, Collection, CollectionOptions, Fields, HnswParams, Memory, MemoryId, Store,
};
use hnsw_rs::prelude::{AnnT, DistDot, DistL2, Distance, Hnsw};
use usearch::ScalarKind;

use super::library::Churn;
use crate::peer::{EF_CONSTRUCTION, M, Metric, Result, unsupported};
use crate::peers::usearch::new_index;

/// Rows per insert.
pub(super) const BATCH: usize = 500;

pub const NAMES: [&str; 3] = ["altiplano", "usearch", "hnsw_rs"];

pub fn start(
    name: &str,
    maintained: bool,
    (dim, metric): (usize, Metric),
    capacity: usize,
    dir: &Path,
) -> Result<Box<dyn Churn>> {
    Ok(match (name, metric) {
        ("altiplano", _) => Box::new(Altiplano::new(dim, metric, dir)?),
        ("usearch", _) => Box::new(USearch::new(dim, metric, capacity, dir)?),
        ("hnsw_rs", Metric::Cosine) => Box::new(HnswRs::new(DistDot {}, maintained, capacity, dir)),
        ("hnsw_rs", Metric::L2) => Box::new(HnswRs::new(DistL2 {}, maintained, capacity, dir)),
        ("hnsw_rs", Metric::Dot) => return unsupported(metric),
        _ => return Err(format!("no such library: {name}").into()),
    })
}

/// Altiplano with its defaults: its own threads compact, with default quantization and durability.
/// If maintained, `compact` is called as well, which waits until nothing is left to do.
struct Altiplano {
    rows: Collection,
    _store: Store,
}

impl Altiplano {
    fn new(dim: usize, metric: Metric, dir: &Path) -> Result<Self> {
        let metric = match metric {
            Metric::Cosine => altiplano::Metric::Cosine,
            Metric::Dot => altiplano::Metric::Dot,
            Metric::L2 => altiplano::Metric::L2,
        };
        let hnsw = HnswParams::default().m(M as u16).ef_construction(EF_CONSTRUCTION as u16).min_rows(1000);
        let store = Store::open(dir.join("store"))?;
        let rows = store.collection("rows", CollectionOptions::new(dim, metric).hnsw(hnsw))?;
        Ok(Self { rows, _store: store })
    }
}

impl Churn for Altiplano {
    fn remove(&mut self, ids: &[u32]) -> Result<()> {
        for ids in ids.chunks(BATCH) {
            let batch = ids.iter().fold(Batch::new(), |batch, id| batch.delete(u64::from(*id)));
            self.rows.apply(batch)?;
        }
        Ok(())
    }

    fn add(&mut self, ids: &[u32], rows: &[&[f32]]) -> Result<()> {
        let memory = |(id, row): (&u32, &&[f32])| Memory::new(MemoryId::from(u64::from(*id)), *row);
        self.rows.apply(ids.iter().zip(rows).map(memory).collect::<Batch>())?;
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        Ok(self.rows.sync()?)
    }

    fn maintain(&mut self, _: &[u32], _: &dyn Fn(u32) -> Vec<f32>) -> Result<()> {
        self.rows.compact()?;
        Ok(())
    }

    fn search(&self, query: &[f32], k: usize, beam: usize, found: &mut Vec<u32>) -> Result<()> {
        let hits = self.rows.search(query).k(k).ef(beam).fields(Fields::None).run()?;
        found.extend(hits.iter().map(|hit| hit.id.as_u128() as u32));
        Ok(())
    }
}

/// USearch: a later row takes the place of a removed one. If maintained, `compact` is called.
struct USearch {
    index: usearch::Index,
    file: PathBuf,
}

impl USearch {
    fn new(dimensions: usize, metric: Metric, capacity: usize, dir: &Path) -> Result<Self> {
        let index = new_index(dimensions, metric, ScalarKind::F32)?;
        index.reserve_capacity_and_threads(capacity, 1)?;
        Ok(Self { index, file: dir.join("rows.usearch") })
    }
}

impl Churn for USearch {
    fn remove(&mut self, ids: &[u32]) -> Result<()> {
        for id in ids {
            if self.index.remove(u64::from(*id))? != 1 {
                return Err(format!("row {id} was not there").into());
            }
        }
        Ok(())
    }

    fn add(&mut self, ids: &[u32], rows: &[&[f32]]) -> Result<()> {
        for (id, row) in ids.iter().zip(rows) {
            self.index.add(u64::from(*id), row)?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        Ok(self.index.save(&self.file.to_string_lossy())?)
    }

    fn maintain(&mut self, _: &[u32], _: &dyn Fn(u32) -> Vec<f32>) -> Result<()> {
        self.index.compact()?;
        self.commit()
    }

    fn search(&self, query: &[f32], k: usize, beam: usize, found: &mut Vec<u32>) -> Result<()> {
        self.index.change_expansion_search(beam);
        found.extend(self.index.search(query, k)?.keys.iter().map(|&key| key as u32));
        Ok(())
    }
}

/// hnsw_rs, which cannot delete. Left alone, the graph keeps the dead rows and a filter hides them.
/// If maintained, it is rebuilt from the live rows.
struct HnswRs<D: Distance<f32> + Clone + Send + Sync + 'static> {
    index: Hnsw<'static, f32, D>,
    distance: D,
    /// The live rows, for the filter; unused where the graph is rebuilt.
    alive: std::collections::HashSet<usize>,
    maintained: bool,
    capacity: usize,
    dir: PathBuf,
}

const LAYERS: usize = 16;

impl<D: Distance<f32> + Clone + Send + Sync + 'static> HnswRs<D> {
    fn new(distance: D, maintained: bool, capacity: usize, dir: &Path) -> Self {
        Self {
            index: Hnsw::new(M, capacity, LAYERS, EF_CONSTRUCTION, distance.clone()),
            distance,
            alive: std::collections::HashSet::new(),
            maintained,
            capacity,
            dir: dir.to_owned(),
        }
    }
}

impl<D: Distance<f32> + Clone + Send + Sync + 'static> Churn for HnswRs<D> {
    fn remove(&mut self, ids: &[u32]) -> Result<()> {
        for id in ids {
            self.alive.remove(&(*id as usize));
        }
        Ok(())
    }

    fn add(&mut self, ids: &[u32], rows: &[&[f32]]) -> Result<()> {
        self.alive.extend(ids.iter().map(|id| *id as usize));
        if !self.maintained {
            ids.iter().zip(rows).for_each(|(id, row)| self.index.insert((*row, *id as usize)));
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        if !self.maintained {
            self.index.file_dump(&self.dir, "graph")?;
        }
        Ok(())
    }

    fn maintain(&mut self, live: &[u32], rows: &dyn Fn(u32) -> Vec<f32>) -> Result<()> {
        let fresh = Hnsw::new(M, self.capacity, LAYERS, EF_CONSTRUCTION, self.distance.clone());
        live.iter().for_each(|id| fresh.insert((&rows(*id), *id as usize)));
        self.index = fresh;
        self.index.file_dump(&self.dir, "graph")?;
        Ok(())
    }

    fn search(&self, query: &[f32], k: usize, beam: usize, found: &mut Vec<u32>) -> Result<()> {
        let lives = |id: &usize| self.alive.contains(id);
        let hits = match self.maintained {
            true => self.index.search(query, k, beam),
            false => self.index.search_filter(query, k, beam, Some(&lives)),
        };
        found.extend(hits.iter().map(|neighbor| neighbor.d_id as u32));
        Ok(())
    }
}
