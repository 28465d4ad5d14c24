//! Owns what is remembered: texts of common words with a random vector and a random importance,
//! the same for the same seed.

use altiplano::agent::NewMemory;
use altiplano::{Memory, MemoryId};

const WORDS: [&str; 24] = [
    "river", "train", "doctor", "apple", "window", "letter", "garden", "music", "bridge", "winter",
    "coffee", "market", "teacher", "ticket", "island", "camera", "butter", "engine", "summer",
    "pencil", "rocket", "forest", "silver", "planet",
];

/// The text of a pinned memory.
pub(crate) fn pinned(i: u64) -> String {
    format!("Contact {i} is reached at extension {}", 4000 + i * 37)
}

/// A source of memories.
pub(crate) struct Load {
    state: u64,
    dimension: usize,
}

impl Load {
    pub(crate) const fn new(seed: u64, dimension: usize) -> Self {
        Self { state: seed, dimension }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Returns a text of 4 to 35 words.
    pub(crate) fn text(&mut self) -> String {
        let count = 4 + self.next() % 32;
        let word = |_| WORDS[(self.next() % WORDS.len() as u64) as usize];
        (0..count).map(word).collect::<Vec<_>>().join(" ")
    }

    fn vector(&mut self) -> Vec<f32> {
        (0..self.dimension).map(|_| self.unit() - 0.5).collect()
    }

    /// Returns a text to remember.
    pub(crate) fn new_memory(&mut self) -> NewMemory {
        let (text, vector, importance) = (self.text(), self.vector(), self.unit());
        NewMemory::new(text).vector(vector).importance(importance)
    }

    /// Returns a memory as a store takes it.
    pub(crate) fn memory(&mut self) -> Memory {
        let (text, vector, importance) = (self.text(), self.vector(), self.unit());
        Memory::new(MemoryId::unique(), vector).text(text).importance(importance)
    }
}
