//! Owns the churn: rounds of deletes and inserts at a constant live count, for each library in a
//! process of its own. Each runs twice: once left alone, and once with the maintenance that its
//! documentation names. The schedule, which is the same for all, and the measurements of a round
//! are here. The libraries are in `churn/peers.rs` and `python/churn.py`, the output is in
//! `report.rs`.
//!
//! A round deletes a share of the live rows, half of them the oldest and half at random. It inserts
//! as many new ones in batches and makes them durable; an index in RAM is written to disk. Then the
//! maintenance runs, and then all queries are asked, with one beam for all rounds. A round takes at
//! least `--pace` seconds; background work runs meanwhile.
//!
//! The processor time of a round is that of the process without the loop of queries: deletes,
//! inserts, maintenance and background work. Resident bytes are those added since the moment before
//! the library was opened. A library that must be rebuilt reads the rows from the benchmark's copy.
//! A program would have to keep such a copy, but no figure includes it. Neighbors are found by
//! exact search over the live rows.

mod library;
mod peers;
mod report;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::data::{DELETES, GENERATED};
use crate::peer::Result;
use crate::peers::python;
use crate::setup::{Data, K, Scratch};
use crate::steps;
use bench_tools::args::Args;
use bench_tools::measure::{self, Percentiles, Rss};
use bench_tools::vectors::{self, Neighbors, Rng, Vectors};
use library::Churn;

/// A beam with which all libraries find most of the nearest rows.
const BEAM: usize = 64;
const PASSES: usize = 2;

/// The deletes of each round. Rows are numbered from 0 in the order in which they are inserted.
struct Schedule {
    live: usize,
    /// Of round 1 and those after it.
    deletes: Neighbors,
}

impl Schedule {
    fn new(live: usize, rounds: usize, turnover: f64) -> Self {
        let count = ((live as f64 * turnover) as usize).clamp(2, live);
        let (mut alive, mut rng) = ((0..live as u32).collect::<Vec<_>>(), Rng::new(17));
        let mut ids = Vec::with_capacity(rounds * count);
        for round in 0..rounds {
            let mut gone: Vec<u32> = alive.drain(..count / 2).collect();
            for _ in gone.len()..count {
                gone.push(alive.remove(rng.below(alive.len())));
            }
            ids.extend(gone);
            let first = (live + round * count) as u32;
            alive.extend(first..first + count as u32);
        }
        Self { live, deletes: Neighbors { k: count, ids } }
    }

    fn rounds(&self) -> usize {
        self.deletes.len()
    }

    fn deleted(&self, round: usize) -> &[u32] {
        self.deletes.row(round - 1)
    }

    fn inserted(&self, round: usize) -> Vec<u32> {
        let first = (self.live + (round - 1) * self.deletes.k) as u32;
        (first..first + self.deletes.k as u32).collect()
    }

    /// Applies a round to the live rows, in the order of numbers.
    fn advance(&self, round: usize, alive: &mut Vec<u32>) {
        let mut gone = self.deleted(round).to_vec();
        gone.sort_unstable();
        alive.retain(|id| gone.binary_search(id).is_err());
        alive.extend(self.inserted(round));
    }

    /// Returns the nearest rows of every query after every round, round 0 first.
    fn truth(&self, base: &Vectors, queries: &Vectors, metric: vectors::Metric) -> Neighbors {
        let mut alive: Vec<u32> = (0..self.live as u32).collect();
        let mut all = Neighbors { k: K, ids: Vec::new() };
        for round in 0..=self.rounds() {
            if round > 0 {
                self.advance(round, &mut alive);
            }
            let data = alive.iter().flat_map(|id| row(base, *id)).copied().collect();
            let live = Vectors { dim: base.dim, data };
            let near = vectors::exact_neighbors(&live, queries, metric, K, 1);
            all.ids.extend(near.ids.iter().map(|place| alive[*place as usize]));
        }
        all
    }
}

/// Returns a row. Rows are used again if there are too few.
fn row(base: &Vectors, id: u32) -> &[f32] {
    base.row(id as usize % base.len())
}

/// Runs all libraries, one after the other.
pub fn run(args: &Args, pinned: bool) -> Result<()> {
    let quick = args.has("quick");
    let live: usize = args.get_or("live", if quick { 2000 } else { 20_000 })?;
    let rounds: usize = args.get_or("rounds", if quick { 3 } else { 30 })?;
    let turnover: f64 = args.get_or("turnover", 0.1)?;
    if live < 100 || rounds == 0 || !(0.001..=0.5).contains(&turnover) {
        let text = "--live 100 or more, --rounds 1 or more, --turnover 0.001 to 0.5";
        return Err(args.wrong(text).into());
    }
    let mut data = Data::unanswered(args, GENERATED)?;
    let asked = if quick { 50 } else { 200 };
    data.queries.data.truncate(asked * data.queries.dim);
    if data.base.len() < live {
        return Err(args.wrong(format!("{} rows, fewer than live", data.base.len())).into());
    }
    if data.exact == vectors::Metric::Cosine {
        data.base.normalize();
        data.queries.normalize();
    }
    let schedule = Schedule::new(live, rounds, turnover);
    let work = Scratch::new("peers-churn");
    let truth = schedule.truth(&data.base, &data.queries, data.exact);
    data.base.data = Vec::new();
    steps::hand_over(&data.queries, &truth, work.path())?;
    steps::write_ids(&work.path().join(DELETES), &schedule.deletes)?;
    let only = args.list::<String>("only")?;
    let wanted = |name: &str| only.as_ref().is_none_or(|only| only.iter().any(|o| o == name));
    let mut results = Vec::new();
    report::heads();
    for (name, maintained) in variants() {
        if !wanted(name) {
            continue;
        }
        let dir = work.path().join("index");
        std::fs::create_dir_all(&dir)?;
        let own = [
            ("step", "churn".to_owned()),
            ("peer", name.to_owned()),
            ("dir", dir.to_string_lossy().into_owned()),
            ("work", work.path().to_string_lossy().into_owned()),
            ("live", live.to_string()),
            ("pace", args.text("pace").unwrap_or(if quick { "0" } else { "1" }).to_owned()),
            ("maintained", maintained.to_string()),
        ];
        let lines = steps::start(args, None, &own);
        let _ = std::fs::remove_dir_all(&dir);
        match lines {
            Ok(lines) => {
                let result = report::Peer::new(name, maintained, &lines);
                result.print(&data, live, turnover, pinned);
                results.push(result);
            }
            Err(reason) => eprintln!("{name}: {reason}"),
        }
    }
    let beside = std::env::current_exe()?.with_file_name("peers-churn.svg");
    let svg = args.text("svg").map_or(beside, std::path::PathBuf::from);
    std::fs::write(&svg, report::picture(&data, live, turnover, &results))?;
    eprintln!("plots: {}", svg.display());
    if results.is_empty() { Err("nothing was measured".into()) } else { Ok(()) }
}

/// Returns every library, left alone and maintained.
fn variants() -> impl Iterator<Item = (&'static str, bool)> {
    let names = peers::NAMES.into_iter().chain(python::CHURNING);
    names.flat_map(|name| [(name, false), (name, true)])
}

/// Runs one library, in the process that [`run`] starts for it.
pub fn step(args: &Args) -> Result<()> {
    let need = |key: &str| args.text(key).ok_or_else(|| format!("no --{key}"));
    let (name, dir) = (need("peer")?, Path::new(need("dir")?));
    if let Some(peer) = python::Python::churning(name) {
        return peer.churn_step(args, dir);
    }
    let data = crate::data::data(args)?;
    let work = Path::new(need("work")?);
    let queries = Vectors::read(&work.join(steps::QUERIES), None)?;
    let truth = Neighbors::read(&work.join(steps::TRUTH), None)?;
    let deletes = Neighbors::read(&work.join(DELETES), None)?;
    let schedule = Schedule { live: need("live")?.parse()?, deletes };
    let maintained = need("maintained")? == "true";
    let pace = Duration::from_secs_f64(need("pace")?.parse()?);
    let before = Rss::now().unwrap_or_default();
    let capacity = schedule.live + schedule.deletes.k;
    let mut peer = peers::start(name, maintained, (data.base.dim, data.exact), capacity, dir)?;
    let mut alive: Vec<u32> = (0..schedule.live as u32).collect();
    for round in 0..=schedule.rounds() {
        let (begun, cpu) = (Instant::now(), measure::cpu_seconds(None).unwrap_or(f64::NAN));
        let added = if round == 0 {
            alive.clone()
        } else {
            peer.remove(schedule.deleted(round))?;
            schedule.advance(round, &mut alive);
            schedule.inserted(round)
        };
        for ids in added.chunks(peers::BATCH) {
            let rows: Vec<&[f32]> = ids.iter().map(|id| row(&data.base, *id)).collect();
            peer.add(ids, &rows)?;
        }
        peer.commit()?;
        let write_s = begun.elapsed().as_secs_f64();
        if maintained {
            peer.maintain(&alive, &|id| row(&data.base, id).to_vec())?;
        }
        let maintain_s = begun.elapsed().as_secs_f64() - write_s;
        let asked = ask(&*peer, &queries, &truth, round)?;
        std::thread::sleep(pace.saturating_sub(begun.elapsed()));
        let cpu = measure::cpu_seconds(None).unwrap_or(f64::NAN) - cpu - asked.cpu;
        let rss = Rss::now().unwrap_or_default();
        let line = json!({
            "round": round,
            "rss_anon_bytes": rss.anon_bytes.saturating_sub(before.anon_bytes),
            "rss_file_bytes": rss.file_bytes.saturating_sub(before.file_bytes),
            "disk_bytes": measure::allocated_bytes(dir)?,
            "recall_at_10": asked.recall,
            "p50_us": asked.times.p50.as_secs_f64() * 1e6,
            "p99_us": asked.times.p99.as_secs_f64() * 1e6,
            "cpu_s": cpu,
            "write_s": write_s,
            "maintain_s": maintain_s,
        });
        println!("{line}");
    }
    Ok(())
}

struct Asked {
    recall: f64,
    times: Percentiles,
    /// Processor time of this thread, in seconds.
    cpu: f64,
}

/// Asks all queries in several passes.
fn ask(peer: &dyn Churn, queries: &Vectors, truth: &Neighbors, round: usize) -> Result<Asked> {
    let cpu = measure::thread_cpu_seconds().unwrap_or(0.0);
    let (mut recall, mut times, mut found) = (0.0, Vec::new(), Vec::new());
    for pass in 0..PASSES {
        for (i, query) in queries.rows().enumerate() {
            found.clear();
            let begun = Instant::now();
            peer.search(query, K, BEAM, &mut found)?;
            times.push(begun.elapsed());
            if pass == 0 {
                recall += truth.recall(round * queries.len() + i, K, found.iter().copied());
            }
        }
    }
    let cpu = measure::thread_cpu_seconds().unwrap_or(0.0) - cpu;
    Ok(Asked { recall: recall / queries.len() as f64, times: Percentiles::of(times), cpu })
}
