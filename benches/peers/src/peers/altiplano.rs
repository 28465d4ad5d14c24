//! Altiplano through its graph, with each kind of codes.

use std::path::Path;

use altiplano::{
    Background, Batch, Quantization, Collection, CollectionOptions, Fields, HnswParams, Memory,
    SearchMode, Store, StoreOptions,
};

use crate::peer::{EF_CONSTRUCTION, Index, M, Metric, Peer, Result, Vectors};

pub struct Altiplano(pub Quantization);

impl Altiplano {
    fn hnsw(&self) -> HnswParams {
        let default = HnswParams::default().m(M as u16).ef_construction(EF_CONSTRUCTION as u16);
        default.min_rows(1_000.min(default.min_rows))
    }
}

impl Peer for Altiplano {
    fn name(&self) -> &'static str {
        match self.0 {
            Quantization::Int8 => "altiplano-int8",
            Quantization::None => "altiplano-f32",
            Quantization::Bits4 => "altiplano-bits4",
            Quantization::Bits2 => "altiplano-bits2",
            Quantization::Bits1 => "altiplano-bits1",
            _ => "altiplano",
        }
    }

    fn parameters(&self) -> String {
        format!("codes {:?}, m {M}, ef_construction {EF_CONSTRUCTION}, builder BuiltIn", self.0)
    }

    fn build(&self, base: &Vectors, metric: Metric, dir: &Path) -> Result<()> {
        let store = StoreOptions::new().background(Background::Manual).open(dir)?;
        let metric = match metric {
            Metric::Cosine => altiplano::Metric::Cosine,
            Metric::Dot => altiplano::Metric::Dot,
            Metric::L2 => altiplano::Metric::L2,
        };
        let options = CollectionOptions::new(base.dim, metric).quantization(self.0).hnsw(self.hnsw());
        let collection = store.collection("vectors", options)?;
        for first in (0..base.len()).step_by(1024) {
            let last = (first + 1024).min(base.len());
            let memory = |row: usize| Memory::new(row as u64, base.row(row));
            collection.apply((first..last).map(memory).collect::<Batch>())?;
        }
        collection.compact()?;
        drop(collection);
        store.close()?;
        Ok(())
    }

    fn open(&self, _: usize, _: Metric, dir: &Path) -> Result<Box<dyn Index>> {
        let store = Store::open(dir)?;
        let collection = store.get_collection("vectors").ok_or("the collection is gone")?;
        Ok(Box::new(Open { collection, _store: store }))
    }
}

struct Open {
    collection: Collection,
    _store: Store,
}

impl Index for Open {
    fn search(&self, query: &[f32], k: usize, ef: usize, found: &mut Vec<u32>) -> Result<()> {
        let search = self.collection.search(query).k(k).ef(ef);
        let hits = search.mode(SearchMode::Graph).fields(Fields::None).run()?;
        found.extend(hits.iter().map(|hit| hit.id.as_u128() as u32));
        Ok(())
    }
}
