//! Owns `Patch`: an update of a memory as plain data. `snapshot::stage` carries it out.

use super::change::Change;
use super::data::Memory;
use super::lifetime::{End, Lifetime};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::fields::FieldValue;
use crate::ids::{MemoryId, Seq};

/// An update of a memory, as data: what is not named stays as it is, and the vector stays.
///
/// A patch that only sets the lifetime, the importance or [`pinned`](Self::pinned) writes less than
/// 100 bytes to the log and no row. Every other patch writes the row again.
///
/// ```
/// use altiplano::Patch;
/// use std::time::Duration;
/// let raise = Patch::new().importance(0.9).lifetime(Duration::from_secs(30 * 86_400));
/// let correct = Patch::new().text("likes green tea").tag("corrected").remove_tag("draft");
/// # let _ = (raise, correct);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "a patch does nothing until it is applied"]
pub struct Patch {
    text: Option<Option<String>>,
    session: Option<Option<String>>,
    kind: Option<Option<String>>,
    namespace: Option<Option<String>>,
    add_tags: Vec<String>,
    remove_tags: Vec<String>,
    importance: Option<f32>,
    pinned: Option<bool>,
    valid: Option<(Option<Timestamp>, Option<Timestamp>)>,
    superseded_by: Option<Option<MemoryId>>,
    tokens: Option<Option<u32>>,
    metadata_json: Option<String>,
    /// Fields to set, or with `None` to remove, in this order.
    fields: Vec<(String, Option<FieldValue>)>,
    lifetime: Option<Lifetime>,
    if_version: Option<u64>,
}

impl Patch {
    /// Returns a patch that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the text.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(Some(text.into()));
        self
    }

    /// Removes the text.
    pub fn remove_text(mut self) -> Self {
        self.text = Some(None);
        self
    }

    /// Sets the session.
    pub fn session(mut self, session: impl Into<String>) -> Self {
        self.session = Some(Some(session.into()));
        self
    }

    /// Removes the session.
    pub fn remove_session(mut self) -> Self {
        self.session = Some(None);
        self
    }

    /// Sets the kind.
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(Some(kind.into()));
        self
    }

    /// Removes the kind.
    pub fn remove_kind(mut self) -> Self {
        self.kind = Some(None);
        self
    }

    /// Moves the memory to another namespace.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(Some(namespace.into()));
        self
    }

    /// Takes the memory out of its namespace.
    pub fn remove_namespace(mut self) -> Self {
        self.namespace = Some(None);
        self
    }

    /// Adds a tag. The same tag twice counts once.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.add_tags.push(tag.into());
        self
    }

    /// Removes a tag. Removals come before additions.
    pub fn remove_tag(mut self, tag: impl Into<String>) -> Self {
        self.remove_tags.push(tag.into());
        self
    }

    /// Sets the importance, from 0 to 1.
    pub const fn importance(mut self, importance: f32) -> Self {
        self.importance = Some(importance);
        self
    }

    /// Pins or unpins the memory. A memory that becomes pinned loses an end that its collection's
    /// default gave it.
    pub const fn pinned(mut self, pinned: bool) -> Self {
        self.pinned = Some(pinned);
        self
    }

    /// Sets the span of time in which the fact holds in the world; `None` leaves an end open.
    pub const fn valid(mut self, from: Option<Timestamp>, to: Option<Timestamp>) -> Self {
        self.valid = Some((from, to));
        self
    }

    /// Names the memory that replaced this fact.
    pub fn superseded_by(mut self, id: impl Into<MemoryId>) -> Self {
        self.superseded_by = Some(Some(id.into()));
        self
    }

    /// Takes back that another memory replaced this fact.
    pub const fn not_superseded(mut self) -> Self {
        self.superseded_by = Some(None);
        self
    }

    /// Sets how many tokens the text has.
    pub const fn tokens(mut self, tokens: u32) -> Self {
        self.tokens = Some(Some(tokens));
        self
    }

    /// Replaces the metadata by JSON text: see [`Memory::metadata_json`].
    pub fn metadata_json(mut self, json: impl Into<String>) -> Self {
        self.metadata_json = Some(json.into());
        self
    }

    /// Sets a field of the metadata and keeps the others: see [`Memory::field`].
    pub fn field(mut self, name: impl Into<String>, value: impl Into<FieldValue>) -> Self {
        self.fields.push((name.into(), Some(value.into())));
        self
    }

    /// Removes a field of the metadata, if it is there.
    pub fn remove_field(mut self, name: impl Into<String>) -> Self {
        self.fields.push((name.into(), None));
        self
    }

    /// Sets the lifetime. A time to live begins at the update.
    #[doc(alias = "ttl")]
    pub fn lifetime(mut self, lifetime: impl Into<Lifetime>) -> Self {
        self.lifetime = Some(lifetime.into());
        self
    }

    /// Applies the patch only to a memory of this version ([`Memory::version`]): compare and set.
    pub const fn if_version(mut self, version: u64) -> Self {
        self.if_version = Some(version);
        self
    }

    /// Returns the namespace that the patch sets, or none if it removes it; `None` if the namespace
    /// stays.
    pub(crate) fn new_namespace(&self) -> Option<Option<&str>> {
        self.namespace.as_ref().map(Option::as_deref)
    }

    pub(crate) fn version(&self) -> Option<Seq> {
        self.if_version.map(Seq)
    }

    /// Returns the new end of life.
    pub(crate) const fn end(&self) -> Option<Lifetime> {
        self.lifetime
    }

    /// Returns the patch as a change that is kept beside the row, without the new end; `None` if a
    /// row must be written.
    pub(crate) fn as_change(&self) -> Option<Change> {
        let Self { importance, pinned, lifetime, if_version: _, .. } = self;
        // The default depends on whether the row is pinned.
        if *lifetime == Some(Lifetime::Default) {
            return None;
        }
        let rest = Self {
            importance: None,
            pinned: None,
            lifetime: None,
            if_version: None,
            ..self.clone()
        };
        let change = Change { importance: *importance, pinned: *pinned, ..Change::default() };
        (rest == Self::default()).then_some(change)
    }

    /// Returns about how many bytes the patch adds to a row. O(tags).
    pub(crate) fn bytes(&self) -> usize {
        let texts = [&self.text, &self.session, &self.kind, &self.namespace];
        let texts = texts.into_iter().flatten().flatten().chain(&self.metadata_json);
        let fields = self.fields.iter().map(|(name, value)| match value {
            Some(FieldValue::Text(text)) => name.len().saturating_add(text.len()),
            _ => name.len().saturating_add(32),
        });
        texts.chain(&self.add_tags).map(String::len).chain(fields).sum()
    }

    /// Changes a memory that was read from the store.
    pub(crate) fn apply(&self, memory: &mut Memory) -> Result<()> {
        let texts = [
            (&self.text, &mut memory.text),
            (&self.session, &mut memory.session),
            (&self.kind, &mut memory.kind),
            (&self.namespace, &mut memory.namespace),
        ];
        for (new, of) in texts {
            if let Some(new) = new {
                of.clone_from(new);
            }
        }
        memory.tags.retain(|tag| !self.remove_tags.contains(tag));
        for tag in &self.add_tags {
            if !memory.tags.contains(tag) {
                memory.tags.push(tag.clone());
            }
        }
        memory.importance = self.importance.unwrap_or(memory.importance);
        memory.pinned = self.pinned.unwrap_or(memory.pinned);
        (memory.valid_from, memory.valid_to) =
            self.valid.unwrap_or((memory.valid_from, memory.valid_to));
        memory.superseded_by = self.superseded_by.unwrap_or(memory.superseded_by);
        memory.tokens = self.tokens.unwrap_or(memory.tokens);
        let taken = |memory: &mut Memory| std::mem::replace(memory, Memory::new(memory.id, []));
        if let Some(json) = &self.metadata_json {
            *memory = taken(memory).metadata_json(json.clone());
        }
        for (name, value) in &self.fields {
            *memory = match value {
                Some(value) => taken(memory).field(name, value.clone()),
                None => taken(memory).remove_field(name),
            };
        }
        if let Some(lifetime) = self.lifetime {
            memory.lifetime = lifetime;
            memory.origin.end = End::Given;
        }
        Ok(())
    }
}
