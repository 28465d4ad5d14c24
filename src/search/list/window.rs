//! Owns `Window`: how much of the newest memories an agent wants to read again.

use serde::{Deserialize, Serialize};

use crate::memory::Memory;

/// Bytes of a text that count as one token where the caller gave no number.
const BYTES_PER_TOKEN: usize = 4;

/// How many of the newest memories [`Collection::recent`](crate::Collection::recent) returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Window {
    /// This many memories.
    Turns(usize),
    /// As many as have at most this many tokens together.
    Tokens(u64),
}

impl Window {
    /// The newest `n` memories.
    pub const fn turns(n: usize) -> Self {
        Self::Turns(n)
    }

    /// As many of the newest memories as fit into `n` tokens. The first that does not fit ends the
    /// window, so there is no gap in it. If the newest memory does not fit, the window is empty.
    ///
    /// A memory counts [`Memory::tokens`](crate::Memory::tokens). Where that is not set, it counts
    /// the bytes of its text divided by 4, rounded up, and 0 without a text.
    pub const fn tokens(n: u64) -> Self {
        Self::Tokens(n)
    }
}

/// Returns how many tokens a memory counts in a window.
pub(super) fn tokens_of(memory: &Memory) -> u64 {
    let of_text = || memory.text.as_ref().map_or(0, |text| text.len().div_ceil(BYTES_PER_TOKEN));
    memory.tokens.map_or_else(|| of_text() as u64, u64::from)
}
