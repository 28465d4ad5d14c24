//! What a sampler is, and what it is made for.

use crate::vectors::Rng;

/// Fills one row. The number is the row's place in the order of insertion, from 0 to 1.
pub type Sampler = Box<dyn FnMut(&mut Rng, f64, &mut [f32])>;

/// What a sampler is made for.
pub struct Shape {
    pub dim: usize,
    pub rows: usize,
    /// For what all rows share, such as centers.
    pub rng: Rng,
}
