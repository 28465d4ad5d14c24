//! Owns the one road by which memories leave a tier: forgotten, archived or moved. Whatever
//! decides, the deed is here: one batch in the log for each chunk, and one event.
//!
//! Invariants: a batch takes a memory out of its tier and puts it where it goes, so that a crash
//! leaves it in one place. Pinned memories leave only if they are named by the caller.

use super::core::{Core, NO_VECTOR, OpenTier};
use super::event::{AgentEvent, Cause};
use super::tier::{ARCHIVE, Exit};
use crate::{Batch, Error, Filter, Lifetime, Memory, MemoryId, Result};

/// Memories of one batch.
const CHUNK: usize = 512;

/// Where memories go.
#[derive(Debug)]
pub(super) enum Target<'a> {
    Nowhere,
    Archive,
    Tier(&'a OpenTier),
}

impl<'a> Target<'a> {
    /// Returns the target of an exit.
    pub(super) fn of(core: &'a Core, exit: &Exit) -> Result<Self> {
        Ok(match exit {
            Exit::Forget => Self::Nowhere,
            Exit::Archive => Self::Archive,
            Exit::Move(tier) => Self::Tier(core.tier(tier)?),
        })
    }
}

/// Takes memories out of a tier, unless they are pinned or gone. Returns how many.
pub(super) fn leave(
    core: &Core,
    tier: &OpenTier,
    ids: &[MemoryId],
    target: &Target<'_>,
    cause: Cause,
) -> Result<u64> {
    let mut left = 0;
    for chunk in ids.chunks(CHUNK) {
        let gone = leave_chunk(core, tier, chunk, target)?;
        left += gone.len() as u64;
        if !gone.is_empty() {
            tell(core, tier, target, cause, gone);
        }
    }
    Ok(left)
}

/// Tells the listener what left a tier.
pub(super) fn tell(
    core: &Core,
    tier: &OpenTier,
    target: &Target<'_>,
    cause: Cause,
    ids: Vec<MemoryId>,
) {
    let from = tier.name().to_owned();
    core.tell(&match target {
        Target::Nowhere => AgentEvent::Forgotten { tier: from, cause, ids },
        Target::Archive => AgentEvent::Moved { from, to: ARCHIVE.to_owned(), cause, ids },
        Target::Tier(to) => AgentEvent::Moved { from, to: to.name().to_owned(), cause, ids },
    });
}

/// Returns the memories that left.
fn leave_chunk(
    core: &Core,
    tier: &OpenTier,
    ids: &[MemoryId],
    target: &Target<'_>,
) -> Result<Vec<MemoryId>> {
    // The sink may be slow; it keeps nobody waiting.
    if let (Target::Archive, Some(sink)) = (target, &core.options.archive_sink) {
        let memories = read(tier, ids)?;
        sink.archive(&memories).map_err(|source| Error::Callback { part: "archive", source })?;
    }
    let _alone = core.moving();
    let from = tier.collection();
    // What was pinned or removed since it was chosen stays or is gone.
    let memories = read(tier, ids)?;
    let gone: Vec<MemoryId> = memories.iter().map(|memory| memory.id).collect();
    let mut batch = Batch::new();
    for memory in memories {
        batch = batch.delete(memory.id);
        batch = put(core, batch, memory, tier.name(), target);
    }
    if !gone.is_empty() {
        from.apply(batch)?;
    }
    Ok(gone)
}

/// Adds to a batch what puts a memory where it goes.
pub(super) fn put(
    core: &Core,
    batch: Batch,
    memory: Memory,
    from: &str,
    target: &Target<'_>,
) -> Batch {
    match target {
        Target::Nowhere => batch,
        Target::Archive => batch.insert_into(&core.archive.collection(), archived(memory, from)),
        Target::Tier(to) => batch.insert_into(&to.collection(), memory),
    }
}

/// The path of the tier that an archived memory was in.
pub(super) const FROM: &str = "agent.tier";

/// Returns a memory as the archive keeps it: without its vector, and with the tier it was in.
fn archived(memory: Memory, from: &str) -> Memory {
    let mut memory = memory.field(FROM, from);
    memory.vector = NO_VECTOR.to_vec();
    memory
}

/// Reads those of some memories that are there and not pinned.
fn read(tier: &OpenTier, ids: &[MemoryId]) -> Result<Vec<Memory>> {
    let filter = Filter::ids(ids.iter().copied()).and(Filter::pinned(false));
    tier.collection().scan(filter).collect()
}

/// Moves a memory to another tier, pinned or not. Returns false if it is in no tier.
pub(super) fn move_one(core: &Core, id: MemoryId, to: &OpenTier) -> Result<bool> {
    let from = {
        let _alone = core.moving();
        let Some((from, mut memory)) = core.find(id)? else { return Ok(false) };
        if from.name() == to.name() {
            return Ok(true);
        }
        if from.tier.default_ttl.is_some() {
            // The old tier gave it its end.
            memory.lifetime = Lifetime::Default;
        }
        let batch = Batch::new().delete(id).insert_into(&to.collection(), memory);
        from.collection().apply(batch)?;
        from
    };
    tell(core, from, &Target::Tier(to), Cause::Asked, vec![id]);
    Ok(true)
}
