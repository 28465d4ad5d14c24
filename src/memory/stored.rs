//! Owns what a memory that was read from a store tells of its row.

use super::data::Memory;

impl Memory {
    /// Returns the memory's place in the history of its store, if it was read from a store. Later
    /// writes have larger numbers. The number is assigned at the insert and survives compactions
    /// and opens, and updates. A memory that replaces another gets a new one.
    ///
    /// Memories of one batch have ascending numbers, in the order in which they were added. They
    /// also have the same time of creation, unless the caller set one. Sort by `(created_at,
    /// seq())` for the order of creation.
    pub fn seq(&self) -> Option<u64> {
        self.origin.seq.map(|seq| seq.0)
    }

    /// Returns the number of the newest write that made or changed the memory, if it was read from
    /// a store. Every write changes it, so it tells whether a memory is still as it was read:
    /// see [`Patch::if_version`](crate::Patch::if_version). Uses do not change it.
    pub fn version(&self) -> Option<u64> {
        self.origin.version.max(self.origin.seq).map(|seq| seq.0)
    }

    /// Returns the bytes of the memory's row, if it was read from a store: of its vector and of
    /// everything else, also of what was not asked for. Codes and indexes are not counted.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Fields, Filter, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]).text("a".repeat(1_000)))?;
    /// let read = notes.scan(Filter::All).fields(Fields::Attributes).next().unwrap()?;
    /// assert!(read.text.is_none() && read.vector.is_empty());
    /// assert!((1_008..1_100).contains(&read.stored_bytes().unwrap()));
    /// # Ok(()) }
    /// ```
    pub const fn stored_bytes(&self) -> Option<u64> {
        self.origin.bytes
    }
}
