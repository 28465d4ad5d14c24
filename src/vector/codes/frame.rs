//! Owns frames: what the codes of a set of rows are made of. A frame has the kind of the codes and,
//! where one pays, a centre that is taken off every vector first: codes are off by a part of the
//! length of what they are made of, and around a centre that is short.
//!
//! Codes of equal frames can be copied between indexes. `choose` chooses a frame.

use std::borrow::Cow;
use std::sync::Arc;

use super::spec::CodeSpec;
use crate::options::{Metric, Quantization};
use crate::vector::metric::{squared_norm, unit};

/// What codes are made of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) spec: CodeSpec,
    /// Empty if none is taken off.
    centre: Vec<f32>,
}

impl From<CodeSpec> for Arc<Frame> {
    fn from(spec: CodeSpec) -> Self {
        Self::new(Frame { spec, centre: Vec::new() })
    }
}

impl Frame {
    /// With this centre, none if it is empty.
    pub(crate) fn new(spec: CodeSpec, centre: Vec<f32>) -> Self {
        Self { spec: CodeSpec { centred: !centre.is_empty(), ..spec }, centre }
    }

    /// What is taken off; empty if nothing is.
    pub(crate) fn centre(&self) -> &[f32] {
        &self.centre
    }

    /// What the code of a stored vector is made of.
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

    /// Mean squared length of what codes are made of.
    pub(super) fn energy(&self, sample: &[Vec<f32>]) -> f32 {
        mean(sample.iter().map(|vector| squared_norm(&self.place(vector))))
    }
}

fn mean(values: impl ExactSizeIterator<Item = f32>) -> f32 {
    let count = values.len().max(1);
    (values.map(f64::from).sum::<f64>() / count as f64) as f32
}
