//! Owns `Quantization`, the name of the compact form of vectors. `vector::codes` has the codes
//! themselves.

use serde::{Deserialize, Serialize};

/// The compact form of vectors that searches read first; the best candidates are then measured
/// exactly.
///
/// Displayed as `none`, `int8`, `bits4`, `bits2` or `bits1`, and parsed from that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
#[doc(alias = "Codes")]
pub enum Quantization {
    /// One byte per dimension, with one scale per vector. The best candidates are reranked on the
    /// full vectors.
    Int8,
    /// The full vectors: four bytes per dimension.
    #[doc(alias = "F32")]
    None,
    /// Four bits per dimension, with one scale per vector, after a rotation that is the same for
    /// all vectors. The sign bits are stored once more in front: 256 bytes per vector at 384
    /// dimensions. Nearly as accurate as int8. Most candidates are rejected by their sign bits, a
    /// quarter of the code.
    Bits4,
    /// Two bits per dimension, otherwise like [`Self::Bits4`]: 112 bytes per vector at 384
    /// dimensions. For little memory; more rows are reranked.
    Bits2,
    /// One bit per dimension, otherwise like [`Self::Bits4`]: 64 bytes per vector at 384
    /// dimensions. For scans of very many rows; ten times more rows are reranked than are asked
    /// for.
    Bits1,
}

impl Quantization {
    /// Returns the default quantization for vectors of this dimension. The more dimensions share
    /// the error of a few bits, the smaller it is (Gao et al., SIGMOD 2025, theorem 3.2).
    pub(crate) const fn default_for(dimension: usize) -> Self {
        if dimension >= 256 { Self::Bits4 } else { Self::Int8 }
    }
}
