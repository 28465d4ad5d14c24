//! Owns what lets `benches/kernels.rs` call the kernels, of every instruction set that this
//! processor has. Behind the feature `__bench` only; no part of the API.

use super::uniform::Uniform;
use crate::map_vec::MapVec;
use crate::options::{Metric, Quantization};
use crate::splitmix::STEP;
use crate::sync::OnceLock;
use crate::vector::codes::{BLOCKS_AT_ONCE, CodeBuffer, CodeSpec, FastScanBlocks, Measure, Query};
use crate::vector::kernel::Kernels;
use crate::vector::kernel::blocks::ROWS;

/// Different vectors among the rows; the others are copies. What is measured does not look at
/// values.
const DIFFERENT: usize = 256;

fn kernels() -> &'static [Kernels] {
    static ALL: OnceLock<Vec<Kernels>> = OnceLock::new();
    ALL.get_or_init(Kernels::all)
}

/// The names of the instruction sets, fastest first.
pub fn kernel_sets() -> Vec<&'static str> {
    kernels().iter().map(|kernels| kernels.name).collect()
}

/// Code rows of vectors of length 1, and a query.
#[derive(Debug)]
pub struct Rows {
    spec: CodeSpec,
    vectors: Vec<Vec<f32>>,
    buffer: CodeBuffer,
    /// Their signs side by side; nothing for codes that have none.
    signs: MapVec<u8>,
}

impl Rows {
    /// So many rows under cosine.
    pub fn new(codes: Quantization, dimension: usize, rows: u32) -> Self {
        let spec = CodeSpec::new(codes, Metric::Cosine, dimension);
        let vectors: Vec<Vec<f32>> =
            (0..DIFFERENT).map(|seed| vector(dimension, seed as u64)).collect();
        let mut different = CodeBuffer::new(spec, DIFFERENT);
        vectors.iter().for_each(|vector| different.push(vector));
        let mut buffer = CodeBuffer::new(spec, rows as usize);
        (0..rows).for_each(|i| buffer.push_row(different.rows().row(i % DIFFERENT as u32)));
        let signs = buffer.rows().sign_blocks().unwrap_or_default();
        Self { spec, vectors, buffer, signs }
    }

    /// Bytes of one row.
    pub fn row_bytes(&self) -> usize {
        self.spec.row_bytes()
    }

    /// A query, measured by this instruction set of [`kernel_sets`] if there is one of that name,
    /// by the fastest otherwise.
    pub fn query(&self, set: &str) -> Measured<'_> {
        let found = kernels().iter().find(|kernels| kernels.name == set);
        let query = Query::new(self.spec, vector(self.spec.dimension, DIFFERENT as u64));
        Measured { rows: self, query: query.with_kernels(found.unwrap_or(&kernels()[0])) }
    }

    /// The distances from the first row to these.
    pub fn pairs(&self, nodes: &[u32], out: &mut Vec<f32>) {
        self.buffer.rows().origin(0).distances(nodes, out);
    }

    /// Makes codes of so many vectors, in place of those that `out` held.
    pub fn encode(&self, vectors: usize, out: &mut Encoded) {
        let buffer = out.0.get_or_insert_with(|| CodeBuffer::new(self.spec, vectors));
        buffer.clear();
        self.vectors.iter().cycle().take(vectors).for_each(|vector| buffer.push(vector));
    }

    /// Encodes so many queries.
    pub fn encode_queries(&self, queries: usize) {
        for vector in self.vectors.iter().cycle().take(queries) {
            std::hint::black_box(Query::new(self.spec, vector.clone()));
        }
    }

    /// Reads the bytes of these rows and does nothing with them but add them up.
    pub fn read(&self, nodes: &[u32]) -> u64 {
        /// Rows ahead of the one that is read for which cache lines are asked, as the kernels do.
        const AHEAD: usize = 8;
        let (rows, prefetch) = (self.buffer.rows(), kernels()[0].prefetch);
        let mut sums = [0u64; 8];
        for (at, node) in nodes.iter().enumerate() {
            if let Some(next) = nodes.get(at + AHEAD) {
                prefetch(rows.row(*next));
            }
            let (lines, rest) = rows.row(*node).as_chunks::<64>();
            for line in lines {
                for (sum, word) in sums.iter_mut().zip(line.as_chunks::<8>().0) {
                    *sum = sum.wrapping_add(u64::from_le_bytes(*word));
                }
            }
            for (sum, word) in sums.iter_mut().zip(rest.as_chunks::<8>().0) {
                *sum = sum.wrapping_add(u64::from_le_bytes(*word));
            }
        }
        sums.into_iter().fold(0, u64::wrapping_add)
    }
}

/// Codes that were made.
#[derive(Debug, Default)]
pub struct Encoded(Option<CodeBuffer>);

/// A query and the rows that it measures.
#[derive(Debug)]
pub struct Measured<'a> {
    rows: &'a Rows,
    query: Query,
}

impl Measured<'_> {
    /// The distances to these rows.
    pub fn distances(&self, nodes: &[u32], out: &mut Vec<f32>) {
        self.query.distances(&self.rows.buffer.rows(), nodes, out);
    }

    /// Looks at these rows as a search does that needs none of them: `nodes` is empty afterwards
    /// where codes have signs in front.
    pub fn look(&self, nodes: &mut Vec<u32>, buffer: &mut Vec<f32>) {
        let rows = self.rows.buffer.rows();
        let measure = self.query.over(&rows);
        measure.ask(nodes);
        measure.sift(f32::MIN, 1.0, nodes, buffer);
    }

    /// Looks at all rows in the same way, by their signs side by side where codes have them.
    pub fn look_at_blocks(&self, nodes: &mut Vec<u32>) {
        let rows = self.rows.buffer.rows();
        let count = rows.len() as u32;
        let Some(signs) = FastScanBlocks::new(self.rows.spec, &self.rows.signs, count) else {
            return;
        };
        let (measure, sieve) = (self.query.over(&rows), self.query.block_sieve(1.0));
        for first in (0..count).step_by(BLOCKS_AT_ONCE * ROWS) {
            nodes.clear();
            if let Some(sieve) = &sieve {
                measure.sift_blocks(sieve, &signs, first, f32::MIN, nodes);
            }
        }
    }
}

fn vector(dimension: usize, seed: u64) -> Vec<f32> {
    let mut vector = Uniform(seed.wrapping_add(1).wrapping_mul(STEP)).vector(dimension);
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|x| *x /= norm);
    vector
}
