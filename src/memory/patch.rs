//! Owns `Patch`: an update of a memory as plain data. `snapshot::stage` carries it out.

use std::time::Duration;

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
/// # What a patch cannot change
///
/// - The vector, the bytes, the key, the time of creation, `derived_from`, typed metadata: change
///   them with [`Collection::update`](crate::Collection::update). It also removes what a patch can
///   only set, such as the event time or all of the metadata.
/// - The id: insert the memory under the new id and delete the old one, in one
///   [`Batch`](crate::Batch).
///
/// ```
/// use altiplano::Patch;
/// use std::time::Duration;
/// let raise = Patch::new().importance(0.9).ttl(Duration::from_secs(30 * 86_400));
/// let correct = Patch::new().text("likes green tea").tag("corrected").remove_tag("draft");
/// let moved = Patch::new().field("source.channel", "chat").field_list("people", ["Ada"]);
/// # let _ = (raise, correct, moved);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "a patch does nothing until it is applied"]
pub struct Patch {
    text: Option<Option<String>>,
    session: Option<Option<String>>,
    kind: Option<Option<String>>,
    namespace: Option<Option<String>>,
    /// Tags that replace all, before some are removed and added.
    tags: Option<Vec<String>>,
    add_tags: Vec<String>,
    remove_tags: Vec<String>,
    importance: Option<f32>,
    pinned: Option<bool>,
    event_time: Option<Timestamp>,
    valid: Option<(Option<Timestamp>, Option<Timestamp>)>,
    superseded_by: Option<Option<MemoryId>>,
    tokens: Option<Option<u32>>,
    metadata_json: Option<String>,
    /// Fields to change, by their paths, in this order.
    fields: Vec<(String, FieldChange)>,
    lifetime: Option<Lifetime>,
    if_version: Option<u64>,
}

/// What becomes of a field.
#[derive(Clone, Debug, PartialEq)]
enum FieldChange {
    Value(FieldValue),
    List(Vec<FieldValue>),
    Remove,
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

    /// Replaces all tags. [`Patch::tag`] and [`Patch::remove_tag`] of the same patch come after it.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Patch, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]).tag("draft"))?;
    /// notes.patch(1, Patch::new().tags(["food", "travel"]))?;
    /// assert_eq!(notes.get(1)?.unwrap().tags, ["food", "travel"]);
    /// # Ok(()) }
    /// ```
    pub fn tags<S: Into<String>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        self.tags = Some(tags.into_iter().map(Into::into).collect());
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

    /// Sets when the thing remembered happened.
    pub fn event_time(mut self, at: impl Into<Timestamp>) -> Self {
        self.event_time = Some(at.into());
        self
    }

    /// Sets the span of time in which the fact holds in the world; `None` leaves an end open.
    /// A span that ends before it begins is an error.
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
    #[doc(alias = "set_metadata_json")]
    pub fn metadata_json(mut self, json: impl Into<String>) -> Self {
        self.metadata_json = Some(json.into());
        self
    }

    /// Sets a field of the metadata and keeps the others. [`Memory::field`] has the syntax of the
    /// path, such as `source.channel`, and says what is refused.
    pub fn field(mut self, path: impl Into<String>, value: impl Into<FieldValue>) -> Self {
        self.fields.push((path.into(), FieldChange::Value(value.into())));
        self
    }

    /// Sets a field of the metadata to a list, as [`Patch::field`] does to a value.
    pub fn field_list<V: Into<FieldValue>>(
        mut self,
        path: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        self.fields.push((path.into(), FieldChange::List(values)));
        self
    }

    /// Removes a field of the metadata, if it is there: see [`Memory::remove_field`].
    pub fn remove_field(mut self, path: impl Into<String>) -> Self {
        self.fields.push((path.into(), FieldChange::Remove));
        self
    }

    /// Sets the lifetime: a [`Duration`] from the update on, a moment, or a [`Lifetime`]. The last
    /// lifetime that a patch names counts.
    pub fn lifetime(mut self, lifetime: impl Into<Lifetime>) -> Self {
        self.lifetime = Some(lifetime.into());
        self
    }

    /// Makes the memory invisible this long after the update: see [`Memory::ttl`].
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Outcome, Patch, Store};
    /// # use std::time::Duration;
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]))?;
    /// let outcome = notes.patch(1, Patch::new().ttl(Duration::from_secs(60)))?;
    /// assert_eq!(outcome, Outcome::Updated);
    /// assert!(notes.get(1)?.unwrap().expiry().is_some());
    /// # Ok(()) }
    /// ```
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.lifetime = Some(Lifetime::Ttl(ttl));
        self
    }

    /// Makes the memory invisible from `at` on: see [`Memory::expires_at`].
    pub fn expires_at(self, at: impl Into<Timestamp>) -> Self {
        self.lifetime(at.into())
    }

    /// Keeps the memory for ever, whatever the collection's default lifetime is.
    pub const fn never_expires(mut self) -> Self {
        self.lifetime = Some(Lifetime::Forever);
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
        let bytes = |value: &FieldValue| match value {
            FieldValue::Text(text) => text.len().saturating_add(32),
            _ => 32,
        };
        let fields = self.fields.iter().map(|(path, change)| {
            let value = match change {
                FieldChange::Value(value) => bytes(value),
                FieldChange::List(values) => values.iter().map(bytes).sum(),
                FieldChange::Remove => 0,
            };
            path.len().saturating_add(value)
        });
        let tags = self.tags.iter().flatten().chain(&self.add_tags);
        texts.chain(tags).map(String::len).chain(fields).sum()
    }

    /// Changes a memory that was read from the store.
    pub(crate) fn apply(&self, memory: &mut Memory) -> Result<()> {
        let taken = |memory: &mut Memory| std::mem::replace(memory, Memory::new(memory.id, []));
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
        if let Some(tags) = &self.tags {
            *memory = taken(memory).tags(tags);
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
        memory.event_time = self.event_time.or(memory.event_time);
        memory.superseded_by = self.superseded_by.unwrap_or(memory.superseded_by);
        memory.tokens = self.tokens.unwrap_or(memory.tokens);
        if let Some(json) = &self.metadata_json {
            *memory = taken(memory).metadata_json(json.clone());
        }
        for (path, change) in &self.fields {
            match change {
                FieldChange::Value(value) => memory.set_field(path, value.clone()),
                FieldChange::List(values) => memory.set_field_list(path, values.iter().cloned()),
                FieldChange::Remove => *memory = taken(memory).remove_field(path),
            }
        }
        if let Some(lifetime) = self.lifetime {
            memory.lifetime = lifetime;
            memory.origin.end = End::Given;
        }
        Ok(())
    }
}
