//! Recall against queries per second: a curve for each codes × builder × path, and what it says at
//! recall .90, .95 and .99. Every answer is checked against exact search. One thread, one query a
//! call, median of three passes.
//!
//! Each store is built by a process of its own, and opened anew for each path by one that holds the
//! queries and no other vector: resident bytes are those that came since. Scans have one point; `Auto`
//! is asked for recalls, `Graph` for beams. `--seeds N` builds each kind N times, each time with
//! another order of insertion, and prints the extremes.
//!
//! `cargo bench --bench recall [-- --base FILE --queries FILE --metric cosine]`
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints and measures"
)]

#[path = "recall_parts/build.rs"]
mod build;
#[path = "common/curve.rs"]
mod curve;
#[path = "common/measure.rs"]
mod measure;
#[path = "recall_parts/report.rs"]
mod report;
#[path = "common/setup.rs"]
mod setup;
#[path = "common/vectors.rs"]
mod vectors;

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use altiplano::{Builder, Codes, Collection, Fields, SearchPath, Store};
use build::{Built, Kind};
use measure::{Args, Opt, Percentiles, Rss, median};
use report::{Curve, Point, Width};
use setup::{CODES, CODES_OPTION, Data, K, Scratch};

const GENERATED: usize = 40_000;
const PASSES: usize = 3;
const LADDER: [usize; 13] = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768];
const TARGETS: [f32; 7] = [0.80, 0.90, 0.93, 0.95, 0.97, 0.99, 0.995];
/// Beams at which orders of insertion are compared; all in the ladder.
const SPREAD: [usize; 3] = [32, 64, 128];

const OPTIONS: [Opt; 4] = [
    CODES_OPTION,
    Opt {
        key: "builders",
        value: "LIST",
        help: "flat,hnswrs; default: hnswrs for the first codes",
    },
    Opt { key: "seeds", value: "N", help: "orders of insertion to build with; default 1" },
    Opt { key: "into", value: "DIR", help: "only build there, as it does for itself" },
];

fn main() -> Result<(), Box<dyn Error>> {
    let options = setup::options(&OPTIONS);
    let args = Args::from_env("Recall against queries per second.", &options);
    let args = args.map_err(|stop| stop.text)?;
    let pinned = measure::pin_to_core(0);
    if let Some(dir) = args.text("into") {
        return build::here(&args, GENERATED, Path::new(dir));
    }
    let mut data = Data::of(&args, GENERATED)?;
    let rows = data.base.len();
    data.base.data = Vec::new();
    let seeds = args.get_or("seeds", 1).map_err(|stop| stop.text)?;
    let bench = Bench { args: &args, data: &data, rows, pinned };
    report::heads();
    let mut curves = Vec::new();
    for (codes, builder) in kinds(&args, data.quick)? {
        let first = bench.curves(
            Kind { codes, builder, seed: 0 },
            &[SearchPath::Scan, SearchPath::Auto, SearchPath::Graph],
        )?;
        curves.extend(first);
        let graph = curves.len() - 1;
        for seed in 1..seeds {
            curves.extend(bench.curves(Kind { codes, builder, seed }, &[SearchPath::Graph])?);
        }
        if seeds > 1 {
            report::spread(&curves[graph..], &SPREAD);
            curves.truncate(graph + 1);
        }
    }
    report::table(&curves);
    Ok(())
}

fn kinds(args: &Args, quick: bool) -> Result<Vec<(Codes, Builder)>, Box<dyn Error>> {
    let default = if quick { &CODES[..1] } else { CODES };
    let codes = setup::codes(args, default).map_err(|stop| stop.text)?;
    let builders = build::builders(args)?;
    let mut kinds = Vec::new();
    for (i, &codes) in codes.iter().enumerate() {
        match &builders {
            Some(builders) => kinds.extend(builders.iter().map(|&builder| (codes, builder))),
            None => {
                kinds.push((codes, Builder::Flat));
                if i == 0 && !quick {
                    kinds.push((codes, Builder::HnswRs));
                }
            }
        }
    }
    Ok(kinds)
}

/// What does not change from one curve to the next.
struct Bench<'a> {
    args: &'a Args,
    data: &'a Data,
    rows: usize,
    pinned: bool,
}

impl<'a> Bench<'a> {
    /// Builds a store and follows each path on it.
    fn curves(&self, kind: Kind, paths: &[SearchPath]) -> Result<Vec<Curve<'a>>, Box<dyn Error>> {
        let dir = Scratch::new("recall");
        let built = build::elsewhere(self.args, kind, dir.path())?;
        paths.iter().map(|&path| self.curve(kind, built, path, dir.path())).collect()
    }

    fn curve(
        &self,
        kind: Kind,
        built: Built,
        path: SearchPath,
        dir: &Path,
    ) -> Result<Curve<'a>, Box<dyn Error>> {
        let before = Rss::now().unwrap_or_default();
        let begun = Instant::now();
        let store = Store::open(dir)?;
        let collection = store.existing("vectors").ok_or("the collection is gone")?;
        collection.search(self.data.queries.row(0)).run()?;
        let mut curve = Curve {
            data: self.data,
            rows: self.rows,
            pinned: self.pinned,
            kind,
            built,
            path,
            kernels: store.stats()?.kernels,
            open_ms: begun.elapsed().as_secs_f64() * 1e3,
            rss: Rss::default(),
            heap_bytes: 0,
            disk_bytes: 0,
            points: Vec::new(),
        };
        let widths: Vec<Width> = match path {
            SearchPath::Scan => vec![Width::Target(0.95)],
            SearchPath::Graph if kind.seed > 0 => SPREAD.map(Width::Ef).to_vec(),
            SearchPath::Graph => LADDER.map(Width::Ef).to_vec(),
            _ => TARGETS.map(Width::Target).to_vec(),
        };
        for width in widths {
            curve.points.push(point(self.data, &collection, path, width)?);
            let rss = Rss::now().unwrap_or_default();
            curve.rss = Rss {
                anon_bytes: rss.anon_bytes.saturating_sub(before.anon_bytes),
                file_bytes: rss.file_bytes.saturating_sub(before.file_bytes),
            };
            curve.heap_bytes = store.stats()?.heap_bytes;
            curve.disk_bytes = measure::allocated_bytes(dir)?;
            curve.print_point();
        }
        curve.print_summary();
        let fine = matches!(kind.codes, Codes::Int8 | Codes::F32);
        if path == SearchPath::Scan && curve.points[0].recall < if fine { 0.98 } else { 0.90 } {
            return Err("a scan with rerank must find nearly everything".into());
        }
        drop(collection);
        store.close()?;
        Ok(curve)
    }
}

fn point(
    data: &Data,
    collection: &Collection,
    path: SearchPath,
    width: Width,
) -> altiplano::Result<Point> {
    let (mut recall, mut evaluations) = (0.0, 0);
    let (mut rates, mut cpu_rates, mut times) = (Vec::new(), Vec::new(), Vec::new());
    let queries = data.queries.len() as f64;
    // One pass more than is counted, to warm up and to check the answers.
    for pass in 0..=PASSES {
        let mut spent = Duration::ZERO;
        let cpu = measure::thread_cpu_seconds();
        for (i, query) in data.queries.rows().enumerate() {
            let search = collection.search(query).k(K).path(path).fields(Fields::None);
            let search = match width {
                Width::Ef(ef) => search.ef(ef),
                Width::Target(target) => search.target_recall(target),
            };
            let begun = Instant::now();
            let (hits, told) = search.explain()?;
            let took = begun.elapsed();
            spent += took;
            if pass == 0 {
                recall += data.truth.recall(i, K, hits.iter().map(|h| h.id.as_u128() as u32));
                evaluations += told.evaluations + told.scanned;
            } else {
                times.push(took);
            }
        }
        if pass > 0 {
            let wall = spent.as_secs_f64();
            let cpu = cpu.zip(measure::thread_cpu_seconds()).map(|(from, to)| to - from);
            rates.push(queries / wall);
            cpu_rates.push(queries / cpu.unwrap_or(wall));
        }
    }
    let times = Percentiles::of(times);
    let micros = |d: Duration| d.as_secs_f64() * 1e6;
    Ok(Point {
        width,
        recall: recall / queries,
        qps: median(&rates),
        cpu_qps: median(&cpu_rates),
        p50_us: micros(times.p50),
        p99_us: micros(times.p99),
        evaluations: evaluations as f64 / queries,
    })
}
