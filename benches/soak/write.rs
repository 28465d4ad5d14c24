//! Owns the thread that writes, sets the clock, opens snapshots, takes samples, and closes and
//! reopens, and the times of each. `load.rs` has the writes, `check.rs` the checks on other
//! threads. Only this thread changes the store or its clock. So between two of its writes the model
//! is exactly as new as the store.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use altiplano::{Batch, Fields, Filter, Memory, Timestamp};

use crate::check::{Contents, Held, Sample, rest};
use crate::load::{Load, number, space_name, text};
use crate::model::{K, Life, Op};
use crate::shared::{Cost, Open, Reopened, Shared, lock};
use bench_tools::vectors::Rng;

const MINUTE: i64 = 60_000;
/// Milliseconds by which the clock is moved, in turn.
const STEPS: [i64; 6] = [-MINUTE, 10_000, -5000, MINUTE, -1000, 2 * MINUTE];
const BATCH: usize = 256;
/// Memories of a snapshot that are read at once; the others are read at the end.
const READ_EARLY: usize = 500;

/// Rates and intervals.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// Writes per second, and the factor of a burst.
    pub(crate) rate: f64,
    pub(crate) burst: f64,
    pub(crate) burst_lasts: Duration,
    pub(crate) bursts: Duration,
    pub(crate) steps: Duration,
    /// Interval between steps of an hour forward.
    pub(crate) hours: Duration,
    pub(crate) snapshots: Duration,
    /// Milliseconds for which a snapshot is held.
    pub(crate) held: Range<usize>,
    pub(crate) samples: Duration,
    /// Queries per sample.
    pub(crate) sampled: usize,
    pub(crate) reopens: Duration,
}

/// A repeated event.
struct Every {
    next: Instant,
    every: Duration,
}

impl Every {
    fn new(every: Duration) -> Self {
        Self { next: Instant::now() + every, every }
    }

    fn is_due(&mut self) -> bool {
        let due = Instant::now() >= self.next;
        if due {
            self.next += self.every;
        }
        due
    }
}

pub(crate) struct Writer<'a> {
    shared: &'a Shared,
    pace: Pace,
    load: Load,
    rng: Rng,
    held: Sender<Held>,
    spare: &'a Mutex<Vec<Contents>>,
    samples: Sender<Sample>,
    stepped: usize,
    bursting: Instant,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        (pace, load, seed): (Pace, Load, u64),
        (held, spare): (Sender<Held>, &'a Mutex<Vec<Contents>>),
        samples: Sender<Sample>,
    ) -> Self {
        let (rng, bursting) = (Rng::new(seed), Instant::now());
        Self { shared, pace, load, rng, held, spare, samples, stepped: 0, bursting }
    }

    /// Fills the store.
    pub(crate) fn fill(&mut self, live: usize) -> Result<(), String> {
        let guard = self.shared.read();
        let open = guard.as_ref().ok_or("the store is not open")?;
        for from in (0..live).step_by(BATCH) {
            let model = self.shared.model();
            let count = BATCH.min(live - from);
            let ops = self.load.fill(&model, self.shared.clock.latest(), count);
            drop(model);
            apply(self.shared, open, &ops)?;
        }
        Ok(())
    }

    /// Writes until the run ends. A broken promise of a write ends it.
    pub(crate) fn run(mut self) {
        if let Err(reason) = self.writing() {
            self.shared.broke(reason);
        }
        self.shared.stop();
    }

    fn writing(&mut self) -> Result<(), String> {
        let pace = self.pace.clone();
        let mut bursts = Every::new(pace.bursts);
        let mut steps = Every::new(pace.steps);
        let mut hours = Every::new(pace.hours);
        let mut snapshots = Every::new(pace.snapshots);
        let mut samples = Every::new(pace.samples);
        let mut reopens = Every::new(pace.reopens);
        let mut next = Instant::now();
        while !self.shared.is_stopping() {
            if bursts.is_due() {
                self.bursting = Instant::now() + pace.burst_lasts;
                self.shared.seen().bursts += 1;
            }
            if steps.is_due() {
                self.step(STEPS[self.stepped % STEPS.len()]);
                self.stepped += 1;
            }
            if hours.is_due() {
                self.step(60 * MINUTE);
            }
            if snapshots.is_due() {
                self.snapshot()?;
            }
            if samples.is_due() {
                self.sample()?;
            }
            if reopens.is_due() {
                self.reopen()?;
            }
            let written = self.write()?;
            let now = Instant::now();
            let faster = if now < self.bursting { pace.burst } else { 1.0 };
            // At most one second of delay is made up for.
            next = (next + Duration::from_secs_f64(written as f64 / (faster * pace.rate)))
                .max(now - Duration::from_secs(1));
            std::thread::sleep(next.saturating_duration_since(now));
        }
        Ok(())
    }

    /// Writes the next batch. Returns its number of writes.
    fn write(&mut self) -> Result<usize, String> {
        let guard = self.shared.read();
        let open = guard.as_ref().ok_or("the store is not open")?;
        let ops = {
            let mut model = self.shared.model();
            model.sweep(self.shared.clock.earliest());
            self.load.batch(&model, self.shared.clock.latest())
        };
        if !ops.is_empty() {
            apply(self.shared, open, &ops)?;
        }
        Ok(ops.len().max(1))
    }

    fn step(&mut self, by: i64) {
        self.shared.clock.step(by);
        self.shared.seen().steps += 1;
    }

    /// Opens a snapshot, reads the beginning of every other one, and hands it over.
    fn snapshot(&mut self) -> Result<(), String> {
        let Some(mut contents) = lock(self.spare).pop() else {
            return Ok(());
        };
        let guard = self.shared.read();
        let open = guard.as_ref().ok_or("the store is not open")?;
        let from = self.shared.clock.earliest();
        let mut iter = open.notes.iter();
        contents.fill(&self.shared.model(), from, self.shared.clock.latest());
        if self.rng.unit() < 0.5 {
            for memory in iter.by_ref().take(READ_EARLY) {
                let memory = memory.map_err(|e| format!("a snapshot cannot be read: {e}"))?;
                contents.see(&memory, &self.shared.base)?;
            }
        }
        let range = self.pace.held.clone();
        let millis = range.start + self.rng.below(range.len());
        let until = Instant::now() + Duration::from_millis(millis as u64);
        self.held.send(Held { iter, until, contents }).map_err(|e| e.to_string())
    }

    /// Asks queries while nothing is written, and counts the live memories.
    fn sample(&mut self) -> Result<(), String> {
        let guard = self.shared.read();
        let open = guard.as_ref().ok_or("the store is not open")?;
        let from = self.shared.clock.earliest();
        let len = open.notes.len().map_err(|e| format!("len: {e}"))?;
        let to = self.shared.clock.latest();
        let (mut least, mut most) = (0, 0);
        let mut rows = Vec::with_capacity(2 * self.shared.model().live());
        for (_, version) in self.shared.model().versions() {
            least += u64::from(version.due_from > to);
            most += u64::from(version.due_to > from);
            if version.due_to > from {
                rows.push(version.row);
            }
        }
        if !(least..=most).contains(&len) {
            return Err(format!("{len} memories live, not {least} to {most}"));
        }
        let mut answers = Vec::with_capacity(self.pace.sampled);
        let mut cost = Cost::default();
        for _ in 0..self.pace.sampled {
            let asked = self.rng.below(self.shared.queries.len());
            let query = self.shared.queries.row(asked);
            let answer = open.notes.search(query).k(K).fields(Fields::None).explain();
            let (hits, took) = answer.map_err(|e| format!("search: {e}"))?;
            let share = 1.0 / self.pace.sampled as f64;
            cost.scanned += share * took.scanned as f64;
            cost.evaluations += share * took.evaluations as f64;
            cost.reranked += share * took.reranked as f64;
            let model = self.shared.model();
            let exact = |hit: &altiplano::Hit| {
                let version = model.get(number(hit.id))?;
                let row = self.shared.base.row(version.row as usize);
                Some(bench_tools::vectors::distance(
                    query,
                    row,
                    bench_tools::vectors::Metric::Cosine,
                ))
            };
            answers.push((asked, hits.iter().filter_map(exact).collect()));
        }
        self.shared.seen().cost = cost;
        self.samples.send(Sample { rows, answers }).map_err(|e| e.to_string())
    }

    /// Closes the store and opens it again, verifies it, and compares all of it with the model.
    fn reopen(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        let (close, opened) = {
            let mut guard = self.shared.open.write().unwrap_or_else(|e| e.into_inner());
            if let Some(Open { store, notes }) = guard.take() {
                drop(notes);
                store.close().map_err(|e| format!("close: {e}"))?;
            }
            let close = begun.elapsed();
            *guard = Some(self.shared.open_store()?);
            (close, begun.elapsed() - close)
        };
        let guard = self.shared.read();
        let open = guard.as_ref().ok_or("the store is not open")?;
        let begun = Instant::now();
        let report = open.store.verify().map_err(|e| format!("verify: {e}"))?;
        if let Some(problem) = report.problems.first() {
            return Err(format!("verify found {problem}"));
        }
        let verify = begun.elapsed();
        let mut contents = lock(self.spare).pop().unwrap_or_default();
        let from = self.shared.clock.earliest();
        let iter = open.notes.iter();
        contents.fill(&self.shared.model(), from, self.shared.clock.latest());
        rest(iter, &mut contents, &self.shared.base).map_err(|e| format!("reopened: {e}"))?;
        lock(self.spare).push(contents);
        self.shared.seen().reopened = Some(Reopened { close, open: opened, verify });
        Ok(())
    }
}

/// Applies the writes to the store and to the model, and compares their results. Looks up one
/// memory of each batch again.
fn apply(shared: &Shared, open: &Open, ops: &[Op]) -> Result<(), String> {
    let from = shared.clock.earliest();
    shared.model().begin(ops, from);
    let batch = ops.iter().fold(Batch::new(), |batch, op| match *op {
        Op::Put { id, row, space, life } => {
            let memory = Memory::new(id, shared.base.row(row as usize))
                .namespace(space_name(space))
                .text(text(id, row));
            batch.insert(match life {
                Life::Forever => memory,
                Life::For(ttl) => memory.ttl(Duration::from_millis(ttl)),
                Life::Until(due) => memory.expires_at(Timestamp::from_millis(due.cast_signed())),
            })
        }
        Op::Delete { id } => batch.delete(id),
        Op::Drop { space } => batch.delete_where(Filter::namespace(space_name(space))),
    });
    let begun = Instant::now();
    let applied = open.notes.apply(batch);
    let took = begun.elapsed();
    let applied = applied.map_err(|e| format!("write: {e}"))?;
    // The commit came after this moment, and confirmed a later one.
    shared.clock.vouch(from);
    shared.model().finish(ops, applied, shared.clock.latest())?;
    let mut seen = shared.seen();
    seen.writes.push(took);
    seen.ops += ops.len() as u64;
    drop(seen);
    let (id, lives) = match ops.last() {
        Some(Op::Put { id, .. }) => (*id, true),
        Some(Op::Delete { id }) => (*id, false),
        _ => return Ok(()),
    };
    let found = open.notes.contains(id).map_err(|e| format!("contains: {e}"))?;
    match found == lives {
        true => Ok(()),
        false => Err(format!("id {id} was written last; that it lives is {found}")),
    }
}
