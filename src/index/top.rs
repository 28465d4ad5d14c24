//! Owns `Candidate`, a node with its distance, and `TopK`: the nearest keys of a stream, with the
//! bound below which later keys must be. Ties go to the smaller key, so that results do not depend
//! on the order of the stream.

use std::cmp::Ordering;

/// A node with its distance from a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) distance: f32,
    pub(crate) node: u32,
}

/// The nearest `limit` keys so far.
#[derive(Clone, Debug)]
pub(crate) struct TopK<K> {
    limit: usize,
    /// A max-heap by (distance, key) once it is full; in any order before.
    heap: std::collections::BinaryHeap<Entry<K>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry<K> {
    distance: f32,
    key: K,
}

impl<K: Ord> Eq for Entry<K> {}

impl<K: Ord> Ord for Entry<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.distance.total_cmp(&other.distance).then_with(|| self.key.cmp(&other.key))
    }
}

impl<K: Ord> PartialOrd for Entry<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord + Copy> TopK<K> {
    pub(crate) fn new(limit: usize) -> Self {
        // Room for usual limits. A huge `limit` costs only as much as the keys that really exist.
        Self { limit, heap: std::collections::BinaryHeap::with_capacity(limit.min(1024)) }
    }

    /// Returns the bound: a key enters only if its distance is below it. It is a little above the
    /// worst kept distance, so that ties enter and are decided by key.
    pub(crate) fn bound(&self) -> f32 {
        match self.heap.peek() {
            _ if self.limit == 0 => f32::NEG_INFINITY,
            Some(worst) if self.heap.len() >= self.limit => worst.distance.next_up(),
            _ => f32::INFINITY,
        }
    }

    /// Offers a key. Returns the new bound.
    pub(crate) fn offer(&mut self, distance: f32, key: K) -> f32 {
        let entry = Entry { distance, key };
        if self.heap.len() < self.limit {
            self.heap.push(entry);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && entry < *worst
        {
            *worst = entry;
        }
        self.bound()
    }

    /// Returns the kept keys, nearest first.
    pub(crate) fn into_sorted(self) -> Vec<(f32, K)> {
        self.heap.into_sorted_vec().into_iter().map(|e| (e.distance, e.key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_nearest_and_decides_ties_by_key() {
        let mut top = TopK::new(3);
        for (distance, key) in [(5.0, 1), (1.0, 9), (1.0, 2), (0.5, 7), (1.0, 3), (9.0, 0)] {
            if distance < top.bound() {
                top.offer(distance, key);
            }
        }
        assert_eq!(top.into_sorted(), [(0.5, 7), (1.0, 2), (1.0, 3)]);
    }

    #[test]
    fn nothing_is_kept_of_nothing() {
        let mut top = TopK::new(0);
        assert_eq!(top.offer(1.0, 1), f32::NEG_INFINITY);
        assert!(top.into_sorted().is_empty());
    }
}
