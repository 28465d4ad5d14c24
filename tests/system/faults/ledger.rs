//! Owns the workload of the kill test, and the ledger of the store's expected content. Both are
//! functions of a seed and a batch's number, so that parent and child agree without communication.
//! Processes are not known here.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::common::Rng;
use altiplano::{
    Batch, Collection, CollectionOptions, Filter, HnswParams, Memory, Metric, Quantization,
};

pub(crate) const NAMES: [&str; 2] = ["notes", "facts"];
const DIMENSIONS: [usize; 2] = [16, 8];
/// Ids of each collection; the store grows until most are taken.
const IDS: [u64; 2] = [2500, 800];
const NAMESPACES: u64 = 24;
/// One batch in this many deletes a namespace.
const DROP_EVERY: u64 = 16;
/// One batch in this many has a long text, so that the log must roll now and then.
const LONG_EVERY: u64 = 12;
const LONG_IDS: u64 = 12;
const TTL: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The ids of a collection's memories, each with the number of the batch that wrote it.
pub(crate) type Rows = BTreeMap<u64, u64>;
/// The content of both collections.
pub(crate) type State = [Rows; 2];

/// Returns a generator for one row alone.
fn of_row(n: u64, c: usize, id: u64) -> Rng {
    let mut rng = Rng(n.wrapping_mul(1_000_003) ^ (id << 8) ^ c as u64);
    rng.next();
    rng
}

pub(crate) enum Write {
    Put(usize, u64),
    Delete(usize, u64),
    /// In the collection that the batch is applied to.
    DeleteNamespace(u64),
}

/// Returns batch number `n`: the collection that it is applied to, and its writes.
pub(crate) fn batch(seed: u64, n: u64) -> (usize, Vec<Write>) {
    let mut rng = Rng(seed ^ n.wrapping_mul(0xD129_0DDB_53C4_3E49));
    let base = usize::from(rng.below(4) == 0);
    let mut ops = Vec::new();
    if rng.below(LONG_EVERY) == 0 {
        ops.push(Write::Put(0, rng.below(LONG_IDS)));
    }
    for _ in 0..1 + rng.below(48) {
        // One write in six goes to the other collection.
        let c = base ^ usize::from(rng.below(6) == 0);
        let id = rng.below(IDS[c]);
        ops.push(match rng.below(6) {
            0 => Write::Delete(c, id),
            _ => Write::Put(c, id),
        });
    }
    if rng.below(DROP_EVERY) == 0 {
        let at = rng.below(ops.len() as u64 + 1) as usize;
        ops.insert(at, Write::DeleteNamespace(rng.below(NAMESPACES)));
    }
    (base, ops)
}

pub(crate) fn collection(c: usize) -> (&'static str, CollectionOptions) {
    let (metric, codes) =
        [(Metric::L2, Quantization::Int8), (Metric::Cosine, Quantization::None)][c];
    let hnsw = HnswParams::default().m(6).ef_construction(24).min_rows(300);
    let options = CollectionOptions::new(DIMENSIONS[c], metric).quantization(codes);
    (NAMES[c], options.hnsw(hnsw).memtable_rows(64))
}

fn namespace(n: u64, c: usize, id: u64) -> u64 {
    of_row(n, c, id).below(NAMESPACES)
}

fn vector(n: u64, c: usize, id: u64) -> Vec<f32> {
    let mut rng = of_row(!n, c, id);
    let mut value = || rng.below(2001) as f32 / 1000.0 - 1.0;
    let mut vector: Vec<f32> = (0..DIMENSIONS[c]).map(|_| value()).collect();
    vector[0] += 2.5; // never zero
    vector
}

/// Returns a text that contains the batch's number; some are long.
fn text(n: u64, c: usize, id: u64) -> String {
    let mut text = format!("generation {n} of {id} in {}", NAMES[c]);
    let fill = match (c, id) {
        (0, ..LONG_IDS) => 150_000,
        _ => of_row(n, c, id).below(300) as usize,
    };
    text.extend(std::iter::repeat_n('.', fill));
    text
}

fn lives_for(n: u64, id: u64) -> Option<Duration> {
    (n ^ id).is_multiple_of(5).then_some(TTL)
}

fn memory(n: u64, c: usize, id: u64) -> Memory {
    let memory = Memory::new(id, vector(n, c, id))
        .text(text(n, c, id))
        .namespace(format!("user:{}", namespace(n, c, id)));
    match lives_for(n, id) {
        Some(ttl) => memory.ttl(ttl),
        None => memory,
    }
}

pub(crate) fn to_batch(of: &[Collection; 2], base: usize, n: u64, ops: &[Write]) -> Batch {
    ops.iter().fold(Batch::new(), |batch, op| match *op {
        Write::Put(c, id) if c == base => batch.insert(memory(n, c, id)),
        Write::Put(c, id) => batch.insert_into(&of[c], memory(n, c, id)),
        Write::Delete(c, id) if c == base => batch.delete(id),
        Write::Delete(c, id) => batch.delete_from(&of[c], id),
        Write::DeleteNamespace(ns) => batch.delete_where(Filter::namespace(format!("user:{ns}"))),
    })
}

fn apply(state: &mut State, seed: u64, n: u64) {
    let (base, ops) = batch(seed, n);
    for op in ops {
        match op {
            Write::Put(c, id) => drop(state[c].insert(id, n)),
            Write::Delete(c, id) => drop(state[c].remove(&id)),
            Write::DeleteNamespace(ns) => {
                state[base].retain(|id, of| namespace(*of, base, *id) != ns);
            }
        }
    }
}

/// Every state that the store may have. There is more than one only after a process died with a
/// batch in flight.
pub(crate) struct Ledger {
    pub(crate) seed: u64,
    /// Possible states, each with the number of batches in flight that it takes as stored.
    possible: Vec<(State, u64)>,
}

impl Ledger {
    pub(crate) fn new(seed: u64) -> Self {
        Self::at(seed, State::default())
    }

    /// Returns the ledger of a store with the content `state`.
    pub(crate) fn at(seed: u64, state: State) -> Self {
        Self { seed, possible: vec![(state, 0)] }
    }

    pub(crate) fn acknowledged(&mut self, n: u64) {
        for (state, _) in &mut self.possible {
            apply(state, self.seed, n);
        }
    }

    /// Records that the batch may be there whole, or not at all (I4).
    pub(crate) fn in_flight(&mut self, n: u64) {
        let mut with = self.possible.clone();
        for (state, stored) in &mut with {
            apply(state, self.seed, n);
            *stored += 1;
        }
        self.possible.extend(with);
    }

    /// Records that any number of these batches, in their order, may be there: a prefix survives
    /// (I3).
    #[allow(dead_code, reason = "not every test cuts the power")]
    pub(crate) fn prefix_of(&mut self, batches: impl IntoIterator<Item = u64>) {
        for n in batches {
            let (mut state, stored) = self.possible.last().cloned().expect("one at least");
            apply(&mut state, self.seed, n);
            self.possible.push((state, stored + 1));
        }
    }

    /// Checks that the store is in a possible state, which is the only one from now on. Returns the
    /// number of batches in flight that were stored.
    pub(crate) fn settle(&mut self, found: &State) -> u64 {
        let stored = match self.possible.iter().find(|(state, _)| state == found) {
            Some((_, stored)) => *stored,
            None => panic!("{}", self.differences(found)),
        };
        self.possible = vec![(found.clone(), 0)];
        stored
    }

    fn differences(&self, found: &State) -> String {
        let mut text = format!("none of {} possible states:\n", self.possible.len());
        for (state, stored) in &self.possible {
            text += &format!("with {stored} batches in flight stored:\n");
            for (c, (expected, found)) in state.iter().zip(found).enumerate() {
                let lost = expected.iter().filter(|(id, n)| found.get(id) != Some(n));
                let added = found.iter().filter(|(id, n)| expected.get(id) != Some(n));
                let (lost, added): (Vec<_>, Vec<_>) = (lost.collect(), added.collect());
                text += &format!("  {}: missing {lost:?}, invented {added:?}\n", NAMES[c]);
            }
        }
        text
    }
}

/// Reads everything, and checks that each memory is as its batch wrote it.
pub(crate) fn read(collections: &[Collection; 2]) -> State {
    [0, 1].map(|c| {
        let mut rows = Rows::new();
        for memory in collections[c].iter() {
            let memory = memory.unwrap();
            let id = u64::try_from(memory.id.as_u128()).unwrap();
            let words = memory.text.as_deref().unwrap();
            let n = words.split(' ').nth(1).unwrap().parse().unwrap();
            assert_eq!(words, text(n, c, id), "{} {id}", NAMES[c]);
            let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
            let expected = vector(n, c, id);
            assert_eq!(memory.vector.len(), expected.len());
            assert!(memory.vector.iter().zip(&expected).all(close), "{id}");
            let ns = format!("user:{}", namespace(n, c, id));
            assert_eq!(memory.namespace.as_deref(), Some(&*ns));
            assert_eq!(memory.expiry().is_some(), lives_for(n, id).is_some());
            assert_eq!(rows.insert(id, n), None, "{} {id} is there twice", NAMES[c]);
        }
        rows
    })
}

fn distance(c: usize, a: &[f32], b: &[f32]) -> f64 {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum() };
    match c {
        0 => dot(a, a) + dot(b, b) - 2.0 * dot(a, b),
        _ => 1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt(),
    }
}

/// Compares searches with a scan of every row of the ledger. Returns the number of searches.
pub(crate) fn search(collections: &[Collection; 2], state: &State, salt: u64) -> u64 {
    const QUERIES: u64 = 12;
    const K: usize = 10;
    for (c, rows) in state.iter().enumerate() {
        let mut right = 0;
        let wanted = K.min(rows.len());
        for q in 0..QUERIES {
            let query = vector(salt, c, IDS[c] + q);
            let mut truth: Vec<(f64, u64)> = rows
                .iter()
                .map(|(id, n)| (distance(c, &query, &vector(*n, c, *id)), *id))
                .collect();
            truth.sort_by(|a, b| a.0.total_cmp(&b.0));
            truth.truncate(wanted);
            let exact = collections[c].search(&query).k(K).exact().run().unwrap();
            assert_eq!(exact.len(), wanted);
            for (hit, (expected, id)) in exact.iter().zip(&truth) {
                let off = (f64::from(hit.distance) - expected).abs();
                // Equal distances may come in any order.
                assert!(off < 1e-3, "{} {id}: {} {expected}", NAMES[c], hit.distance);
            }
            let hits = collections[c].search(&query).k(K).run().unwrap();
            assert_eq!(hits.len(), wanted, "I12");
            let farthest = truth.last().map_or(0.0, |t| t.0) + 1e-3;
            right += hits.iter().filter(|h| f64::from(h.distance) <= farthest).count();
        }
        let all = wanted * QUERIES as usize;
        assert!(right * 10 >= all * 9, "recall {right} of {all}");
    }
    QUERIES * 2
}
