//! Owns the traits that every library is measured through: `Peer` for those in Rust, `Steps` for
//! any. Memory is measured from outside, in the same way for all: see `main.rs`.

use std::error::Error;
use std::path::Path;

use bench_tools::args::Args;
pub use bench_tools::vectors::{Metric, Vectors};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Beams of graphs: the `ef` of the paper.
pub const BEAMS: [usize; 11] = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384];
/// The `m` of graphs.
pub const M: usize = 16;
pub const EF_CONSTRUCTION: usize = 200;

/// A library in one configuration, in any language. Each step has a process of its own, and prints
/// the lines that `run::measure` reads.
pub trait Steps {
    fn name(&self) -> &'static str;

    fn build_step(&self, args: &Args, dir: &Path) -> Result<()>;

    fn search_step(&self, args: &Args, dir: &Path) -> Result<()>;
}

/// A library in one configuration that this program calls itself.
pub trait Peer {
    fn name(&self) -> &'static str;

    /// Returns the library's parameters, in its own words.
    fn parameters(&self) -> String;

    /// Indexes the rows under their numbers and writes everything to `dir`. Rows of the cosine
    /// metric have the norm 1.
    fn build(&self, base: &Vectors, metric: Metric, dir: &Path) -> Result<()>;

    /// Opens the files that `build` wrote, in another process.
    fn open(&self, dim: usize, metric: Metric, dir: &Path) -> Result<Box<dyn Index>>;

    /// Returns the widths of the searches, from narrow to wide.
    fn widths(&self) -> Vec<usize> {
        BEAMS.to_vec()
    }
}

/// An open index.
pub trait Index {
    /// Writes the numbers of the `k` nearest rows into `found`.
    fn search(&self, query: &[f32], k: usize, width: usize, found: &mut Vec<u32>) -> Result<()>;
}

/// Returns the error of a peer for a metric that it does not have.
pub fn unsupported<T>(metric: Metric) -> Result<T> {
    Err(format!("{metric:?} is not supported").into())
}
