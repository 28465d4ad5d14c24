//! Owns the forgetting of a namespace: one batch that deletes its memories in every collection,
//! then a purge. `snapshot::stage` carries the deletes out, and `compaction::purge` the purge.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::filter::{Filter, Matcher};
use crate::options::Durability;
use crate::report::ForgetReceipt;
use crate::snapshot::stage::{Effect, Prepared, Task};
use crate::snapshot::state::CollectionState;
use crate::store::Store;

impl Store {
    /// Deletes every memory of a namespace in all collections, in one atomic step, and then removes
    /// it from every file: see [`Store::purge`]. Collections in RAM are included. Returns a receipt
    /// with the counts.
    ///
    /// This is about exactly this namespace. The names below it, as `user:42/work` below `user:42`,
    /// are namespaces of their own. A thread that still writes into the namespace can add memories
    /// after the step: stop such threads first. If the purge fails, the memories are deleted and
    /// [`Store::purge`] can be called again.
    ///
    /// O(memories of the namespace + rows in RAM), and the purge.
    ///
    /// # Errors
    ///
    /// Those of [`Collection::delete_where`](crate::Collection::delete_where): nothing is deleted
    /// then. Those of [`Store::purge`].
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// notes.scope("user:42").insert(Memory::new(1, [0.6, 0.8]).text("a secret"))?;
    /// notes.scope("user:7").insert(Memory::new(2, [0.6, 0.8]))?;
    /// let receipt = store.forget("user:42")?;
    /// assert_eq!((receipt.memories(), receipt.is_complete()), (1, true));
    /// assert_eq!(notes.len()?, 1);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "erase")]
    #[doc(alias = "gdpr")]
    #[doc(alias = "delete_user")]
    pub fn forget(&self, namespace: &str) -> Result<ForgetReceipt> {
        let deleted = loop {
            let mut cores = self.engine.collections.all();
            cores.retain(|core| !core.is_dropped());
            match self.delete_namespace(namespace, &cores) {
                // A collection that is dropped takes its memories with it.
                Err(Error::Closed) if cores.iter().any(|core| core.is_dropped()) => {}
                deleted => break deleted?,
            }
        };
        let purge = self.purge()?;
        Ok(ForgetReceipt { namespace: namespace.to_owned(), deleted, purge })
    }

    /// Deletes the memories of a namespace in these collections. Returns how many, by collection.
    fn delete_namespace(
        &self,
        namespace: &str,
        cores: &[Arc<CollectionState>],
    ) -> Result<Vec<(String, u64)>> {
        let now = self.engine.time.now();
        let delete = |core| {
            let filter = Matcher::new(Filter::namespace(namespace));
            Prepared { core: Arc::clone(core), task: Task::DeleteWhere { filter, now } }
        };
        let writes = cores.iter().map(delete).collect();
        let effects = self.engine.committer.commit(writes, Durability::Sync)?;
        let counted = cores.iter().zip(effects).map(|(core, effect)| match effect {
            Effect::Deleted(count) => Ok((core.name().to_owned(), count)),
            other => Err(Error::internal(format!("a delete had the effect {other:?}"))),
        });
        counted.filter(|one| !matches!(one, Ok((_, 0)))).collect()
    }
}
