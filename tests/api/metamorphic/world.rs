//! Owns collections of the same rows in every state that rows can have, and judges the results of
//! searches in them.

use altiplano::{
    Batch, Collection, CollectionOptions, CollectionSettings, Fields, Hit, HnswParams, Memory,
    MemoryId, Metric, Store,
};

use crate::common;
use bench_tools::truth::Truth;
use bench_tools::vectors::{self, Rng, Vectors};

pub(crate) const METRICS: [Metric; 3] = [Metric::L2, Metric::Dot, Metric::Cosine];
pub(crate) const K: usize = 10;
/// The target recall, and the allowed shortfall.
pub(crate) const TARGET: f32 = 0.95;
const BELOW: f64 = 0.01;

/// The place of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// In RAM, not sealed.
    Memtable,
    /// In segments, with an index that has no graph.
    Sealed,
    /// As `Sealed` with a graph, after a tenth more rows were deleted.
    Compacted,
    /// As compacted, closed and opened again.
    Reopened,
}

/// For tests that change the rows. Each state has a store of its own for them.
pub(crate) const STATES: [State; 4] =
    [State::Memtable, State::Sealed, State::Compacted, State::Reopened];

/// A collection in one state. Its ids are the numbers of the rows.
pub(crate) struct World {
    dir: tempfile::TempDir,
    store: Store,
    pub(crate) notes: Collection,
    options: CollectionOptions,
    label: String,
}

/// Runs `check` on these rows, with nothing but their vectors, in every state.
pub(crate) fn in_every_state(metric: Metric, rows: &Vectors, check: impl FnMut(&World)) {
    with_memories(CollectionOptions::new(rows.dim, metric), rows, Memory::new, check);
}

/// As [`in_every_state`], with memories that `memory` makes. `check` must leave them unchanged.
pub(crate) fn with_memories<'a>(
    options: CollectionOptions,
    rows: &'a Vectors,
    memory: impl Fn(u64, &'a [f32]) -> Memory,
    mut check: impl FnMut(&World),
) {
    for state in [State::Memtable, State::Sealed] {
        check(&World::new(state, options.clone(), rows, &memory));
    }
    let compacted = World::new(State::Compacted, options, rows, &memory);
    check(&compacted);
    check(&compacted.reopened());
}

impl World {
    /// Rows with nothing but their vectors.
    pub(crate) fn plain(state: State, metric: Metric, rows: &Vectors) -> Self {
        Self::new(state, CollectionOptions::new(rows.dim, metric), rows, Memory::new)
    }

    /// Fills a collection. Its graph is built from 100 rows on.
    pub(crate) fn new<'a>(
        state: State,
        options: CollectionOptions,
        rows: &'a Vectors,
        memory: impl Fn(u64, &'a [f32]) -> Memory,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let has_graph = matches!(state, State::Compacted | State::Reopened);
        let min_rows = if has_graph { 100 } else { u32::MAX };
        let hnsw = HnswParams::default().m(8).ef_construction(48).min_rows(min_rows);
        let memtable_rows = if state == State::Memtable { 65_536 } else { 256 };
        let options = options.hnsw(hnsw).memtable_rows(memtable_rows);
        let store = common::manual().open(dir.path().join("store")).unwrap();
        let notes = store.collection("notes", options.clone()).unwrap();
        let label = format!(
            "{:?}, {} x {}",
            CollectionSettings::from(options.clone()).metric,
            rows.len(),
            rows.dim
        );
        let label = format!("{state:?}, {label}");
        let world = Self { dir, store, notes, options, label };
        world.fill(state, rows, memory);
        if state == State::Reopened { world.reopened() } else { world }
    }

    /// Returns true if there is a graph, which reaches the target recall only on average.
    pub(crate) fn has_graph(&self) -> bool {
        let stats = self.store.stats().unwrap();
        stats.collections.iter().flat_map(|stats| &stats.indexes).any(|index| index.graph)
    }

    fn fill<'a>(&self, state: State, rows: &'a Vectors, memory: impl Fn(u64, &'a [f32]) -> Memory) {
        for ids in order(rows.len()).chunks(128) {
            let batch = ids.iter().map(|&id| memory(id, rows.row(id as usize)));
            self.notes.apply(batch.collect::<Batch>()).unwrap();
            if state != State::Memtable {
                common::settle(&self.store);
            }
        }
        if matches!(state, State::Compacted | State::Reopened) {
            let (first, count) = (rows.len() as u64, rows.len() as u64 / 10);
            let extra = (0..count).map(|i| memory(first + i, rows.row(i as usize)));
            self.notes.apply(extra.collect::<Batch>()).unwrap();
            common::settle(&self.store);
            self.notes.apply((first..first + count).fold(Batch::new(), Batch::delete)).unwrap();
        }
        if state != State::Memtable {
            self.notes.compact().unwrap();
            common::settle(&self.store);
        }
    }

    /// Closes the store and opens it again.
    fn reopened(self) -> Self {
        let Self { dir, store, notes, options, label } = self;
        drop(notes);
        store.close().unwrap();
        let store = common::manual().open(dir.path().join("store")).unwrap();
        let notes = store.collection("notes", options.clone()).unwrap();
        let label = label.replace("Compacted", "Reopened");
        Self { dir, store, notes, options, label }
    }

    /// Searches, and checks what must hold for every answer.
    pub(crate) fn find(&self, query: &[f32], k: usize, exact: bool) -> Vec<Hit> {
        let search = self.notes.search(query).k(k).target_recall(TARGET).fields(Fields::None);
        let hits = if exact { search.exact() } else { search }.run().unwrap();
        self.check(&hits, k.min(self.notes.len().unwrap() as usize));
        hits
    }

    /// Checks the number of hits, their order by distance and then by id, and that each comes once.
    pub(crate) fn check(&self, hits: &[Hit], count: usize) {
        assert_eq!(hits.len(), count, "{self}");
        for pair in hits.windows(2) {
            let place = |hit: &Hit| (hit.distance, hit.id);
            assert!(place(&pair[0]) < place(&pair[1]), "{self}: {pair:?}");
        }
    }

    /// Asserts that exact search finds the nearest rows, and search as many of them as it should.
    ///
    /// `truth` may be that of other vectors for which the same rows must be near. Exact distances
    /// must be `scale` times the true ones, to within `slack` of [`slack`].
    pub(crate) fn answers(&self, queries: &Vectors, truth: &Truth<'_>, scale: f64, slack: &Slack) {
        let (mut found, mut exact) = (Vec::new(), 0.0);
        for (i, query) in queries.rows().enumerate() {
            let k = truth.nearest(i).len();
            let hits = self.find(query, k, true);
            exact += truth.judge(i, &ids(&hits)).recall;
            for (hit, wanted) in hits.iter().zip(truth.nearest(i)) {
                let got = f64::from(hit.distance) / scale;
                assert!(slack.allows(i, got, *wanted), "{self}: {got:e}, not {wanted:e}");
            }
            found.push(truth.judge(i, &ids(&self.find(query, k, false))).recall);
        }
        assert_eq!(exact, queries.len() as f64, "{self}: exact search is not exact");
        self.assert_recall(&found);
    }

    /// Asserts that search reaches the target, given the recall of each query.
    pub(crate) fn assert_recall(&self, recalls: &[f64]) {
        assert_eq!(self.too_little(recalls), None);
    }

    /// Returns a message if the recall is below the target by more than the sampling error of few
    /// queries: two standard errors.
    pub(crate) fn too_little(&self, recalls: &[f64]) -> Option<String> {
        let count = recalls.len() as f64;
        let mean = recalls.iter().sum::<f64>() / count;
        let square = recalls.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let least = f64::from(TARGET) - BELOW - 2.0 * (square / count).sqrt();
        (mean < least).then(|| format!("{self}: a recall of {mean:.4}"))
    }
}

impl std::fmt::Display for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.label)
    }
}

/// The allowed error of a distance, for the arithmetic of `f32`.
pub(crate) struct Slack {
    metric: Metric,
    /// Of each query, and of the longest row.
    lengths: Vec<f64>,
    longest: f64,
}

impl Slack {
    pub(crate) fn of(metric: Metric, rows: &Vectors, queries: &Vectors) -> Self {
        let length = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        let longest = rows.rows().map(length).fold(0.0, f64::max);
        Self { metric, lengths: queries.rows().map(length).collect(), longest }
    }

    fn allows(&self, query: usize, got: f64, wanted: f64) -> bool {
        let length = self.lengths[query];
        match self.metric {
            // Rounding a coordinate moves a row by this much.
            Metric::L2 => {
                let (got, wanted) = (got.max(0.0).sqrt(), wanted.sqrt());
                (got - wanted).abs() <= 1e-4 * wanted + 2e-6 * length
            }
            Metric::Dot => {
                (got - wanted).abs() <= 1e-4 * wanted.abs() + 1e-5 * length * self.longest
            }
            _ => (got - wanted).abs() <= 1e-4 * wanted + 1e-6,
        }
    }
}

/// Returns the ids of hits, which are row numbers.
pub(crate) fn ids(hits: &[Hit]) -> Vec<u64> {
    hits.iter().map(|hit| hit.id.as_u128() as u64).collect()
}

/// Returns ids in the API's type.
pub(crate) fn memory_ids(hits: &[Hit]) -> Vec<MemoryId> {
    hits.iter().map(|hit| hit.id).collect()
}

/// Returns the judge's name of a metric.
pub(crate) fn judged(metric: Metric) -> vectors::Metric {
    match metric {
        Metric::Cosine => vectors::Metric::Cosine,
        Metric::Dot => vectors::Metric::Dot,
        _ => vectors::Metric::L2,
    }
}

/// Returns the truth about rows and queries.
pub(crate) fn truth<'a>(
    metric: Metric,
    rows: &'a Vectors,
    queries: &'a Vectors,
    k: usize,
) -> Truth<'a> {
    Truth::of(rows, queries, judged(metric), k, 2)
}

/// Returns rows with multiples of 1/256 from 0 to 16. Adding up to 30,000 to them loses nothing in
/// `f32`.
pub(crate) fn on_a_grid(rows: usize, dim: usize, seed: u64) -> Vectors {
    let mut rng = Rng::new(seed);
    let data = (0..rows * dim).map(|_| (1 + rng.below(4095)) as f32 / 256.0).collect();
    Vectors { dim, data }
}

/// Returns all row numbers, the last ones first and neighbors mixed. So the smallest ids come last,
/// and rows that change with their number still change over time.
fn order(rows: usize) -> Vec<u64> {
    let mut order: Vec<u64> = (0..rows as u64).rev().collect();
    let mut rng = Rng::new(99);
    for block in order.chunks_mut(64) {
        for i in (1..block.len()).rev() {
            block.swap(i, rng.below(i + 1));
        }
    }
    order
}
