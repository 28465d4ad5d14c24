//! What a library must be able to do in the rounds of the churn.

use crate::peer::Result;

/// A library in one process, which keeps what it is given.
pub trait Churn {
    /// Rows under these numbers leave.
    fn remove(&mut self, ids: &[u32]) -> Result<()>;
    /// Rows under new numbers come.
    fn add(&mut self, ids: &[u32], rows: &[&[f32]]) -> Result<()>;
    /// What was done so far is durable.
    fn commit(&mut self) -> Result<()>;
    /// What its documentation names against dead rows. `rows` gives the vectors of what lives to
    /// one that has to be rebuilt.
    fn maintain(&mut self, live: &[u32], rows: &dyn Fn(u32) -> Vec<f32>) -> Result<()>;
    fn search(&self, query: &[f32], k: usize, beam: usize, found: &mut Vec<u32>) -> Result<()>;
}
