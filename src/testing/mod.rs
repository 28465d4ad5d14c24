//! Owns the code that tests, fuzzing and benchmarks share. None of it is part of the API, and no
//! module of the product names it.

#[cfg(test)]
pub(crate) mod fault;
#[cfg(any(test, feature = "__fuzzing"))]
pub mod hostile;
#[cfg(feature = "__bench")]
pub mod kernels;
#[cfg(test)]
pub(crate) mod sim;
#[cfg(test)]
pub(crate) mod size;
#[cfg(any(test, feature = "__bench"))]
mod uniform;

#[cfg(test)]
pub(crate) use uniform::Uniform;
