//! Owns the layout of the codes of a collection: their kind, and the content of a row.
//!
//! An f32 row: the stored vector, padded to 16 bytes. It is measured exactly.

use super::{bits, int8};
use crate::options::{Metric, Quantization};
use crate::vector::kernel::batch::Part;
use crate::vector::kernel::blocks::{Blocks, MOST_COORDINATES, ROWS};
use crate::vector::rotate::padded;

/// Relative error of a code of one bit per coordinate.
const SIGNS_OFF: f32 = 0.755;

/// The layout of the codes of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CodeSpec {
    pub(crate) codes: Quantization,
    pub(crate) metric: Metric,
    pub(crate) dimension: usize,
    /// Whether a centre is subtracted from vectors before they are encoded.
    pub(crate) centred: bool,
}

impl CodeSpec {
    /// Returns the spec of codes without a centre.
    pub(crate) const fn new(codes: Quantization, metric: Metric, dimension: usize) -> Self {
        Self { codes, metric, dimension, centred: false }
    }

    /// Returns the bytes of one row.
    pub(crate) const fn row_bytes(&self) -> usize {
        let bytes = self.part().end;
        match self.codes {
            // Rows start at cache lines, so that the part that is read first is in the first line.
            Quantization::Bits4 => bytes.next_multiple_of(64),
            _ => bytes.next_multiple_of(16),
        }
    }

    /// Returns how many bytes of a row the sign filter reads, if there is one (see
    /// [`Measure::sift`](super::rows::Measure::sift)).
    pub(crate) fn look_bytes(&self) -> Option<usize> {
        (self.codes == Quantization::Bits4).then(|| bits::look(self.dimension).end)
    }

    /// Returns where in a row its codes are.
    pub(super) const fn part(&self) -> Part {
        match self.codes {
            Quantization::Int8 => {
                let end = int8::HEAD + self.dimension;
                Part { start: int8::HEAD, end: end.next_multiple_of(16) }
            }
            Quantization::None => Part { start: 0, end: 4 * self.dimension },
            Quantization::Bits4 => bits::codes(4, self.dimension),
            Quantization::Bits2 => bits::codes(2, self.dimension),
            Quantization::Bits1 => bits::codes(1, self.dimension),
        }
    }

    /// Encodes a stored vector and appends its row.
    pub(super) fn encode(&self, vector: &[f32], out: &mut Vec<u8>) {
        let end = out.len() + self.row_bytes();
        match self.codes {
            Quantization::Int8 => int8::encode(vector, out),
            Quantization::None => out.extend(vector.iter().flat_map(|x| x.to_le_bytes())),
            Quantization::Bits4 => bits::encode(4, vector, out),
            Quantization::Bits2 => bits::encode(2, vector, out),
            Quantization::Bits1 => bits::encode(1, vector, out),
        }
        out.resize(end, 0);
    }

    /// Returns the error of a distance per error of a product of codes.
    pub(super) const fn product_counts(&self) -> f32 {
        match self.metric {
            Metric::L2 => 2.0,
            Metric::Cosine | Metric::Dot => 1.0,
        }
    }

    /// Returns the standard deviation of a product with the signs in front of a row, relative to
    /// both lengths. The query has an error of `query_off` of its length, in a direction random to
    /// the row.
    ///
    /// The error of the code is a vector in a random direction. Its length relative to the row's is
    /// that of the best quantizer of one bit for a normal distribution, (1 − cos²)^½ / cos. One of
    /// `dimension` directions counts (Gao et al., SIGMOD 2025, theorem 3.2). With the scale that
    /// makes products right on average, the signs are longer than the row by 1 / cos of the angle
    /// between them. Their product with the error of the query has that length.
    pub(super) fn sign_deviation(&self, query_off: f32) -> f32 {
        let squared_length = 1.0 + SIGNS_OFF * SIGNS_OFF;
        let off = SIGNS_OFF * SIGNS_OFF + squared_length * query_off * query_off;
        (off / self.dimension as f32).sqrt()
    }

    /// See [`CodeRows::length`](super::rows::CodeRows::length).
    #[inline]
    pub(crate) fn length(&self, row: &[u8]) -> f32 {
        let squared = match (self.codes, self.metric) {
            (Quantization::None, _) => return 0.0,
            (_, Metric::Cosine) if !self.centred => return 1.0,
            (Quantization::Int8, _) => int8::read(row).1,
            _ => bits::head(row).squared,
        };
        squared.max(0.0).sqrt()
    }

    /// Returns the bytes of a FastScan block; `None` for codes that have none.
    pub(crate) fn block_bytes(&self) -> Option<usize> {
        let coordinates = padded(self.dimension);
        let has = self.codes == Quantization::Bits4 && coordinates <= MOST_COORDINATES;
        has.then(|| Blocks::stride(coordinates / 16))
    }

    /// Replaces the content of `out` by a FastScan block of the signs of at most [`ROWS`] rows.
    /// Missing rows have length 0.
    pub(crate) fn encode_block(&self, rows: &[&[u8]], out: &mut Vec<u8>) {
        out.clear();
        let heads: Vec<(f32, f32)> = rows.iter().map(|row| bits::sign_terms(row)).collect();
        let head = |i: usize| heads.get(i).copied().unwrap_or_default();
        out.extend((0..ROWS).flat_map(|i| head(i).0.to_le_bytes()));
        out.extend((0..ROWS).flat_map(|i| head(i).1.to_le_bytes()));
        let four = |i: usize, at: usize| {
            let byte =
                rows.get(i).and_then(|row| row.get(bits::HEAD + at / 2)).copied().unwrap_or(0);
            byte >> (4 * (at % 2)) & 0x0f
        };
        for at in 0..padded(self.dimension) / 4 {
            out.extend((0..ROWS / 2).map(|i| four(i, at) | four(i + ROWS / 2, at) << 4));
        }
    }
}
