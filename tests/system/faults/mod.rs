//! Owns what the tests of the operating system's faults share: where the ledger is, how much is
//! run, and what a store must be like after a fault. The session that writes is `session.rs`, the
//! processes that it dies in are `process.rs`.
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

/// The seed of this run.
pub(crate) fn seed() -> u64 {
    size::seed(20_260_501)
}

/// The name of an error's variant: a fault of the system must be one of a few.
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
