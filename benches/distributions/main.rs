//! Does `auto` keep its promise for any distribution of vectors? Measures recall by distance, and
//! time compared with exact search, over a matrix of generated families, metrics, dimensions and
//! sizes.
//!
//! Each cell is a store of its own. Every answer is judged by distances in `f64` that the benchmark
//! computes itself (`truth.rs` has the rule). A cell is `ok` if all of these hold:
//!
//! - recall@10 is at least the target less 0.01, for each of the targets 0.90, 0.95 and 0.99;
//! - a query that is a row finds itself as often;
//! - the median search takes at most 1.25 times the median exact one, or 20 µs more if that is
//!   longer.
//!
//! Prints one line of JSON per cell and target, a table on stderr, and the counts last. Times are
//! those of one thread; run it alone.
//!
//! `cargo bench --bench distributions [-- --quick] [-- --only city,offset-1000]`, or on vectors
//! from files: `-- --base FILE --queries FILE --metric cosine`. `--strict` fails unless every cell
//! is `ok`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints and measures"
)]

mod cells;
mod report;
mod run;
#[path = "../common/setup.rs"]
mod setup;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use altiplano::Quantization;
use bench_tools::args::{self, Args, Opt};
use bench_tools::families::{self, Family};
use bench_tools::vectors::Vectors;
use cells::{Cell, Queries};
use report::Summary;
use run::Plan;
use setup::Data;

/// Queries per cell, without and with `--quick`.
const QUERIES: usize = 500;
const QUICK_QUERIES: usize = 100;
/// Time for which the searches of a cell are measured.
const BUDGET: Duration = Duration::from_millis(1_500);
const QUICK_BUDGET: Duration = Duration::from_millis(200);

const OWN: [Opt; 4] = [
    Opt {
        key: "codes",
        value: "NAME",
        help: "int8, f32, bits4, bits2 or bits1; default: as usual",
    },
    Opt { key: "only", value: "LIST", help: "cells of these families, such as city,cone-98" },
    Opt { key: "list", value: "", help: "print the cells, and end" },
    Opt { key: "strict", value: "", help: "fail unless every cell is ok" },
];

fn main() -> ExitCode {
    let mut options = setup::options(&OWN);
    // The true neighbors are computed here, in another precision.
    options.retain(|option| option.key != "neighbors");
    args::run("Recall and time over families of vectors.", &options, bench)
}

fn bench(args: &Args) -> Result<bool, Box<dyn Error>> {
    let plan =
        Plan { codes: codes(args)?, budget: if args.has("quick") { QUICK_BUDGET } else { BUDGET } };
    let begun = Instant::now();
    let mut summary = Summary::default();
    if args.has("base") {
        of_files(args, plan, &mut summary)?;
    } else {
        let cells = chosen(args)?;
        if args.has("list") {
            cells.iter().for_each(|cell| println!("{}", cell.label()));
            eprintln!("{} cells", cells.len());
            return Ok(true);
        }
        report::heads();
        for cell in &cells {
            let (base, queries) = vectors_of(cell, args.has("quick"))?;
            summary.take(cell, &run::run(cell, &base, &queries, plan)?);
        }
    }
    let right = summary.finish(begun.elapsed().as_secs_f64());
    Ok(right || !args.has("strict"))
}

/// Returns the quantization that the arguments ask for.
fn codes(args: &Args) -> Result<Option<Quantization>, Box<dyn Error>> {
    match setup::codes(args, &[])?[..] {
        [] => Ok(None),
        [codes] => Ok(Some(codes)),
        _ => Err(args.wrong("--codes takes one kind of codes here").into()),
    }
}

/// Returns the cells that the arguments select.
fn chosen(args: &Args) -> Result<Vec<Cell>, Box<dyn Error>> {
    let mut cells = cells::all(args.has("quick"))?;
    if let Some(names) = args.list::<String>("only")? {
        if let Some(unknown) = names.iter().find(|name| Family::named(name).is_none()) {
            let known: Vec<&str> = families::FAMILIES.iter().map(|family| family.name).collect();
            let message = format!("--only {unknown}: not one of {}", known.join(", "));
            return Err(args.wrong(message).into());
        }
        cells.retain(|cell| names.contains(&cell.name));
    }
    if let Some(metric) = args.text("metric") {
        cells.retain(|cell| cells::metric_name(cell.metric) == metric);
    }
    if let Some(limit) = args.get::<usize>("limit")? {
        cells.retain(|cell| cell.rows <= limit);
    }
    Ok(cells)
}

/// Returns the rows of a cell, and its queries.
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

/// Runs one cell of vectors from files.
fn of_files(args: &Args, plan: Plan, summary: &mut Summary) -> Result<(), Box<dyn Error>> {
    let data = Data::unanswered(args, 0)?;
    let cell = Cell::of_file(&data.name, data.metric, data.base.dim, data.base.len());
    report::heads();
    summary.take(&cell, &run::run(&cell, &data.base, &data.queries, plan)?);
    Ok(())
}
