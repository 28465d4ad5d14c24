//! The assistant: what a session remembers, keeps and forgets, and the judge of every recall. Owns
//! the store, its clock, and a copy of the store's expected content.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use altiplano::{
    Background, Batch, Clock, Collection, CollectionOptions, Durability, Filter, ManualClock,
    Memory, Metric, Store, StoreOptions, Timestamp,
};
use bench_tools::measure::{Rss, allocated_bytes};
use bench_tools::vectors::{Rng, Vectors};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const TURN_TTL: Duration = Duration::from_secs(2 * 3600);
const OBSERVATION_TTL: Duration = Duration::from_secs(30 * 86_400);
/// A first day, in March 2025.
const START: Timestamp = Timestamp::from_millis(1_741_000_000_000);
/// Ids from here on are used once. Smaller ones belong to facts, which replace themselves.
const FIRST_PASSING_ID: u64 = 1 << 32;
/// Length of the noise that makes two embeddings of the same sentence differ.
const NOISE: f32 = 0.2;
const K: usize = 8;

/// One line of `memories.tsv`.
struct Line {
    user: String,
    session: String,
    kind: String,
    importance: f32,
    text: String,
}

/// The store's expected content, kept apart to judge its answers.
struct Known {
    user: String,
    text: String,
    expires_at: Timestamp,
}

/// The figures of one simulated day.
pub(crate) struct Day {
    pub(crate) live: u64,
    pub(crate) dead: u64,
    pub(crate) disk_bytes: u64,
    pub(crate) rss: Rss,
}

pub(crate) struct Assistant {
    pub(crate) store: Store,
    notes: Collection,
    clock: Arc<ManualClock>,
    lines: Vec<Line>,
    embeddings: Vectors,
    queries: Vectors,
    rng: Rng,
    next_id: u64,
    known: HashMap<u64, Known>,
    pub(crate) recalls: u64,
    pub(crate) wrong: u64,
}

impl Assistant {
    pub(crate) fn new(dir: &Path, seed: u64) -> Result<Self, Box<dyn Error>> {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
        let text = std::fs::read_to_string(data.join("memories.tsv"))?;
        let lines: Result<Vec<Line>, Box<dyn Error>> = text.lines().skip(1).map(parse).collect();
        let clock = Arc::new(ManualClock::new(START));
        // Maintenance is called by hand, so that it keeps up with simulated time and every run is
        // alike.
        let store = StoreOptions::new()
            .clock(clock.clone())
            .background(Background::Manual)
            .seed(seed)
            .open(dir)?;
        // A power cut may cost the last hour of writes; a crash of the process may cost nothing.
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

    pub(crate) fn day(&mut self, sessions: usize, dir: &Path) -> Result<Day, Box<dyn Error>> {
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
        })
    }

    /// One session of the data set. It begins with a recall. Most sessions end by keeping what was
    /// learned and forgetting the rest.
    fn session(&mut self) -> Result<(), Box<dyn Error>> {
        let mut at = self.rng.below(self.lines.len());
        let name = self.lines[at].session.clone();
        while at > 0 && self.lines[at - 1].session == name {
            at -= 1;
        }
        self.recall(&self.lines[at].user.clone())?;
        // The same session of the data set may come again, so this one has a name of its own.
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

    /// Returns the memory of a line as it is said this time, and its id.
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
        // The number distinguishes a fact from the one that it replaced.
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
