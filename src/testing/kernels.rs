//! Owns the access of `benches/kernels.rs` to the kernels of every instruction set that this
//! processor has. Behind the feature `__bench` only; no part of the API.

use super::uniform::Uniform;
use crate::map_vec::MapVec;
use crate::options::{Metric, Quantization};
use crate::splitmix::STEP;
use crate::sync::OnceLock;
use crate::vector::codes::{BLOCKS_AT_ONCE, CodeBuffer, CodeSpec, FastScanBlocks, Measure, Query};
use crate::vector::kernel::Kernels;
use crate::vector::kernel::blocks::ROWS;

/// Number of different vectors among the rows; the others are copies. The kernels' time does not
/// depend on values.
const DIFFERENT: usize = 256;

fn kernels() -> &'static [Kernels] {
    static ALL: OnceLock<Vec<Kernels>> = OnceLock::new();
    ALL.get_or_init(Kernels::all)
}

/// Returns the names of the instruction sets, fastest first.
pub fn kernel_sets() -> Vec<&'static str> {
    kernels().iter().map(|kernels| kernels.name).collect()
}

/// Codes of vectors of length 1, as rows.
#[derive(Debug)]
pub struct Rows {
    spec: CodeSpec,
    vectors: Vec<Vec<f32>>,
    buffer: CodeBuffer,
    /// Their sign bits in FastScan blocks; empty for codes without signs.
    signs: MapVec<u8>,
}

impl Rows {
    /// Creates `rows` rows for the cosine metric.
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

    /// Returns the bytes per row.
    pub fn row_bytes(&self) -> usize {
        self.spec.row_bytes()
    }

    /// Returns a query that is measured by the instruction set `set` of [`kernel_sets`]; by the
    /// fastest if there is none of that name.
    pub fn query(&self, set: &str) -> Measured<'_> {
        let found = kernels().iter().find(|kernels| kernels.name == set);
        let query = Query::new(self.spec, vector(self.spec.dimension, DIFFERENT as u64));
        Measured { rows: self, query: query.with_kernels(found.unwrap_or(&kernels()[0])) }
    }

    /// Computes the distances from the first row to the rows `nodes`.
    pub fn pairs(&self, nodes: &[u32], out: &mut Vec<f32>) {
        self.buffer.rows().origin(0).distances(nodes, out);
    }

    /// Encodes `vectors` vectors and replaces the codes in `out`.
    pub fn encode(&self, vectors: usize, out: &mut Encoded) {
        let buffer = out.0.get_or_insert_with(|| CodeBuffer::new(self.spec, vectors));
        buffer.clear();
        self.vectors.iter().cycle().take(vectors).for_each(|vector| buffer.push(vector));
    }

    /// Encodes `queries` queries.
    pub fn encode_queries(&self, queries: usize) {
        for vector in self.vectors.iter().cycle().take(queries) {
            std::hint::black_box(Query::new(self.spec, vector.clone()));
        }
    }

    /// Reads the bytes of the rows `nodes` and adds them up.
    pub fn read(&self, nodes: &[u32]) -> u64 {
        /// Distance of the prefetch in rows, as in the kernels.
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

/// A buffer of encoded vectors.
#[derive(Debug, Default)]
pub struct Encoded(Option<CodeBuffer>);

/// A query, and the rows that it is compared with.
#[derive(Debug)]
pub struct Measured<'a> {
    rows: &'a Rows,
    query: Query,
}

impl Measured<'_> {
    /// Computes the distances to the rows `nodes`.
    pub fn distances(&self, nodes: &[u32], out: &mut Vec<f32>) {
        self.query.distances(&self.rows.buffer.rows(), nodes, out);
    }

    /// Prefilters the rows `nodes` as a search does that needs none of them. Where codes have
    /// signs, `nodes` is empty afterwards.
    pub fn look(&self, nodes: &mut Vec<u32>, buffer: &mut Vec<f32>) {
        let rows = self.rows.buffer.rows();
        let measure = self.query.over(&rows);
        measure.ask(nodes);
        measure.sift(f32::MIN, 1.0, nodes, buffer);
    }

    /// Prefilters all rows in the same way, by their FastScan blocks where codes have them.
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
