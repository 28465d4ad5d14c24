//! One library at a time, each in two processes of its own: one builds, the other searches.
//!
//! Owns the measuring and what passes between the processes. Not here: what is made of it
//! (`report.rs`).

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::measure::{self, Args, Percentiles, Rss, median};
use crate::peer::{Peer, Result};
use crate::setup::{self, Data, K};
use crate::vectors::{Metric, Neighbors, Vectors};
use crate::{GENERATED, peers};

const PASSES: usize = 3;
const QUERIES: &str = "queries.fvecs";
const TRUTH: &str = "neighbors.ivecs";

/// One library's figures.
pub struct Measured {
    pub build_s: f64,
    pub build_cpu_s: Option<f64>,
    pub open_ms: f64,
    pub disk_bytes: u64,
    pub points: Vec<Point>,
}

/// One point of its curve.
pub struct Point {
    pub width: u64,
    pub recall: f64,
    pub qps: f64,
    pub best_qps: f64,
    pub cpu_qps: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub rss: Rss,
}

/// Writes down what the processes that search need.
pub fn hand_over(data: &Data, work: &Path) -> Result<()> {
    let mut queries = data.queries.clone();
    if data.exact == Metric::Cosine {
        queries.normalize();
    }
    let rows = queries.rows().map(|row| row.iter().map(|x| x.to_le_bytes()).collect());
    write_rows(&work.join(QUERIES), rows)?;
    let truth = (0..data.truth.len()).map(|i| data.truth.row(i));
    let rows = truth.map(|row| row.iter().map(|id| id.to_le_bytes()).collect());
    write_rows(&work.join(TRUTH), rows)
}

/// `.fvecs` and `.ivecs`: each row behind its length.
fn write_rows(path: &Path, rows: impl Iterator<Item = Vec<[u8; 4]>>) -> Result<()> {
    let mut bytes = Vec::new();
    for row in rows {
        bytes.extend((row.len() as u32).to_le_bytes());
        bytes.extend(row.concat());
    }
    Ok(std::fs::write(path, bytes)?)
}

/// Has a library build and search in processes of their own.
pub fn measure(args: &Args, peer: &str, work: &Path, dir: &Path) -> Result<Measured> {
    std::fs::create_dir_all(dir)?;
    let built = child(args, "build", peer, dir, None)?;
    let built = built.first().ok_or("nothing was built")?;
    let found = child(args, "search", peer, dir, Some(work))?;
    let number = |line: &Value, key: &str| line[key].as_f64().ok_or(format!("no {key}"));
    let (head, points) = found.split_first().ok_or("nothing was searched")?;
    let point = |line: &Value| {
        Ok(Point {
            width: number(line, "width")? as u64,
            recall: number(line, "recall")?,
            qps: number(line, "qps")?,
            best_qps: number(line, "best_qps")?,
            cpu_qps: number(line, "cpu_qps")?,
            p50_us: number(line, "p50_us")?,
            p99_us: number(line, "p99_us")?,
            rss: Rss {
                anon_bytes: number(line, "anon")? as u64,
                file_bytes: number(line, "file")? as u64,
            },
        })
    };
    Ok(Measured {
        build_s: number(built, "build_s")?,
        build_cpu_s: built["build_cpu_s"].as_f64(),
        open_ms: number(head, "open_ms")?,
        disk_bytes: measure::allocated_bytes(dir)?,
        points: points.iter().map(point).collect::<Result<_>>()?,
    })
}

/// The lines that this program prints when it is started for one step.
fn child(
    args: &Args,
    step: &str,
    peer: &str,
    dir: &Path,
    work: Option<&Path>,
) -> Result<Vec<Value>> {
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
    command.args(["--step", step, "--peer", peer]).arg("--dir").arg(dir);
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("the step {step} failed: {}", output.status).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let lines = text.lines().filter(|line| line.starts_with('{'));
    Ok(lines.map(serde_json::from_str).collect::<std::result::Result<_, _>>()?)
}

/// The other side of [`child`].
pub fn run(step: &str, args: &Args) -> Result<()> {
    let (Some(name), Some(dir)) = (args.text("peer"), args.text("dir")) else {
        return Err("--step needs --peer and --dir".into());
    };
    let all = peers::all();
    let peer = all.iter().find(|peer| peer.name() == name).ok_or("no such peer")?;
    match step {
        "build" => build(&**peer, args, Path::new(dir)),
        "search" => search(&**peer, args, Path::new(dir)),
        _ => Err(format!("--step {step}: not build or search").into()),
    }
}

fn build(peer: &dyn Peer, args: &Args, dir: &Path) -> Result<()> {
    let mut data = Data::unanswered(args, GENERATED)?;
    if data.exact == Metric::Cosine {
        data.base.normalize();
    }
    let cpu = measure::cpu_seconds(None);
    let begun = Instant::now();
    peer.build(&data.base, data.exact, dir)?;
    let build_s = begun.elapsed().as_secs_f64();
    let cpu = cpu.zip(measure::cpu_seconds(None)).map(|(from, to)| to - from);
    println!("{}", json!({ "build_s": build_s, "build_cpu_s": cpu }));
    Ok(())
}

fn search(peer: &dyn Peer, args: &Args, dir: &Path) -> Result<()> {
    let file = |key: &str| args.text(key).map(Path::new).ok_or(format!("no --{key}"));
    let queries = Vectors::read(file("queries")?, None)?;
    let truth = Neighbors::read(file("neighbors")?, None)?;
    let metric = args.get_or("metric", Metric::Cosine).map_err(|stop| stop.text)?;
    let before = Rss::now().unwrap_or_default();
    let begun = Instant::now();
    let index = peer.open(queries.dim, metric, dir)?;
    let mut found = Vec::new();
    index.search(queries.row(0), K, K, &mut found)?;
    println!("{}", json!({ "open_ms": begun.elapsed().as_secs_f64() * 1e3 }));
    for width in peer.widths() {
        let (mut recall, mut times) = (0.0, Vec::new());
        let (mut rates, mut cpu_rates) = (Vec::new(), Vec::new());
        // One pass more than is counted, to warm up and to check the answers.
        for pass in 0..=PASSES {
            let mut spent = Duration::ZERO;
            let cpu = measure::thread_cpu_seconds();
            for (i, query) in queries.rows().enumerate() {
                found.clear();
                let begun = Instant::now();
                index.search(query, K, width, &mut found)?;
                let took = begun.elapsed();
                spent += took;
                if pass == 0 {
                    recall += truth.recall(i, K, found.iter().copied());
                } else {
                    times.push(took);
                }
            }
            if pass > 0 {
                let wall = spent.as_secs_f64();
                let cpu = cpu.zip(measure::thread_cpu_seconds()).map(|(from, to)| to - from);
                rates.push(queries.len() as f64 / wall);
                cpu_rates.push(queries.len() as f64 / cpu.unwrap_or(wall));
            }
        }
        let rss = Rss::now().unwrap_or_default();
        let times = Percentiles::of(times);
        let line = json!({
            "width": width,
            "recall": recall / queries.len() as f64,
            "qps": median(&rates),
            "best_qps": rates.iter().copied().fold(0.0, f64::max),
            "cpu_qps": median(&cpu_rates),
            "p50_us": times.p50.as_secs_f64() * 1e6,
            "p99_us": times.p99.as_secs_f64() * 1e6,
            "anon": rss.anon_bytes.saturating_sub(before.anon_bytes),
            "file": rss.file_bytes.saturating_sub(before.file_bytes),
        });
        println!("{line}");
    }
    Ok(())
}
