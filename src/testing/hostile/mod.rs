//! Owns the code that feeds damaged and hostile files to every decoder. Whatever the bytes are, the
//! result must be a typed error or an answer. It must never be a panic, nor a wrong row where the
//! checksums were left as they were. Compiled for tests and behind the feature `__fuzzing`; no part
//! of the API.
//!
//! An input is not a file but a list of edits to a golden file (`edits`). After the edits, all
//! checksums may be corrected (`repair`): otherwise the first checksum would refuse random bytes,
//! and nothing behind it would be reached. Golden files are made here, from fixed seeds (`golden`).
//! The caller limits time and memory: `tests/fuzz`.
#![allow(clippy::print_stderr, clippy::missing_panics_doc, reason = "a failed check must tell")]

mod cursor;
mod edits;
mod files;
mod golden;
mod graph;
mod log;
mod manifest;
mod repair;
mod segment;
mod store;
#[cfg(test)]
mod tests;
mod verdict;

pub use verdict::{Target, Verdict};

use golden::Golden;

/// All targets of this crate.
pub const TARGETS: [Target; 6] = [
    Target { name: "log", run: log::log },
    Target { name: "manifest", run: manifest::manifest },
    Target { name: "segment", run: segment::segment },
    Target { name: "graph", run: graph::graph },
    Target { name: "store", run: store::store },
    Target { name: "cursor", run: cursor::cursor },
];

/// Makes the golden files, so that the first run takes no longer than the others. Returns their
/// bytes in all.
pub fn prepare() -> usize {
    Golden::get().files.values().map(|bytes| bytes.len()).sum()
}

/// Returns a random input: the same for the same seed.
pub fn random_input(seed: u64) -> Vec<u8> {
    edits::random(seed)
}
