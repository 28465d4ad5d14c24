//! An assistant that runs for months of simulated time, and a store that stays as small as what
//! it remembers.
//!
//! `cargo run --release --example agent_memory -- [--days 120] [--sessions 100] [--seed 1]`. Each
//! session keeps scratch turns with a short lifetime; at its end they are deleted together, in the
//! same atomic step that keeps what was learnt: observations for 30 days, preferences, tasks and
//! summaries until they are replaced or done. One session in four is abandoned: its turns expire.
//! The program fails if a recall ever returns a memory that was deleted, replaced or has expired,
//! or misses one (I12), and if the store has grown between the middle of the run and its end.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what happens")]
#![allow(clippy::disallowed_methods, reason = "an example may use files and clocks")]

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use altiplano::{
    Background, Batch, Clock, Collection, CollectionOptions, Durability, Filter, ManualClock,
    Memory, Metric, Store, StoreOptions, Timestamp,
};

use bench_tools::measure::{Args, Opt, Rss, Stop, allocated_bytes, median};
use bench_tools::vectors::{Rng, Vectors};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const TURN_TTL: Duration = Duration::from_secs(2 * 3600);
const OBSERVATION_TTL: Duration = Duration::from_secs(30 * 86_400);
/// A first day, in March 2025.
const START: Timestamp = Timestamp::from_millis(1_741_000_000_000);
/// Ids from here on are given once; those below belong to facts, which replace themselves.
const FIRST_PASSING_ID: u64 = 1 << 32;
/// Length of the noise that makes two embeddings of the same sentence differ.
const NOISE: f32 = 0.2;
/// Largest growth from the middle of the run to its end that counts as flat.
const FLAT: f64 = 1.10;
/// Observations fill the store for 30 days; a run that is shorter than this has no flat middle.
const SHORTEST_VERDICT: usize = 90;
const K: usize = 8;

/// One line of `memories.tsv`.
struct Line {
    user: String,
    session: String,
    kind: String,
    importance: f32,
    text: String,
}

/// What the store should hold, kept apart to judge its answers by.
struct Known {
    user: String,
    text: String,
    expires_at: Timestamp,
}

/// Takes one figure of a day.
type Figure = fn(&Day) -> u64;

/// What one simulated day cost.
struct Day {
    live: u64,
    dead: u64,
    disk_bytes: u64,
    rss: Rss,
    segments: usize,
}

struct Assistant {
    store: Store,
    notes: Collection,
    clock: Arc<ManualClock>,
    lines: Vec<Line>,
    embeddings: Vectors,
    queries: Vectors,
    rng: Rng,
    next_id: u64,
    known: HashMap<u64, Known>,
    recalls: u64,
    wrong: u64,
}

fn main() -> ExitCode {
    let options = [
        Opt { key: "days", value: "N", help: "simulated days, default 120" },
        Opt { key: "sessions", value: "N", help: "sessions a day, default 100" },
        Opt { key: "seed", value: "N", help: "of everything random, default 1" },
    ];
    let numbers = Args::from_env("An assistant's memory over months.", &options).and_then(|args| {
        Ok((args.get_or("days", 120)?, args.get_or("sessions", 100)?, args.get_or("seed", 1)?))
    });
    let (days, sessions, seed) = match numbers {
        Ok((days, sessions, seed)) if sessions > 0 => (days, sessions, seed),
        Ok(_) => {
            return stop(&Stop { text: "--sessions must not be 0".into(), asked: false });
        }
        Err(reason) => return stop(&reason),
    };
    match live(days, sessions, seed) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn stop(reason: &Stop) -> ExitCode {
    eprintln!("{}", reason.text);
    if reason.asked { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Lives for so many days; tells whether every answer was right and the store stayed flat.
fn live(days: usize, sessions: usize, seed: u64) -> Result<bool, Box<dyn Error>> {
    let dir = std::env::temp_dir().join(format!("agent-memory-{}.alt", std::process::id()));
    let begun = Instant::now();
    let mut assistant = Assistant::new(&dir, seed)?;
    println!(
        "{:>4} {:>7} {:>7} {:>9} {:>9} {:>9} {:>5}",
        "", "live", "dead", "disk", "RSS", "RSS", "seg-"
    );
    println!(
        "{:>4} {:>7} {:>7} {:>9} {:>9} {:>9} {:>5}",
        "day", "rows", "rows", "MiB", "anon MiB", "file MiB", "ments"
    );
    let mut past = Vec::with_capacity(days);
    for number in 1..=days {
        let day = assistant.day(sessions, &dir)?;
        println!(
            "{number:>4} {:>7} {:>7} {:>9.1} {:>9.1} {:>9.1} {:>5}",
            day.live,
            day.dead,
            mib(day.disk_bytes),
            mib(day.rss.anon_bytes),
            mib(day.rss.file_bytes),
            day.segments
        );
        past.push(day);
    }
    let (recalls, wrong) = (assistant.recalls, assistant.wrong);
    let report = assistant.store.verify()?;
    if !report.is_clean() {
        return Err(format!("the files are damaged: {:?}", report.problems).into());
    }
    assistant.store.close()?;
    std::fs::remove_dir_all(&dir)?;
    println!("\n{recalls} recalls, {wrong} wrong; {} files verified", report.files);
    println!("{:.1} s for {days} days", begun.elapsed().as_secs_f64());
    Ok(flat(&past) && wrong == 0)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Compares the last sixth of the run with as many days in its middle, by their medians.
fn flat(past: &[Day]) -> bool {
    let window = past.len() / 6;
    if past.len() < SHORTEST_VERDICT {
        println!("no verdict on growth in less than {SHORTEST_VERDICT} days");
        return true;
    }
    let middle = &past[past.len() / 2 - window / 2..][..window];
    let last = &past[past.len() - window..];
    let figures: [(&str, Figure); 4] = [
        ("live rows", |day| day.live),
        ("disk", |day| day.disk_bytes),
        ("RSS anonymous", |day| day.rss.anon_bytes),
        ("RSS file-mapped", |day| day.rss.file_bytes),
    ];
    let mut all_flat = true;
    for (name, figure) in figures {
        let of = |days: &[Day]| median(&days.iter().map(|d| figure(d) as f64).collect::<Vec<_>>());
        let ratio = of(last) / of(middle).max(1.0);
        println!("{name}: last {window} days are {ratio:.3} x the {window} in the middle");
        all_flat &= ratio <= FLAT;
    }
    println!("{}", if all_flat { "flat" } else { "not flat" });
    all_flat
}

impl Assistant {
    fn new(dir: &Path, seed: u64) -> Result<Self, Box<dyn Error>> {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
        let text = std::fs::read_to_string(data.join("memories.tsv"))?;
        let lines: Result<Vec<Line>, Box<dyn Error>> = text.lines().skip(1).map(parse).collect();
        let clock = Arc::new(ManualClock::new(START));
        // By hand, so that background work keeps up with simulated time and every run is alike.
        let store = StoreOptions::new()
            .clock(clock.clone())
            .background(Background::Manual)
            .seed(seed)
            .open(dir)?;
        // What a power cut may take is the last hour; what a crash of the process may, nothing.
        let options = CollectionOptions::new(384, Metric::Cosine)
            .durability(Durability::buffered(HOUR))
            .memtable_rows(2048);
        let notes = store.collection("notes", options.embedding_space("all-MiniLM-L6-v2"))?;
        Ok(Self {
            store,
            notes,
            clock,
            lines: lines?,
            embeddings: Vectors::read(&data.join("memories.npy"), None)?,
            queries: Vectors::read(&data.join("queries.npy"), None)?,
            rng: Rng::new(seed),
            next_id: FIRST_PASSING_ID,
            known: HashMap::new(),
            recalls: 0,
            wrong: 0,
        })
    }

    fn day(&mut self, sessions: usize, dir: &Path) -> Result<Day, Box<dyn Error>> {
        for _ in 0..sessions {
            self.clock.advance(DAY / sessions as u32);
            self.session()?;
            while self.store.run_pending_tasks()? {}
        }
        self.finish_tasks()?;
        self.store.sync()?;
        while self.store.run_pending_tasks()? {}
        let now = self.clock.wall();
        self.known.retain(|_, known| known.expires_at > now);
        let stats = self.store.stats()?;
        let notes = &stats.collections[0];
        if notes.live_rows != self.known.len() as u64 {
            eprintln!("{} live rows instead of {}", notes.live_rows, self.known.len());
            self.wrong += 1;
        }
        Ok(Day {
            live: notes.live_rows,
            dead: notes.dead_rows + notes.expired_rows,
            disk_bytes: allocated_bytes(dir)?,
            rss: Rss::now().unwrap_or_default(),
            segments: notes.segments.len(),
        })
    }

    /// One session of the data set, begun with a recall and ended, mostly, by keeping what was
    /// learnt and forgetting the rest.
    fn session(&mut self) -> Result<(), Box<dyn Error>> {
        let mut at = self.rng.below(self.lines.len());
        let name = self.lines[at].session.clone();
        while at > 0 && self.lines[at - 1].session == name {
            at -= 1;
        }
        self.recall(&self.lines[at].user.clone())?;
        // The same session of the data set may come again: this one has a name of its own.
        let session = format!("{name}-{}", self.next_id);
        let (mut turns, mut learnt) = (Vec::new(), Batch::new());
        while at < self.lines.len() && self.lines[at].session == name {
            let kind = self.lines[at].kind.clone();
            let (id, memory) = self.memory(at);
            if kind == "turn" {
                turns.push(id);
                self.notes.insert(memory.session(&session))?;
            } else {
                learnt = learnt.insert(memory);
            }
            at += 1;
        }
        let abandoned = self.rng.below(4) == 0;
        if !abandoned {
            learnt = learnt.delete_where(Filter::session(&session));
            turns.iter().for_each(|id| drop(self.known.remove(id)));
        }
        self.notes.apply(learnt)?;
        Ok(())
    }

    /// The memory of a line, as it is met this time, and its id.
    fn memory(&mut self, at: usize) -> (u64, Memory) {
        let line = &self.lines[at];
        let ttl = match line.kind.as_str() {
            "turn" => Some(TURN_TTL),
            "observation" => Some(OBSERVATION_TTL),
            _ => None,
        };
        let id = if ttl.is_some() { self.next_id } else { at as u64 };
        self.next_id += 1;
        let scale = NOISE / (self.embeddings.dim as f32).sqrt();
        let row = self.embeddings.row(at).iter();
        let vector: Vec<f32> = row.map(|x| x + scale * self.rng.normal()).collect();
        // The number tells a replaced fact from the one that replaced it.
        let text = format!("{} [{}]", line.text, self.next_id);
        let memory = Memory::new(id, vector)
            .text(&text)
            .namespace(&line.user)
            .kind(&line.kind)
            .importance(line.importance);
        let (memory, expires_at) = match ttl {
            Some(ttl) => (memory.ttl(ttl), self.clock.wall() + ttl),
            None => (memory, Timestamp::MAX),
        };
        let user = line.user.clone();
        self.known.insert(id, Known { user, text, expires_at });
        (id, memory)
    }

    /// Asks one of the held-out questions and judges every hit.
    fn recall(&mut self, user: &str) -> Result<(), Box<dyn Error>> {
        let query = self.rng.below(self.queries.len());
        let hits = self.notes.search(self.queries.row(query)).namespace(user).k(K).run()?;
        let now = self.clock.wall();
        let live = |known: &&Known| known.user == user && known.expires_at > now;
        let expected = self.known.values().filter(live).take(K).count();
        let right = |hit: &altiplano::Hit| {
            let id = u64::try_from(hit.id.as_u128()).ok();
            let known = id.and_then(|id| self.known.get(&id)).filter(live);
            known.is_some_and(|known| hit.text() == Some(&known.text))
        };
        self.recalls += 1;
        if hits.len() != expected || !hits.iter().all(right) {
            eprintln!("wrong: {user}, query {query}, {} of {expected} hits", hits.len());
            self.wrong += 1;
        }
        Ok(())
    }

    /// Half of the open tasks are done by the evening, and forgotten by id.
    fn finish_tasks(&mut self) -> Result<(), Box<dyn Error>> {
        let mut done = Batch::new();
        for (id, line) in (0u64..).zip(&self.lines) {
            let open = line.kind == "task" && self.known.contains_key(&id);
            if open && self.rng.below(2) == 0 {
                done = done.delete(id);
                self.known.remove(&id);
            }
        }
        self.notes.apply(done)?;
        Ok(())
    }
}

fn parse(line: &str) -> Result<Line, Box<dyn Error>> {
    let [user, session, kind, importance, text] = line.split('\t').collect::<Vec<_>>()[..] else {
        return Err(format!("not five fields: {line}").into());
    };
    Ok(Line {
        user: user.to_owned(),
        session: session.to_owned(),
        kind: kind.to_owned(),
        importance: importance.parse()?,
        text: text.to_owned(),
    })
}
