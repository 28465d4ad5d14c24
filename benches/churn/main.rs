//! Does a store stay flat? Rounds of inserts, replacements, deletes and expiries at a constant live
//! count, with nothing called by hand, and every answer checked.
//!
//! Owns the command line and the output. The load is in `load.rs`, the rounds are in `drive.rs`,
//! the samples in `watch.rs`, the verdict in `report.rs`.
//!
//! Prints one JSON object per round on stdout, a table and a verdict on stderr, and writes a plot.
//! A wrong answer ends the run with a message: an id that was deleted or has expired, an old
//! vector, or fewer than k results.
//!
//! `p99_compacting_us` covers the queries during which the store's threads took at least a tenth of
//! a core, by a sample every 10 ms. `p99_quiet_us` covers the other queries of the same rounds.
//! Resident bytes are those added since the moment before the store was opened, so the benchmark's
//! own vectors do not count. The first rounds (`--warm`) do not count: a store that was just filled
//! is scanned, exactly and slowly, until its first graph is built. If the base has too few rows,
//! further ones are mixed from two of them.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints what it measures"
)]
#![allow(clippy::disallowed_methods, reason = "a benchmark may use files and clocks")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use altiplano::SearchMode;

#[path = "../common/io.rs"]
mod io;

mod drive;
mod load;
mod report;
mod texts;
mod watch;

use bench_tools::args::{self, Args, Opt, Stop};
use bench_tools::vectors::{self, Metric, Vectors};
use drive::{Drive, Setup};
use load::Load;
use report::{Round, Run};
use texts::Texts;

const ABOUT: &str = "Rounds of insert, delete and expire at a constant live count.";
const OPTIONS: [Opt; 15] = [
    opt("base", "FILE", "vectors: .npy, .fvecs, .bvecs or .fbin"),
    opt("queries", "FILE", "queries; default: the last rows of the base"),
    opt("metric", "M", "cosine, l2 or dot; default cosine"),
    opt("live", "N", "memories alive; default 10000, 8000 with --quick"),
    opt("rounds", "N", "default 30"),
    opt("warm", "N", "rounds before those that count; default 10, 1 with --quick"),
    opt("pace", "SECONDS", "least length of a round; default 1, 0.1 with --quick"),
    opt("turnover", "F", "share replaced, deleted or expired a round; default 0.1"),
    opt("updates", "N", "lifetimes that are set again in a round; default 0"),
    opt("text", "T", "texts of 12 words: none, stored or indexed; default none"),
    opt("path", "P", "auto, scan or graph; default auto"),
    opt("ef", "N", "beam of all graph searches, to see the graph apart from what sets beams"),
    io::OPTION,
    opt("quick", "", "rounds of 100 ms on small data; growth does not fail it"),
    opt("svg", "FILE", "the plot; default churn-PATH.svg in the target directory"),
];

const fn opt(key: &'static str, value: &'static str, help: &'static str) -> Opt {
    Opt { key, value, help }
}

fn main() -> ExitCode {
    args::run(ABOUT, &OPTIONS, |args| Ok(prepare(args)?.run()?))
}

/// The parameters of a run.
struct Job {
    setup: Setup,
    run: Run,
    base: Vectors,
    queries: Vectors,
    svg: PathBuf,
    /// True if growth fails the run. In a quick run of three seconds the allocator does not come to
    /// rest, so only wrong answers fail it.
    decisive: bool,
}

fn prepare(args: &Args) -> Result<Job, Stop> {
    let quick = args.has("quick");
    let live: usize = args.get_or("live", if quick { 8000 } else { 10_000 })?;
    let rounds: u64 = args.get_or("rounds", 30)?;
    let warm: u64 = args.get_or("warm", if quick { 1 } else { 10 })?;
    let pace: f64 = args.get_or("pace", if quick { 0.1 } else { 1.0 })?;
    let turnover: f64 = args.get_or("turnover", 0.1)?;
    let metric: Metric = args.get_or("metric", Metric::Cosine)?;
    let name = args.text("path").unwrap_or("auto");
    let (path, name) = match name {
        "auto" => (SearchMode::Auto, "auto"),
        "scan" => (SearchMode::Scan, "scan"),
        "graph" => (SearchMode::Graph, "graph"),
        _ => return Err(args.wrong(format!("--path {name:?} is none of auto, scan, graph"))),
    };
    let io_mode = io::mode(args)?;
    let texts = Texts::parse(args.text("text"));
    let texts = texts.ok_or_else(|| args.wrong("--text is none, stored or indexed"))?;
    if !(0.001..=0.5).contains(&turnover) || live < 100 || rounds < 2 {
        return Err(args.wrong("--live 100 or more, --rounds 2 or more, --turnover 0.001 to 0.5"));
    }
    if !(0.01..=3600.0).contains(&pace) {
        return Err(args.wrong("--pace 0.01 to 3600"));
    }
    let (mut base, queries, data) = data(args, live, warm + rounds, turnover)?;
    base.extend_mixed(live + ((2.0 * live as f64 * turnover) as usize).max(8));
    let svg = match args.text("svg") {
        Some(file) => PathBuf::from(file),
        None => Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(format!("churn-{name}.svg")),
    };
    let ef: usize = args.get_or("ef", 0)?;
    let (asked, judged) = if quick { (60, 50) } else { (400, 300) };
    Ok(Job {
        setup: Setup {
            metric,
            path,
            io_mode,
            ef: (ef > 0).then_some(ef),
            live,
            warm,
            rounds,
            pace: Duration::from_secs_f64(pace),
            updates: args.get_or("updates", 0)?,
            texts,
            queries: asked,
            judged,
        },
        run: Run {
            path: name,
            io: format!("{io_mode:?}").to_lowercase(),
            data,
            dim: base.dim,
            metric: format!("{metric:?}").to_lowercase(),
            turnover,
            updates: args.get_or("updates", 0)?,
            texts: texts.name(),
            raw_bytes: (live * base.dim * 4) as u64,
        },
        base,
        queries,
        svg,
        decisive: !quick,
    })
}

/// Returns base and queries, and their name.
fn data(
    args: &Args,
    live: usize,
    rounds: u64,
    turnover: f64,
) -> Result<(Vectors, Vectors, String), Stop> {
    const QUERIES: usize = 1000;
    let read = |file: &str| Vectors::read(Path::new(file), None).map_err(|e| args.wrong(e));
    let Some(file) = args.text("base") else {
        let dim = if args.has("quick") { 256 } else { 128 };
        let rows = live + (live as f64 * turnover * (rounds + 2) as f64) as usize + 16;
        let mut base = vectors::clustered(rows + QUERIES, dim, 200, 5);
        let queries = base.split_off(QUERIES);
        return Ok((base, queries, "clustered".to_owned()));
    };
    let mut base = read(file)?;
    let queries = match args.text("queries") {
        Some(file) => read(file)?,
        None => base.split_off(QUERIES),
    };
    if queries.is_empty() || queries.dim != base.dim {
        return Err(args.wrong("the queries are none or of another dimension"));
    }
    let name = Path::new(file).file_stem().unwrap_or_default();
    Ok((base, queries, name.to_string_lossy().into_owned()))
}

impl Job {
    /// Runs the benchmark. Returns true if the store stayed flat.
    fn run(self) -> Result<bool, String> {
        let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
        std::fs::create_dir_all(tmp).map_err(|e| format!("{}: {e}", tmp.display()))?;
        let dir = tempfile::tempdir_in(tmp).map_err(|e| e.to_string())?;
        let Self { setup, run, base, .. } = self;
        let (warm, count) = (setup.warm, setup.rounds);
        let load = Load::new(base, setup.metric, setup.live, run.turnover);
        let sizes = load.sizes;
        eprintln!(
            "churn: {} live of {} ({}-d {}), path {}; a round replaces {}, deletes {}, lets {} \
             expire",
            setup.live,
            run.data,
            run.dim,
            run.metric,
            run.path,
            sizes.replaced,
            sizes.deleted,
            sizes.expired
        );
        let mut drive = Drive::start(setup, load, self.queries, dir.path())?;
        let mut rounds: Vec<Round> = Vec::with_capacity(count as usize);
        eprintln!("{}", report::TABLE_HEAD);
        for number in 1..=warm + count {
            let round = drive.round(number).map_err(|e| format!("round {number}: {e}"))?;
            println!("{}", report::json(&run, &round));
            eprintln!("{}", report::table_line(&round));
            // The cost of the first indexes, and the recall of a store without one, are not judged.
            if number == warm {
                eprintln!("the rounds that count:");
            } else if number > warm {
                rounds.push(round);
            }
        }
        drive.finish()?;
        std::fs::write(&self.svg, report::plot(&run, &rounds))
            .map_err(|e| format!("{}: {e}", self.svg.display()))?;
        let (flat, text) = report::verdict(&run, &rounds);
        eprint!("{text}");
        if !flat && !self.decisive {
            eprintln!("(a quick run is too short for a verdict: only its answers count)");
        }
        Ok(flat || !self.decisive)
    }
}
