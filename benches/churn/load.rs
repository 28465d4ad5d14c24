//! Owns the load: which memories live, what a round writes, and whether an answer is right. It
//! keeps the benchmark's own copy of every live vector, apart from the store, and judges each
//! answer by it. The store is in `drive.rs`.
//!
//! A round of `n` writes replaces the vectors of `n / 10` ids. It removes the rest, half by id and
//! half by expiry, and inserts as many new ids. Half of the memories have a lifetime. Its length in
//! rounds makes the same number of memories expire in each round.

use std::collections::{HashMap, HashSet};

use altiplano::Hit;

use bench_tools::vectors::{Metric, Rng, Vectors, distance};

/// The round in which a memory without a lifetime expires.
const NEVER: u64 = u64::MAX;
/// Largest error of the store's distance, relative to 1 + distance.
const TOLERANCE: f64 = 1e-3;

/// One write.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Delete {
        id: u64,
    },
    /// An insert; a replacement if the id lives.
    Put {
        id: u64,
        /// Row of the base.
        row: u32,
        /// The round in which it expires.
        due: u64,
    },
}

impl Op {
    /// Returns the rounds from `round` until an inserted memory expires.
    pub(crate) fn lifetime(due: u64, round: u64) -> Option<u64> {
        (due != NEVER).then(|| due - round)
    }
}

/// Numbers of writes of each kind per round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) replaced: usize,
    pub(crate) deleted: usize,
    pub(crate) expired: usize,
    /// Lifetime in rounds of the memories that have one.
    pub(crate) rounds_to_live: usize,
}

impl Sizes {
    fn new(live: usize, turnover: f64) -> Self {
        let all = ((live as f64 * turnover) as usize).max(4);
        let replaced = all / 10;
        let deleted = (all - replaced) / 2;
        let expired = all - replaced - deleted;
        Self { replaced, deleted, expired, rounds_to_live: (live / 2 / expired).max(1) }
    }
}

/// The expected content of the store.
pub(crate) struct Load {
    base: Vectors,
    metric: Metric,
    pub(crate) sizes: Sizes,
    rng: Rng,
    /// Rows of the base in the order in which they are used.
    order: Vec<u32>,
    cursor: usize,
    /// Rows of the base that live now.
    in_use: Vec<bool>,
    next_id: u64,
    /// One row per place; the row of a free place has no meaning.
    pub(crate) vectors: Vectors,
    rows: Vec<u32>,
    ids: Vec<u64>,
    due: Vec<u64>,
    taken: Vec<bool>,
    free: Vec<usize>,
    /// Id → place, for all live memories.
    places: HashMap<u64, usize>,
}

impl Load {
    /// Creates an empty load. All memory that is ever needed is allocated and touched.
    pub(crate) fn new(base: Vectors, metric: Metric, live: usize, turnover: f64) -> Self {
        let mut rng = Rng::new(11);
        let mut order: Vec<u32> = (0..base.len() as u32).collect();
        shuffle(&mut order, &mut rng);
        Self {
            metric,
            sizes: Sizes::new(live, turnover),
            rng,
            order,
            cursor: 0,
            in_use: vec![false; base.len()],
            next_id: 1,
            vectors: Vectors { dim: base.dim, data: base.data[..live * base.dim].to_vec() },
            rows: vec![0; live],
            ids: vec![0; live],
            due: vec![NEVER; live],
            taken: vec![false; live],
            free: (0..live).rev().collect(),
            places: HashMap::with_capacity(2 * live),
            base,
        }
    }

    pub(crate) fn base_row(&self, row: u32) -> &[f32] {
        self.base.row(row as usize)
    }

    /// Returns the id of some live memory, and the rounds from `round` until it expires.
    pub(crate) fn some(&mut self, round: u64) -> Option<(u64, Option<u64>)> {
        let nth = self.rng.below(self.live().max(1));
        let place = (0..self.taken.len()).filter(|place| self.taken[*place]).nth(nth)?;
        Some((self.ids[place], Op::lifetime(self.due[place], round)))
    }

    pub(crate) fn live(&self) -> usize {
        self.places.len()
    }

    /// Returns the writes that fill the store. Some of the memories expire in each of the first
    /// rounds.
    pub(crate) fn fill(&mut self) -> Vec<Op> {
        let live = self.taken.len();
        let Sizes { expired, rounds_to_live, .. } = self.sizes;
        let mut dues = vec![NEVER; live];
        for (i, due) in dues.iter_mut().take(expired * rounds_to_live).enumerate() {
            *due = 1 + (i % rounds_to_live) as u64;
        }
        shuffle(&mut dues, &mut self.rng);
        dues.into_iter().map(|due| self.fresh(due)).collect()
    }

    /// Removes from the copy the memories that expire when `round` begins. Returns their number.
    pub(crate) fn expire(&mut self, round: u64) -> usize {
        let gone: Vec<u64> = (0..self.ids.len())
            .filter(|&at| self.taken[at] && self.due[at] <= round)
            .map(|at| self.ids[at])
            .collect();
        gone.iter().for_each(|&id| self.remove(id));
        gone.len()
    }

    /// Returns the writes of a round, to be made in this order. No id comes twice, and there are
    /// never more live memories than at the start.
    pub(crate) fn round(&mut self, round: u64) -> Vec<Op> {
        let Sizes { replaced, deleted, expired, rounds_to_live } = self.sizes;
        let mut touched = HashSet::new();
        let mut ops = Vec::new();
        for i in 0..expired.max(replaced) {
            if i < deleted {
                let at = self.pick(&mut touched, |due| due == NEVER);
                ops.push(Op::Delete { id: self.ids[at] });
                ops.push(self.fresh(NEVER));
            }
            if i < expired {
                ops.push(self.fresh(round + rounds_to_live as u64));
            }
            if i < replaced {
                let at = self.pick(&mut touched, |_| true);
                let (id, due) = (self.ids[at], self.due[at]);
                let row = self.next_row();
                ops.push(Op::Put { id, row, due });
            }
        }
        ops
    }

    /// Returns a place whose memory lives and was not picked before.
    fn pick(&mut self, touched: &mut HashSet<usize>, fits: impl Fn(u64) -> bool) -> usize {
        loop {
            let at = self.rng.below(self.ids.len());
            if self.taken[at] && fits(self.due[at]) && touched.insert(at) {
                return at;
            }
        }
    }

    fn fresh(&mut self, due: u64) -> Op {
        let id = self.next_id;
        self.next_id += 1;
        let row = self.next_row();
        Op::Put { id, row, due }
    }

    /// Returns the next row of the base that does not live. After the last row, it starts again.
    fn next_row(&mut self) -> u32 {
        loop {
            let row = self.order[self.cursor];
            self.cursor = (self.cursor + 1) % self.order.len();
            if !std::mem::replace(&mut self.in_use[row as usize], true) {
                return row;
            }
        }
    }

    /// Returns the number of these writes that replace a live memory.
    pub(crate) fn replaced_by(&self, ops: &[Op]) -> u64 {
        let replaces = |op: &&Op| matches!(op, Op::Put { id, .. } if self.places.contains_key(id));
        ops.iter().filter(replaces).count() as u64
    }

    /// Applies to the copy the writes that the store has acknowledged.
    pub(crate) fn apply(&mut self, ops: &[Op]) {
        for op in ops {
            match *op {
                Op::Delete { id } => self.remove(id),
                Op::Put { id, row, due } => self.put(id, row, due),
            }
        }
    }

    fn remove(&mut self, id: u64) {
        if let Some(at) = self.places.remove(&id) {
            self.taken[at] = false;
            self.in_use[self.rows[at] as usize] = false;
            self.free.push(at);
        }
    }

    fn put(&mut self, id: u64, row: u32, due: u64) {
        self.remove(id);
        let at = self.free.pop().expect("a round keeps the live count");
        let dim = self.vectors.dim;
        self.vectors.data[at * dim..][..dim].copy_from_slice(self.base.row(row as usize));
        (self.rows[at], self.ids[at], self.due[at]) = (row, id, due);
        self.taken[at] = true;
        self.places.insert(id, at);
    }

    /// Checks an answer. Returns the exact distances of its hits.
    pub(crate) fn judge(&self, query: &[f32], hits: &[Hit], k: usize) -> Result<Vec<f64>, String> {
        let wanted = k.min(self.live());
        if hits.len() != wanted {
            return Err(format!("{} results instead of {wanted}", hits.len()));
        }
        let mut seen = HashSet::new();
        let mut distances = Vec::with_capacity(k);
        let mut last = f32::NEG_INFINITY;
        for hit in hits {
            let id = u64::try_from(hit.id.as_u128()).unwrap_or(0);
            let Some(&at) = self.places.get(&id) else {
                let known = if id > 0 && id < self.next_id {
                    "was deleted or has expired"
                } else {
                    "was never inserted"
                };
                return Err(format!("id {} {known}, but is in an answer", hit.id));
            };
            if !seen.insert(id) {
                return Err(format!("id {id} is in an answer twice"));
            }
            let exact = distance(query, self.vectors.row(at), self.metric);
            if (f64::from(hit.distance) - exact).abs() > TOLERANCE * (1.0 + exact.abs()) {
                return Err(format!(
                    "id {id} comes with the distance {}, its newest vector has {exact}",
                    hit.distance
                ));
            }
            if hit.distance < last {
                return Err(format!("id {id} comes after one that is farther away"));
            }
            last = hit.distance;
            distances.push(exact);
        }
        Ok(distances)
    }
}

fn shuffle<T>(items: &mut [T], rng: &mut Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, rng.below(i + 1));
    }
}
