//! Does a store stay flat for hours? One writer with the full mix of operations, one reader that
//! asks all the time, and nothing called by hand.
//!
//! Owns the command line, the threads and the output. `load.rs` decides what is written and
//! `write.rs` when. `model.rs`, `read.rs` and `check.rs` judge the answers. `window.rs` measures,
//! `report.rs` has the verdict.
//!
//! The mix has these parts:
//!
//! - batches of 1 to 256 writes at a constant live count, which insert, replace and delete by id;
//! - namespaces by Zipf's law, sessions that are dropped whole, lifetimes of minutes and hours,
//!   bursts;
//! - a clock that is set back by up to a minute, and forward by up to an hour;
//! - snapshots that are held for up to a minute and compared with what lived when they were opened;
//! - every few minutes a close, an open, a full verification and a comparison of all live memories.
//!
//! Every answer is judged: no memory that was deleted or had expired before the query began, k
//! results where k match, exact distances, the right namespace. Recall@10 is measured once per
//! window against exact search. Latencies are those of the call: a late query is not compensated.
//!
//! Prints a JSON object per window and one for the verdict on stdout, a table on stderr, and writes
//! a plot and, if asked, a CSV file. It fails if a promise was broken or a figure is not flat. A
//! store that broke a promise is left in its directory. A `--quick` run is too short to be flat:
//! only promises count.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints what it measures"
)]
#![allow(clippy::disallowed_methods, reason = "a benchmark may use files and clocks")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use altiplano::{CollectionOptions, HnswParams};

mod check;
mod clock;
mod load;
mod model;
mod read;
mod report;
mod shared;
mod window;
mod write;

use bench_tools::args::{self, Args, Opt, Stop};
use bench_tools::measure::Rss;
use bench_tools::vectors::{self, Vectors};
use check::Contents;
use load::{Load, Shape};
use report::Run;
use shared::Shared;
use window::{Sampler, Window};
use write::{Pace, Writer};

/// Snapshots that are held at once, and one for a comparison.
const SNAPSHOTS: usize = 4;

const ABOUT: &str = "The full mix of operations against one store, for minutes or hours.";
const OPTIONS: [Opt; 10] = [
    opt("base", "FILE", "vectors: .npy, .fvecs, .bvecs or .fbin"),
    opt("queries", "FILE", "queries; default: the last rows of the base"),
    opt("minutes", "F", "default 60"),
    opt("live", "N", "memories alive; default 20000, 4000 with --quick"),
    opt("rate", "F", "writes a second; default 500"),
    opt("asked", "F", "queries a second; default 200"),
    opt("seed", "N", "of the load; default 1"),
    opt("csv", "FILE", "one row a window"),
    opt("svg", "FILE", "the plot; default soak.svg in the target directory"),
    opt("quick", "", "ten seconds of small data; growth does not fail it"),
];

const fn opt(key: &'static str, value: &'static str, help: &'static str) -> Opt {
    Opt { key, value, help }
}

fn main() -> ExitCode {
    args::run(ABOUT, &OPTIONS, |args| Ok(Job::of(args)?.run()?))
}

/// The parameters of a run.
struct Job {
    run: Run,
    base: Vectors,
    queries: Vectors,
    pace: Pace,
    shape: Shape,
    asked: f64,
    lasts: Duration,
    window: Duration,
    csv: Option<PathBuf>,
    svg: PathBuf,
    quick: bool,
}

impl Job {
    fn of(args: &Args) -> Result<Self, Stop> {
        let quick = args.has("quick");
        let live: usize = args.get_or("live", if quick { 4000 } else { 20_000 })?;
        let rate: f64 = args.get_or("rate", 500.0)?;
        let asked: f64 = args.get_or("asked", 200.0)?;
        let minutes: f64 = args.get_or("minutes", if quick { 1.0 / 6.0 } else { 60.0 })?;
        let positive = |value: f64| value.is_finite() && value > 0.0;
        if live < 100 || !positive(rate) || !positive(asked) || !positive(minutes) {
            return Err(args.wrong("--live 100 or more; --rate, --asked, --minutes above 0"));
        }
        let seed = args.get_or("seed", 1)?;
        let (base, queries, data) = data(args, quick)?;
        let pace = pace(rate, quick);
        let window = Duration::from_secs(if quick { 1 } else { 10 });
        let block = (pace.reopens.as_secs_f64() / window.as_secs_f64()).round() as usize;
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let svg = args.text("svg").map(PathBuf::from);
        Ok(Self {
            run: Run { data, dim: base.dim, live, rate, seed, block },
            base,
            queries,
            pace,
            shape: Shape { live, short: if quick { 1000..4000 } else { 20_000..120_000 } },
            asked,
            lasts: Duration::from_secs_f64(60.0 * minutes),
            window,
            csv: args.text("csv").map(PathBuf::from),
            svg: svg.unwrap_or_else(|| target.with_file_name("soak.svg")),
            quick,
        })
    }

    /// Runs the soak. Returns true if every promise was kept and the store stayed flat.
    fn run(self) -> Result<bool, String> {
        let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
        std::fs::create_dir_all(tmp).map_err(|e| format!("{}: {e}", tmp.display()))?;
        let dir = tempfile::tempdir_in(tmp).map_err(|e| e.to_string())?;
        let Self { run, base, queries, .. } = self;
        let load = Load::new(self.shape, base.len(), run.seed);
        let (path, options) = (dir.path().join("soak.alt"), collection_options(&run));
        let shared = Shared::new(path, options, (base, queries), run.live);
        eprintln!(
            "soak: {} live of {} ({}-d), {} writes and {} queries a second, {:.1} minutes",
            run.live,
            run.data,
            run.dim,
            run.rate,
            self.asked,
            self.lasts.as_secs_f64() / 60.0
        );
        let timing = (self.lasts, self.window, self.asked);
        let windows = drive(&shared, &run, (self.pace, load), timing)?;
        if let Some(open) = shared.open.write().map_err(|e| e.to_string())?.take() {
            match open.store.verify() {
                Ok(report) => report.problems.iter().for_each(|problem| {
                    shared.broke(format!("verify found {problem}"));
                }),
                Err(reason) => shared.broke(format!("verify: {reason}")),
            }
        }
        let broken = shared.broken();
        broken.iter().for_each(|what| eprintln!("broken: {what}"));
        let write = |file: &Path, text: String| {
            std::fs::write(file, text).map_err(|e| format!("{}: {e}", file.display()))
        };
        write(&self.svg, report::plot(&run, &windows))?;
        if let Some(file) = &self.csv {
            write(file, report::csv(&windows))?;
        }
        let verdict = report::verdict(&run, &windows, &broken);
        println!("{}", verdict.json);
        eprint!("{}", verdict.text);
        if !broken.is_empty() {
            eprintln!("the store is left in {}", dir.keep().display());
        }
        Ok(broken.is_empty() && (verdict.flat || self.quick))
    }
}

/// Fills the store, lets all threads run for `lasts`, and reports every window.
fn drive(
    shared: &Shared,
    run: &Run,
    (pace, load): (Pace, Load),
    (lasts, window, asked): (Duration, Duration, f64),
) -> Result<Vec<Window>, String> {
    // The benchmark's own memory is taken before the store is opened, so that it is in `before`.
    let room = check::room(run.live, run.dim);
    let spare = (0..SNAPSHOTS).map(|_| Contents::with_room(run.live * 5 / 4)).collect();
    let spare = &Mutex::new(spare);
    let before = Rss::now().unwrap_or_default();
    *shared.open.write().map_err(|e| e.to_string())? = Some(shared.open_store()?);
    let (held, holding) = channel();
    let (samples, sampling) = channel();
    let driven = (pace, load, run.seed);
    let mut writer = Writer::new(shared, driven, (held, spare), samples);
    writer.fill(run.live)?;
    eprintln!("{}", report::TABLE_HEAD);
    std::thread::scope(|scope| {
        scope.spawn(move || check::hold(shared, holding, spare));
        scope.spawn(move || check::recall(shared, sampling, room));
        scope.spawn(move || writer.run());
        scope.spawn(move || read::read(shared, asked, run.seed + 1));
        let (begun, mut windows) = (Instant::now(), Vec::new());
        let mut sampler = Sampler::new(shared, before);
        let mut measured = Ok(());
        while measured.is_ok() && begun.elapsed() < lasts && !shared.is_stopping() {
            measured = sampler.window(window).map(|seen| {
                println!("{}", report::json(run, &seen));
                eprintln!("{}", report::table_line(&seen));
                windows.push(seen);
            });
        }
        shared.stop();
        measured.map(|()| windows)
    })
}

fn collection_options(run: &Run) -> CollectionOptions {
    let memtable = (run.live / 4).clamp(64, 4096) as u32;
    let default = HnswParams::default();
    // Graphs exist at small live counts too. Near the default, the choice would depend on the
    // moment.
    let min_rows = (run.live / 4).min(default.min_rows as usize) as u32;
    CollectionOptions::new(run.dim, altiplano::Metric::Cosine)
        .memtable_rows(memtable)
        .hnsw(default.min_rows(min_rows))
}

/// Returns base and queries, and their name.
fn data(args: &Args, quick: bool) -> Result<(Vectors, Vectors, String), Stop> {
    const QUERIES: usize = 1000;
    let read = |file: &str| Vectors::read(Path::new(file), None).map_err(|e| args.wrong(e));
    let Some(file) = args.text("base") else {
        let mut base = vectors::clustered(if quick { 12_000 } else { 100_000 }, 128, 200, 5);
        let queries = base.split_off(QUERIES);
        return Ok((base, queries, "clustered".to_owned()));
    };
    let mut base = read(file)?;
    let queries = match args.text("queries") {
        Some(file) => read(file)?,
        None => base.split_off(QUERIES.min(base.len() / 2)),
    };
    if base.is_empty() || queries.is_empty() || queries.dim != base.dim {
        return Err(args.wrong("base or queries are none, or of different dimensions"));
    }
    let name = Path::new(file).file_stem().unwrap_or_default();
    Ok((base, queries, name.to_string_lossy().into_owned()))
}

fn pace(rate: f64, quick: bool) -> Pace {
    let seconds = Duration::from_secs_f64;
    match quick {
        false => Pace {
            rate,
            burst: 10.0,
            burst_lasts: seconds(4.0),
            bursts: seconds(60.0),
            steps: seconds(45.0),
            hours: seconds(600.0),
            snapshots: seconds(20.0),
            held: 2000..60_000,
            samples: seconds(10.0),
            sampled: 50,
            reopens: seconds(180.0),
        },
        true => Pace {
            rate,
            burst: 10.0,
            burst_lasts: seconds(0.5),
            bursts: seconds(3.0),
            steps: seconds(1.3),
            hours: seconds(6.0),
            snapshots: seconds(0.9),
            held: 200..2500,
            samples: seconds(1.0),
            sampled: 20,
            reopens: seconds(2.6),
        },
    }
}
