//! Owns frames: how the codes of a set of rows are made. A frame has the kind of the codes and,
//! where worthwhile, a centre. The encoded vector is the residual: the stored vector, with length 1
//! under cosine, minus the centre. The error of a code is proportional to the length of its
//! residual, which a centre makes shorter. Without a centre, the residual is the vector itself.
//!
//! Codes of equal frames can be copied between indexes. `choose` chooses a frame.

use std::borrow::Cow;
use std::sync::Arc;

use super::spec::CodeSpec;
use crate::options::{Metric, Quantization};
use crate::vector::metric::{squared_norm, unit};

/// The kind and the centre of codes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) spec: CodeSpec,
    /// The centre that is subtracted; empty if there is none.
    centre: Vec<f32>,
}

impl From<CodeSpec> for Arc<Frame> {
    fn from(spec: CodeSpec) -> Self {
        Self::new(Frame { spec, centre: Vec::new() })
    }
}

impl Frame {
    /// Returns a frame with this centre; an empty one means none.
    pub(crate) fn new(spec: CodeSpec, centre: Vec<f32>) -> Self {
        Self { spec: CodeSpec { centred: !centre.is_empty(), ..spec }, centre }
    }

    /// Returns the centre; empty if there is none.
    pub(crate) fn centre(&self) -> &[f32] {
        &self.centre
    }

    /// Returns the residual of a stored vector.
    pub(super) fn place<'a>(&self, stored: &'a [f32]) -> Cow<'a, [f32]> {
        let mut placed = match (self.spec.codes, self.spec.metric) {
            (Quantization::None, _) => return Cow::Borrowed(stored),
            (_, Metric::Cosine) => Cow::Owned(unit(stored)),
            _ => Cow::Borrowed(stored),
        };
        if !self.centre.is_empty() {
            let centre = self.centre.iter();
            placed.to_mut().iter_mut().zip(centre).for_each(|(x, centre)| *x -= centre);
        }
        placed
    }

    /// Returns the mean squared length of the residuals.
    pub(super) fn energy(&self, sample: &[Vec<f32>]) -> f32 {
        mean(sample.iter().map(|vector| squared_norm(&self.place(vector))))
    }
}

fn mean(values: impl ExactSizeIterator<Item = f32>) -> f32 {
    let count = values.len().max(1);
    (values.map(f64::from).sum::<f64>() / count as f64) as f32
}
