//! USearch, with rows in single precision and in bfloat16.

use std::path::Path;

use usearch::{IndexOptions, MetricKind, ScalarKind};

use crate::peer::{EF_CONSTRUCTION, Index, M, Metric, Peer, Result, Vectors};

const NAME: &str = "graph.usearch";

pub enum USearch {
    F32,
    Bf16,
}

/// Returns an empty index with the parameters that all libraries share.
pub fn new_index(
    dimensions: usize,
    metric: Metric,
    quantization: ScalarKind,
) -> Result<usearch::Index> {
    let options = IndexOptions {
        dimensions,
        metric: match metric {
            Metric::Cosine => MetricKind::Cos,
            Metric::Dot => MetricKind::IP,
            Metric::L2 => MetricKind::L2sq,
        },
        quantization,
        connectivity: M,
        expansion_add: EF_CONSTRUCTION,
        expansion_search: 0,
        multi: false,
    };
    Ok(usearch::new_index(&options)?)
}

impl USearch {
    fn new_index(&self, dimensions: usize, metric: Metric) -> Result<usearch::Index> {
        let quantization = match self {
            Self::F32 => ScalarKind::F32,
            Self::Bf16 => ScalarKind::BF16,
        };
        new_index(dimensions, metric, quantization)
    }
}

impl Peer for USearch {
    fn name(&self) -> &'static str {
        match self {
            Self::F32 => "usearch-f32",
            Self::Bf16 => "usearch-bf16",
        }
    }

    fn parameters(&self) -> String {
        format!("connectivity {M}, expansion_add {EF_CONSTRUCTION}")
    }

    fn build(&self, base: &Vectors, metric: Metric, dir: &Path) -> Result<()> {
        let index = self.new_index(base.dim, metric)?;
        index.reserve_capacity_and_threads(base.len(), 1)?;
        for (key, row) in (0u64..).zip(base.rows()) {
            index.add(key, row)?;
        }
        Ok(index.save(&dir.join(NAME).to_string_lossy())?)
    }

    fn open(&self, dim: usize, metric: Metric, dir: &Path) -> Result<Box<dyn Index>> {
        let index = self.new_index(dim, metric)?;
        index.load(&dir.join(NAME).to_string_lossy())?;
        Ok(Box::new(Open(index)))
    }
}

struct Open(usearch::Index);

impl Index for Open {
    fn search(&self, query: &[f32], k: usize, ef: usize, found: &mut Vec<u32>) -> Result<()> {
        self.0.change_expansion_search(ef);
        found.extend(self.0.search(query, k)?.keys.iter().map(|&key| key as u32));
        Ok(())
    }
}
