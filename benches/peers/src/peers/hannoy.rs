//! hannoy: HNSW on LMDB.

use std::path::Path;

use hannoy::distances::{Cosine, Euclidean};
use hannoy::{Database, Distance, Reader, Writer};
use heed::{RoTxn, WithoutTls};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::peer::{EF_CONSTRUCTION, Index, M, Metric, Peer, Result, Vectors, unsupported};
use crate::peers::lmdb;

const M0: usize = 2 * M;

pub struct Hannoy;

impl Peer for Hannoy {
    fn name(&self) -> &'static str {
        "hannoy"
    }

    fn parameters(&self) -> String {
        format!("M {M}, M0 {M0}, ef_construction {EF_CONSTRUCTION}")
    }

    fn build(&self, base: &Vectors, metric: Metric, dir: &Path) -> Result<()> {
        match metric {
            Metric::Cosine => build::<Cosine>(base, dir),
            Metric::L2 => build::<Euclidean>(base, dir),
            Metric::Dot => unsupported(metric),
        }
    }

    fn open(&self, _: usize, metric: Metric, dir: &Path) -> Result<Box<dyn Index>> {
        match metric {
            Metric::Cosine => open::<Cosine>(dir),
            Metric::L2 => open::<Euclidean>(dir),
            Metric::Dot => unsupported(metric),
        }
    }
}

fn build<D: Distance>(base: &Vectors, dir: &Path) -> Result<()> {
    let env = lmdb::open(dir)?;
    let database: Database<'static, D> = lmdb::create(env)?;
    let mut txn = env.write_txn()?;
    let writer = Writer::new(database, 0, base.dim);
    for (id, row) in (0u32..).zip(base.rows()) {
        writer.add_item(&mut txn, id, row)?;
    }
    let mut rng = StdRng::seed_from_u64(1);
    writer.builder(&mut rng).ef_construction(EF_CONSTRUCTION).build::<M, M0>(&mut txn)?;
    txn.commit()?;
    Ok(())
}

fn open<D: Distance>(dir: &Path) -> Result<Box<dyn Index>> {
    let env = lmdb::open(dir)?;
    let database: Database<'static, D> = lmdb::existing(env)?;
    let txn = env.read_txn()?;
    let reader = Reader::open(&txn, 0, database)?;
    Ok(Box::new(Open { reader, txn }))
}

struct Open<D: Distance> {
    reader: Reader<'static, D>,
    txn: RoTxn<'static, WithoutTls>,
}

impl<D: Distance> Index for Open<D> {
    fn search(&self, query: &[f32], k: usize, ef: usize, found: &mut Vec<u32>) -> Result<()> {
        let hits = self.reader.nns(k).ef_search(ef).by_vector(&self.txn, query)?;
        found.extend(hits.into_nns().iter().map(|&(id, _)| id));
        Ok(())
    }
}
