//! The budgets of a store: heap, disk and resident pages, and their edges.

mod disk;
mod edges;
mod heap;
#[cfg(target_os = "linux")]
mod resident;
