//! Owns what is known of the errors of codes on the data that they were made of. `measured`
//! measures it on a sample.

use super::spec::CodeSpec;
use crate::options::Quantization;

/// Errors are said to be at most so many times their root mean square.
pub(super) const DEVIATIONS: f32 = 3.0;

/// Standard deviations by which a first look is taken to be off at most where nothing was measured,
/// and however little was seen.
pub(super) const LOOK: f32 = 3.0;

/// Nanoseconds, about, for a byte of codes that is scanned, and for a row that is measured exactly:
/// its checksums and columns, and a byte of its vector. Only their proportion counts here.
const BYTE: f32 = 0.03;
const ROW: (f32, f32) = (120.0, 0.12);

/// A code must scan in this part of the time of the vectors to be used.
const PAYS: f32 = 0.8;

/// How far off codes are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fit {
    /// How far off a product by code is at most, as a part of the lengths of what both codes are
    /// made of.
    pub(crate) sure: f32,
    /// Standard deviations by which a first look may be off.
    pub(crate) look: f32,
    /// Greatest length of what a code is made of.
    pub(crate) longest: f32,
    /// About which part of all rows seem near enough by code to be measured exactly, though they
    /// are not.
    pub(crate) share: f32,
    /// Share of the true nearest that are among those which are measured exactly.
    pub(crate) recall: f32,
}

impl Fit {
    /// Of vectors that are measured as they are.
    pub(crate) const fn exact() -> Self {
        Self { sure: 0.0, look: LOOK, longest: 0.0, share: 0.0, recall: 1.0 }
    }

    /// Of codes of which nothing was measured, in an index of format version 1, of vectors as they
    /// are: by the theory (Gao et al., SIGMOD 2025, theorem 3.2), for directions at random, with
    /// some room.
    pub(crate) fn assumed(spec: CodeSpec, longest: f32) -> Self {
        let off = match spec.codes {
            Quantization::None => 0.0,
            Quantization::Int8 => 0.013,
            Quantization::Bits4 => 0.108,
            Quantization::Bits2 => 0.367,
            Quantization::Bits1 => 0.755,
        };
        let sure = 2.0 * DEVIATIONS * off / (spec.dimension as f32).sqrt();
        Self { sure, look: 2.0 * LOOK, longest, share: 0.01, recall: 0.0 }
    }

    /// What holds of the rows of both.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            sure: self.sure.max(other.sure),
            look: self.look.max(other.look),
            longest: self.longest.max(other.longest),
            share: self.share.max(other.share),
            recall: self.recall.min(other.recall),
        }
    }

    /// Whether a scan of such codes, with what is measured exactly behind it, costs less than a
    /// scan of the vectors.
    pub(crate) fn pays(&self, spec: CodeSpec) -> bool {
        let bytes = 4.0 * spec.dimension as f32;
        let behind = self.share * (ROW.0 + ROW.1 * bytes);
        BYTE * spec.row_bytes() as f32 + behind < PAYS * BYTE * bytes
    }
}
