//! Owns the change to another model: every tier is embedded anew into a collection beside it, while
//! the tier goes on, and then takes its place.
//!
//! Invariants: until the swap nothing of a tier changes. A record in the state collection says that
//! the swap began; after a crash the next open finishes it. So no recall ever compares vectors of
//! two models.

use std::sync::Arc;

use serde::Serialize;

use super::core::{Core, NO_VECTOR, OpenTier, embed, tier_options};
use super::tier::BESIDE;
use super::traits::Embedder;
use crate::{Batch, Collection, Error, Fields, Filter, Memory, MemoryId, Result, Store};

/// The kind of records of copies, and the key of the record of a swap.
const RECORD: &str = "reembed";
/// The kind of the record of a swap.
const SWAPPING: &str = "swap";
/// Memories that are embedded at once.
const CHUNK: usize = 64;
/// Passes over a tier, at most, before the last one.
const MOST_PASSES: usize = 8;
/// As many memories may be left for the last pass, during which everybody waits.
const FEW: usize = 64;

/// What a change of the model did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Reembedded {
    /// Memories that were embedded anew.
    pub memories: u64,
    /// Tiers that were changed.
    pub tiers: u64,
}

fn record_id() -> MemoryId {
    MemoryId::from_key(RECORD)
}

/// Returns the name of the collection beside a tier.
fn beside(tier: &str) -> String {
    format!("{tier}{BESIDE}")
}

/// Embeds all tiers anew. What an earlier call for the same model did is not done again.
pub(super) fn reembed(core: &Core, embedder: Arc<dyn Embedder>) -> Result<Reembedded> {
    let is_old = |open: &&OpenTier| {
        open.collection().settings().embedding_space.as_deref() != Some(embedder.space())
    };
    let tiers: Vec<&OpenTier> = core.tiers.iter().filter(is_old).collect();
    let mut done = Reembedded { memories: 0, tiers: tiers.len() as u64 };
    let mut copies = Vec::new();
    for open in tiers {
        let mut copy = begin(core, open, embedder.as_ref())?;
        for _ in 0..MOST_PASSES {
            let copied = pass(core, &mut copy, embedder.as_ref())?;
            done.memories += copied;
            if copied <= FEW as u64 {
                break;
            }
        }
        copies.push(copy);
    }
    let _alone = core.moving();
    for copy in &mut copies {
        done.memories += pass(core, copy, embedder.as_ref())?;
    }
    let record = Memory::new(record_id(), NO_VECTOR).kind(SWAPPING).text(embedder.space());
    core.state.insert(record)?;
    for copy in &copies {
        let name = copy.open.name();
        swap(&core.store, name)?;
        let collection = core.store.get_collection(name);
        copy.open.replace(collection.ok_or(Error::Closed)?);
    }
    core.set_embedder(embedder);
    core.state.delete(record_id())?;
    core.state.delete_where(Filter::kind(RECORD))?;
    Ok(done)
}

/// A tier that is being embedded anew.
struct Copy<'a> {
    open: &'a OpenTier,
    into: Collection,
    /// What is in `into` and is of an operation up to this one is up to date.
    covers: u64,
}

/// Opens or creates the collection beside a tier.
fn begin<'a>(core: &Core, open: &'a OpenTier, embedder: &dyn Embedder) -> Result<Copy<'a>> {
    let name = beside(open.name());
    if let Some(found) = core.store.get_collection(&name) {
        let settings = found.settings();
        let is_same = settings.embedding_space.as_deref() == Some(embedder.space())
            && settings.dimension == embedder.dimension();
        if !is_same {
            core.store.drop_collection(&name)?;
        }
    }
    let is_new = core.store.get_collection(&name).is_none();
    let into = core.store.collection(&name, tier_options(&open.tier, embedder, &core.options))?;
    let id = MemoryId::from_key_in(RECORD, open.name());
    // What the copies cover is noted before the first is made, for a call that takes over.
    let covers = match core.state.get(id)?.filter(|_| !is_new).and_then(|found| found.text) {
        Some(text) => text.parse().unwrap_or(0),
        None => {
            let covers = core.store.stats()?.visible_seq;
            core.state.insert(Memory::new(id, NO_VECTOR).kind(RECORD).text(covers.to_string()))?;
            covers
        }
    };
    Ok(Copy { open, into, covers })
}

/// Copies what is new or changed, and deletes what is gone. Returns how many memories it embedded.
fn pass(core: &Core, copy: &mut Copy<'_>, embedder: &dyn Embedder) -> Result<u64> {
    let from = copy.open.collection();
    let next = core.store.stats()?.visible_seq;
    let (mut copied, mut chunk) = (0, Vec::with_capacity(CHUNK));
    for memory in from.scan(Filter::All).fields(Fields::Payload) {
        let memory = memory?;
        let is_done = memory.version().is_some_and(|version| version <= copy.covers)
            && copy.into.contains(memory.id)?;
        if is_done {
            continue;
        }
        chunk.push(memory);
        if chunk.len() == CHUNK {
            copied += flush(copy, embedder, &mut chunk)?;
        }
    }
    copied += flush(copy, embedder, &mut chunk)?;
    let mut gone = Vec::new();
    for memory in copy.into.scan(Filter::All).fields(Fields::None) {
        let id = memory?.id;
        if !from.contains(id)? {
            gone.push(id);
        }
    }
    for ids in gone.chunks(CHUNK) {
        copy.into.delete_where(Filter::ids(ids.iter().copied()))?;
    }
    copy.covers = next;
    Ok(copied)
}

/// Embeds some memories and writes them beside the tier.
fn flush(copy: &Copy<'_>, embedder: &dyn Embedder, chunk: &mut Vec<Memory>) -> Result<u64> {
    let texts: Vec<&str> =
        chunk.iter().map(|memory| memory.text.as_deref().unwrap_or_default()).collect();
    let vectors = embed(embedder, &texts)?;
    let mut memories = std::mem::take(chunk);
    for (memory, vector) in memories.iter_mut().zip(vectors) {
        memory.vector = vector;
    }
    let count = memories.len() as u64;
    if count > 0 {
        copy.into.apply(memories.into_iter().collect::<Batch>())?;
    }
    Ok(count)
}

/// Puts the collection beside a tier in its place.
fn swap(store: &Store, tier: &str) -> Result<()> {
    let beside = beside(tier);
    store.swap_collections(tier, &beside)?;
    store.drop_collection(&beside)?;
    Ok(())
}

/// Finishes a swap that a crash cut short. `state` is the state collection.
pub(super) fn finish(store: &Store, state: &Collection, tiers: &[&str]) -> Result<()> {
    let Some(space) = state.get(record_id())?.and_then(|record| record.text) else {
        return Ok(());
    };
    for tier in tiers {
        let Some(found) = store.get_collection(&beside(tier)) else { continue };
        if found.settings().embedding_space.as_deref() == Some(&space) {
            swap(store, tier)?;
        } else {
            store.drop_collection(&beside(tier))?;
        }
    }
    state.delete(record_id())?;
    Ok(())
}
