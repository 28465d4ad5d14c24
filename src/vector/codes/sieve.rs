//! Owns the first look at rows of 4 bits: by their signs alone, in front of each row, most of those that
//! are too far away are told from the others. What is left is measured by its whole code.

use super::bits;
use super::rows::CodeRows;
use crate::vector::kernel::Kernels;
use crate::vector::kernel::batch::{Lanes, Part, Scale, Terms};

/// Whole rows that are asked for at once: more lines than this would wait for each other.
const FIRST: usize = 6;

/// A vector as signs are compared with it.
#[derive(Clone, Debug)]
pub(super) struct Sieve {
    lanes: Vec<Lanes>,
    /// The slack is that of one standard deviation.
    terms: Terms,
}

impl Sieve {
    /// For a vector with these rotated coordinates, where `terms` makes distances of their products. The
    /// slack is one standard deviation of the distance to a row of length 1.
    pub(super) fn new(values: &[i8], terms: Terms, slack: f32) -> Self {
        let lanes = values.chunks(64).map(|chunk| {
            let mut lanes = Lanes([0; 64]);
            lanes.0[..chunk.len()].copy_from_slice(chunk);
            lanes
        });
        let sum: i32 = values.iter().map(|v| i32::from(*v)).sum();
        // Signs are 2 bit − 1.
        let terms = Terms { factor: 2, shift: -sum, slack, scale: Scale::Signs, ..terms };
        Self { lanes: lanes.collect(), terms }
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
        let part = bits::signs(rows.spec.dimension);
        (kernels.bits1)(&rows.batch(nodes, part, terms), &self.lanes, out);
    }
}

/// Asks for what is read of these rows first: head and signs if there is a sieve, else some whole rows.
pub(super) fn ask(kernels: &Kernels, rows: &CodeRows<'_>, sieve: Option<&Sieve>, nodes: &[u32]) {
    let spec = rows.spec;
    let (end, nodes) = match sieve {
        Some(_) => (bits::signs(spec.dimension).end, nodes),
        None => (spec.part().end, &nodes[..nodes.len().min(FIRST)]),
    };
    rows.ask(kernels, Part { start: 0, end }, nodes);
}

/// Leaves of `nodes` those whose distance is below the bound. Without a branch on whether one is, which
/// nobody could foresee.
pub(super) fn keep_nearer(nodes: &mut Vec<u32>, distances: &[f32], bound: f32) {
    let mut kept = 0;
    for (at, distance) in distances.iter().enumerate().take(nodes.len()) {
        nodes[kept] = nodes[at];
        kept += usize::from(*distance < bound);
    }
    nodes.truncate(kept);
}
