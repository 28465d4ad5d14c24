//! Owns the shortlist of a search: the nearest places by code, of which the best are measured exactly.
//! Sources share its bound, so that what the first of them found spares the others work.

use crate::collection::snapshot::Place;
use crate::index::TopK;
use crate::vector::codes::CodeError;

/// The nearest places by code.
#[derive(Debug)]
pub(super) struct Shortlist {
    error: CodeError,
    places: TopK<Place>,
    /// The nearest k distances.
    nearest: TopK<()>,
    bound: f32,
}

impl Shortlist {
    /// For the nearest `k`, with at most so many places.
    pub(super) fn new(error: CodeError, k: usize, places: usize) -> Self {
        let places = TopK::new(places);
        Self { error, bound: places.bound(), places, nearest: TopK::new(k) }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// What a distance by code must be below to have a chance.
    #[inline]
    pub(super) const fn bound(&self) -> f32 {
        self.bound
    }

    /// Offers an eligible place; gives the new bound.
    pub(super) fn offer(&mut self, distance: f32, place: Place) -> f32 {
        self.places.offer(distance, place);
        // What is farther than the k-th for certain is not among the nearest.
        let beyond = self.error.beyond(self.nearest.offer(distance, ()));
        self.bound = self.places.bound().min(beyond);
        self.bound
    }

    /// The places, nearest first.
    pub(super) fn into_sorted(self) -> Vec<(f32, Place)> {
        self.places.into_sorted()
    }
}
