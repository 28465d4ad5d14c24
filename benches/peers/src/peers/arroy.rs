//! arroy: a forest of random projections on LMDB. Its width is `search_k`, the number of candidates
//! that are measured.

use std::num::NonZeroUsize;
use std::path::Path;

use arroy::distances::{Cosine, Euclidean};
use arroy::{Database, Distance, Reader, Writer};
use heed::{RoTxn, WithoutTls};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::peer::{Index, Metric, Peer, Result, Vectors, unsupported};
use crate::peers::lmdb;

pub struct Arroy;

impl Peer for Arroy {
    fn name(&self) -> &'static str {
        "arroy"
    }

    fn parameters(&self) -> String {
        "trees: its own choice".to_owned()
    }

    fn widths(&self) -> Vec<usize> {
        vec![1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000]
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
    writer.builder(&mut rng).build(&mut txn)?;
    txn.commit()?;
    Ok(())
}

fn open<D: Distance>(dir: &Path) -> Result<Box<dyn Index>> {
    let env = lmdb::open(dir)?;
    let database: Database<'static, D> = lmdb::existing(env)?;
    // The reader borrows the transaction; both live as long as the process.
    let txn: &'static RoTxn<'static, WithoutTls> = Box::leak(Box::new(env.read_txn()?));
    let reader = Reader::open(txn, 0, database)?;
    Ok(Box::new(Open { reader, txn }))
}

struct Open<D: Distance> {
    reader: Reader<'static, D>,
    txn: &'static RoTxn<'static, WithoutTls>,
}

impl<D: Distance> Index for Open<D> {
    fn search(&self, query: &[f32], k: usize, width: usize, found: &mut Vec<u32>) -> Result<()> {
        let mut search = self.reader.nns(k);
        if let Some(width) = NonZeroUsize::new(width) {
            search.search_k(width);
        }
        found.extend(search.by_vector(self.txn, query)?.iter().map(|&(id, _)| id));
        Ok(())
    }
}
