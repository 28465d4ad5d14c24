//! Owns consolidation: many memories become a few summaries, in one transaction. At any moment, and
//! after any crash, either the sources are there or the summaries.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::core::{Core, OpenTier, embed};
use super::event::{AgentEvent, Cause};
use super::group::Group;
use super::moves::{self, Target};
use super::tidy::with_room;
use super::tier::Exit;
use super::traits::{Embedder, Summarizer};
use crate::{Batch, Direction, Error, Fields, Filter, Memory, MemoryId, Order, Result};

/// The kind of summaries.
const KIND: &str = "summary";
/// Tries to consolidate sources that change meanwhile.
const TRIES: usize = 3;

/// How memories are consolidated.
///
/// ```
/// use altiplano::agent::{ConsolidateOptions, Exit};
/// let options = ConsolidateOptions::new().to("long-term").sources(Exit::Archive).min_sources(5);
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
pub struct ConsolidateOptions {
    from: Option<String>,
    to: Option<String>,
    sources: Exit,
    min_sources: usize,
    max_sources: usize,
}

impl Default for ConsolidateOptions {
    fn default() -> Self {
        let (from, to, sources) = (None, None, Exit::Archive);
        Self { from, to, sources, min_sources: 2, max_sources: Memory::MAX_DERIVED_FROM }
    }
}

impl ConsolidateOptions {
    /// Returns the defaults: from the tier of new memories, into the one behind it, and the sources
    /// go into the archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the tier of the sources.
    #[must_use]
    pub fn from(mut self, tier: impl Into<String>) -> Self {
        self.from = Some(tier.into());
        self
    }

    /// Sets the tier of the summaries.
    #[must_use]
    pub fn to(mut self, tier: impl Into<String>) -> Self {
        self.to = Some(tier.into());
        self
    }

    /// Sets where the sources go. Default = [`Exit::Archive`]. Pinned ones stay.
    #[must_use]
    pub fn sources(mut self, exit: Exit) -> Self {
        self.sources = exit;
        self
    }

    /// Sets how many sources there must be. Default = 2.
    #[must_use]
    pub const fn min_sources(mut self, count: usize) -> Self {
        self.min_sources = count;
        self
    }

    /// Sets how many sources one call takes at most, the oldest; 1 to 4,096. Default = 4,096.
    #[must_use]
    pub const fn max_sources(mut self, count: usize) -> Self {
        self.max_sources = count;
        self
    }
}

/// What a consolidation did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Consolidated {
    /// The summaries. Each names its sources: [`Memory::derived_from`](field@Memory::derived_from).
    pub summaries: Vec<MemoryId>,
    /// The memories that they took the place of.
    pub sources: Vec<MemoryId>,
}

impl fmt::Display for Consolidated {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} memories became {} summaries", self.sources.len(), self.summaries.len())
    }
}

/// Consolidates the memories that match. Nothing happens if there are too few, or if the summarizer
/// has nothing to say.
pub(super) fn consolidate(
    core: &Core,
    filter: &Filter,
    summarizer: &dyn Summarizer,
    options: &ConsolidateOptions,
) -> Result<Consolidated> {
    if !(1..=Memory::MAX_DERIVED_FROM).contains(&options.max_sources) {
        let reason = format!("{} is not between 1 and 4,096", options.max_sources);
        return Err(Error::option("max_sources", reason));
    }
    let from = tier_or(core, options.from.as_deref(), core.first_tier())?;
    let to = tier_or(core, options.to.as_deref(), core.next_tier())?;
    let target = Target::of(core, &options.sources)?;
    for _ in 0..TRIES {
        let sources = sources(from, filter, options.max_sources)?;
        if sources.len() < options.min_sources.max(1) {
            return Ok(Consolidated::default());
        }
        let carry = carry(to, filter)?;
        let model = core.embedder();
        let summaries = summaries(core, &sources, carry.as_ref(), summarizer, &model)?;
        if summaries.is_empty() {
            return Ok(Consolidated::default());
        }
        if let Some(done) = replace(core, (from, to), &target, &sources, summaries, &model)? {
            return Ok(done);
        }
    }
    let reason = "the memories changed while they were summarized; try again when they are at rest";
    Err(Error::option("consolidate", reason))
}

fn tier_or<'a>(core: &'a Core, name: Option<&str>, or: &'a OpenTier) -> Result<&'a OpenTier> {
    name.map_or(Ok(or), |name| core.tier(name))
}

/// Returns the memories to consolidate, the oldest first. A group of which some match is taken as a
/// whole, or left as a whole if one of it is pinned or if it would be too many.
fn sources(from: &OpenTier, filter: &Filter, most: usize) -> Result<Vec<Memory>> {
    let filter = filter.clone().and(Filter::pinned(false)).and(Filter::kind(KIND).not());
    let collection = from.collection();
    let list = collection.list().filter(filter).order(Order::Created, Direction::Ascending);
    let mut sources = list.fields(Fields::All).limit(most).run()?.memories;
    let groups: BTreeSet<Group> = sources.iter().filter_map(Group::of).collect();
    let mut ids: BTreeSet<MemoryId> = sources.iter().map(|memory| memory.id).collect();
    for group in groups {
        let members = group.members(&collection, Fields::All)?;
        if members.iter().any(|memory| memory.pinned) || sources.len() + members.len() > most {
            sources.retain(|memory| Group::of(memory).as_ref() != Some(&group));
            continue;
        }
        sources.extend(members.into_iter().filter(|memory| ids.insert(memory.id)));
    }
    sources.sort_by_key(|memory| (memory.created_at, memory.seq()));
    Ok(sources)
}

/// Returns the newest summary of the same selection, which a rolling summary goes on from.
fn carry(to: &OpenTier, filter: &Filter) -> Result<Option<Memory>> {
    let filter = filter.clone().and(Filter::kind(KIND));
    Ok(to.collection().list().filter(filter).limit(1).run()?.memories.pop())
}

/// Makes the summaries, with what all sources agree on.
fn summaries(
    core: &Core,
    sources: &[Memory],
    carry: Option<&Memory>,
    summarizer: &dyn Summarizer,
    model: &Arc<dyn Embedder>,
) -> Result<Vec<Memory>> {
    let texts = summarizer
        .summarize(sources, carry)
        .map_err(|source| Error::Callback { part: "summarizer", source })?;
    let asked: Vec<&str> =
        texts.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    let vectors = embed(model.as_ref(), &asked)?;
    let importance = sources.iter().map(|memory| memory.importance).fold(0.0, f32::max);
    let ids: Vec<MemoryId> = sources.iter().map(|memory| memory.id).collect();
    let made = asked.into_iter().zip(vectors).map(|(text, vector)| {
        let tokens = u32::try_from(core.options.counter.count(text)).unwrap_or(u32::MAX);
        let mut memory = Memory::new(MemoryId::unique(), vector)
            .text(text)
            .kind(KIND)
            .importance(importance)
            .tokens(tokens)
            .derived_from(ids.iter().copied());
        memory.namespace = common(sources, |one| one.namespace.as_ref());
        memory.session = common(sources, |one| one.session.as_ref());
        // It happened when the last of its sources did.
        memory.event_time =
            sources.iter().filter_map(|one| one.event_time.or(one.created_at)).max();
        memory
    });
    Ok(made.collect())
}

/// Returns the value that all sources have.
fn common<'a>(
    sources: &'a [Memory],
    value: impl Fn(&'a Memory) -> Option<&'a String>,
) -> Option<String> {
    let first = sources.first().and_then(&value)?;
    sources.iter().all(|one| value(one) == Some(first)).then(|| first.clone())
}

/// Puts the summaries in the place of the sources: one batch. Returns `None`, and does nothing, if
/// a source changed since it was read, or the model.
fn replace(
    core: &Core,
    (from, to): (&OpenTier, &OpenTier),
    target: &Target<'_>,
    sources: &[Memory],
    summaries: Vec<Memory>,
    model: &Arc<dyn Embedder>,
) -> Result<Option<Consolidated>> {
    if let (Target::Archive, Some(sink)) = (target, &core.options.archive_sink) {
        sink.archive(sources).map_err(|source| Error::Callback { part: "archive", source })?;
    }
    let done = Consolidated {
        summaries: summaries.iter().map(|memory| memory.id).collect(),
        sources: sources.iter().map(|memory| memory.id).collect(),
    };
    let is_done = with_room(core, || {
        let _alone = core.moving();
        if !core.is_model(model) {
            return Ok(false);
        }
        let collection = from.collection();
        for source in sources {
            let now = collection.get(source.id)?;
            if now.is_none_or(|now| now.text != source.text || now.pinned) {
                return Ok(false);
            }
        }
        let mut batch = Batch::new();
        for source in sources {
            batch = batch.delete(source.id);
            batch = moves::put(core, batch, source.clone(), from.name(), target);
        }
        for summary in &summaries {
            batch = batch.insert_into(&to.collection(), summary.clone());
        }
        collection.apply(batch)?;
        Ok(true)
    })?;
    if !is_done {
        return Ok(None);
    }
    moves::tell(core, from, target, Cause::Consolidated, done.sources.clone());
    let (tier, ids) = (to.name().to_owned(), done.summaries.clone());
    core.tell(&AgentEvent::Summarized { tier, ids });
    Ok(Some(done))
}
