//! Owns the interface of a library in the rounds of the churn.

use crate::peer::Result;

/// A library in one process, which stores the rows that it gets.
pub trait Churn {
    /// Removes the rows with these numbers.
    fn remove(&mut self, ids: &[u32]) -> Result<()>;
    /// Adds rows under new numbers.
    fn add(&mut self, ids: &[u32], rows: &[&[f32]]) -> Result<()>;
    /// Makes everything done so far durable.
    fn commit(&mut self) -> Result<()>;
    /// Does the maintenance against dead rows that the library's documentation names. `rows`
    /// returns the vectors of live rows to a library that must be rebuilt.
    fn maintain(&mut self, live: &[u32], rows: &dyn Fn(u32) -> Vec<f32>) -> Result<()>;
    fn search(&self, query: &[f32], k: usize, beam: usize, found: &mut Vec<u32>) -> Result<()>;
}
