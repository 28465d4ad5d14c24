//! Owns `Fit`: the error of codes on the data they were made from. `measured` measures it on a
//! sample. A residual is the vector that is encoded: see `frame`.

use super::spec::CodeSpec;
use crate::options::Quantization;

/// The bound on errors is this many times their root mean square.
pub(super) const DEVIATIONS: f32 = 3.0;

/// Smallest bound on the error of the sign filter, in standard deviations; also used without a
/// measurement.
pub(super) const LOOK: f32 = 3.0;

/// Approximate nanoseconds to scan a byte of codes (`BYTE`) and to measure a row exactly (`ROW`).
/// The latter are for its checksums and columns, and per byte of its vector. Only the ratio of
/// these times matters here.
const BYTE: f32 = 0.03;
const ROW: (f32, f32) = (120.0, 0.12);

/// Codes are used only if their scan takes at most this share of the time of scanning the vectors.
const PAYS: f32 = 0.8;

/// The error of codes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fit {
    /// Largest error of a product by code, relative to the lengths of both residuals.
    pub(crate) sure: f32,
    /// Largest error of the sign filter, in standard deviations.
    pub(crate) look: f32,
    /// Greatest length of a residual.
    pub(crate) longest: f32,
    /// Approximate share of all rows that seem near enough by code to be measured exactly, but are
    /// not among the nearest.
    pub(crate) share: f32,
    /// Share of the true nearest that are among the rows measured exactly.
    pub(crate) recall: f32,
}

impl Fit {
    /// Returns the fit of vectors that are measured without codes.
    pub(crate) const fn exact() -> Self {
        Self { sure: 0.0, look: LOOK, longest: 0.0, share: 0.0, recall: 1.0 }
    }

    /// Returns the assumed fit of codes that were never measured, made of vectors without a centre,
    /// in an index of format version 1. It follows the theory for random directions (Gao et al.,
    /// SIGMOD 2025, theorem 3.2), with some margin.
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

    /// Returns the worse values of both fits, which hold for the rows of both.
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

    /// Returns true if a scan of such codes, with the exact measurements that follow, costs less
    /// than a scan of the vectors.
    pub(crate) fn pays(&self, spec: CodeSpec) -> bool {
        let bytes = 4.0 * spec.dimension as f32;
        let behind = self.share * (ROW.0 + ROW.1 * bytes);
        BYTE * spec.row_bytes() as f32 + behind < PAYS * BYTE * bytes
    }
}
