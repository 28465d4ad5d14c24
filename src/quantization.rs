//! Owns `Quantization`, the name of the compact form of vectors. What the codes look like is
//! `vector::codes`.

use serde::{Deserialize, Serialize};

/// The compact form of vectors that searches read first; the best are then measured exactly.
///
/// Shown as `none`, `int8`, `bits4`, `bits2` or `bits1`, and read back from that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
#[doc(alias = "Codes")]
pub enum Quantization {
    /// One byte a dimension with a scale per vector; reranked on the full vectors.
    Int8,
    /// The full vectors: four bytes a dimension.
    #[doc(alias = "F32")]
    None,
    /// Four bits a dimension after a rotation that is the same for all, with a scale per vector,
    /// and the signs once more in front: 256 bytes at 384 dimensions. Nearly as accurate as int8.
    /// Most candidates are rejected by their sign bits, a quarter of the code.
    Bits4,
    /// Two bits a dimension, otherwise like [`Self::Bits4`]: 112 bytes at 384 dimensions. For where
    /// memory is short; more rows are reranked.
    Bits2,
    /// One bit a dimension, otherwise like [`Self::Bits4`]: 64 bytes at 384 dimensions. For scans
    /// of very many rows; an order of magnitude more rows are reranked than are asked for.
    Bits1,
}

impl Quantization {
    /// The quantization of vectors of this many dimensions, unless another is asked for: the error
    /// of a few bits is smaller the more dimensions share it (Gao et al., SIGMOD 2025, theorem
    /// 3.2).
    pub(crate) const fn default_for(dimension: usize) -> Self {
        if dimension >= 256 { Self::Bits4 } else { Self::Int8 }
    }
}
