//! Owns which memories of a collection were read since their ends were last prolonged. Reads add to
//! it and never wait; `engine::refresh` takes what is there and writes it.
//!
//! Invariant: it takes bounded heap. What finds no room is left out: the memory is noted at a later
//! read.

use std::collections::HashSet;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::ids::MemoryId;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, lock};

/// Most ids that are noted at once: 1 MiB.
const MOST: usize = 1 << 16;
/// An end is prolonged only if it moves by at least this part of the time.
const LEAST_PART: u64 = 8;

/// The memories that were read.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    /// The time that a read gives, in milliseconds; 0 if reads change nothing.
    span: AtomicU64,
    ids: Mutex<HashSet<MemoryId>>,
}

impl Reads {
    /// Sets how long a memory lives after it was read.
    pub(super) fn set(&self, span: Option<Duration>) {
        let millis = span.map_or(0, |span| span.as_nanos().div_ceil(1_000_000));
        self.span.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Returns how long a memory lives after it was read, if reads prolong lives.
    pub(crate) fn span(&self) -> Option<Duration> {
        match self.span.load(Ordering::Relaxed) {
            0 => None,
            millis => Some(Duration::from_millis(millis)),
        }
    }

    /// Notes that a memory with this end was read. Returns true if it is the first to be noted.
    pub(crate) fn note(&self, id: MemoryId, end: Timestamp, now: Timestamp) -> bool {
        let Some(span) = self.span() else { return false };
        let part = span / LEAST_PART as u32;
        if end == Timestamp::MAX || end > now + (span - part) {
            return false;
        }
        let mut ids = lock(&self.ids);
        let first = ids.is_empty();
        if ids.len() < MOST {
            ids.insert(id);
        }
        first
    }

    /// Returns true if nothing is noted.
    pub(crate) fn is_empty(&self) -> bool {
        self.span().is_none() || lock(&self.ids).is_empty()
    }

    /// Takes what was noted, in ascending order.
    pub(crate) fn take(&self) -> Vec<MemoryId> {
        let mut ids: Vec<MemoryId> = std::mem::take(&mut *lock(&self.ids)).into_iter().collect();
        ids.sort_unstable();
        ids
    }
}
