//! Owns the parts of an open agent that all calls share: the store, the tiers, the model.
//!
//! Invariant: who reads or changes memories holds `moves` shared, and who moves memories between
//! tiers holds it alone while the move is written. So no reader misses a memory that moves, and no
//! change is lost to a move.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::event::AgentEvent;
use super::options::AgentOptions;
use super::retention::Retention;
use super::tier::{ARCHIVE, Exit, STATE, Tier, WORKING};
use super::traits::Embedder;
use crate::{
    Collection, CollectionOptions, Error, Memory, MemoryId, Metric, Result, Store, TextIndex,
    Timestamp,
};

/// A vector for memories that are never searched by one.
pub(super) const NO_VECTOR: [f32; 1] = [1.0];

/// A tier that is open.
#[derive(Debug)]
pub(super) struct OpenTier {
    pub(super) tier: Tier,
    /// Another one after the tier was embedded anew.
    collection: RwLock<Collection>,
}

impl OpenTier {
    pub(super) fn collection(&self) -> Collection {
        self.collection.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn replace(&self, collection: Collection) {
        *self.collection.write().unwrap_or_else(PoisonError::into_inner) = collection;
    }

    pub(super) fn name(&self) -> &str {
        &self.tier.name
    }
}

/// An open agent.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) store: Store,
    pub(super) tiers: Vec<OpenTier>,
    /// Without vectors, and in no recall.
    pub(super) archive: OpenTier,
    /// Open sessions, by id.
    pub(super) state: Collection,
    pub(super) options: AgentOptions,
    embedder: RwLock<Arc<dyn Embedder>>,
    moves: RwLock<()>,
    /// When each open session last did something.
    pub(super) sessions: Mutex<HashMap<String, Timestamp>>,
    /// Writes since the rules were last carried out.
    pub(super) writes: AtomicU64,
    /// One pass of the rules at a time.
    tidying: Mutex<()>,
    /// What is told when the pass is over; `None` while there is none.
    deferred: Mutex<Option<Vec<AgentEvent>>>,
}

/// A pass of the rules. What happens in it is told when it is over, so that a listener may call the
/// agent.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    core: &'a Core,
    alone: Option<MutexGuard<'a, ()>>,
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let events = lock(&self.core.deferred).take();
        drop(self.alone.take());
        events.into_iter().flatten().for_each(|event| self.core.tell(&event));
    }
}

/// Returns an error if a tier is of another model. Its dimension may be another as well, but the
/// model is what the caller knows.
fn check_space(found: &Collection, embedder: &dyn Embedder) -> Result<()> {
    match found.settings().embedding_space {
        Some(expected) if expected != embedder.space() => {
            Err(Error::EmbeddingSpace { expected, got: embedder.space().to_owned() })
        }
        _ => Ok(()),
    }
}

/// Opens the collection of what the agent must know after a crash.
pub(super) fn open_state(store: &Store) -> Result<Collection> {
    store.collection(STATE, CollectionOptions::new(NO_VECTOR.len(), Metric::L2))
}

/// Takes a lock even if its last holder panicked. Every holder leaves the data whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    /// Opens the collections of an agent. Those of another model open as they are if they shall be
    /// embedded anew, and are refused otherwise.
    pub(super) fn open(store: Store, state: Collection, options: AgentOptions) -> Result<Self> {
        let embedder = Arc::clone(&options.embedder);
        let mut tiers = Vec::with_capacity(options.tiers.len());
        for tier in &options.tiers {
            if !options.reembed
                && let Some(found) = store.get_collection(&tier.name)
            {
                check_space(&found, embedder.as_ref())?;
            }
            let found = store.get_collection(&tier.name).filter(|found| {
                options.reembed
                    && found.settings().embedding_space.as_deref() != Some(embedder.space())
            });
            let collection = match found {
                Some(found) => found,
                None => {
                    store.collection(&tier.name, tier_options(tier, embedder.as_ref(), &options))?
                }
            };
            tiers.push(OpenTier { tier: tier.clone(), collection: RwLock::new(collection) });
        }
        let plain = CollectionOptions::new(NO_VECTOR.len(), Metric::L2);
        let archive = OpenTier {
            tier: archive_tier(&options),
            collection: RwLock::new(store.collection(ARCHIVE, plain)?),
        };
        let (moves, sessions) = (RwLock::default(), Mutex::default());
        let (tidying, deferred) = (Mutex::default(), Mutex::default());
        let (writes, embedder) = (AtomicU64::new(0), RwLock::new(embedder));
        Ok(Self {
            store,
            tiers,
            archive,
            state,
            options,
            embedder,
            moves,
            sessions,
            writes,
            tidying,
            deferred,
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.store.now()
    }

    /// Keeps memories from moving.
    pub(super) fn still(&self) -> RwLockReadGuard<'_, ()> {
        self.moves.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the holder alone move memories.
    pub(super) fn moving(&self) -> RwLockWriteGuard<'_, ()> {
        self.moves.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn embedder(&self) -> Arc<dyn Embedder> {
        Arc::clone(&self.embedder.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_embedder(&self, embedder: Arc<dyn Embedder>) {
        *self.embedder.write().unwrap_or_else(PoisonError::into_inner) = embedder;
    }

    /// Returns true if a model is still the one of the tiers. It stays so while the caller keeps
    /// memories from moving. Vectors are made before that, so whoever uses them asks.
    pub(super) fn is_model(&self, model: &Arc<dyn Embedder>) -> bool {
        Arc::ptr_eq(model, &self.embedder())
    }

    /// Returns the tier with a name.
    pub(super) fn tier(&self, name: &str) -> Result<&OpenTier> {
        self.tiers.iter().find(|tier| tier.name() == name).ok_or_else(|| {
            let names: Vec<&str> = self.tiers.iter().map(OpenTier::name).collect();
            Error::option("tier", format!("there is no tier `{name}`, only {}", names.join(", ")))
        })
    }

    /// Returns the tier that new memories go to.
    pub(super) fn first_tier(&self) -> &OpenTier {
        self.tiers.iter().find(|tier| tier.name() == WORKING).unwrap_or(&self.tiers[0])
    }

    /// Returns the tier that sessions demote to: where the first tier's memories go, else the last.
    pub(super) fn next_tier(&self) -> &OpenTier {
        let last = &self.tiers[self.tiers.len() - 1];
        match &self.first_tier().tier.exit {
            Exit::Move(to) => self.tier(to).unwrap_or(last),
            _ => last,
        }
    }

    /// Finds a memory in any tier. The caller keeps memories from moving.
    pub(super) fn find(&self, id: MemoryId) -> Result<Option<(&OpenTier, Memory)>> {
        for tier in &self.tiers {
            if let Some(memory) = tier.collection().get(id)? {
                return Ok(Some((tier, memory)));
            }
        }
        Ok(None)
    }

    /// Begins a pass of the rules, after any other.
    pub(super) fn pass(&self) -> Pass<'_> {
        let alone = Some(lock(&self.tidying));
        *lock(&self.deferred) = Some(Vec::new());
        Pass { core: self, alone }
    }

    /// Tells the listener, at once or when the pass of the rules is over. Called without locks.
    pub(super) fn tell(&self, event: &AgentEvent) {
        let Some(listener) = &self.options.listener else { return };
        if let Some(deferred) = &mut *lock(&self.deferred) {
            deferred.push(event.clone());
            return;
        }
        listener.on_event(event);
    }
}

/// Returns the archive as a tier, with its bound.
fn archive_tier(options: &AgentOptions) -> Tier {
    let retention = Retention::new();
    Tier::new(ARCHIVE).retention(match options.archive_limit {
        Some(bytes) => retention.max_bytes(bytes),
        None => retention,
    })
}

/// Returns the options of the collection of a tier.
pub(super) fn tier_options(
    tier: &Tier,
    embedder: &dyn Embedder,
    options: &AgentOptions,
) -> CollectionOptions {
    let mut wanted = CollectionOptions::new(embedder.dimension(), Metric::Cosine)
        .embedding_space(embedder.space());
    if tier.in_memory {
        wanted = wanted.in_memory();
    }
    if cfg!(feature = "text") {
        let index = TextIndex::new();
        wanted = wanted.text_index(match options.language {
            Some(language) => index.language(language),
            None => index,
        });
    }
    wanted = match tier.default_ttl {
        Some(ttl) => wanted.default_ttl(ttl),
        None => wanted.no_default_ttl(),
    };
    match tier.durability {
        Some(durability) => wanted.durability(durability),
        None => wanted,
    }
}

/// Embeds texts and checks what comes back.
pub(super) fn embed(embedder: &dyn Embedder, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
    let failed = |source| Error::Callback { part: "embedder", source };
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let vectors = embedder.embed(texts).map_err(failed)?;
    if vectors.len() != texts.len() {
        let (got, wanted) = (vectors.len(), texts.len());
        return Err(failed(format!("it gave {got} vectors for {wanted} texts").into()));
    }
    let dimension = embedder.dimension();
    match vectors.iter().find(|vector| vector.len() != dimension) {
        Some(vector) => {
            let got = vector.len();
            Err(failed(format!("it gave a vector of {got} floats, not {dimension}").into()))
        }
        None => Ok(vectors),
    }
}
