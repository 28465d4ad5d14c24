//! Owns arrays in RAM that return to the system as soon as they are dropped: large ones are
//! anonymous maps. An allocator keeps much of what large arrays leave behind. The largest array
//! that it ever freed sets the size from which glibc's allocator maps, and with it what it keeps
//! (mallopt(3), `M_MMAP_THRESHOLD`). So a store would stay as large as its largest graph build.
//!
//! Capacity that is not written costs address space but no RAM.

use std::fmt;
use std::ops::{Deref, DerefMut};

use bytemuck::Pod;

use crate::disk::{AnonMap, SealedFile};
use crate::error::Result;

/// Arrays of up to this many bytes are the allocator's. Above this size, rounding a map to whole
/// pages adds an eighth at most.
const SMALL_BYTES: usize = 32 << 10;

/// A growing array.
pub(crate) struct MapVec<T> {
    room: Room<T>,
    /// Number of valid elements. Bytes of a map behind them are zero or stale.
    len: usize,
}

enum Room<T> {
    Heap(Vec<T>),
    Map(AnonMap),
}

impl<T: Pod> MapVec<T> {
    pub(crate) const fn new() -> Self {
        Self { room: Room::Heap(Vec::new()), len: 0 }
    }

    /// Returns an empty array with room for `capacity` elements.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let mut pages = Self::new();
        pages.reserve(capacity);
        // Reserves exactly: spare room behind many small arrays adds up.
        if let Room::Heap(heap) = &mut pages.room
            && capacity.saturating_mul(size_of::<T>()) <= SMALL_BYTES
        {
            heap.reserve_exact(capacity);
        }
        pages
    }

    /// Returns an array of `len` zeros.
    pub(crate) fn zeroed(len: usize) -> Self {
        let mut pages = Self::new();
        pages.resize(len, T::zeroed());
        pages
    }

    /// Makes room for `wanted` elements in all.
    fn reserve(&mut self, wanted: usize) {
        let bytes = wanted.saturating_mul(size_of::<T>());
        let held = match &self.room {
            Room::Heap(_) if bytes <= SMALL_BYTES => return,
            Room::Heap(_) => 0,
            Room::Map(map) => map.len(),
        };
        if bytes <= held {
            return;
        }
        // A system that grants no map may still have heap.
        match AnonMap::new(bytes.max(2 * held)) {
            Ok(mut map) => {
                map[..self.len * size_of::<T>()].copy_from_slice(bytemuck::cast_slice(self));
                self.room = Room::Map(map);
            }
            Err(_) => self.room = Room::Heap(self.to_vec()),
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, value: T) {
        let (start, end) = (self.len * size_of::<T>(), (self.len + 1) * size_of::<T>());
        match &mut self.room {
            Room::Heap(heap) if end <= SMALL_BYTES && heap.len() < heap.capacity() => {
                heap.push(value);
            }
            Room::Map(map) if end <= map.len() => {
                map[start..end].copy_from_slice(bytemuck::bytes_of(&value));
            }
            // Room has to be made first.
            _ => return self.extend_from_slice(&[value]),
        }
        self.len += 1;
    }

    /// Removes the last element and returns it.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let last = self.last().copied();
        if let Room::Heap(heap) = &mut self.room {
            heap.pop();
        }
        self.len = self.len.saturating_sub(1);
        last
    }

    pub(crate) fn extend_from_slice(&mut self, values: &[T]) {
        let start = self.len;
        self.reserve(start + values.len());
        if let Room::Heap(heap) = &mut self.room {
            heap.extend_from_slice(values);
            self.len = heap.len();
            return;
        }
        self.len += values.len();
        self[start..].copy_from_slice(values);
    }

    /// Sets the length. New elements get `value`.
    pub(crate) fn resize(&mut self, len: usize, value: T) {
        let start = self.len;
        self.reserve(len);
        if let Room::Heap(heap) = &mut self.room {
            heap.resize(len, value);
        }
        self.len = len;
        // A fresh map is zero, but one that was longer before is not.
        if matches!(self.room, Room::Map(_)) && len > start {
            self[start..].fill(value);
        }
    }

    /// Shortens the array to `len` and releases the RAM behind.
    pub(crate) fn shrink(&mut self, len: usize) {
        self.len = len.min(self.len);
        match &mut self.room {
            Room::Heap(heap) => {
                heap.truncate(len);
                heap.shrink_to_fit();
            }
            Room::Map(map) => map.release_tail(self.len * size_of::<T>()),
        }
    }

    pub(crate) fn clear(&mut self) {
        if let Room::Heap(heap) = &mut self.room {
            heap.clear();
        }
        self.len = 0;
    }
}

impl MapVec<u8> {
    /// Reads a whole file of at most `limit` bytes.
    pub(crate) fn read_file(file: &dyn SealedFile, limit: u64) -> Result<Self> {
        let len = usize::try_from(file.len().min(limit)).unwrap_or(usize::MAX);
        let mut bytes = Self::zeroed(len);
        file.read_at(0, &mut bytes)?;
        Ok(bytes)
    }
}

impl<T: Pod> Deref for MapVec<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        match &self.room {
            Room::Heap(heap) => heap,
            // A map begins on a page, which is aligned for every type.
            Room::Map(map) => bytemuck::cast_slice(&map[..self.len * size_of::<T>()]),
        }
    }
}

impl<T: Pod> DerefMut for MapVec<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.room {
            Room::Heap(heap) => heap,
            Room::Map(map) => bytemuck::cast_slice_mut(&mut map[..self.len * size_of::<T>()]),
        }
    }
}

impl<T: Pod> Default for MapVec<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Pod> Clone for MapVec<T> {
    fn clone(&self) -> Self {
        let mut pages = Self::with_capacity(self.len);
        pages.extend_from_slice(self);
        pages
    }
}

impl<T: Pod> From<Vec<T>> for MapVec<T> {
    fn from(values: Vec<T>) -> Self {
        values.into_iter().collect()
    }
}

impl<T: Pod> Extend<T> for MapVec<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.push(value));
    }
}

impl<T: Pod> FromIterator<T> for MapVec<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let values = values.into_iter();
        let mut pages = Self::with_capacity(values.size_hint().0);
        pages.extend(values);
        pages
    }
}

impl<T: Pod + PartialEq> PartialEq for MapVec<T> {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for MapVec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes on both sides of the border between heap and map.
    const BORDER: usize = SMALL_BYTES / 4;

    #[test]
    fn it_is_what_a_vector_is_on_both_sides_of_the_border() {
        let (mut pages, mut vector) = (MapVec::<u32>::new(), Vec::new());
        for part in [1, 7, BORDER - 9, 0, 1, 1, 3 * BORDER, 5] {
            let values: Vec<u32> = (0..part as u32).map(|i| i * 3 + part as u32).collect();
            pages.extend_from_slice(&values);
            vector.extend_from_slice(&values);
            pages.push(9);
            vector.push(9);
            pages.push(1);
            assert_eq!(pages.pop(), Some(1));
            assert_eq!(pages[..], vector[..]);
        }
        assert!(matches!(pages.room, Room::Map(_)));
        let copy = pages.clone();
        pages[3] = 77;
        assert!(copy != pages && copy[..] == vector[..]);
        let collected: MapVec<u32> = vector.iter().copied().collect();
        assert_eq!(collected, copy);
    }

    #[test]
    fn what_was_there_before_does_not_come_back() {
        for len in [10, 4 * BORDER, 40 * BORDER] {
            let mut pages = MapVec::<u32>::zeroed(len);
            assert!(pages.iter().all(|v| *v == 0));
            pages.fill(5);
            pages.clear();
            assert!(pages.is_empty());
            pages.resize(len, 0);
            assert!(pages.len() == len && pages.iter().all(|v| *v == 0));
            pages.resize(len / 2, 1);
            pages.resize(len, 8);
            assert_eq!((pages[len / 2 - 1], pages[len / 2]), (0, 8));
            pages.shrink(3 * len / 4);
            assert_eq!(
                (pages.len(), pages[len / 2 - 1], pages[3 * len / 4 - 1]),
                (3 * len / 4, 0, 8)
            );
            pages.shrink(len);
            assert_eq!(pages.len(), 3 * len / 4, "it does not grow");
            pages.resize(len, 6);
            assert_eq!((pages[3 * len / 4 - 1], pages[3 * len / 4], pages[len - 1]), (8, 6, 6));
            pages.clear();
            assert_eq!(pages.pop(), None);
        }
    }
}
