//! Owns the shortlist of a search: the places that may be among the nearest, by distances whose
//! error has a known bound. Its length depends on the data: no place that may belong to the answer
//! is left out. All sources share its bound, so what the first source found saves work for the
//! others.

use crate::index::TopK;
use crate::snapshot::Place;

/// Number of places from which on the list is pruned.
const LOOKED_THROUGH: usize = 1024;

/// The places that may be among the nearest `k`.
#[derive(Debug)]
pub(super) struct Shortlist {
    /// The least possible distance of each place.
    places: Vec<(f32, Place)>,
    /// The largest possible distances of the nearest `k`.
    nearest: TopK<()>,
    upper: f32,
    look_at: usize,
    /// With more places than this, measuring all rows costs less.
    most: usize,
    is_over: bool,
}

impl Shortlist {
    /// Returns an empty shortlist for the nearest `k`, with at most `most` places.
    pub(super) fn new(k: usize, most: usize) -> Self {
        let nearest = TopK::new(k);
        let (upper, look_at) = (nearest.bound(), LOOKED_THROUGH.min(most));
        Self { places: Vec::new(), nearest, upper, look_at, most, is_over: false }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Returns the bound: a place whose least possible distance is not below it cannot be among the
    /// nearest.
    #[inline]
    pub(super) const fn upper(&self) -> f32 {
        self.upper
    }

    /// Returns true if more than `most` places may be among the nearest; the list is then useless.
    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Offers an eligible place at a distance whose error is at most `error`. Returns the new
    /// bound.
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
            // Nothing is nearer than this, so nothing more is offered.
            self.upper = f32::NEG_INFINITY;
        }
    }

    /// Returns the places, ascending by least possible distance.
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
        // Places that can no longer be among the nearest do not count.
        let mut list = Shortlist::new(1, 2000);
        (0..9000).for_each(|row| {
            list.offer(9000.0 - row as f32, 0.1, place(row));
        });
        assert!(!list.is_over());
        assert_eq!(list.into_sorted(), [(0.9, place(8999))]);
    }
}
