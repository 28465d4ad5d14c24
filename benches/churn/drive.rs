//! Owns the rounds, the store under test and its clock, which moves by one second per round. A
//! round writes to the store, spreads queries over the rest of its time, and records what it saw.
//! `load.rs` has the writes and judges the answers; `report.rs` judges the figures.
//!
//! One thread writes and asks, so that a copy that is exactly as new as the store can judge every
//! answer. The store's own threads run beside it and are never called or waited for.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use altiplano::{
    Batch, Collection, CollectionOptions, Durability, Event, Fields, HnswParams, IoMode, Lifetime,
    ManualClock, Memory, Patch, SearchMode, Store, StoreOptions, StoreStats, Timestamp,
};

use crate::load::{Load, Op};
use crate::report::{Round, Told};
use crate::texts::Texts;
use crate::watch::{Sample, Watch, was_working};
use bench_tools::measure::{Percentiles, Rss, thread_cpu_seconds};
use bench_tools::vectors::{Metric, Vectors, exact_neighbors};

pub(crate) const K: usize = 10;
/// Time by which a round moves the store's clock.
const STEP: Duration = Duration::from_secs(1);
/// Writes per batch. Each batch is durable before the next.
const BATCH: usize = 128;
/// The share of a round for writes and queries. The benchmark needs the rest for exact search.
const ASKING: f64 = 0.75;

/// The parameters of the load.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) metric: Metric,
    pub(crate) path: SearchMode,
    pub(crate) io_mode: IoMode,
    /// The beam of graph searches; `None` leaves it to the store.
    pub(crate) ef: Option<usize>,
    pub(crate) live: usize,
    /// Number of warm-up rounds, which do not count.
    pub(crate) warm: u64,
    pub(crate) rounds: u64,
    /// Length of a round.
    pub(crate) pace: Duration,
    /// Updates per round: lifetimes that are set again, to the same end.
    pub(crate) updates: usize,
    pub(crate) texts: Texts,
    /// Timed queries per round.
    pub(crate) queries: usize,
    /// Number of queries, at the end of a round, on which recall is measured.
    pub(crate) judged: usize,
}

pub(crate) struct Drive {
    setup: Setup,
    load: Load,
    queries: Vectors,
    asked: usize,
    clock: Arc<ManualClock>,
    store: Store,
    notes: Collection,
    told: Arc<Mutex<Told>>,
    watch: Watch,
    /// The process's memory before the store was opened.
    before: Rss,
    last_cpu: f64,
    write_cpu: f64,
}

/// A query of this round.
struct Asked {
    query: usize,
    start: Instant,
    took: Duration,
    /// Exact distances of its hits.
    distances: Vec<f64>,
}

impl Drive {
    /// Opens a new store in `dir` and fills it.
    pub(crate) fn start(
        setup: Setup,
        load: Load,
        queries: Vectors,
        dir: &Path,
    ) -> Result<Self, String> {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
        let told: Arc<Mutex<Told>> = Arc::default();
        // The exact search runs once before, so that its memory is in `before`.
        truth(&setup, &load, &queries, 0);
        let watch = Watch::start(dir);
        let before = Rss::now().unwrap_or_default();
        let listener = Arc::clone(&told);
        let store = StoreOptions::new()
            .clock(Arc::clone(&clock) as Arc<dyn altiplano::Clock>)
            .on_event(move |event| note(&listener, event))
            .io_mode(setup.io_mode)
            .open(dir)
            .map_err(|e| format!("the store does not open: {e}"))?;
        let notes = store
            .collection("notes", collection_options(&setup, load.vectors.dim))
            .map_err(|e| format!("no collection: {e}"))?;
        let mut drive = Self {
            setup,
            load,
            queries,
            asked: 0,
            clock,
            store,
            notes,
            told,
            watch,
            before,
            last_cpu: 0.0,
            write_cpu: 0.0,
        };
        let fill = drive.load.fill();
        fill.chunks(BATCH)
            .try_for_each(|ops| drive.write(ops, 0))
            .map_err(|e| format!("while filling: {e}"))?;
        Ok(drive)
    }

    /// Runs one round. It takes as long as the pace says, or longer if that is not enough.
    pub(crate) fn round(&mut self, round: u64) -> Result<Round, String> {
        let begun = Instant::now();
        if round == 1 {
            // The samples before belong to the fill.
            self.last_cpu = self.watch.take().last().map_or(0.0, |s| s.cpu);
            *lock(&self.told) = Told::default();
        }
        let mut asked = Vec::with_capacity(self.setup.queries);
        self.clock.advance(STEP);
        let expired = self.load.expire(round);
        if expired != self.load.sizes.expired {
            return Err(format!("{expired} memories expired: the load is wrong"));
        }
        self.ask(&mut asked)?;
        let ops = self.load.round(round);
        for ops in ops.chunks(BATCH) {
            self.write(ops, round)?;
            self.ask(&mut asked)?;
        }
        let end = begun + self.setup.pace.mul_f64(ASKING);
        let (before, mut touched) = (asked.len(), 0);
        while asked.len() < self.setup.queries {
            let share = (asked.len() - before + 1) as f64 / (self.setup.queries - before) as f64;
            while touched < (self.setup.updates as f64 * share) as usize {
                self.touch(round)?;
                touched += 1;
            }
            let left = (self.setup.queries - asked.len()) as u32;
            std::thread::sleep(end.saturating_duration_since(Instant::now()) / left);
            self.ask(&mut asked)?;
        }
        let samples = self.watch.take();
        for _ in 0..20 {
            if let Some((id, _)) = self.load.some(round) {
                self.setup.texts.find(&self.notes, id)?;
            }
        }
        let seen = self.seen(round, &asked, &samples)?;
        let rest = (begun + self.setup.pace).saturating_duration_since(Instant::now());
        std::thread::sleep(rest);
        Ok(Round { took_s: begun.elapsed().as_secs_f64(), ..seen })
    }

    /// Closes the store after a check of every checksum.
    pub(crate) fn finish(self) -> Result<(), String> {
        let verified = self.store.verify().map_err(|e| format!("verify: {e}"))?;
        if let Some(problem) = verified.problems.first() {
            return Err(format!("verify found {problem}"));
        }
        drop(self.notes);
        self.store.close().map_err(|e| format!("close: {e}"))
    }

    fn write(&mut self, ops: &[Op], round: u64) -> Result<(), String> {
        let mut batch = Batch::new();
        for op in ops {
            batch = match *op {
                Op::Delete { id } => batch.delete(id),
                Op::Put { id, row, due } => {
                    let memory = Memory::new(id, self.load.base_row(row));
                    let memory = self.setup.texts.of(memory, id, row);
                    batch.insert(match Op::lifetime(due, round) {
                        Some(rounds) => memory.ttl(STEP * rounds as u32),
                        None => memory,
                    })
                }
            };
        }
        let replaced = self.load.replaced_by(ops);
        let before = thread_cpu_seconds().unwrap_or_default();
        let applied = self.notes.apply(batch).map_err(|e| format!("write: {e}"))?;
        self.write_cpu += thread_cpu_seconds().unwrap_or_default() - before;
        let deletes = ops.iter().filter(|op| matches!(op, Op::Delete { .. }));
        let deletes = deletes.count() as u64;
        let inserts = ops.len() as u64 - deletes - replaced;
        if (applied.inserted, applied.replaced, applied.deleted) != (inserts, replaced, deletes) {
            return Err(format!(
                "a batch of {inserts} inserts, {replaced} replacements and {deletes} deletes \
                 did {applied:?}"
            ));
        }
        self.load.apply(ops);
        Ok(())
    }

    /// Sets the lifetime of some memory again. It ends when it would have ended.
    fn touch(&mut self, round: u64) -> Result<(), String> {
        let Some((id, rounds)) = self.load.some(round) else { return Ok(()) };
        let patch = match rounds {
            Some(rounds) => Patch::new().lifetime(STEP * rounds as u32),
            None => Patch::new().lifetime(Lifetime::Forever),
        };
        let durability = Durability::buffered(Duration::from_millis(100));
        let applied = self.notes.apply_with(Batch::new().patch(id, patch), durability);
        match applied.map_err(|e| format!("update: {e}"))?.updated {
            1 => Ok(()),
            _ => Err(format!("memory {id} lives and was not updated")),
        }
    }

    /// Asks the next query and judges the answer.
    fn ask(&mut self, asked: &mut Vec<Asked>) -> Result<(), String> {
        let query = self.asked % self.queries.len();
        self.asked += 1;
        let vector = self.queries.row(query);
        let search = self.notes.search(vector).k(K).mode(self.setup.path);
        let search = search.fields(Fields::None);
        let search = match self.setup.ef {
            Some(ef) => search.ef(ef),
            None => search,
        };
        let start = Instant::now();
        let hits = search.run();
        let took = start.elapsed();
        let hits = hits.map_err(|e| format!("search: {e}"))?;
        let distances =
            self.load.judge(vector, &hits, K).map_err(|e| format!("query {query}: {e}"))?;
        asked.push(Asked { query, start, took, distances });
        Ok(())
    }

    /// Returns the figures of a round.
    fn seen(&mut self, round: u64, asked: &[Asked], samples: &[Sample]) -> Result<Round, String> {
        let told = std::mem::take(&mut *lock(&self.told));
        if let Some(failure) = told.failures.first() {
            return Err(format!("background work failed: {failure}"));
        }
        let live = self.notes.len().map_err(|e| format!("len: {e}"))?;
        if live != self.setup.live as u64 {
            return Err(format!("{live} memories live, not {}", self.setup.live));
        }
        let stats = self.store.stats().map_err(|e| format!("stats: {e}"))?;
        let last = *samples.last().ok_or("no samples")?;
        let peak = samples.iter().map(|s| s.rss.total()).max().unwrap_or(0);
        let cpu = std::mem::replace(&mut self.last_cpu, last.cpu);
        let (working, quiet): (Vec<&Asked>, Vec<&Asked>) =
            asked.iter().partition(|a| was_working(samples, a.start, a.start + a.took));
        let all = percentiles(asked.iter());
        let added = |now: u64, before: u64| now.saturating_sub(before);
        let mut seen = Round {
            round,
            live,
            rss_anon: added(last.rss.anon_bytes, self.before.anon_bytes),
            rss_file: added(last.rss.file_bytes, self.before.file_bytes),
            rss_anon_mean: added(mean(samples, |s| s.rss.anon_bytes), self.before.anon_bytes),
            rss_file_mean: added(mean(samples, |s| s.rss.file_bytes), self.before.file_bytes),
            rss_peak: added(peak, self.before.total()),
            disk: last.disk,
            disk_mean: mean(samples, |s| s.disk),
            disk_peak: samples.iter().map(|s| s.disk).max().unwrap_or(0),
            recall: self.recall(asked),
            p50: all.p50,
            p99: all.p99,
            p99_working: (!working.is_empty()).then(|| percentiles(working.iter().copied()).p99),
            p99_quiet: (!quiet.is_empty()).then(|| percentiles(quiet.iter().copied()).p99),
            working_share: working.len() as f64 / asked.len().max(1) as f64,
            cpu_s: last.cpu - cpu,
            write_cpu_s: std::mem::take(&mut self.write_cpu),
            told,
            ..Round::default()
        };
        seen.counts(&stats);
        Ok(seen)
    }

    /// Returns the share of the true nearest rows that the last queries found. A hit as near as the
    /// k-th nearest counts, so that equal distances do no harm.
    fn recall(&self, asked: &[Asked]) -> f64 {
        let judged = &asked[asked.len() - self.setup.judged.min(asked.len())..];
        let Some(first) = judged.first() else {
            return f64::NAN;
        };
        let bounds = truth(&self.setup, &self.load, &self.queries, first.query);
        let found = judged.iter().zip(&bounds).map(|(asked, bound)| {
            let near = |distance: &&f64| **distance <= bound + 1e-9;
            asked.distances.iter().filter(near).count()
        });
        found.sum::<usize>() as f64 / (K.min(self.load.live()) * judged.len()) as f64
    }
}

/// Returns the exact distance of the k-th nearest row for `judged` queries, from `first` on.
fn truth(setup: &Setup, load: &Load, queries: &Vectors, first: usize) -> Vec<f64> {
    let mut some =
        Vectors { dim: queries.dim, data: Vec::with_capacity(setup.judged * queries.dim) };
    for i in 0..setup.judged {
        let row = queries.row((first + i) % queries.len());
        some.data.extend_from_slice(row);
    }
    let nearest = exact_neighbors(&load.vectors, &some, setup.metric, K, 1);
    let far = |i: usize| {
        let last = nearest.row(i).last().copied().unwrap_or(0) as usize;
        bench_tools::vectors::distance(some.row(i), load.vectors.row(last), setup.metric)
    };
    (0..setup.judged).map(far).collect()
}

fn collection_options(setup: &Setup, dim: usize) -> CollectionOptions {
    let metric = match setup.metric {
        Metric::Cosine => altiplano::Metric::Cosine,
        Metric::Dot => altiplano::Metric::Dot,
        Metric::L2 => altiplano::Metric::L2,
    };
    // Small stores seal early, so that they have segments at all. A seal comes after a whole number
    // of rounds, or a whole number of times in two rounds. So the memtable at the end of a round
    // does not drift from full to empty.
    let memtable = (setup.live / 5).clamp(64, 4000) as u32;
    let options = setup.texts.options(CollectionOptions::new(dim, metric));
    let options = options.memtable_rows(memtable);
    // Graphs from a small size on, or none at all; `auto` leaves the choice to the store.
    let min_rows = match setup.path {
        SearchMode::Graph => (setup.live / 8).min(1000) as u32,
        SearchMode::Scan => u32::MAX,
        _ => return options,
    };
    options.hnsw(HnswParams::default().min_rows(min_rows))
}

fn mean(samples: &[Sample], of: impl Fn(&Sample) -> u64) -> u64 {
    samples.iter().map(of).sum::<u64>() / samples.len().max(1) as u64
}

fn percentiles<'a>(asked: impl Iterator<Item = &'a Asked>) -> Percentiles {
    Percentiles::of(asked.map(|a| a.took).collect())
}

fn note(told: &Mutex<Told>, event: &Event) {
    let mut told = lock(told);
    match event {
        Event::Sealed { .. } => told.seals += 1,
        Event::Compacted { .. } => told.compactions += 1,
        Event::Indexed { .. } => told.indexes += 1,
        Event::BackgroundError { reason, .. } | Event::IndexDamaged { reason, .. } => {
            told.failures.push(reason.clone());
        }
        _ => {}
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Round {
    /// Copies the figures from the store's statistics.
    fn counts(&mut self, stats: &StoreStats) {
        self.log_bytes = stats.log_bytes;
        self.heap_bytes = stats.heap_bytes;
        self.held_bytes = stats.held_bytes;
        for collection in &stats.collections {
            self.segments += collection.segments.len();
            self.indexes += collection.indexes.len();
            self.graphs += collection.indexes.iter().filter(|i| i.graph).count();
            self.memtable_rows += collection.memtable_rows;
            self.canary_ef = collection.recall.as_ref().map(|c| c.ef);
            let sealed = collection.segments.iter();
            self.dead_rows += sealed.map(|s| s.dead_rows + s.expired_rows).sum::<u64>();
        }
    }
}
