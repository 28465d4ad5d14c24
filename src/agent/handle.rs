//! Owns `Agent`, the handle by which a program remembers and recalls, and how it is opened.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::core::{Core, embed, open_state};
use super::feedback::{self, Feedback};
use super::new_memory::NewMemory;
use super::options::AgentOptions;
use super::recall::Recall;
use super::reembed;
use super::remember::{Remembered, remember};
use super::session::{self, EndPolicy};
use super::stats::{self, AgentStats};
use super::traits::Embedder;
use super::worker::Worker;
use crate::{Batch, Error, Filter, Memory, MemoryId, Outcome, Patch, Result, Store};

/// Least number of writes after which the rules are carried out again.
const WRITES_PER_PASS: u64 = 256;
/// The part of the memories that were written when the rules are carried out again. A pass reads
/// them all.
const PART_PER_PASS: u64 = 64;

/// The memory of an agent: text in, text out, with rules about what stays. Cheap to clone; any
/// thread may use it.
///
/// It is a layer over a [`Store`]. Each tier is a collection of it, and
/// [`Agent::collection`] returns it for everything that this layer does not do.
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// use altiplano::agent::{Agent, HashingEmbedder};
/// let agent = Agent::open(dir.path().join("agent.alt"), HashingEmbedder::new())?;
/// agent.remember("Ana likes green tea")?;
/// agent.remember("Ben plays chess on Fridays")?;
/// for found in agent.recall("who likes tea?").k(1).run()? {
///     println!("{}", found.text());
/// #   assert_eq!(found.text(), "Ana likes green tea");
/// }
/// # agent.close()
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Agent {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    core: Arc<Core>,
    /// Ends when the last handle goes.
    worker: Option<Worker>,
}

/// Opens an agent in a store.
fn open(options: AgentOptions, store: Store) -> Result<Agent> {
    let state = open_state(&store)?;
    let names: Vec<&str> = options.tiers.iter().map(|tier| &*tier.name).collect();
    reembed::finish(&store, &state, &names)?;
    let (background, anew) = (options.background, options.reembed);
    let core = Arc::new(Core::open(store, state, options)?);
    if anew {
        reembed::reembed(&core, core.embedder())?;
    }
    session::end_orphans(&core)?;
    let worker = if background { Some(Worker::start(&core)?) } else { None };
    Ok(Agent { inner: Arc::new(Inner { core, worker }) })
}

impl AgentOptions {
    /// Opens or creates an agent in a directory. Sessions that were open when the process died are
    /// ended.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for options that contradict each other. [`Error::EmbeddingSpace`]
    /// if the memories are of another model: see [`AgentOptions::reembed`]. The errors of
    /// [`Store::open`].
    pub fn open(self, path: impl AsRef<Path>) -> Result<Agent> {
        self.check()?;
        let store = self.store.clone().open(path)?;
        open(self, store)
    }

    /// Opens or creates an agent in a store that is open: its tiers become collections beside
    /// others. The store keeps its own options; [`AgentOptions::store`] and the clock are ignored,
    /// and [`AgentOptions::disk_budget`] must say what the store was opened with.
    ///
    /// # Errors
    ///
    /// As [`AgentOptions::open`].
    pub fn open_in(self, store: &Store) -> Result<Agent> {
        self.check()?;
        open(self, store.clone())
    }
}

impl Agent {
    /// Opens or creates an agent in a directory, with the default tiers and rules:
    /// [`AgentOptions`] has everything that can be changed.
    ///
    /// # Errors
    ///
    /// As [`AgentOptions::open`].
    pub fn open(path: impl AsRef<Path>, embedder: impl Embedder + 'static) -> Result<Self> {
        AgentOptions::new(embedder).open(path)
    }

    pub(super) fn core(&self) -> &Core {
        &self.inner.core
    }

    /// Remembers a text. Durable when it returns, unless the tier says otherwise. One call of the
    /// embedder, a search for duplicates, and one write.
    ///
    /// # Errors
    ///
    /// [`Error::Callback`] if the embedder failed. [`Error::OverBudget`] if the disk budget is
    /// reached and no tier has a [`Score`](crate::agent::Score). [`Error::InvalidOption`] for a
    /// tier that does not exist. The errors of [`Collection::insert`](crate::Collection::insert).
    pub fn remember(&self, memory: impl Into<NewMemory>) -> Result<Remembered> {
        let done = self.remember_all([memory.into()])?;
        done.into_iter().next().ok_or(Error::Closed)
    }

    /// Remembers several texts in one batch, with one call of the embedder: all or none. Duplicates
    /// among them are not found, only those of earlier memories.
    ///
    /// # Errors
    ///
    /// As [`Agent::remember`].
    pub fn remember_all<M: Into<NewMemory>>(
        &self,
        memories: impl IntoIterator<Item = M>,
    ) -> Result<Vec<Remembered>> {
        let memories = memories.into_iter().map(Into::into).collect();
        let done = remember(self.core(), memories, &|batch, _| Ok(batch))?;
        let writes = self.core().writes.load(Ordering::Relaxed);
        if writes >= WRITES_PER_PASS
            && let Some(worker) = &self.inner.worker
            && writes >= self.core().first_tier().collection().len()? / PART_PER_PASS
        {
            worker.ring();
        }
        Ok(done)
    }

    /// Asks for the memories that fit a question. Nothing happens before [`Recall::run`].
    pub fn recall(&self, question: impl Into<String>) -> Recall<'_> {
        Recall::text(self.core(), question.into())
    }

    /// Asks for the memories that fit a vector, which the model `space` made.
    pub fn recall_vector(
        &self,
        space: impl Into<String>,
        vector: impl Into<Vec<f32>>,
    ) -> Recall<'_> {
        Recall::vector(self.core(), space.into(), vector.into())
    }

    /// Returns a memory, wherever it is, the archive included. Not a use.
    ///
    /// # Errors
    ///
    /// As [`Collection::get`](crate::Collection::get).
    pub fn get(&self, id: impl Into<MemoryId>) -> Result<Option<Memory>> {
        let (core, id) = (self.core(), id.into());
        let _still = core.still();
        match core.find(id)? {
            Some((_, memory)) => Ok(Some(memory)),
            None => core.archive.collection().get(id),
        }
    }

    /// Forgets a memory, pinned or not, in whichever tier it is, the archive included. Returns true
    /// if it was there.
    ///
    /// # Errors
    ///
    /// As [`Collection::delete`](crate::Collection::delete).
    pub fn forget(&self, id: impl Into<MemoryId>) -> Result<bool> {
        Ok(self.forget_where(Filter::id(id))? > 0)
    }

    /// Forgets all memories that match, pinned or not, in all tiers and in the archive, in one
    /// step. Returns how many there were. [`Store::forget`] also removes every byte of a namespace
    /// from the files.
    ///
    /// # Errors
    ///
    /// As [`Collection::delete_where`](crate::Collection::delete_where).
    pub fn forget_where(&self, filter: Filter) -> Result<u64> {
        let core = self.core();
        let _still = core.still();
        let places = core.tiers.iter().chain([&core.archive]);
        let batch = places.fold(Batch::new(), |batch, open| {
            batch.delete_where_from(&open.collection(), filter.clone())
        });
        Ok(core.archive.collection().apply(batch)?.deleted)
    }

    /// Changes a memory, in whichever tier it is. The vector stays: [`Agent::rewrite`] changes a
    /// text together with it.
    ///
    /// # Errors
    ///
    /// As [`Collection::patch`](crate::Collection::patch).
    pub fn patch(&self, id: impl Into<MemoryId>, patch: Patch) -> Result<Outcome> {
        let (core, id) = (self.core(), id.into());
        let _still = core.still();
        match core.find(id)? {
            Some((open, _)) => open.collection().patch(id, patch),
            None => Ok(Outcome::Missing),
        }
    }

    /// Changes the text of a memory, and its vector with it.
    ///
    /// # Errors
    ///
    /// [`Error::Callback`] if the embedder failed, and those of
    /// [`Collection::update`](crate::Collection::update).
    pub fn rewrite(&self, id: impl Into<MemoryId>, text: &str) -> Result<Outcome> {
        let (core, id) = (self.core(), id.into());
        let tokens = u32::try_from(core.options.counter.count(text)).ok();
        loop {
            let model = core.embedder();
            let vector = embed(model.as_ref(), &[text])?.pop().unwrap_or_default();
            let _still = core.still();
            if !core.is_model(&model) {
                continue;
            }
            let Some((open, _)) = core.find(id)? else { return Ok(Outcome::Missing) };
            return open.collection().update(id, |memory| {
                memory.text = Some(text.to_owned());
                memory.vector.clone_from(&vector);
                memory.tokens = tokens;
            });
        }
    }

    /// Remembers a fact that takes the place of an older one. The older one stays, with the end of
    /// its validity and the id of the new one. Returns the new one. [`Error::NoMemory`] if the
    /// older one is not there.
    ///
    /// # Errors
    ///
    /// As [`Agent::remember`].
    pub fn supersede(
        &self,
        old: impl Into<MemoryId>,
        new: impl Into<NewMemory>,
    ) -> Result<Remembered> {
        let (core, old) = (self.core(), old.into());
        let collection = || core.first_tier().name().to_owned();
        let missing = || Error::NoMemory { collection: collection(), id: old };
        let found = self.get(old)?.ok_or_else(missing)?;
        let mut new = new.into();
        new.memory.namespace = new.memory.namespace.or(found.namespace);
        new.is_compared = false;
        let end = found.valid_to.unwrap_or(core.now());
        let valid = Patch::new().valid(found.valid_from, Some(end));
        let also = |batch: Batch, new: &[MemoryId]| match (new, core.find(old)?) {
            (&[id], Some((open, _))) => {
                Ok(batch.patch_in(&open.collection(), old, valid.clone().superseded_by(id)))
            }
            _ => Err(missing()),
        };
        let done = remember(core, vec![new], &also)?;
        done.into_iter().next().ok_or(Error::Closed)
    }

    /// Tells how it went when the agent acted on a memory. Its importance moves: a success takes a
    /// fifth of the way to 0.95, a failure a fifth of the way to 0.05. Returns the new importance;
    /// `None` if the memory is not there.
    ///
    /// The rule is the linear reward-penalty scheme of Bush and Mosteller, "Stochastic Models for
    /// Learning", 1955. A fact of less than 100 bytes in the log.
    ///
    /// # Errors
    ///
    /// As [`Collection::patch`](crate::Collection::patch).
    pub fn reinforce(&self, id: impl Into<MemoryId>, outcome: Feedback) -> Result<Option<f32>> {
        let (core, id) = (self.core(), id.into());
        let _still = core.still();
        loop {
            let Some((open, memory)) = core.find(id)? else { return Ok(None) };
            let importance = feedback::after(memory.importance, outcome);
            let version = memory.version().unwrap_or_default();
            let patch = Patch::new().importance(importance).if_version(version);
            match open.collection().patch(id, patch)? {
                Outcome::Conflict => {}
                Outcome::Missing => return Ok(None),
                _ => return Ok(Some(importance)),
            }
        }
    }

    /// Returns the sessions that are open, with their policies.
    ///
    /// # Errors
    ///
    /// As [`Collection::scan`](crate::Collection::scan).
    pub fn open_sessions(&self) -> Result<Vec<(String, EndPolicy)>> {
        session::open_sessions(self.core())
    }

    /// Counts what the agent holds.
    ///
    /// # Errors
    ///
    /// As [`Store::stats`].
    pub fn stats(&self) -> Result<AgentStats> {
        stats::stats(self.core())
    }

    /// Returns the store beneath.
    pub fn store(&self) -> &Store {
        &self.core().store
    }

    /// Returns the collection of a tier, for everything that this layer does not do.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for a tier that does not exist.
    pub fn collection(&self, tier: &str) -> Result<crate::Collection> {
        Ok(self.core().tier(tier)?.collection())
    }

    /// Waits until the background of the store is idle, at most this long. Returns true if it is.
    ///
    /// # Errors
    ///
    /// As [`Store::wait_idle`].
    pub fn wait_idle(&self, timeout: Duration) -> Result<bool> {
        self.core().store.wait_idle(timeout)
    }

    /// Ends the background and closes the store, for all handles.
    ///
    /// # Errors
    ///
    /// As [`Store::close`].
    pub fn close(self) -> Result<()> {
        if let Some(worker) = &self.inner.worker {
            worker.close();
        }
        self.core().store.clone().close()
    }
}
