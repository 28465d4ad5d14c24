//! Does an agent that writes for ever stay within its disk budget, when the only bound is what its
//! memories are worth?
//!
//! One thread remembers batches of texts with vectors, another recalls all the time. The rules are
//! carried out by the agent's own thread and by writers that find no room. Judged are:
//!
//! - no write is refused, and after no write the files take more than the budget;
//! - all pinned memories are there at the end, and each is found by its own text;
//! - anonymous RSS is flat: its mean over the last quarter is at most 1.1 times that of the second;
//! - what is left is worth more than what was written, on average.
//!
//! Before that, one plan over `--rows` memories is timed: what deciding costs.
//!
//! Prints a JSON line per window and one for the verdict. A `--quick` run is too short for RSS to
//! settle: only the promises count.
//!
//! `cargo bench --bench budget [-- --minutes 30 --budget 64]`
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints and measures"
)]

mod load;

use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use altiplano::agent::{
    Agent, AgentOptions, Duplicates, Exit, HashingEmbedder, NewMemory, Retention, Score, Tier,
};
use altiplano::{Durability, StoreOptions};
use bench_tools::args::{self, Args, Opt};
use bench_tools::measure::{Json, Rss, allocated_bytes};
use load::Load;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const OPTIONS: [Opt; 5] = [
    Opt { key: "minutes", value: "F", help: "default 30; --quick: 0.3" },
    Opt { key: "budget", value: "MIB", help: "the disk budget; default 64" },
    Opt { key: "rows", value: "N", help: "memories of the plan that is timed; default 1000000" },
    Opt { key: "pinned", value: "N", help: "pinned memories; default 100" },
    Opt { key: "quick", value: "", help: "short, for CI; 20000 memories in the plan" },
];

/// Memories of a batch.
const BATCH: u64 = 32;
/// Windows of a run.
const WINDOWS: usize = 20;
/// How much larger anonymous RSS may be in the last quarter than in the second.
const GROWTH: f64 = 1.1;

fn main() -> ExitCode {
    args::run("An agent under a disk budget, with retention as the only bound.", &OPTIONS, bench)
}

fn bench(args: &Args) -> Result<bool> {
    let quick = args.has("quick");
    plan(args.get_or("rows", if quick { 20_000 } else { 1_000_000 })?)?;
    let minutes: f64 = args.get_or("minutes", if quick { 0.3 } else { 30.0 })?;
    let budget = args.get_or("budget", 64u64)? << 20;
    let pinned = args.get_or("pinned", 100u64)?;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("agent.alt");
    let best = Retention::new().score(Score::new());
    let agent = AgentOptions::new(HashingEmbedder::new())
        .store(StoreOptions::new())
        .disk_budget(budget)
        .duplicates(Duplicates::off())
        .tiers([Tier::working().retention(best).exit(Exit::Forget)])
        .open(&path)?;
    for i in 0..pinned {
        agent.remember(NewMemory::new(load::pinned(i)).pinned(true).importance(0.0))?;
    }
    let run =
        Run { agent: &agent, path: &path, budget, length: Duration::from_secs_f64(minutes * 60.0) };
    let anonymous = run.windows()?;
    let holds = run.judge(pinned, &anonymous, quick)?;
    agent.close()?;
    Ok(holds)
}

/// Times a plan over many memories, of which a tenth has to leave.
fn plan(rows: u64) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let rules = Retention::new().max_count(rows - rows / 10).score(Score::new());
    let unsynced = Durability::buffered(Duration::from_secs(3600));
    let agent = AgentOptions::new(HashingEmbedder::with_dimension(16)?)
        .background(false)
        .duplicates(Duplicates::off())
        .no_importance()
        .tiers([Tier::working().durability(unsynced).retention(rules).exit(Exit::Forget)])
        .open(dir.path().join("agent.alt"))?;
    let mut load = Load::new(7, 16);
    let notes = agent.collection("working")?;
    for first in (0..rows).step_by(1024) {
        // Not through the agent, whose rules would be carried out meanwhile.
        let batch = (first..rows.min(first + 1024)).map(|_| load.memory());
        notes.apply(batch.collect())?;
    }
    agent.store().compact()?;
    let (before, mut times) = (Rss::now(), Vec::new());
    let mut leaving = 0;
    for _ in 0..3 {
        let begin = Instant::now();
        let plan = agent.plan()?;
        times.push(begin.elapsed());
        leaving = plan.leaving.len();
    }
    times.sort_unstable();
    let (after, seconds) = (Rss::now(), times[1].as_secs_f64());
    let grown = after
        .zip(before)
        .map_or(0, |(after, before)| after.anon_bytes.saturating_sub(before.anon_bytes));
    let line = Json::new()
        .field("bench", "budget")
        .field("case", "plan")
        .field("n", rows)
        .field("leaving", leaving)
        .field("seconds", seconds)
        .field("ns_per_memory", seconds * 1e9 / rows as f64)
        .field("anonymous_growth_bytes", grown);
    println!("{}", line.line());
    agent.close()?;
    Ok(())
}

struct Run<'a> {
    agent: &'a Agent,
    path: &'a std::path::Path,
    budget: u64,
    length: Duration,
}

#[derive(Default)]
struct Counts {
    written: AtomicU64,
    recalled: AtomicU64,
    /// The most bytes that the files took after a write.
    most: AtomicU64,
    done: AtomicBool,
}

impl Run<'_> {
    /// Writes and recalls. Returns the anonymous bytes at the end of each window.
    fn windows(&self) -> Result<Vec<f64>> {
        let counts = Counts::default();
        thread::scope(|scope| {
            let writer = scope.spawn(|| self.write(&counts).map_err(|error| error.to_string()));
            let reader = scope.spawn(|| self.recall(&counts).map_err(|error| error.to_string()));
            let mut anonymous = Vec::new();
            for window in 0..WINDOWS {
                thread::sleep(self.length / WINDOWS as u32);
                let rss = Rss::now().ok_or("RSS cannot be read")?;
                anonymous.push(rss.anon_bytes as f64);
                self.print(window, &counts, rss);
                if writer.is_finished() || reader.is_finished() {
                    break;
                }
            }
            counts.done.store(true, Ordering::Relaxed);
            let ended = |joined: thread::Result<std::result::Result<(), String>>| -> Result<()> {
                Ok(joined.map_err(|_| "a thread panicked")??)
            };
            ended(writer.join())?;
            ended(reader.join())?;
            Ok(anonymous)
        })
    }

    fn write(&self, counts: &Counts) -> Result<()> {
        let mut load = Load::new(1, 256);
        while !counts.done.load(Ordering::Relaxed) {
            self.agent.remember_all((0..BATCH).map(|_| load.new_memory()))?;
            counts.written.fetch_add(BATCH, Ordering::Relaxed);
            let bytes = allocated_bytes(self.path)?;
            counts.most.fetch_max(bytes, Ordering::Relaxed);
            if bytes > self.budget {
                return Err(format!("the files take {bytes} of {} bytes", self.budget).into());
            }
        }
        Ok(())
    }

    fn recall(&self, counts: &Counts) -> Result<()> {
        let mut load = Load::new(2, 256);
        while !counts.done.load(Ordering::Relaxed) {
            let answer = self.agent.recall(load.text()).k(10).run()?;
            if answer.items.len() != 10 {
                return Err(format!("{} memories came back, not 10", answer.items.len()).into());
            }
            counts.recalled.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn print(&self, window: usize, counts: &Counts, rss: Rss) {
        let line = Json::new()
            .field("bench", "budget")
            .field("window", window)
            .field("written", counts.written.load(Ordering::Relaxed))
            .field("recalled", counts.recalled.load(Ordering::Relaxed))
            .field("live", self.agent.stats().map_or(0, |stats| stats.tiers[0].memories))
            .field("disk_bytes", allocated_bytes(self.path).unwrap_or(0))
            .field("most_disk_bytes", counts.most.load(Ordering::Relaxed))
            .field("anonymous_bytes", rss.anon_bytes)
            .field("mapped_bytes", rss.file_bytes);
        println!("{}", line.line());
    }

    fn judge(&self, pinned: u64, anonymous: &[f64], quick: bool) -> Result<bool> {
        let mut missing = 0;
        for i in 0..pinned {
            let answer = self.agent.recall(load::pinned(i)).k(1).peek().run()?;
            let is_found = answer.items.first().is_some_and(|one| one.text() == load::pinned(i));
            missing += u64::from(!is_found);
        }
        let (mut sum, mut count) = (0.0, 0u64);
        for memory in self.agent.collection("working")?.iter() {
            let memory = memory?;
            if !memory.pinned {
                (sum, count) = (sum + f64::from(memory.importance), count + 1);
            }
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let quarter = anonymous.len() / 4;
        let second = mean(anonymous.get(quarter..2 * quarter).unwrap_or_default());
        let last = mean(&anonymous[anonymous.len() - quarter..]);
        let (growth, kept) = (last / second, sum / count.max(1) as f64);
        let is_flat = growth <= GROWTH;
        // Importances are written evenly between 0 and 1.
        let holds = missing == 0 && kept > 0.55 && (is_flat || quick);
        let line = Json::new()
            .field("bench", "budget")
            .field("verdict", if holds { "holds" } else { "does not hold" })
            .field("pinned_missing", missing)
            .field("mean_importance_kept", kept)
            .field("anonymous_growth", growth);
        println!("{}", line.line());
        eprintln!("{missing} pinned missing, importance kept {kept:.2}, RSS × {growth:.2}");
        Ok(holds)
    }
}
