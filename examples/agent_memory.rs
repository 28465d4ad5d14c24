//! A simulated assistant that runs for weeks of simulated time: every day it talks in sessions, makes
//! observations, learns preferences that replace older ones, and forgets. Memory of its users grows
//! to its natural size and stays there, and so do RAM and disk; the last lines show it.
//!
//! `cargo run --release --example agent_memory [-- --days N]`
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example prints and measures"
)]

#[path = "../benches/common/measure.rs"]
mod measure;
#[path = "../benches/common/vectors.rs"]
mod vectors;

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use altiplano::{
    Batch, Collection, CollectionOptions, Filter, ManualClock, Memory, Metric, StoreOptions,
    Timestamp,
};
use measure::{Opt, Rss};
use vectors::{Rng, Vectors};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// Conversation turns of one session, observations and facts of one day, for each of the users.
const USERS: usize = 12;
const TURNS: usize = 40;
const OBSERVATIONS: usize = 25;
const FACTS: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let known = [Opt {
        key: "days",
        value: "N",
        help: "simulated days, default 60",
    }];
    let args = match measure::Args::from_env("An assistant's memory over weeks.", &known) {
        Ok(args) => args,
        Err(stop) if stop.asked => {
            println!("{}", stop.text);
            return Ok(());
        }
        Err(stop) => return Err(stop.text.into()),
    };
    let days: u64 = args.get_or("days", 60).map_err(|stop| stop.text)?;
    let path = std::env::temp_dir().join(format!("altiplano-agent-{}.alt", std::process::id()));
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_767_225_600_000)));
    let store = StoreOptions::new().clock(clock.clone()).open(&path)?;
    let options = CollectionOptions::new(384, Metric::Cosine)
        .embedding_space("all-MiniLM-L6-v2")
        .default_ttl(90 * DAY)
        .memtable_rows(1024);
    let memory = store.collection("memory", options)?;
    let mut agent = Agent::new(memory, Arc::clone(&clock))?;

    println!("day   live  dead  segments   disk MB   anonymous MB   mapped MB   recalled");
    let mut history = Vec::new();
    for day in 1..=days {
        let recalled = agent.live_a_day()?;
        // Gives the background a moment: a day takes a blink here.
        std::thread::sleep(Duration::from_millis(40));
        let (stats, rss) = (store.stats()?, Rss::now().unwrap_or_default());
        let own = &stats.collections[0];
        let disk = measure::allocated_bytes(&path)?;
        println!(
            "{day:>3} {:>6} {:>5} {:>9} {:>9.1} {:>14.1} {:>11.1} {recalled:>10}",
            own.live_rows,
            own.dead_rows + own.expired_rows,
            own.segments.len(),
            disk as f64 / 1e6,
            rss.anon_bytes as f64 / 1e6,
            rss.file_bytes as f64 / 1e6,
        );
        history.push([own.live_rows as f64, disk as f64, rss.total() as f64]);
    }
    verdict(&history)?;
    drop(agent);
    store.close()?;
    std::fs::remove_dir_all(&path)?;
    Ok(())
}

/// Compares the last quarter of the days with the quarter before it.
fn verdict(history: &[[f64; 3]]) -> Result<(), Box<dyn Error>> {
    let quarter = history.len() / 4;
    if history.len() < 44 {
        println!("too short for a verdict: the oldest memories live for 30 days");
        return Ok(());
    }
    let (early, late) = history[history.len() - 2 * quarter..].split_at(quarter);
    let mut flat = true;
    for (i, name) in ["live memories", "disk", "RSS"].into_iter().enumerate() {
        let of =
            |days: &[[f64; 3]]| measure::median(&days.iter().map(|day| day[i]).collect::<Vec<_>>());
        let ratio = of(late) / of(early);
        println!("{name}: last {quarter} days ÷ the {quarter} before = {ratio:.3}");
        flat &= ratio < 1.15;
    }
    println!("{}", if flat { "flat" } else { "not flat" });
    if flat {
        Ok(())
    } else {
        Err("the assistant's memory grew".into())
    }
}

/// The assistant, with the world it remembers.
struct Agent {
    memory: Collection,
    clock: Arc<ManualClock>,
    vectors: Vectors,
    texts: Vec<String>,
    queries: Vectors,
    random: Rng,
    next_id: u64,
    sessions: u64,
    /// What the assistant may still remember: id → when it expires.
    known: HashMap<u64, Timestamp>,
}

impl Agent {
    fn new(memory: Collection, clock: Arc<ManualClock>) -> Result<Self, Box<dyn Error>> {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
        let table = std::fs::read_to_string(data.join("memories.tsv"))?;
        let text = |line: &str| line.rsplit('\t').next().unwrap_or_default().to_owned();
        Ok(Self {
            memory,
            clock,
            vectors: Vectors::read(&data.join("memories.npy"), None)?,
            texts: table.lines().skip(1).map(text).collect(),
            queries: Vectors::read(&data.join("queries.npy"), None)?,
            random: Rng::new(7),
            next_id: 1_000_000,
            sessions: 0,
            known: HashMap::new(),
        })
    }

    /// A thing to remember: one of the real sentences, a little varied.
    fn thought(&mut self, id: u64) -> Memory {
        let row = self.random.below(self.vectors.len());
        let vector: Vec<f32> = self
            .vectors
            .row(row)
            .iter()
            .map(|x| x + 0.01 * self.random.normal())
            .collect();
        Memory::new(id, vector).text(self.texts[row].clone())
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// One day: sessions, observations, facts, and questions. Tells how many memories came back.
    fn live_a_day(&mut self) -> Result<usize, Box<dyn Error>> {
        let mut recalled = 0;
        for user in 0..USERS {
            self.session(user)?;
            self.observe(user)?;
            self.learn(user)?;
            recalled += self.recall(user)?;
            self.clock.advance(2 * HOUR);
        }
        Ok(recalled)
    }

    /// A conversation: turns that live for a day, and are dropped when the session ends well.
    fn session(&mut self, user: usize) -> Result<(), Box<dyn Error>> {
        self.sessions += 1;
        let session = format!("session-{}", self.sessions);
        let expires = altiplano::Clock::wall(&*self.clock) + DAY;
        let mut batch = Batch::new();
        let mut ids = Vec::new();
        for _ in 0..TURNS {
            let id = self.new_id();
            let turn = self
                .thought(id)
                .kind("turn")
                .namespace(format!("user:{user}"));
            batch = batch.insert(turn.session(&session).ttl(DAY).importance(0.2));
            ids.push(id);
        }
        self.memory.apply(batch)?;
        if self.sessions.is_multiple_of(3) {
            // This one broke off: its turns stay until they expire.
            self.known.extend(ids.into_iter().map(|id| (id, expires)));
        } else {
            let dropped = self.memory.delete_where(Filter::session(session))?;
            assert_eq!(dropped, TURNS as u64, "a session is dropped whole");
        }
        Ok(())
    }

    /// What it noticed: kept for 30 days.
    fn observe(&mut self, user: usize) -> Result<(), Box<dyn Error>> {
        let expires = altiplano::Clock::wall(&*self.clock) + 30 * DAY;
        let mut batch = Batch::new();
        for _ in 0..OBSERVATIONS {
            let id = self.new_id();
            let seen = self
                .thought(id)
                .kind("observation")
                .namespace(format!("user:{user}"));
            batch = batch.insert(seen.ttl(30 * DAY).importance(0.5));
            self.known.insert(id, expires);
        }
        self.memory.apply(batch)?;
        Ok(())
    }

    /// What it holds to be true: each user has a hundred facts, and a new one replaces an old one.
    fn learn(&mut self, user: usize) -> Result<(), Box<dyn Error>> {
        for _ in 0..FACTS {
            let id = (user * 100 + self.random.below(100)) as u64;
            let fact = self
                .thought(id)
                .kind("preference")
                .namespace(format!("user:{user}"));
            self.memory.insert(fact.never_expires().importance(0.9))?;
            self.known.insert(id, Timestamp::MAX);
        }
        Ok(())
    }

    /// Asks a few questions; nothing that was forgotten may come back.
    fn recall(&mut self, user: usize) -> Result<usize, Box<dyn Error>> {
        let now = altiplano::Clock::wall(&*self.clock);
        self.known.retain(|_, expires| *expires > now);
        let mut count = 0;
        for _ in 0..5 {
            let query = self.queries.row(self.random.below(self.queries.len()));
            let hits = self
                .memory
                .search(query)
                .namespace(format!("user:{user}"))
                .k(8)
                .run()?;
            for hit in &hits {
                let id = hit.id.as_u128() as u64;
                if !self.known.contains_key(&id) {
                    return Err(format!("memory {id} was forgotten and came back").into());
                }
            }
            count += hits.len();
        }
        Ok(count)
    }
}
