//! Owns the working set of a graph search: the nodes that were met, and the nearest of them in
//! order.
//!
//! Most measured nodes are too far to enter the pool, and one that enters moves a few cache lines
//! at most. So one sorted array with marks on expanded nodes is faster than the two heaps of the
//! paper.

use crate::index::top::Candidate;

/// Largest number of nodes that can be searched.
pub(crate) const MAX_NODES: u32 = (1 << 31) - 1;

/// The bit that marks an entry of the pool as expanded.
const EXPANDED: u64 = 1;

/// Returns a candidate as one number, ordered by distance, then node.
#[inline]
const fn entry(candidate: Candidate) -> u64 {
    // Floats compare as whole numbers once the bits of negative ones are inverted.
    let bits = candidate.distance.to_bits();
    let ordered = bits ^ (((bits as i32 >> 31) as u32) | 1 << 31);
    (ordered as u64) << 32 | (candidate.node as u64) << 1
}

#[inline]
const fn candidate(entry: u64) -> Candidate {
    let ordered = (entry >> 32) as u32;
    let bits = ordered ^ (((!ordered as i32 >> 31) as u32) | 1 << 31);
    Candidate { distance: f32::from_bits(bits), node: node(entry) }
}

#[inline]
const fn node(entry: u64) -> u32 {
    entry as u32 >> 1
}

/// Orders candidates by distance, then by node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Nearest(pub(super) Candidate);

impl Eq for Nearest {}

impl Ord for Nearest {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let (a, b) = (self.0, other.0);
        a.distance.total_cmp(&b.distance).then_with(|| a.node.cmp(&b.node))
    }
}

impl PartialOrd for Nearest {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The nodes that were met, one bit each.
#[derive(Debug, Default)]
pub(super) struct Seen(Vec<u64>);

impl Seen {
    /// Forgets all nodes. O(nodes / 64): the cost of one distance for every few thousand nodes.
    pub(super) fn begin(&mut self, nodes: u32) {
        self.0.clear();
        self.0.resize((nodes as usize).div_ceil(64), 0);
        // Numbers beyond the last node count as met.
        if let Some(last) = self.0.last_mut()
            && !nodes.is_multiple_of(64)
        {
            *last = u64::MAX << (nodes % 64);
        }
    }

    /// Marks a node as met. Returns true the first time. A node out of range counts as met.
    #[inline]
    pub(super) fn first_sight(&mut self, node: u32) -> bool {
        let bit = 1 << (node % 64);
        match self.0.get_mut(node as usize / 64) {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                true
            }
            _ => false,
        }
    }

    /// Marks the nodes of a list as met. Adds those that were not met before to `out`, without a
    /// branch, because no processor could predict it.
    #[inline]
    pub(super) fn first_sights(&mut self, list: &[u32], out: &mut Vec<u32>) {
        let mut count = out.len();
        out.resize(count + list.len(), 0);
        for &node in list {
            let Some(word) = self.0.get_mut(node as usize / 64) else {
                continue;
            };
            let bit = 1 << (node % 64);
            let first = *word & bit == 0;
            *word |= bit;
            // There is room: `count` grows at most once per entry of the list.
            if let Some(place) = out.get_mut(count) {
                *place = node;
            }
            count += usize::from(first);
        }
        out.truncate(count);
    }
}

/// The nearest nodes so far, nearest first; ties go to the smaller number.
#[derive(Debug, Default)]
pub(super) struct Pool {
    entries: Vec<u64>,
    /// Every entry before this place is expanded.
    next: usize,
    /// Largest distance that a node may have: that of the worst entry once the pool is full.
    bound: f32,
    limit: usize,
    finished: Vec<Candidate>,
}

impl Pool {
    /// Forgets all nodes. From now on it keeps at most `limit` nodes, at least one.
    pub(super) fn begin(&mut self, limit: usize) {
        self.entries.clear();
        self.finished.clear();
        self.next = 0;
        self.limit = limit.max(1);
        self.bound = f32::INFINITY;
    }

    /// Returns the bound: only nearer nodes enter the pool.
    #[inline]
    pub(super) const fn bound(&self) -> f32 {
        self.bound
    }

    /// Inserts a node that is nearer than the bound. The farthest node is dropped if there are too
    /// many. Returns true if the new node is the next to be expanded.
    #[inline]
    pub(super) fn insert(&mut self, new: Candidate) -> bool {
        let entry = entry(new);
        let at = self.entries.partition_point(|e| *e < entry);
        if self.entries.len() >= self.limit {
            self.entries.pop();
        }
        let at = at.min(self.entries.len());
        self.entries.insert(at, entry);
        if self.entries.len() >= self.limit {
            self.bound = self.entries.last().map_or(f32::INFINITY, |e| candidate(*e).distance);
        }
        let first = at <= self.next;
        self.next = self.next.min(at);
        first
    }

    /// Returns the nearest node that is not expanded.
    #[inline]
    pub(super) fn nearest(&mut self) -> Option<Candidate> {
        while self.entries.get(self.next).is_some_and(|e| e & EXPANDED != 0) {
            self.next += 1;
        }
        self.entries.get(self.next).map(|e| candidate(*e))
    }

    /// Returns the nearest node that is not expanded, and marks it as expanded.
    #[inline]
    pub(super) fn expand(&mut self) -> Option<u32> {
        let node = self.nearest()?.node;
        self.entries[self.next] |= EXPANDED;
        self.next += 1;
        Some(node)
    }

    /// Returns the nodes that are next to be expanded, as far as known now.
    #[inline]
    pub(super) fn upcoming(&self, count: usize) -> impl Iterator<Item = u32> {
        let waiting = self.entries.iter().skip(self.next).filter(|e| **e & EXPANDED == 0);
        waiting.take(count).map(|e| node(*e))
    }

    /// Ends the search.
    pub(super) fn finish(&mut self) {
        self.finished.extend(self.entries.iter().map(|e| candidate(*e)));
    }

    /// Returns the nodes, after [`Self::finish`].
    pub(super) fn finished(&self) -> &[Candidate] {
        &self.finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_keeps_the_nearest_in_order_and_expands_each_once() {
        let mut pool = Pool::default();
        pool.begin(6);
        let distance = |node: u32| ((node * 37) % 11) as f32;
        let mut expanded = Vec::new();
        for node in 0..40 {
            let candidate = Candidate { distance: distance(node), node };
            if candidate.distance < pool.bound() {
                pool.insert(candidate);
            }
            if node % 3 == 0 {
                expanded.extend(pool.expand());
            }
        }
        while let Some(node) = pool.expand() {
            expanded.push(node);
        }
        assert_eq!((pool.upcoming(3).count(), pool.nearest()), (0, None));
        pool.finish();
        let mut all: Vec<u32> = (0..40).collect();
        all.sort_by(|a, b| distance(*a).total_cmp(&distance(*b)).then(a.cmp(b)));
        let kept: Vec<u32> = pool.finished().iter().map(|c| c.node).collect();
        assert_eq!(kept, all[..6]);
        assert!(kept.iter().all(|n| expanded.contains(n)), "{expanded:?}");
        let mut once = expanded.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), expanded.len());
    }

    #[test]
    fn candidates_as_numbers_have_their_order_and_come_back() {
        let distances = [f32::NEG_INFINITY, -2.5, -1e-30, 0.0, 1e-30, 0.7, 3e38, f32::INFINITY];
        let all: Vec<Candidate> = distances
            .into_iter()
            .flat_map(|distance| [0, 1, MAX_NODES].map(|node| Candidate { distance, node }))
            .collect();
        let entries: Vec<u64> = all.iter().map(|c| entry(*c)).collect();
        assert!(entries.is_sorted_by(|a, b| a < b));
        let back: Vec<Candidate> = entries.iter().map(|e| candidate(e | EXPANDED)).collect();
        assert_eq!(back, all);
    }

    #[test]
    fn a_node_is_met_once_and_what_is_no_node_never() {
        let mut seen = Seen::default();
        for nodes in [130, 64, 1, 0] {
            seen.begin(nodes);
            let first = |seen: &mut Seen| (0..300).filter(|n| seen.first_sight(*n)).count();
            assert_eq!((first(&mut seen), first(&mut seen)), (nodes as usize, 0));
            assert!(!seen.first_sight(u32::MAX));
            seen.begin(nodes);
            let (list, mut out): (_, Vec<u32>) = ([3, u32::MAX, 3, 0, 200, 3], Vec::new());
            out.push(7);
            seen.first_sights(&list, &mut out);
            let new = [3, 0].into_iter().filter(|n| *n < nodes);
            assert_eq!(out, [7].into_iter().chain(new).collect::<Vec<u32>>());
        }
    }
}
