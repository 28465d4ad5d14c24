//! Owns the sign filter of rows of 4 bits. By the signs in front of each row, it rejects most rows
//! that are too far away. The remaining rows are measured by their whole codes.
//!
//! The signs are multiplied with values of 4 bits by counting bits (Gao and Long, "RaBitQ:
//! Quantizing High-Dimensional Vectors with a Theoretical Error Bound for Approximate Nearest
//! Neighbor Search", SIGMOD 2024, section 3.3.2). The lowest bits of all values form one bit plane,
//! the next bits another, and so on. The product is a sum over the planes: the weight of the plane,
//! times the number of bits that it shares with the signs.

use super::bits;
use super::blocks::BlockSieve;
use super::rows::CodeRows;
use super::spec::CodeSpec;
use crate::vector::kernel::Kernels;
use crate::vector::kernel::batch::{Lanes, PLANES, Part, Scale, Terms};

/// Number of whole rows that are prefetched at once. More cache lines would wait for each other.
const FIRST: usize = 6;

/// The step between 16 values that is best for a normal distribution, in standard deviations. The
/// slack covers the error for other distributions.
const STEP: f32 = 0.335;

/// Adding this to a small number rounds it to the nearest whole number, which is then in the lowest
/// bits of the float.
const WHOLE: f32 = 12_582_912.0;

/// A vector in the form that is compared with the signs of rows.
#[derive(Clone, Debug)]
pub(super) struct SignFilter {
    /// The bit planes, for each cache line that is read of a row. A plane has no bits where the row
    /// has no signs.
    planes: Vec<Lanes>,
    /// The slack is that of one standard deviation.
    terms: Terms,
}

impl SignFilter {
    /// Returns the filter of a vector with these rotated coordinates. `terms` turns products into
    /// distances. `length` is the error of a distance to a row of length 1, per relative error of a
    /// product.
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

    /// Returns the form of the vector that is compared with FastScan blocks; `values` are its
    /// values.
    pub(super) fn over_blocks(&self, values: &[i8], deviations: f32) -> BlockSieve {
        BlockSieve::new(&Coarse::new(values).values, self.terms, deviations)
    }

    /// Returns the least possible distances of these rows in `out`, for an error of `deviations`
    /// standard deviations.
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

/// Values of 4 bits, -8 to 7, that approximate finer values.
#[derive(Clone, Debug, Default)]
struct Coarse {
    values: Vec<i8>,
    /// Makes the product with the finer values right, so that the error is orthogonal to them.
    scale: f32,
    /// Length of the error, relative to the length of the finer values.
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
        // Positive: the largest finer value exceeds their standard deviation, so it is not rounded
        // to zero, and no value changes its sign.
        let scale = squared / product(&values, fine);
        let length = scale * scale * product(&values, &values) / squared;
        Self { off: (length - 1.0).max(0.0).sqrt(), values, scale }
    }
}

/// Returns the bit planes of the values, at the places where a row has the signs of the same
/// coordinates.
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

/// Prefetches what is read first of these rows: head and signs with a sign filter, otherwise some
/// whole rows.
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

/// Keeps only the nodes whose distance is below the bound. It has no branch on the comparison,
/// because no processor could predict it.
pub(super) fn keep_nearer(nodes: &mut Vec<u32>, distances: &[f32], bound: f32) {
    let mut kept = 0;
    for (at, distance) in distances.iter().enumerate().take(nodes.len()) {
        nodes[kept] = nodes[at];
        kept += usize::from(*distance < bound);
    }
    nodes.truncate(kept);
}
