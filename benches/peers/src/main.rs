//! Recall against queries per second and against bytes per vector: Altiplano beside other embedded
//! vector indexes with a Rust crate or a Python wheel, on the same data, in the same run, one query a
//! call, everything pinned to one core.
//!
//! ```text
//! cd benches/peers && cargo run --release -- [--base FILE --queries FILE] [--metric cosine|l2]
//!     [--limit N] [--only NAME,NAME] [--svg FILE] [--quick]
//! cd benches/peers && cargo run --release -- --churn [--rounds N] [--live N] [--turnover F] …
//! ```
//!
//! With `--churn`, some of them are kept at a constant count of rows that are replaced round by
//! round: `churn/mod.rs` says how.
//!
//! It is a package of its own, so that the main build needs none of these libraries. A library is a
//! file in `src/peers/` that implements a trait in `src/peer.rs`; `src/peers/mod.rs` lists them, and
//! says which were left out. Those from Python wheels are files in `python/libraries/`. To get them:
//!
//! ```text
//! python3 -m venv VENV && VENV/bin/pip install -r python/requirements.txt
//! PYTHON=VENV/bin/python cargo run --release -- …
//! ```
//!
//! Without `PYTHON` it is `python3`; a library that is not there is named on stderr and left out. What a
//! call from Python costs is in their figures; `parameters` say how much it is.
//!
//! Each library builds its index in one process, writes it to a directory, and is searched in another
//! process that holds the queries and no other vector. Resident bytes, anonymous and of mapped files,
//! are those that came since the moment before the index was opened, after all queries so far. Rows of
//! the cosine metric are normalised beforehand. Recall is the share of the ten true nearest by number.
//! Where Python's figures are taken differently, `python/step.py` says it.
//!
//! Prints a JSON line for each point (the keys of the benchmark `recall`, and `parameters`), and for
//! each library one with `peer`, `build_s`, `q90`, `q95`, `q99`: queries a second at a recall, on a
//! curve whose logarithm is linear between two points, of the best of three passes by wall clock;
//! `cpu_q90` and so on of their median by processor time. Writes both plots into one SVG file.
#![allow(clippy::disallowed_methods, reason = "a benchmark uses files and clocks")]

mod churn;
mod data;
mod peer;
mod peers;
mod report;
mod run;
#[path = "../../common/setup.rs"]
mod setup;
#[path = "../../common/steps.rs"]
mod steps;

use std::path::PathBuf;

use bench_tools::args::{Args, Opt};
use data::GENERATED;
use peer::Result;
use setup::{Data, Scratch};

const OPTIONS: [Opt; 12] = [
    Opt { key: "only", value: "LIST", help: "libraries; default: all" },
    Opt { key: "svg", value: "FILE", help: "the plots; default: beside the program" },
    Opt { key: "churn", value: "", help: "rounds of deletes and inserts instead" },
    Opt { key: "live", value: "N", help: "with --churn: rows alive; default 20000" },
    Opt { key: "rounds", value: "N", help: "with --churn: default 30" },
    Opt { key: "turnover", value: "F", help: "with --churn: share replaced a round; default 0.1" },
    Opt { key: "pace", value: "S", help: "with --churn: least seconds of a round; default 1" },
    Opt { key: "work", value: "DIR", help: "with --step churn: what was handed over" },
    Opt { key: "maintained", value: "BOOL", help: "with --step churn: whether it is" },
    Opt { key: "step", value: "NAME", help: "build, search or churn, as it does for itself" },
    Opt { key: "peer", value: "NAME", help: "with --step: which library" },
    Opt { key: "dir", value: "DIR", help: "with --step: where its index is" },
];

fn main() -> Result<()> {
    let options = setup::options(&OPTIONS);
    let args = Args::from_env("Recall against queries per second of several libraries.", &options);
    let args = args?;
    let pinned = measure::pin_to_core(0);
    if let Some(step) = args.text("step") {
        return run::step(step, &args);
    }
    if args.has("churn") {
        return churn::run(&args, pinned);
    }
    let mut data = Data::of(&args, GENERATED)?;
    let rows = data.base.len();
    data.base.data = Vec::new();
    let work = Scratch::new("peers");
    if data.exact == vectors::Metric::Cosine {
        data.queries.normalize();
    }
    steps::hand_over(&data.queries, &data.truth, work.path())?;
    let only = args.list::<String>("only")?;
    let known = peers::all();
    if let Some(wrong) = only.iter().flatten().find(|name| known.iter().all(|p| p.name() != *name))
    {
        let names: Vec<_> = known.iter().map(|peer| peer.name()).collect();
        return Err(args.wrong(format!("--only {wrong}: not one of {names:?}")).into());
    }
    report::heads();
    let mut results = Vec::new();
    for peer in known {
        if only.as_ref().is_some_and(|only| only.iter().all(|name| name != peer.name())) {
            continue;
        }
        let dir = work.path().join(peer.name());
        let measured = run::measure(&args, peer.name(), work.path(), &dir);
        let _ = std::fs::remove_dir_all(&dir);
        match measured {
            Ok(measured) => {
                let result =
                    report::Peer { name: peer.name(), data: &data, rows, pinned, measured };
                result.print();
                results.push(result);
            }
            Err(reason) => eprintln!("{}: {reason}", peer.name()),
        }
    }
    report::table(&results);
    let beside = std::env::current_exe()?.with_file_name("peers.svg");
    let svg = args.text("svg").map_or(beside, PathBuf::from);
    std::fs::write(&svg, report::picture(&data, rows, &results))?;
    eprintln!("plots: {}", svg.display());
    if results.is_empty() { Err("nothing was measured".into()) } else { Ok(()) }
}
