//! Owns geometry: metrics, codes, the rotation used by some codes, and the kernels that measure
//! them. Knows nothing of rows, files or graphs.

pub(crate) mod codes;
pub(crate) mod kernel;
pub(crate) mod metric;
pub(crate) mod rotate;
