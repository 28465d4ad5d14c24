//! Owns the common code of the parts: the sizes, memories, and the check of an answer.

use altiplano::Memory;
use bench_tools::vectors::Rng;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The sizes of all parts.
pub(crate) struct Sizes {
    pub(crate) rows: u64,
    pub(crate) namespaces: u64,
    pub(crate) collections: u64,
    pub(crate) dim: usize,
}

/// Returns a memory whose vector follows from its id.
pub(crate) fn memory(id: u64, dim: usize) -> Memory {
    let mut rng = Rng::new(id);
    Memory::new(id, (0..dim).map(|_| rng.unit() as f32 - 0.5).collect::<Vec<f32>>())
}

/// Returns an error that names the wrong answer, unless `got` equals `wanted`.
pub(crate) fn expect<T: PartialEq + std::fmt::Debug>(what: &str, got: T, wanted: T) -> Result<()> {
    match got == wanted {
        true => Ok(()),
        false => Err(format!("{what}: {got:?}, not {wanted:?}").into()),
    }
}
