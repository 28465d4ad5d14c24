//! Owns what is written: the mix of operations, which steers to a constant live count. Ids,
//! namespaces, sessions and lifetimes come from one seed. `write.rs` decides when it is written,
//! `model.rs` knows what is there.
//!
//! Of the writes, 15 % replace. The others insert while too few memories live, and delete by id
//! while too many do. Namespaces are drawn by Zipf's law. A tenth of the new memories go to
//! sessions: namespaces that are dropped whole when they are full. Now and then a small namespace
//! is dropped as well. A twentieth of the new memories take the id of a dead one.

use std::collections::{HashSet, VecDeque};
use std::ops::Range;

use altiplano::MemoryId;

use crate::model::{Life, Model, Op};
use bench_tools::vectors::Rng;

const SPACES: usize = 500;
const SKEW: f64 = 1.1;
const REPLACED: f64 = 0.15;
const IN_SESSION: f64 = 0.1;
const REVIVED: f64 = 0.05;
/// Share of the batches that drop a namespace instead.
const DROPS: f64 = 0.01;
const DROPPED_AT_MOST: usize = 64;
const SESSIONS: usize = 4;
const LARGEST_BATCH: f64 = 256.0;
/// Shares of the new memories with a short life, and with a life of hours.
const SHORT: f64 = 0.3;
const LONG: f64 = 0.2;
const HOUR: usize = 3_600_000;

/// Sizes and lifetimes.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Number of memories that should live.
    pub(crate) live: usize,
    /// Length of a short life in milliseconds.
    pub(crate) short: Range<usize>,
}

struct Session {
    space: u32,
    left: usize,
}

pub(crate) struct Load {
    shape: Shape,
    rng: Rng,
    /// Cumulative shares: entry `i` is the share of the namespaces up to `i`.
    spaces: Vec<f64>,
    /// Rows of the base in the order in which they are used, over and over.
    order: Vec<u32>,
    cursor: usize,
    next_id: u64,
    next_space: u32,
    sessions: Vec<Session>,
    gone: VecDeque<u64>,
}

impl Load {
    pub(crate) fn new(shape: Shape, rows: usize, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut order: Vec<u32> = (0..rows as u32).collect();
        for i in (1..rows).rev() {
            order.swap(i, rng.below(i + 1));
        }
        let mut load = Self {
            shape,
            rng,
            spaces: zipf(SPACES, SKEW),
            order,
            cursor: 0,
            next_id: 1,
            next_space: SPACES as u32,
            sessions: Vec::new(),
            gone: VecDeque::with_capacity(512),
        };
        for _ in 0..SESSIONS {
            let session = load.session();
            load.sessions.push(session);
        }
        load
    }

    /// Returns `count` inserts, for a store that is being filled.
    pub(crate) fn fill(&mut self, model: &Model, now: u64, count: usize) -> Vec<Op> {
        (0..count).map(|_| self.fresh(model, now, &mut HashSet::new())).collect()
    }

    /// Returns the next batch. `now` is the upper bound of the store's now.
    pub(crate) fn batch(&mut self, model: &Model, now: u64) -> Vec<Op> {
        if let Some(ended) = self.sessions.iter().position(|session| session.left == 0) {
            let fresh = self.session();
            let ended = std::mem::replace(&mut self.sessions[ended], fresh);
            return vec![Op::Drop { space: ended.space }];
        }
        if self.rng.unit() < DROPS {
            let space = self.any_space();
            if (1..=DROPPED_AT_MOST).contains(&model.space_len(space)) {
                return vec![Op::Drop { space }];
            }
        }
        let size = LARGEST_BATCH.powf(self.rng.unit()).round() as usize;
        let (mut touched, mut ops) = (HashSet::new(), Vec::with_capacity(size));
        let mut live = model.live();
        for _ in 0..size.max(1) {
            if live > 1 && self.rng.unit() < REPLACED {
                let id = model.id_at(self.rng.below(model.live()));
                if touched.insert(id) {
                    ops.push(self.put(id, model.get(id).map(|version| version.space), now));
                }
            } else if live < self.shape.live {
                ops.push(self.fresh(model, now, &mut touched));
                live += 1;
            } else {
                let id = model.id_at(self.rng.below(model.live()));
                if touched.insert(id) {
                    ops.push(Op::Delete { id });
                    self.remember(id);
                    live -= 1;
                }
            }
        }
        ops
    }

    fn fresh(&mut self, model: &Model, now: u64, touched: &mut HashSet<u64>) -> Op {
        let revived = self.rng.unit() < REVIVED;
        let old = if revived { self.gone.pop_front() } else { None };
        let id = match old.filter(|id| model.get(*id).is_none() && !touched.contains(id)) {
            Some(id) => id,
            None => {
                self.next_id += 1;
                self.next_id
            }
        };
        touched.insert(id);
        let mut space = None;
        if self.rng.unit() < IN_SESSION {
            let at = self.rng.below(SESSIONS);
            let session = &mut self.sessions[at];
            if session.left > 0 {
                session.left -= 1;
                space = Some(session.space);
            }
        }
        self.put(id, space, now)
    }

    /// Returns an insert into the given namespace, or into any.
    fn put(&mut self, id: u64, space: Option<u32>, now: u64) -> Op {
        let space = space.unwrap_or_else(|| self.any_space());
        let row = self.order[self.cursor];
        self.cursor = (self.cursor + 1) % self.order.len();
        let lot = self.rng.unit();
        let range = if lot < SHORT { self.shape.short.clone() } else { 2 * HOUR..48 * HOUR };
        let ttl = (range.start + self.rng.below(range.len())) as u64;
        let life = match lot < SHORT + LONG {
            false => Life::Forever,
            true if self.rng.unit() < 0.5 => Life::For(ttl),
            true => Life::Until(now + ttl),
        };
        Op::Put { id, row, space, life }
    }

    fn remember(&mut self, id: u64) {
        if self.gone.len() == 256 {
            self.gone.pop_front();
        }
        self.gone.push_back(id);
    }

    fn any_space(&mut self) -> u32 {
        let lot = self.rng.unit();
        self.spaces.partition_point(|upto| *upto <= lot).min(SPACES - 1) as u32
    }

    /// Returns a session of at most a twentieth of the live memories, so that the live count stays.
    fn session(&mut self) -> Session {
        let most = (self.shape.live / 20).max(2);
        self.next_space += 1;
        Session { space: self.next_space, left: most / 10 + self.rng.below(most) + 1 }
    }
}

/// Returns the sums of `1 / i^skew`, scaled to end in 1.
fn zipf(count: usize, skew: f64) -> Vec<f64> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=count)
        .map(|i| {
            sum += (i as f64).powf(-skew);
            sum
        })
        .collect();
    sums.iter().map(|upto| upto / sum).collect()
}

/// Returns the id as the load counts it; 0, which it never uses, for one that is too large.
pub(crate) fn number(id: MemoryId) -> u64 {
    u64::try_from(id.as_u128()).unwrap_or(0)
}

/// Returns the namespace's name.
pub(crate) fn space_name(space: u32) -> String {
    match (space as usize) < SPACES {
        true => format!("user:{space}"),
        false => format!("session:{space}"),
    }
}

/// Returns the text of a memory. It follows from id and vector, so that it can be checked.
pub(crate) fn text(id: u64, row: u32) -> String {
    let more = (id.wrapping_mul(31) + u64::from(row)) % 200;
    format!("memory {id} {row} {}", "-".repeat(more as usize))
}
