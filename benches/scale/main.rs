//! The cost of deletes and of large numbers, in these parts: dropping one of very many namespaces,
//! a `delete_where` of half of all rows, and deletes by very long lists. Then the expiry of whole
//! segments, and thousands of collections in one store. Also the cost of building and merging one
//! graph of all rows.
//!
//! Prints a JSON line for each part. Checks every count, and what is left after a reopen.
//!
//! `cargo bench --bench scale [-- --rows 1000000 --namespaces 10000 --collections 3000]`
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints and measures"
)]

mod collections;
mod expiry;
mod lists;
mod merge;
mod namespaces;
mod process;
#[path = "../common/setup.rs"]
mod setup;
mod shared;

use std::process::ExitCode;

use bench_tools::args::{self, Args, Opt};
use shared::{Result, Sizes};

const OPTIONS: [Opt; 6] = [
    Opt { key: "rows", value: "N", help: "in one collection; default 1000000; --quick: 40000" },
    Opt { key: "namespaces", value: "N", help: "among these; default 10000; --quick: 400" },
    Opt { key: "collections", value: "N", help: "in one store; default 3000; --quick: 200" },
    Opt { key: "dim", value: "N", help: "of the vectors in collections; default 384; --quick: 64" },
    Opt {
        key: "parts",
        value: "LIST",
        help: "namespaces,lists,expiry,collections,merge; default: all",
    },
    Opt { key: "quick", value: "", help: "small and short, for CI" },
];

fn main() -> ExitCode {
    args::run("Deletion and collections at scale.", &OPTIONS, bench)
}

fn bench(args: &Args) -> Result<bool> {
    let quick = args.has("quick");
    let of = |key: &str, full: u64, small: u64| args.get_or(key, if quick { small } else { full });
    let sizes = Sizes {
        rows: of("rows", 1_000_000, 40_000)?,
        namespaces: of("namespaces", 10_000, 400)?,
        collections: of("collections", 3_000, 200)?,
        dim: of("dim", 384, 64)? as usize,
    };
    let parts = args.list::<String>("parts")?;
    let wanted = |part: &str| parts.as_ref().is_none_or(|parts| parts.iter().any(|p| p == part));
    if wanted("namespaces") {
        namespaces::run(&sizes)?;
    }
    if wanted("lists") {
        lists::run(quick)?;
    }
    if wanted("expiry") {
        expiry::run(&sizes)?;
    }
    if wanted("collections") {
        collections::run(&sizes, quick)?;
    }
    if wanted("merge") {
        merge::run(&sizes)?;
    }
    Ok(true)
}
