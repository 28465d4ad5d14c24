//! Steps of a benchmark in processes of their own. So the vectors, and what one step leaves in its
//! allocator, do not count in the next step.
//!
//! Owns the data that passes between the processes, and the measuring of one point of a curve. Not
//! here: what is built and searched. Needs `measure`, `setup`, `vectors` and the crate serde_json;
//! `#[path = "…/common/steps.rs"] mod steps;`.
#![allow(dead_code, unreachable_pub, reason = "each target uses a part")]
#![allow(clippy::disallowed_methods, reason = "a benchmark uses files and clocks")]

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::setup::{self, K};
use bench_tools::args::Args;
use bench_tools::measure::{self, Percentiles, Rss, median};
use bench_tools::vectors::{Neighbors, Vectors};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PASSES: usize = 3;
pub const QUERIES: &str = "queries.fvecs";
pub const TRUTH: &str = "neighbors.ivecs";

/// Writes the files that a searching process needs.
pub fn hand_over(queries: &Vectors, truth: &Neighbors, work: &Path) -> Result<()> {
    std::fs::create_dir_all(work)?;
    let rows = queries.rows().map(|row| row.iter().map(|x| x.to_le_bytes()).collect());
    write_rows(&work.join(QUERIES), rows)?;
    write_ids(&work.join(TRUTH), truth)
}

/// Writes neighbors as `.ivecs`.
pub fn write_ids(path: &Path, ids: &Neighbors) -> Result<()> {
    let rows = (0..ids.len()).map(|i| ids.row(i).iter().map(|id| id.to_le_bytes()).collect());
    write_rows(path, rows)
}

/// Writes `.fvecs` or `.ivecs`: each row behind its length.
fn write_rows(path: &Path, rows: impl Iterator<Item = Vec<[u8; 4]>>) -> Result<()> {
    let mut bytes = Vec::new();
    for row in rows {
        bytes.extend((row.len() as u32).to_le_bytes());
        bytes.extend(row.concat());
    }
    Ok(std::fs::write(path, bytes)?)
}

/// Reads what [`hand_over`] wrote.
pub fn handed_over(args: &Args) -> Result<(Vectors, Neighbors)> {
    let file = |key: &str| args.text(key).map(Path::new).ok_or(format!("no --{key}"));
    let queries = Vectors::read(file("queries")?, None)?;
    Ok((queries, Neighbors::read(file("neighbors")?, None)?))
}

/// Starts this program again with the same data and the options `own`. If `work` is given, the
/// queries and neighbors come from there. Returns the JSON lines that the process prints.
pub fn start(args: &Args, work: Option<&Path>, own: &[(&str, String)]) -> Result<Vec<Value>> {
    let mut command = Command::new(std::env::current_exe()?);
    for opt in setup::OPTIONS {
        let replaced = work.is_some() && matches!(opt.key, "queries" | "neighbors");
        match args.text(opt.key) {
            Some("") => drop(command.arg(format!("--{}", opt.key))),
            Some(value) if !replaced => drop(command.arg(format!("--{}={value}", opt.key))),
            _ => {}
        }
    }
    if let Some(work) = work {
        command.arg("--queries").arg(work.join(QUERIES));
        command.arg("--neighbors").arg(work.join(TRUTH));
    }
    command.args(own.iter().map(|(key, value)| format!("--{key}={value}")));
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("a step failed: {}, {own:?}", output.status).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let lines = text.lines().filter(|line| line.starts_with('{'));
    Ok(lines.map(serde_json::from_str).collect::<std::result::Result<_, _>>()?)
}

/// Returns a number of a line; NaN if it is missing.
pub fn number(line: &Value, key: &str) -> f64 {
    line[key].as_f64().unwrap_or(f64::NAN)
}

/// Interval between samples of anonymous memory while something is built.
const LOOK: Duration = Duration::from_millis(20);

/// Runs `work` and prints the time it took, and the peak of anonymous memory above `before`.
pub fn built(before: Rss, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let (cpu, begun) = (measure::cpu_seconds(None), Instant::now());
    let (done, mut peak) = (AtomicBool::new(false), 0);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peak = 0;
            while !done.load(Ordering::Relaxed) {
                peak = peak.max(Rss::now().map_or(0, |rss| rss.anon_bytes));
                std::thread::sleep(LOOK);
            }
            peak
        });
        let worked = work();
        done.store(true, Ordering::Relaxed);
        peak = watch.join().unwrap_or(0);
        worked
    })?;
    let build_s = begun.elapsed().as_secs_f64();
    let cpu = cpu.zip(measure::cpu_seconds(None)).map(|(from, to)| to - from);
    let peak = peak.saturating_sub(before.anon_bytes);
    println!("{}", json!({ "build_s": build_s, "build_cpu_s": cpu, "peak_anon": peak }));
    Ok(())
}

/// One point of a curve. Rates are medians of the passes, except the best.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// The width of the search: a beam, or the requested recall.
    pub width: f64,
    pub recall: f64,
    pub qps: f64,
    pub best_qps: f64,
    /// Queries per second of processor time, which other programs do not reduce.
    pub cpu_qps: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// Distances per query, if the search reports them.
    pub evaluations: f64,
    /// Resident bytes added since `before`.
    pub rss: Rss,
}

impl Point {
    /// Asks all queries in several passes. `search` puts the rows that it found into the list, and
    /// returns the number of distances that it computed.
    pub fn measure(
        (queries, truth): (&Vectors, &Neighbors),
        width: f64,
        before: Rss,
        mut search: impl FnMut(&[f32], &mut Vec<u32>) -> Result<f64>,
    ) -> Result<Self> {
        let count = queries.len() as f64;
        let (mut recall, mut evaluations, mut found) = (0.0, 0.0, Vec::new());
        let (mut rates, mut cpu_rates, mut times) = (Vec::new(), Vec::new(), Vec::new());
        // The first pass is not measured: it warms up and checks the answers.
        for pass in 0..=PASSES {
            let mut spent = Duration::ZERO;
            let cpu = measure::thread_cpu_seconds();
            for (i, query) in queries.rows().enumerate() {
                found.clear();
                let begun = Instant::now();
                let evaluated = search(query, &mut found)?;
                let took = begun.elapsed();
                spent += took;
                if pass == 0 {
                    recall += truth.recall(i, K, found.iter().copied());
                    evaluations += evaluated;
                } else {
                    times.push(took);
                }
            }
            if pass > 0 {
                let wall = spent.as_secs_f64();
                let cpu = cpu.zip(measure::thread_cpu_seconds()).map(|(from, to)| to - from);
                rates.push(count / wall);
                cpu_rates.push(count / cpu.unwrap_or(wall));
            }
        }
        let (times, rss) = (Percentiles::of(times), Rss::now().unwrap_or_default());
        Ok(Self {
            width,
            recall: recall / count,
            qps: median(&rates),
            best_qps: rates.iter().copied().fold(0.0, f64::max),
            cpu_qps: median(&cpu_rates),
            p50_us: times.p50.as_secs_f64() * 1e6,
            p99_us: times.p99.as_secs_f64() * 1e6,
            evaluations: evaluations / count,
            rss: Rss {
                anon_bytes: rss.anon_bytes.saturating_sub(before.anon_bytes),
                file_bytes: rss.file_bytes.saturating_sub(before.file_bytes),
            },
        })
    }

    /// Prints the point for the process that started this one.
    pub fn print(&self) {
        let line = json!({
            "width": self.width,
            "recall": self.recall,
            "qps": self.qps,
            "best_qps": self.best_qps,
            "cpu_qps": self.cpu_qps,
            "p50_us": self.p50_us,
            "p99_us": self.p99_us,
            "evaluations": self.evaluations,
            "anon": self.rss.anon_bytes,
            "file": self.rss.file_bytes,
        });
        println!("{line}");
    }

    /// Parses the line that [`print`](Self::print) printed.
    pub fn of(line: &Value) -> Self {
        let number = |key| number(line, key);
        Self {
            width: number("width"),
            recall: number("recall"),
            qps: number("qps"),
            best_qps: number("best_qps"),
            cpu_qps: number("cpu_qps"),
            p50_us: number("p50_us"),
            p99_us: number("p99_us"),
            evaluations: number("evaluations"),
            rss: Rss { anon_bytes: number("anon") as u64, file_bytes: number("file") as u64 },
        }
    }
}
