//! Owns the option that selects how a store reads its rows, and the names of its values. Needs
//! `measure`; `#[path = "…/common/io.rs"] mod io;`.
#![allow(unreachable_pub, reason = "it is a module of several targets")]

use altiplano::IoMode;

use bench_tools::args::{Args, Opt, Stop};

pub const OPTION: Opt =
    Opt { key: "io", value: "MODE", help: "how rows are read: mapped or pread; default mapped" };

/// Returns the mode that `--io` names.
pub fn mode(args: &Args) -> Result<IoMode, Stop> {
    match args.text(OPTION.key).unwrap_or("mapped") {
        "mapped" => Ok(IoMode::Mapped),
        "pread" => Ok(IoMode::Pread),
        other => Err(args.wrong(format!("--io {other:?} is neither mapped nor pread"))),
    }
}
