//! Owns what the tests of the operating system's faults share: the place of the ledger, the seed,
//! and the kinds of errors that a fault may cause. The writing session is in `session.rs`, its
//! processes are in `process.rs`.
#![allow(
    dead_code,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "each test file uses some of this, and tests may use files and print"
)]

pub(crate) mod book;
pub(crate) mod ledger;
pub(crate) mod places;
pub(crate) mod process;
pub(crate) mod session;

use crate::common::size;
use altiplano::Error;

/// Returns the seed of this run.
pub(crate) fn seed() -> u64 {
    size::seed(20_260_501)
}

/// Returns the name of an error's variant. A system fault must lead to one of these.
pub(crate) fn kind(error: &Error) -> &'static str {
    match error {
        Error::Io { .. } => "Io",
        Error::DiskFull { .. } => "DiskFull",
        Error::ReadOnly { .. } => "ReadOnly",
        Error::CommitUnknown { .. } => "CommitUnknown",
        Error::Poisoned { .. } => "Poisoned",
        Error::Locked { .. } => "Locked",
        Error::Corrupt { .. } => "Corrupt",
        Error::Closed => "Closed",
        _ => "other",
    }
}
