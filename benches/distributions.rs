//! Whether `auto` keeps its promise whatever the vectors are: recall by distance, and time beside an
//! exact search, over a matrix of generated families, metrics, dimensions and sizes.
//!
//! Each cell is a store of its own. Every answer is judged by distances in `f64` that the benchmark
//! measures itself (`truth.rs` has the rule). A cell is `ok` if recall@10 is at least its target
//! less .01 for each of the targets .90, .95 and .99, if a query that is a row finds itself as often,
//! and if the median search takes no longer than 1.25 times the median exact one, or 20 µs more where
//! that is longer. One line of JSON for each cell and target, a table on stderr, and the counts last.
//! Times are of one thread; run it alone.
//!
//! `cargo bench --bench distributions [-- --quick] [-- --only city,offset-1000]`, or on vectors from
//! files: `-- --base FILE --queries FILE --metric cosine`. `--strict` fails unless every cell is `ok`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints and measures"
)]

#[path = "distributions_parts/cells.rs"]
mod cells;
#[path = "distributions_parts/families.rs"]
mod families;
#[path = "common/measure.rs"]
mod measure;
#[path = "distributions_parts/places.rs"]
mod places;
#[path = "distributions_parts/report.rs"]
mod report;
#[path = "distributions_parts/run.rs"]
mod run;
#[path = "distributions_parts/samplers.rs"]
mod samplers;
#[path = "common/setup.rs"]
mod setup;
#[path = "distributions_parts/truth.rs"]
mod truth;
#[path = "common/vectors.rs"]
mod vectors;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use altiplano::Metric;
use cells::{Cell, Queries};
use families::Family;
use measure::{Args, Opt};
use report::Summary;
use setup::{Data, K};
use truth::Truth;
use vectors::Vectors;

/// Queries of a cell, and with `--quick`.
const QUERIES: usize = 500;
const QUICK_QUERIES: usize = 100;
/// How long the searches of a cell are timed for.
const BUDGET: Duration = Duration::from_millis(1_500);
const QUICK_BUDGET: Duration = Duration::from_millis(200);

const OWN: [Opt; 3] = [
    Opt { key: "only", value: "LIST", help: "cells of these families, such as city,cone-98" },
    Opt { key: "list", value: "", help: "print the cells, and end" },
    Opt { key: "strict", value: "", help: "fail unless every cell is ok" },
];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut options = setup::options(&OWN);
    // The true neighbors are found here, in another precision.
    options.retain(|option| option.key != "neighbors");
    let about = "Recall and time over families of vectors.";
    let args = Args::from_env(about, &options).map_err(|stop| stop.text)?;
    let begun = Instant::now();
    let mut summary = Summary::default();
    if args.has("base") {
        of_files(&args, &mut summary)?;
    } else {
        let cells = chosen(&args)?;
        if args.has("list") {
            cells.iter().for_each(|cell| println!("{}", cell.label()));
            eprintln!("{} cells", cells.len());
            return Ok(ExitCode::SUCCESS);
        }
        report::heads();
        for cell in &cells {
            let (base, queries) = vectors_of(cell, args.has("quick"))?;
            measure_cell(cell, &base, &queries, args.has("quick"), &mut summary)?;
        }
    }
    let right = summary.finish(begun.elapsed().as_secs_f64());
    Ok(if right || !args.has("strict") { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The cells that the arguments leave.
fn chosen(args: &Args) -> Result<Vec<Cell>, Box<dyn Error>> {
    let mut cells = cells::all(args.has("quick"))?;
    if let Some(names) = args.list::<String>("only").map_err(|stop| stop.text)? {
        if let Some(unknown) = names.iter().find(|name| Family::named(name).is_none()) {
            let known: Vec<&str> = families::FAMILIES.iter().map(|family| family.name).collect();
            let message = format!("--only {unknown}: not one of {}", known.join(", "));
            return Err(args.wrong(message).text.into());
        }
        cells.retain(|cell| names.contains(&cell.name));
    }
    if let Some(metric) = args.text("metric") {
        cells.retain(|cell| cells::metric_name(cell.metric) == metric);
    }
    if let Some(limit) = args.get::<usize>("limit").map_err(|stop| stop.text)? {
        cells.retain(|cell| cell.rows <= limit);
    }
    Ok(cells)
}

/// The rows of a cell, and its queries.
fn vectors_of(cell: &Cell, quick: bool) -> Result<(Vectors, Vectors), Box<dyn Error>> {
    let family = Family::named(&cell.name).ok_or("no such family")?;
    let count = if quick { QUICK_QUERIES } else { QUERIES };
    let (base, held_out) = family.vectors((cell.dim, cell.seed()), cell.rows, count);
    let queries = match cell.queries {
        Queries::HeldOut => held_out,
        Queries::Stored => families::stored(&base, count, cell.seed()),
        Queries::Far => families::far(&base, count, cell.seed()),
    };
    Ok((base, queries))
}

/// One cell of vectors from files.
fn of_files(args: &Args, summary: &mut Summary) -> Result<(), Box<dyn Error>> {
    let data = Data::unanswered(args, 0)?;
    let cell = Cell::of_file(&data.name, data.metric, data.base.dim, data.base.len());
    report::heads();
    measure_cell(&cell, &data.base, &data.queries, data.quick, summary)
}

fn measure_cell(
    cell: &Cell,
    base: &Vectors,
    queries: &Vectors,
    quick: bool,
    summary: &mut Summary,
) -> Result<(), Box<dyn Error>> {
    let metric = match cell.metric {
        Metric::Cosine => vectors::Metric::Cosine,
        Metric::Dot => vectors::Metric::Dot,
        _ => vectors::Metric::L2,
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let truth = Truth::of(base, queries, metric, K, threads);
    let budget = if quick { QUICK_BUDGET } else { BUDGET };
    let measured = run::run(cell, base, queries, &truth, budget)?;
    summary.take(cell, &measured);
    Ok(())
}
