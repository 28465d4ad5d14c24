//! Owns the first look at rows of 4 bits: by their signs alone, in front of each row, most of those
//! that are too far away are told from the others. What is left is measured by its whole code.
//!
//! The signs are multiplied with values of 4 bits, by counting bits (Gao and Long, "RaBitQ:
//! Quantizing High-Dimensional Vectors with a Theoretical Error Bound for Approximate Nearest
//! Neighbor Search", SIGMOD 2024, section 3.3.2): with the lowest bits of all values, the next, and
//! so on as one plane of bits each, the product is the sum over the planes of what their bits stand
//! for, times the number of bits that plane and signs share.

use super::bits;
use super::blocks::BlockSieve;
use super::rows::CodeRows;
use super::spec::CodeSpec;
use crate::vector::kernel::Kernels;
use crate::vector::kernel::batch::{Lanes, PLANES, Part, Scale, Terms};

/// Whole rows that are asked for at once: more lines than this would wait for each other.
const FIRST: usize = 6;

/// The step between two of 16 values that is best for a normal distribution, in its deviations. Any
/// other is allowed for by the slack.
const STEP: f32 = 0.335;

/// Added to a small number, it leaves no room for a fraction, and the nearest whole number in the
/// lowest bits.
const WHOLE: f32 = 12_582_912.0;

/// A vector as signs are compared with it.
#[derive(Clone, Debug)]
pub(super) struct SignFilter {
    /// For each cache line of what is read of a row its planes, without a bit where the row has no
    /// sign.
    planes: Vec<Lanes>,
    /// The slack is that of one standard deviation.
    terms: Terms,
}

impl SignFilter {
    /// For a vector with these rotated coordinates, where `terms` makes distances of their
    /// products, and those of a row of length 1 are off by `length` times what a product is off, as
    /// a part of itself.
    pub(super) fn new(spec: CodeSpec, values: &[i8], terms: Terms, length: f32) -> Self {
        let coarse = Coarse::new(values);
        let sum: i32 = coarse.values.iter().map(|v| i32::from(*v)).sum();
        // Signs are 2 bit − 1.
        let terms = Terms {
            factor: 2,
            shift: -sum,
            weight: terms.weight * coarse.scale,
            slack: length * spec.sign_deviation(coarse.off),
            scale: Scale::Signs,
            ..terms
        };
        Self { planes: planes(spec.dimension, &coarse.values), terms }
    }

    /// The same vector, of these values, as signs side by side are compared with it.
    pub(super) fn over_blocks(&self, values: &[i8], deviations: f32) -> BlockSieve {
        BlockSieve::new(&Coarse::new(values).values, self.terms, deviations)
    }

    /// How near these rows may be, at least, with an error of so many standard deviations.
    pub(super) fn measure(
        &self,
        kernels: &Kernels,
        rows: &CodeRows<'_>,
        deviations: f32,
        nodes: &[u32],
        out: &mut Vec<f32>,
    ) {
        out.clear();
        out.resize(nodes.len(), 0.0);
        let terms = Terms { slack: deviations * self.terms.slack, ..self.terms };
        let part = bits::look(rows.spec.dimension);
        (kernels.planes)(&rows.batch(nodes, part, terms), &self.planes, out);
    }
}

/// Values of 4 bits, -8 to 7, in place of finer ones.
#[derive(Clone, Debug, Default)]
struct Coarse {
    values: Vec<i8>,
    /// Makes the product with the finer ones right, so that what is off is orthogonal to them.
    scale: f32,
    /// How long what is off is, as a part of their length.
    off: f32,
}

impl Coarse {
    fn new(fine: &[i8]) -> Self {
        let product = |a: &[i8], b: &[i8]| -> f32 {
            // At most 2^14 times 65,536.
            a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum::<i32>() as f32
        };
        let squared = product(fine, fine);
        if squared <= 0.0 {
            return Self { values: vec![0; fine.len()], ..Self::default() };
        }
        let inverse = (fine.len() as f32 / squared).sqrt() / STEP;
        let coarse = |v: &i8| ((f32::from(*v) * inverse).clamp(-8.0, 7.0) + WHOLE).to_bits() as i8;
        let values: Vec<i8> = fine.iter().map(coarse).collect();
        // Positive: the largest of the finer values is above their deviation, and none changes its
        // sign.
        let scale = squared / product(&values, fine);
        let length = scale * scale * product(&values, &values) / squared;
        Self { off: (length - 1.0).max(0.0).sqrt(), values, scale }
    }
}

/// The bits of the values where a row has the signs of the same coordinates.
fn planes(dimension: usize, values: &[i8]) -> Vec<Lanes> {
    const LOWEST: u64 = 0x0101_0101_0101_0101;
    let lines = bits::look(dimension).end / 64;
    let mut planes = vec![[Lanes([0; 64]); PLANES]; lines];
    let values: &[u8] = bytemuck::cast_slice(values);
    for (at, eight) in (bits::HEAD..64 * lines).zip(values.as_chunks::<8>().0) {
        let eight = u64::from_le_bytes(*eight);
        for (plane, lanes) in planes[at / 64].iter_mut().enumerate() {
            lanes.0[at % 64] = bits::gather(eight >> plane & LOWEST) as i8;
        }
    }
    planes.into_flattened()
}

/// Asks for what is read of these rows first: head and signs if there is a sieve, else some whole
/// rows.
pub(super) fn ask(
    kernels: &Kernels,
    rows: &CodeRows<'_>,
    sieve: Option<&SignFilter>,
    nodes: &[u32],
) {
    let spec = rows.spec;
    let (end, nodes) = match sieve {
        Some(_) => (bits::look(spec.dimension).end, nodes),
        None => (spec.part().end, &nodes[..nodes.len().min(FIRST)]),
    };
    rows.ask(kernels, Part { start: 0, end }, nodes);
}

/// Leaves of `nodes` those whose distance is below the bound. Without a branch on whether one is,
/// which nobody could foresee.
pub(super) fn keep_nearer(nodes: &mut Vec<u32>, distances: &[f32], bound: f32) {
    let mut kept = 0;
    for (at, distance) in distances.iter().enumerate().take(nodes.len()) {
        nodes[kept] = nodes[at];
        kept += usize::from(*distance < bound);
    }
    nodes.truncate(kept);
}
