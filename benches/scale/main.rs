//! What deletion and sheer numbers cost: dropping one of very many namespaces, a `delete_where` of half
//! of all rows, deletes by very long lists, the expiry of whole segments, thousands of collections in one
//! store; and what it takes to build and merge one graph of all rows.
//!
//! Prints a JSON line for each part. Every count, and what is left after a reopen, is checked.
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

use bench_tools::vectors;
use std::error::Error;

use altiplano::Memory;
use bench_tools::measure::{Args, Opt};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

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

/// How much there is of everything.
struct Sizes {
    rows: u64,
    namespaces: u64,
    collections: u64,
    dim: usize,
}

fn main() -> Result<()> {
    let args =
        Args::from_env("Deletion and collections at scale.", &OPTIONS).map_err(|stop| stop.text)?;
    let quick = args.has("quick");
    let of = |key: &str, full: u64, small: u64| {
        args.get_or(key, if quick { small } else { full }).map_err(|stop| stop.text)
    };
    let sizes = Sizes {
        rows: of("rows", 1_000_000, 40_000)?,
        namespaces: of("namespaces", 10_000, 400)?,
        collections: of("collections", 3_000, 200)?,
        dim: of("dim", 384, 64)? as usize,
    };
    let parts = args.list::<String>("parts").map_err(|stop| stop.text)?;
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
    Ok(())
}

/// A memory whose vector follows from its id.
fn memory(id: u64, dim: usize) -> Memory {
    let mut rng = vectors::Rng::new(id);
    Memory::new(id, (0..dim).map(|_| rng.unit() as f32 - 0.5).collect::<Vec<f32>>())
}

/// An error that says which answer is wrong, unless the two are equal.
fn expect<T: PartialEq + std::fmt::Debug>(what: &str, got: T, wanted: T) -> Result<()> {
    match got == wanted {
        true => Ok(()),
        false => Err(format!("{what}: {got:?}, not {wanted:?}").into()),
    }
}
