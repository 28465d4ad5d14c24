//! What the parts share: how much there is of everything, memories, and the check of an answer.

use altiplano::Memory;
use bench_tools::vectors::Rng;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How much there is of everything.
pub(crate) struct Sizes {
    pub(crate) rows: u64,
    pub(crate) namespaces: u64,
    pub(crate) collections: u64,
    pub(crate) dim: usize,
}

/// A memory whose vector follows from its id.
pub(crate) fn memory(id: u64, dim: usize) -> Memory {
    let mut rng = Rng::new(id);
    Memory::new(id, (0..dim).map(|_| rng.unit() as f32 - 0.5).collect::<Vec<f32>>())
}

/// An error that says which answer is wrong, unless the two are equal.
pub(crate) fn expect<T: PartialEq + std::fmt::Debug>(what: &str, got: T, wanted: T) -> Result<()> {
    match got == wanted {
        true => Ok(()),
        false => Err(format!("{what}: {got:?}, not {wanted:?}").into()),
    }
}
