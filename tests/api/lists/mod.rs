//! Tests of lists, windows and counts. Answers are compared with what `scan` returns, sorted and
//! counted here.

mod moving;
mod names;
mod pages;
mod refusals;
mod windows;
pub(crate) mod world;
