//! Owns the expected content of the store beside concurrent writers and readers. That is every live
//! memory, those that died during the running query, and the verdict on an answer. The writes are
//! chosen in `load.rs`.
//!
//! One thread writes and one asks. Each takes a tick before and after its call, under the lock of
//! the model. The ticks decide what a query may and must see. It may see a memory whose write began
//! before the query ended, unless it was known to be gone before the query began. It must see a
//! memory whose write was acknowledged before the query began, unless its removal began before the
//! query ended.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};

use altiplano::Applied;

use bench_tools::vectors::{Metric, Vectors, distance};

/// Number of results of a query.
pub(crate) const K: usize = 10;

// A benchmark's harness does not run these tests: `tests/tools` does.
#[cfg(test)]
#[allow(dead_code, reason = "without the harness of tests, its helpers are not used")]
#[path = "model_tests.rs"]
mod tests;

/// The tick, or the moment, that never comes.
pub(crate) const NEVER: u64 = u64::MAX;
/// Largest error of the store's distance, relative to 1 + distance.
const TOLERANCE: f64 = 1e-3;

/// One write.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// An insert; a replacement if the id lives.
    Put {
        id: u64,
        row: u32,
        space: u32,
        life: Life,
    },
    Delete {
        id: u64,
    },
    /// A `delete_where` of a whole namespace.
    Drop {
        space: u32,
    },
}

/// The lifetime of a memory, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Life {
    Forever,
    /// From the moment at which the store accepts it.
    For(u64),
    /// Until this moment.
    Until(u64),
}

/// A memory from one write to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version {
    pub(crate) row: u32,
    pub(crate) space: u32,
    /// It expires between these moments; only the store knows exactly when.
    pub(crate) due_from: u64,
    pub(crate) due_to: u64,
    begun: u64,
    acked: u64,
    gone: u64,
    replaced: bool,
    place: u32,
    space_place: u32,
}

/// A query's knowledge when it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) tick: u64,
    /// A lower bound of the store's now.
    pub(crate) from: u64,
    pub(crate) space: Option<u32>,
}

pub(crate) struct Model {
    tick: u64,
    live: HashMap<u64, Version>,
    /// Every live id, in no order, to pick from.
    ids: Vec<u64>,
    spaces: HashMap<u32, Vec<u64>>,
    /// Memories that a running query may still have seen, in the order in which they died. Those
    /// whose end is not acknowledged yet come last.
    dead: VecDeque<(u64, Version)>,
    due: BinaryHeap<Reverse<(u64, u64, u64)>>,
    /// When the running query began.
    asking: u64,
}

impl Model {
    /// Creates a model for about `live` memories.
    pub(crate) fn new(live: usize) -> Self {
        Self {
            tick: 0,
            live: HashMap::with_capacity(2 * live),
            ids: Vec::with_capacity(2 * live),
            spaces: HashMap::with_capacity(1024),
            dead: VecDeque::with_capacity(4096),
            due: BinaryHeap::with_capacity(3 * live),
            asking: NEVER,
        }
    }

    pub(crate) fn live(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn id_at(&self, place: usize) -> u64 {
        self.ids[place]
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Version> {
        self.live.get(&id)
    }

    pub(crate) fn space_len(&self, space: u32) -> usize {
        self.spaces.get(&space).map_or(0, Vec::len)
    }

    pub(crate) fn versions(&self) -> impl Iterator<Item = (u64, &Version)> {
        self.ids.iter().map(|id| (*id, &self.live[id]))
    }

    /// Records that writes begin, in this order; no id comes twice. The store's now is at least
    /// `from`.
    pub(crate) fn begin(&mut self, ops: &[Op], from: u64) {
        self.tick += 1;
        for op in ops {
            match *op {
                Op::Put { id, row, space, life } => {
                    self.end(id, NEVER, true);
                    let due_from = match life {
                        Life::Forever => NEVER,
                        Life::For(ttl) => from + ttl,
                        Life::Until(due) => due,
                    };
                    self.add(id, row, space, due_from);
                }
                Op::Delete { id } => self.end(id, NEVER, false),
                Op::Drop { space } => {
                    while let Some(&id) = self.spaces.get(&space).and_then(|ids| ids.last()) {
                        self.end(id, NEVER, false);
                    }
                }
            }
        }
    }

    /// Records that the writes were acknowledged with the result `did`, and checks it. The store's
    /// now is at most `to`.
    pub(crate) fn finish(&mut self, ops: &[Op], did: Applied, to: u64) -> Result<(), String> {
        self.tick += 1;
        let mut puts = 0;
        for op in ops {
            let Op::Put { id, life, .. } = *op else { continue };
            puts += 1;
            let Some(version) = self.live.get_mut(&id) else { continue };
            version.acked = self.tick;
            version.due_to = match life {
                Life::For(ttl) => to + ttl,
                Life::Forever | Life::Until(_) => version.due_from,
            };
            if version.due_to != NEVER {
                self.due.push(Reverse((version.due_to, id, version.begun)));
            }
        }
        // Some of the removed memories may have expired before.
        let (mut replaced, mut deleted) = ((0, 0), (0, 0));
        for (_, version) in self.dead.iter_mut().rev().take_while(|(_, v)| v.gone == NEVER) {
            version.gone = self.tick;
            let tally = if version.replaced { &mut replaced } else { &mut deleted };
            tally.0 += u64::from(version.due_from > to);
            tally.1 += 1;
        }
        let within = |(least, most): (u64, u64), got| (least..=most).contains(&got);
        if !within(replaced, did.replaced)
            || !within(deleted, did.deleted)
            || did.inserted + did.replaced != puts
        {
            return Err(format!(
                "a batch of {puts} puts that should replace {replaced:?} and delete {deleted:?} \
                 did {did:?}"
            ));
        }
        Ok(())
    }

    /// Removes the memories that have certainly expired, and forgets those that no query can see
    /// any more.
    pub(crate) fn sweep(&mut self, from: u64) {
        self.tick += 1;
        while let Some(&Reverse((due, id, begun))) = self.due.peek() {
            if due > from {
                break;
            }
            self.due.pop();
            if self.live.get(&id).is_some_and(|version| version.begun == begun) {
                self.end(id, self.tick, false);
            }
        }
        // A memory with a life of hours leaves its entry here when it is deleted.
        if self.due.len() > 2 * self.live.len().max(1024) {
            let live = &self.live;
            self.due.retain(|Reverse((_, id, begun))| {
                live.get(id).is_some_and(|version| version.begun == *begun)
            });
        }
        while self.dead.front().is_some_and(|(_, version)| version.gone < self.asking) {
            self.dead.pop_front();
        }
    }

    fn add(&mut self, id: u64, row: u32, space: u32, due_from: u64) {
        let place = self.ids.len() as u32;
        self.ids.push(id);
        let members = self.spaces.entry(space).or_default();
        let space_place = members.len() as u32;
        members.push(id);
        self.live.insert(
            id,
            Version {
                row,
                space,
                due_from,
                due_to: NEVER,
                begun: self.tick,
                acked: NEVER,
                gone: NEVER,
                replaced: false,
                place,
                space_place,
            },
        );
    }

    fn end(&mut self, id: u64, gone: u64, replaced: bool) {
        let Some(version) = self.live.remove(&id) else { return };
        self.ids.swap_remove(version.place as usize);
        if let Some(moved) = self.ids.get(version.place as usize) {
            self.live.entry(*moved).and_modify(|v| v.place = version.place);
        }
        if let Some(members) = self.spaces.get_mut(&version.space) {
            members.swap_remove(version.space_place as usize);
            if let Some(moved) = members.get(version.space_place as usize) {
                self.live.entry(*moved).and_modify(|v| v.space_place = version.space_place);
            }
            if members.is_empty() {
                self.spaces.remove(&version.space);
            }
        }
        self.dead.push_back((id, Version { gone, replaced, ..version }));
    }

    /// Records that a query begins. `from` is the lower bound of the store's now.
    pub(crate) fn ask(&mut self, from: u64, space: Option<u32>) -> Asked {
        self.tick += 1;
        self.asking = self.tick;
        Asked { tick: self.tick, from, space }
    }

    /// Judges the answer of a query, ids with distances, that has ended. `to` is the upper bound of
    /// the store's now.
    pub(crate) fn judge(
        &mut self,
        asked: Asked,
        to: u64,
        (query, hits, k): (&[f32], &[(u64, f32)], usize),
        base: &Vectors,
    ) -> Result<(), String> {
        self.tick += 1;
        self.asking = NEVER;
        let mut seen = HashSet::new();
        let mut last = f32::NEG_INFINITY;
        for &(id, distance) in hits {
            if !seen.insert(id) {
                return Err(format!("id {id} is in an answer twice"));
            }
            if distance < last {
                return Err(format!("id {id} comes after one that is farther away"));
            }
            last = distance;
            self.judge_hit(asked, id, (query, distance), base)?;
        }
        let sure = self.sure(asked, to, k);
        if hits.len() < sure || hits.len() > k {
            return Err(format!("{} results where at least {sure} match", hits.len()));
        }
        Ok(())
    }

    /// Judges one hit: some version of the memory with this distance must have been visible.
    fn judge_hit(
        &self,
        asked: Asked,
        id: u64,
        (query, got): (&[f32], f32),
        base: &Vectors,
    ) -> Result<(), String> {
        let gone = self.dead.iter().rev().filter(|(dead, _)| *dead == id).map(|(_, v)| v);
        let mut reason = "is not known to have lived since the query began";
        for version in self.live.get(&id).into_iter().chain(gone) {
            if asked.space.is_some_and(|space| space != version.space) {
                reason = "is of another namespace";
            } else if version.gone < asked.tick {
                reason = "was gone";
            } else if version.due_to <= asked.from {
                reason = "had expired";
            } else {
                let exact = distance(query, base.row(version.row as usize), Metric::Cosine);
                if (f64::from(got) - exact).abs() <= TOLERANCE * (1.0 + exact.abs()) {
                    return Ok(());
                }
                reason = "comes with the distance of another vector";
            }
        }
        Err(format!("id {id} {reason}, but is in an answer; {asked:?}"))
    }

    /// Returns the number of memories that the query must have been able to see, counted up to `k`.
    fn sure(&self, asked: Asked, to: u64, k: usize) -> usize {
        let ids = match asked.space {
            Some(space) => self.spaces.get(&space).map_or(&[][..], Vec::as_slice),
            None => &self.ids,
        };
        let must = |id: &&u64| {
            let version = &self.live[*id];
            version.acked <= asked.tick && version.due_from > to
        };
        ids.iter().filter(must).take(k).count()
    }
}
