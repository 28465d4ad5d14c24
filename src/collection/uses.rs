//! Owns the counting of uses, through a collection and through a scope.

use std::sync::Arc;

use crate::collection::handle::Collection;
use crate::engine::refresh;
use crate::ids::MemoryId;

impl Collection {
    /// Notes that these memories were used now, each id once more for every time that it occurs.
    /// [`Memory::uses`](field@crate::Memory::uses) counts, and
    /// [`Memory::last_used`](field@crate::Memory::last_used) says when it was last.
    ///
    /// What a use is, the caller says: a search alone is none. The call never waits and writes
    /// nothing. The background writes what was noted at most once a second, and a close writes the
    /// rest. Without background work
    /// [`Store::run_pending_tasks`](crate::Store::run_pending_tasks) writes it. Readers see the
    /// uses from then on. What was noted since is lost if the process dies, and ids beyond 65,536
    /// between two writes are not counted. The same holds for ids that no visible memory has then,
    /// for a store that is only read, and after a close.
    ///
    /// A use is no change of the memory: its [version](crate::Memory::version) stays, so a
    /// [`Patch::if_version`](crate::Patch::if_version) still holds. Patches keep the count. An
    /// insert sets it to that of the new memory, and so does [`Collection::update`], with the count
    /// that its closure saw. Where the collection has
    /// [`refresh_on_read`](crate::CollectionOptions::refresh_on_read), a use prolongs the life as a
    /// read does.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{Background, CollectionOptions, Memory, Metric, StoreOptions};
    /// # let options = StoreOptions::new().background(Background::Manual);
    /// # let store = options.open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]).text("likes tea"))?;
    /// let hits = notes.search(&[0.0, 1.0]).peek().run()?;
    /// // The model was given these memories, and cited them.
    /// notes.note_uses(hits.iter().map(|hit| hit.id));
    /// store.run_pending_tasks()?;
    /// let memory = notes.get(1)?.unwrap();
    /// assert_eq!((memory.uses, memory.last_used.is_some()), (1, true));
    /// # Ok(()) }
    /// ```
    #[doc(alias = "access")]
    #[doc(alias = "hit")]
    pub fn note_uses<I: Into<MemoryId>>(&self, ids: impl IntoIterator<Item = I>) {
        self.note_uses_in(ids, None);
    }

    /// Same as [`Collection::note_uses`], in a namespace if one is given.
    pub(super) fn note_uses_in<I: Into<MemoryId>>(
        &self,
        ids: impl IntoIterator<Item = I>,
        namespace: Option<&Arc<str>>,
    ) {
        refresh::note_uses(&self.engine, &self.core, namespace, ids.into_iter().map(Into::into));
    }
}
