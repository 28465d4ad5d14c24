//! Owns the road of a text into a tier: its vector, its id, what it is worth, and whether it is
//! there already.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Serialize;

use super::copies;
use super::core::{Core, OpenTier, embed};
use super::duplicates::Decision;
use super::importance::WordStatistics;
use super::new_memory::{ESTIMATED, NewMemory};
use super::session;
use super::tidy::{tidy, with_room};
use super::traits::Embedder;
use crate::{Batch, Error, Fields, Memory, MemoryId, Result};

/// A tier may be this part beyond its bounds, and [`SLACK`] memories, before a writer waits.
const SLACK_PART: u64 = 16;
/// See [`SLACK_PART`].
const SLACK: u64 = 64;
/// Importance of a text if nothing is said of it.
const NEUTRAL: f32 = 0.5;

/// What became of a text that was to be remembered.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Remembered {
    /// The memory: the new one, or the one that says the same if the new one was not kept.
    pub id: MemoryId,
    /// A memory that says the same, if one was looked for and found.
    pub duplicate_of: Option<MemoryId>,
    /// False if nothing new was written, because of the duplicate.
    pub is_new: bool,
    /// Its importance: given, or estimated.
    pub importance: f32,
}

impl fmt::Display for Remembered {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, importance {:.2}", self.id, self.importance)?;
        self.duplicate_of.map_or(Ok(()), |other| write!(f, ", says the same as {other}"))
    }
}

/// A memory that is ready to be written.
struct Ready<'a> {
    tier: &'a OpenTier,
    memory: Memory,
    duplicate_of: Option<MemoryId>,
    /// Whether it is written.
    is_new: bool,
}

/// What else goes into the batch that writes memories with these ids.
pub(super) type Also<'a> = dyn Fn(Batch, &[MemoryId]) -> Result<Batch> + 'a;

/// Remembers texts, in one batch: all or none.
pub(super) fn remember(
    core: &Core,
    news: Vec<NewMemory>,
    also: &Also<'_>,
) -> Result<Vec<Remembered>> {
    let mut model = core.embedder();
    let mut ready = prepare(core, news, &model)?;
    while !with_room(core, || write(core, &ready, &model, also))? {
        model = core.embedder();
        embed_anew(&mut ready, &model)?;
    }
    let done = ready.iter().map(|one| Remembered {
        id: one.memory.id,
        duplicate_of: one.duplicate_of,
        is_new: one.is_new,
        importance: one.memory.importance,
    });
    let done: Vec<Remembered> = done.collect();
    for one in ready.iter().filter(|one| !one.is_new && core.options.track_uses) {
        // In whichever tier it is; a tier that does not have it counts nothing.
        core.tiers.iter().for_each(|open| open.collection().note_uses([one.memory.id]));
    }
    for one in &ready {
        if let Some(session) = &one.memory.session {
            session::touch(core, session);
        }
    }
    core.writes.fetch_add(done.len() as u64, Ordering::Relaxed);
    if is_far_beyond(core)? {
        tidy(core)?;
    }
    Ok(done)
}

fn prepare<'a>(
    core: &'a Core,
    news: Vec<NewMemory>,
    model: &Arc<dyn Embedder>,
) -> Result<Vec<Ready<'a>>> {
    let texts: Vec<&str> = news.iter().filter(|new| new.vector.is_none()).map(text_of).collect();
    let mut vectors = embed(model.as_ref(), &texts)?.into_iter();
    let mut ready = Vec::with_capacity(news.len());
    for new in news {
        let tier = match &new.tier {
            Some(name) => core.tier(name)?,
            None => core.first_tier(),
        };
        let vector = new.vector.clone().or_else(|| vectors.next()).unwrap_or_default();
        ready.push(one(core, tier, new, vector, model)?);
    }
    Ok(ready)
}

/// Embeds memories by another model: the agent changed over to it before they were written.
fn embed_anew(ready: &mut [Ready<'_>], model: &Arc<dyn Embedder>) -> Result<()> {
    let text = |one: &Ready<'_>| one.memory.text.clone().unwrap_or_default();
    let texts: Vec<String> = ready.iter().map(text).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for (one, vector) in ready.iter_mut().zip(embed(model.as_ref(), &texts)?) {
        one.memory.vector = vector;
    }
    Ok(())
}

fn text_of(new: &NewMemory) -> &str {
    new.memory.text.as_deref().unwrap_or_default()
}

fn one<'a>(
    core: &'a Core,
    tier: &'a OpenTier,
    new: NewMemory,
    vector: Vec<f32>,
    model: &Arc<dyn Embedder>,
) -> Result<Ready<'a>> {
    let importance = new.importance;
    let is_compared = new.is_compared && new.memory.key.is_none();
    let mut memory = new.memory;
    let text = memory.text.clone().unwrap_or_default();
    memory.id = match &memory.key {
        Some(key) => MemoryId::from_key_in(memory.namespace.as_deref().unwrap_or_default(), key),
        None => MemoryId::unique(),
    };
    memory.vector = vector;
    if memory.tokens.is_none() {
        memory.tokens = u32::try_from(core.options.counter.count(&text)).ok();
    }
    match (importance, &core.options.importance) {
        (Some(importance), _) => memory.importance = importance,
        (None, Some(estimate)) => {
            let estimated = estimate.estimate(&text, &statistics(core, &text)?);
            memory.importance =
                if estimated.is_finite() { estimated.clamp(0.0, 1.0) } else { NEUTRAL };
            memory.set_field(ESTIMATED, true);
        }
        (None, None) => {}
    }
    let mut ready = Ready { tier, memory, duplicate_of: None, is_new: true };
    if is_compared && let Some(old) = copies::of_new(core, &ready.memory, model)? {
        ready.duplicate_of = Some(old.id);
        decide(core, &mut ready, &old);
    }
    Ok(ready)
}

/// Does with a duplicate what the options say.
fn decide(core: &Core, ready: &mut Ready<'_>, old: &Memory) {
    match core.options.duplicates.decide(old, &ready.memory) {
        Decision::Keep => {}
        Decision::Skip => {
            (ready.is_new, ready.memory.id) = (false, old.id);
            ready.memory.importance = old.importance;
        }
        Decision::Link => ready.memory.derived_from.push(old.id),
    }
}

/// Asks the index of words how common the words of a text are.
pub(super) fn statistics(core: &Core, text: &str) -> Result<WordStatistics> {
    let tier = core.first_tier().collection();
    if tier.settings().text_index.is_none() || text.is_empty() {
        return Ok(WordStatistics::default());
    }
    let search = tier.search_text(text).k(1).fields(Fields::None).peek();
    match search.explain() {
        Ok((_, explanation)) => {
            Ok(explanation.text.map_or_else(WordStatistics::default, |found| {
                let words = found.words.into_iter().map(|one| (one.word, one.documents));
                WordStatistics::new(tier.len().unwrap_or(found.documents), words)
            }))
        }
        // A text of more words than a query may have is estimated without.
        Err(Error::LimitExceeded { .. } | Error::InvalidOption { .. }) => {
            Ok(WordStatistics::default())
        }
        Err(error) => Err(error),
    }
}

/// Writes memories in one batch. A key takes the place of the memory that had it in another tier.
/// Returns false, and writes nothing, if the agent changed over to another model meanwhile.
fn write(
    core: &Core,
    ready: &[Ready<'_>],
    model: &Arc<dyn Embedder>,
    also: &Also<'_>,
) -> Result<bool> {
    let _still = core.still();
    if !core.is_model(model) {
        return Ok(false);
    }
    let ids: Vec<MemoryId> = ready.iter().map(|one| one.memory.id).collect();
    let mut batch = also(Batch::new(), &ids)?;
    for one in ready.iter().filter(|one| one.is_new) {
        if one.memory.key.is_some() {
            let others = core.tiers.iter().filter(|other| other.name() != one.tier.name());
            for other in others.filter(|other| !other.tier.in_memory || one.tier.tier.in_memory) {
                batch = batch.delete_from(&other.collection(), one.memory.id);
            }
        }
        batch = batch.insert_into(&one.tier.collection(), one.memory.clone());
    }
    if !batch.is_empty() {
        core.first_tier().collection().apply(batch)?;
    }
    Ok(true)
}

/// Returns true if a tier is so far beyond its bounds that a writer has to wait.
fn is_far_beyond(core: &Core) -> Result<bool> {
    for open in &core.tiers {
        if let Some(most) = open.tier.retention.max_count
            && open.collection().len()? > most + most / SLACK_PART + SLACK
        {
            return Ok(true);
        }
    }
    Ok(false)
}
