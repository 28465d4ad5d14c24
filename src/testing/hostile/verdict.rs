//! Owns the types of a target and of the result of an input.

use crate::error::Error;

/// The result of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// True if the files were accepted; false if a typed error was returned.
    pub accepted: bool,
    /// True if the checksums were corrected after the edits.
    pub repaired: bool,
}

/// A decoder, or several that work together.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Runs one input, and panics if a check fails.
    pub run: fn(&[u8]) -> Verdict,
}

/// Panics unless the error is one that damaged files may cause.
pub(super) fn typed(error: &Error) {
    let fits =
        matches!(error, Error::Corrupt { .. } | Error::UnsupportedFormat { .. } | Error::Io { .. });
    assert!(fits, "damage is reported as {error:?}");
}
