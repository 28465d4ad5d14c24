//! Recall against queries per second and against bytes per vector: Altiplano and other embedded
//! vector indexes with a Rust crate or a Python wheel. All run on the same data, in the same run,
//! one query per call, pinned to one core.
//!
//! ```text
//! cd benches/peers && cargo run --release -- [--base FILE --queries FILE] [--metric cosine|l2]
//!     [--limit N] [--only NAME,NAME] [--svg FILE] [--quick]
//! cd benches/peers && cargo run --release -- --churn [--rounds N] [--live N] [--turnover F] …
//! ```
//!
//! With `--churn`, some libraries are kept at a constant number of rows, which are replaced round
//! by round: see `churn/mod.rs`.
//!
//! It is a package of its own, so that the main build needs none of these libraries. A library is a
//! file in `src/peers/` that implements a trait in `src/peer.rs`. `src/peers/mod.rs` lists them,
//! and says which were left out. Those from Python wheels are files in `python/libraries/`. To
//! install them:
//!
//! ```text
//! python3 -m venv VENV && VENV/bin/pip install -r python/requirements.txt
//! PYTHON=VENV/bin/python cargo run --release -- …
//! ```
//!
//! Without `PYTHON` it runs `python3`. A library that is not installed is named on stderr and left
//! out. The figures of Python libraries include the cost of a call from Python; `parameters` say
//! how much it is.
//!
//! Each library builds its index in one process and writes it to a directory. Another process
//! searches it, and holds the queries and no other vectors. Resident bytes, anonymous and of mapped
//! files, are those added since the moment before the index was opened, after all queries so far.
//! Rows of the cosine metric are normalized beforehand. Recall is the share of the ten true nearest
//! rows, by number. `python/step.py` says where Python's figures are taken differently.
//!
//! Prints a JSON line per point (the keys of the benchmark `recall`, and `parameters`), and one per
//! library with `peer`, `build_s`, `q90`, `q95` and `q99`. These are queries per second at a
//! recall, interpolated between two points with a logarithm that is linear in the recall. `q90` is
//! from the best of three passes by wall clock; `cpu_q90` and so on are from the median by
//! processor time. Writes both plots into one SVG file.
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
