//! Owns which memories of a collection were used since that was last written. Callers add to it and
//! never wait; `engine::refresh` takes what is there and writes it.
//!
//! Invariant: it takes bounded heap. What finds no room is left out: the use is not counted.

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::ids::MemoryId;
use crate::sync::{Mutex, lock};

/// Most heap for what is noted at once, in bytes.
const MOST_BYTES: usize = 4 << 20;
/// Heap of one noted memory, at least as much as a table takes for it.
const ENTRY_BYTES: usize = 2 * size_of::<(MemoryId, Count)>();

/// Uses of a memory that were noted, and not written yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotedUse {
    pub(crate) id: MemoryId,
    /// If given, a memory of another namespace is as none.
    pub(crate) namespace: Option<Arc<str>>,
    pub(crate) count: u32,
    /// When the memory was last used.
    pub(crate) last: Timestamp,
}

/// How often a memory was used, and when last.
type Count = (u32, Timestamp);

/// The memories that were used, by the namespace through whose scope that was noted.
#[derive(Debug, Default)]
struct Noted {
    of: HashMap<Option<Arc<str>>, HashMap<MemoryId, Count>>,
    bytes: usize,
}

/// The memories that were used.
#[derive(Debug, Default)]
pub(crate) struct UseNotes(Mutex<Noted>);

impl UseNotes {
    /// Notes that these memories were used. Returns true if they are the first to be noted.
    pub(crate) fn note(
        &self,
        namespace: Option<&Arc<str>>,
        ids: impl Iterator<Item = MemoryId>,
        now: Timestamp,
    ) -> bool {
        // The caller's iterator may take its time, or ask for notes itself.
        let ids: Vec<MemoryId> = ids.take(MOST_BYTES / ENTRY_BYTES).collect();
        let mut noted = lock(&self.0);
        let Noted { of, bytes } = &mut *noted;
        let (first, namespace) = (of.is_empty(), namespace.cloned());
        let key_bytes = namespace.as_ref().map_or(0, |name| name.len()) + 4 * ENTRY_BYTES;
        if ids.is_empty() || (!of.contains_key(&namespace) && *bytes + key_bytes > MOST_BYTES) {
            return false;
        }
        let counts = of.entry(namespace).or_insert_with(|| {
            *bytes += key_bytes;
            HashMap::new()
        });
        for id in ids {
            if let Some((count, last)) = counts.get_mut(&id) {
                (*count, *last) = (count.saturating_add(1), now.max(*last));
            } else if *bytes + ENTRY_BYTES <= MOST_BYTES {
                *bytes += ENTRY_BYTES;
                counts.insert(id, (1, now));
            }
        }
        first
    }

    /// Returns true if nothing is noted.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).of.is_empty()
    }

    /// Takes what was noted, in ascending order of the numbers of uses.
    pub(crate) fn take(&self) -> Vec<NotedUse> {
        let of = std::mem::take(&mut *lock(&self.0)).of;
        let each = of.into_iter().flat_map(|(namespace, counts)| {
            let with = move |(id, (count, last))| NotedUse {
                id,
                namespace: namespace.clone(),
                count,
                last,
            };
            counts.into_iter().map(with)
        });
        let mut all: Vec<NotedUse> = each.collect();
        all.sort_unstable_by_key(|noted| (noted.count, noted.last, noted.id));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_left_out_and_the_rest_counts() {
        let (notes, at) = (UseNotes::default(), Timestamp::from_millis);
        let many = || (0..200_000u64).map(MemoryId::from);
        assert!(notes.note(None, many(), at(5)));
        assert!(!notes.note(None, many(), at(7)));
        assert!(!notes.note(Some(&"a".into()), many(), at(9)), "another namespace");
        let taken = notes.take();
        assert!(taken.len() < MOST_BYTES / ENTRY_BYTES && taken.len() > 10_000);
        assert!(taken.iter().all(|of| of.count == 2 && of.last == at(7) && of.namespace.is_none()));
        assert!(notes.is_empty() && notes.take().is_empty());
        let own: Arc<str> = "a".into();
        assert!(notes.note(Some(&own), [3u64.into()].into_iter(), at(9)));
        let one = NotedUse { id: 3u64.into(), namespace: Some(own), count: 1, last: at(9) };
        assert_eq!(notes.take(), [one]);
    }
}
