//! Recall against queries per second: a curve per codes × builder × path, and its values at recall
//! 0.90, 0.95 and 0.99. Every answer is checked against exact search. One thread, one query per
//! call, median of three passes.
//!
//! Each store is built in a process of its own. Each path is searched in another process, which
//! holds the queries and no other vectors. Resident bytes are those added since the moment before
//! the store was opened, after all queries so far. Scans have one point. `Auto` is asked for
//! recalls, `Graph` for beams. `--seeds N` builds each kind N times, each time in another order of
//! insertion, and prints the smallest and the largest figures.
//!
//! `cargo bench --bench recall [-- --base FILE --queries FILE --metric cosine]`
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints and measures"
)]

#[path = "../common/io.rs"]
mod io;
mod report;
mod run;
#[path = "../common/setup.rs"]
mod setup;
#[path = "../common/steps.rs"]
mod steps;

use std::error::Error;
use std::process::ExitCode;

use altiplano::{GraphBuilder, Quantization, SearchMode};
use bench_tools::args::{Args, Opt};
use bench_tools::measure;
use report::Curve;
use run::{GENERATED, Kind, PATHS, SCAN_ONLY, SPREAD};
use setup::{CODES, CODES_OPTION, Data, Scratch};

const OPTIONS: [Opt; 8] = [
    CODES_OPTION,
    Opt { key: "builders", value: "LIST", help: "flat,hnswrs,none; default: see above" },
    Opt { key: "seeds", value: "N", help: "orders of insertion; default 1" },
    io::OPTION,
    Opt { key: "step", value: "NAME", help: "build or search, as it does for itself" },
    Opt { key: "dir", value: "DIR", help: "with --step: the store; --seeds is the seed then" },
    Opt { key: "path", value: "NAME", help: "with --step search: the path" },
    Opt { key: "rows", value: "N", help: "with --step search: rows in the store" },
];

fn main() -> ExitCode {
    setup::run("Recall against queries per second.", &OPTIONS, bench)
}

fn bench(args: &Args) -> Result<bool, Box<dyn Error>> {
    let pinned = measure::pin_to_core(0);
    if let Some(step) = args.text("step") {
        run::step(step, args)?;
        return Ok(true);
    }
    let mut data = Data::of(args, GENERATED)?;
    let rows = data.base.len();
    data.base.data = Vec::new();
    let work = Scratch::new("recall");
    steps::hand_over(&data.queries, &data.truth, work.path())?;
    let bench = Bench { args, data: &data, rows, pinned, work: &work };
    let seeds = args.get_or("seeds", 1)?;
    report::heads();
    let mut curves = Vec::new();
    for (codes, builder) in kinds(args, data.quick)? {
        if builder.is_none() {
            curves.extend(bench.curves(Kind { codes, builder, seed: 0 }, &SCAN_ONLY)?);
            continue;
        }
        curves.extend(bench.curves(Kind { codes, builder, seed: 0 }, &PATHS)?);
        // The last path is the graph, the only one that a seed may change.
        let graph = curves.len() - 1;
        for seed in 1..seeds {
            curves.extend(bench.curves(Kind { codes, builder, seed }, &[SearchMode::Graph])?);
        }
        if seeds > 1 {
            report::spread(&curves[graph..], &SPREAD);
            curves.truncate(graph + 1);
        }
    }
    report::table(&curves);
    Ok(true)
}

/// Codes, and the builder of their graph.
type Coded = (Quantization, Option<GraphBuilder>);

/// Returns a graph for all codes, and one of each builder for the first codes. 4-bit codes come
/// without a graph as well: then their sign bits are in FastScan blocks.
fn kinds(args: &Args, quick: bool) -> Result<Vec<Coded>, Box<dyn Error>> {
    let default = if quick { &CODES[..1] } else { CODES };
    let codes = setup::codes(args, default)?;
    let builders = run::builders(args)?;
    let mut kinds = Vec::new();
    for (i, &codes) in codes.iter().enumerate() {
        match &builders {
            Some(builders) => kinds.extend(builders.iter().map(|&builder| (codes, builder))),
            None => {
                kinds.push((codes, Some(GraphBuilder::BuiltIn)));
                if i == 0 && !quick && cfg!(feature = "hnsw-rs") {
                    kinds.push((codes, Some(GraphBuilder::HnswRs)));
                }
                if codes == Quantization::Bits4 {
                    kinds.push((codes, None));
                }
            }
        }
    }
    Ok(kinds)
}

/// Values that are the same for all curves.
struct Bench<'a> {
    args: &'a Args,
    data: &'a Data,
    rows: usize,
    pinned: bool,
    work: &'a Scratch,
}

impl<'a> Bench<'a> {
    /// Builds a store and measures a curve for each path.
    fn curves(&self, kind: Kind, paths: &[SearchMode]) -> Result<Vec<Curve<'a>>, Box<dyn Error>> {
        let dir = self.work.path().join("store");
        let built = run::build(self.args, kind, &dir)?;
        let mut curves = Vec::new();
        for &path in paths {
            let places = (self.work.path(), dir.as_path());
            let curve = Curve {
                data: self.data,
                rows: self.rows,
                pinned: self.pinned,
                kind,
                built,
                path,
                searched: run::search(self.args, (kind, path), self.rows, places)?,
            };
            curve.print();
            // Coarse codes need not find everything at the default depth of reranking.
            let least = if matches!(kind.codes, Quantization::Int8 | Quantization::None) {
                0.98
            } else {
                0.90
            };
            let found = curve.searched.points.first().map_or(0.0, |point| point.recall);
            if path == SearchMode::Scan && found < least {
                return Err("a scan with rerank must find nearly everything".into());
            }
            curves.push(curve);
        }
        std::fs::remove_dir_all(&dir)?;
        Ok(curves)
    }
}
