//! Owns the shortlist of a search: the places that may be among the nearest, by distances that are
//! off by a known bound. How many they are is up to the data: no place is left out that may belong
//! to the answer. Sources share its bound, so that what the first of them found spares the others
//! work.

use crate::index::TopK;
use crate::snapshot::Place;

/// Places from which on the list is looked through for those that have lost their chance.
const LOOKED_THROUGH: usize = 1024;

/// The places that may be among the nearest k.
#[derive(Debug)]
pub(super) struct Shortlist {
    /// How near each may be, at least.
    places: Vec<(f32, Place)>,
    /// How far the nearest k may be, at most.
    nearest: TopK<()>,
    upper: f32,
    look_at: usize,
    /// With more places than this, measuring all rows costs less.
    most: usize,
    is_over: bool,
}

impl Shortlist {
    /// For the nearest `k`, with at most so many places.
    pub(super) fn new(k: usize, most: usize) -> Self {
        let nearest = TopK::new(k);
        let (upper, look_at) = (nearest.bound(), LOOKED_THROUGH.min(most));
        Self { places: Vec::new(), nearest, upper, look_at, most, is_over: false }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// What the least possible distance of a place must be below to have a chance.
    #[inline]
    pub(super) const fn upper(&self) -> f32 {
        self.upper
    }

    /// Whether more places have a chance than it was made for; then it is of no more use.
    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Offers an eligible place at a distance that is off by `error` at most; gives the new bound.
    pub(super) fn offer(&mut self, distance: f32, error: f32, place: Place) -> f32 {
        let least = distance - error;
        if least < self.upper {
            self.upper = self.nearest.offer(distance + error, ());
            self.places.push((least, place));
            if self.places.len() >= self.look_at {
                self.look_through();
            }
        }
        self.upper
    }

    fn look_through(&mut self) {
        let upper = self.upper;
        self.places.retain(|(least, _)| *least < upper);
        self.look_at = (2 * self.places.len()).max(LOOKED_THROUGH);
        if self.places.len() > self.most {
            self.is_over = true;
            self.places.clear();
            // Nothing is nearer than that.
            self.upper = f32::NEG_INFINITY;
        }
    }

    /// The places by how near they may be.
    pub(super) fn into_sorted(mut self) -> Vec<(f32, Place)> {
        let upper = self.upper;
        self.places.retain(|(least, _)| *least < upper);
        self.places.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        self.places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(row: u32) -> Place {
        Place::Memtable(0, row)
    }

    #[test]
    fn whatever_may_be_among_the_nearest_stays() {
        let mut list = Shortlist::new(2, 4096);
        for (row, distance) in [(1, 5.0), (2, 1.0), (3, 2.0), (4, 3.5), (5, 4.1)] {
            list.offer(distance, 1.0, place(row));
        }
        // The second nearest is at 3 at most, so what is at 4 by code may be nearer.
        let rows: Vec<Place> = list.into_sorted().into_iter().map(|(_, place)| place).collect();
        assert_eq!(rows, [place(2), place(3), place(4)]);
    }

    #[test]
    fn more_places_than_it_was_made_for_are_no_list() {
        let mut list = Shortlist::new(1, 2000);
        (0..1990).for_each(|row| {
            list.offer(1.0, 0.5, place(row));
        });
        assert!(!list.is_over() && list.len() == 1990);
        (0..100).for_each(|row| {
            list.offer(1.0, 0.5, place(row));
        });
        assert!(list.is_over() || list.len() == 2090);
        (0..1000).for_each(|row| {
            list.offer(1.0, 0.5, place(row));
        });
        assert!(list.is_over());
        // Those that lost their chance do not count.
        let mut list = Shortlist::new(1, 2000);
        (0..9000).for_each(|row| {
            list.offer(9000.0 - row as f32, 0.1, place(row));
        });
        assert!(!list.is_over());
        assert_eq!(list.into_sorted(), [(0.9, place(8999))]);
    }
}
