//! Owns the type of a sampler and its parameters.

use crate::vectors::Rng;

/// Fills one row. The number is the row's position in the order of insertion, from 0 to 1.
pub type Sampler = Box<dyn FnMut(&mut Rng, f64, &mut [f32])>;

/// The parameters of a sampler.
pub struct Shape {
    pub dim: usize,
    pub rows: usize,
    /// For values that all rows share, such as centers.
    pub rng: Rng,
}
