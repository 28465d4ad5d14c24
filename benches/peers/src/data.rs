//! Owns the data of the libraries, and the names of the files between two steps.

use bench_tools::args::Args;

use crate::peer::{Metric, Result};
use crate::setup::Data;

/// Rows without `--base`.
pub const GENERATED: usize = 40_000;
/// The rows that each round of the churn deletes.
pub const DELETES: &str = "deletes.ivecs";

/// Returns the vectors that an index is built of.
pub fn data(args: &Args) -> Result<Data> {
    let mut data = Data::unanswered(args, GENERATED)?;
    if data.exact == Metric::Cosine {
        data.base.normalize();
    }
    Ok(data)
}
