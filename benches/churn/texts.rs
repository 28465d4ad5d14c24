//! Owns the texts of memories: none, stored, or stored and indexed by their words. The words of a
//! text are arithmetic on the memory's id and vector.

use altiplano::{Collection, CollectionOptions, Memory, TextIndex};

/// What texts the memories have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Texts {
    None,
    Stored,
    Indexed,
}

/// Words of a text, beside that which only this memory has.
const WORDS: u64 = 11;
/// Different words. The word of rank r comes with a probability proportional to 1 / r, or nearly so.
const VOCABULARY: f64 = 8_000.0;

impl Texts {
    pub(crate) fn parse(name: Option<&str>) -> Option<Self> {
        match name {
            None | Some("none") => Some(Self::None),
            Some("stored") => Some(Self::Stored),
            Some("indexed") => Some(Self::Indexed),
            Some(_) => None,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Stored => "stored",
            Self::Indexed => "indexed",
        }
    }

    /// Returns the options of a collection with such texts.
    pub(crate) fn options(self, options: CollectionOptions) -> CollectionOptions {
        match self {
            Self::None | Self::Stored => options,
            Self::Indexed => options.text_index(TextIndex::new()),
        }
    }

    /// Returns the memory with its text.
    pub(crate) fn of(self, memory: Memory, id: u64, row: u32) -> Memory {
        if self == Self::None {
            return memory;
        }
        let mut text = format!("memory{id}");
        let mut seed = u64::from(row) << 32 | id;
        for _ in 0..WORDS {
            seed = seed.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            let share = (seed >> 11) as f64 / (1u64 << 53) as f64;
            text.push_str(&format!(" word{}", VOCABULARY.powf(share) as u64));
        }
        memory.text(text)
    }

    /// Checks that a memory is found by the word that no other has.
    pub(crate) fn find(self, notes: &Collection, id: u64) -> Result<(), String> {
        if self != Self::Indexed {
            return Ok(());
        }
        let hits = notes.search_text(format!("memory{id}")).k(2).run();
        let hits = hits.map_err(|e| format!("search by a word: {e}"))?;
        match hits.iter().map(|hit| hit.id).eq([id.into()]) {
            true => Ok(()),
            false => Err(format!("memory {id} is not found by its word, but {hits:?}")),
        }
    }
}
