//! Search by words: what the text index costs, how fast it answers, and what it finds.
//!
//! `--step speed` writes texts of generated words, whose frequencies follow Zipf's law, and asks by
//! ordinary, rare and frequent words, phrases, prefixes and under filters. The best ten of a sample
//! of queries are compared with an independent BM25 (the crate `bm25`). `--step find` asks the
//! questions of the corpora in `corpora`, by vectors, by words and by both, and counts how many of
//! the texts that answer them are among the first ten.
//!
//! Prints a JSON line per case. The verdict is `holds` if two ordinary words take less than 3 ms in
//! the median at the largest size, and all scores agree.
//!
//! `cargo bench --bench text [-- --rows 10000,100000,1000000 --step speed]`
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints and measures"
)]

mod find;
mod generate;
mod oracle;
#[path = "../common/setup.rs"]
mod setup;
mod speed;

use std::error::Error;
use std::process::ExitCode;

use bench_tools::args::{self, Args, Opt};
use bench_tools::measure;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const OPTIONS: [Opt; 5] = [
    Opt { key: "rows", value: "LIST", help: "default 10000,100000,1000000; --quick: 5000" },
    Opt { key: "times", value: "N", help: "queries of each case; default 300; --quick: 20" },
    Opt { key: "step", value: "STEP", help: "speed or find; default: both" },
    Opt { key: "dim", value: "N", help: "dimension of the vectors; default 8" },
    Opt { key: "quick", value: "", help: "small and short, for CI" },
];

fn main() -> ExitCode {
    args::run("Search by words.", &OPTIONS, bench)
}

fn bench(args: &Args) -> Result<bool> {
    let pinned = measure::pin_to_core(0);
    let quick = args.has("quick");
    let step = args.text("step");
    if step.is_some_and(|step| !["speed", "find"].contains(&step)) {
        return Err(args.wrong("--step is speed or find").into());
    }
    let mut holds = true;
    if step != Some("find") {
        let sizes = match args.list::<u64>("rows")? {
            Some(sizes) => sizes,
            None if quick => vec![5_000],
            None => vec![10_000, 100_000, 1_000_000],
        };
        let run = speed::Run {
            times: args.get_or("times", if quick { 20 } else { 300 })?,
            dimension: args.get_or("dim", 8)?,
            pinned,
        };
        for size in sizes {
            holds &= run.size(size)?;
        }
    }
    if step != Some("speed") {
        find::all()?;
    }
    Ok(holds || quick)
}
