//! Owns what a target is, and what becomes of an input.

use crate::error::Error;

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the files were taken in; otherwise a typed error came back.
    pub accepted: bool,
    /// Whether the checksums were made right after the edits.
    pub repaired: bool,
}

/// A decoder, or several that work together.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Feeds one input to it; panics where something does not hold.
    pub run: fn(&[u8]) -> Verdict,
}

/// Fails unless the error is one that damaged files may cause.
pub(super) fn typed(error: &Error) {
    let fits =
        matches!(error, Error::Corrupt { .. } | Error::UnsupportedFormat { .. } | Error::Io { .. });
    assert!(fits, "damage is reported as {error:?}");
}
