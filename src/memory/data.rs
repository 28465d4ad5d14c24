//! Owns the fields of a memory and their setters.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lifetime::{End, Lifetime, Origin};
use super::metadata::Metadata;
use crate::clock::Timestamp;
use crate::ids::MemoryId;

/// One memory: an id, a vector, and optional attributes such as text, tags, times and metadata.
///
/// The fields can be read and changed directly: `memory.text` is a field. Setters take and return
/// the memory, so that one can be written in a chain: `memory.text("likes tea")` sets that field.
/// Most setters have the name of their field. [`valid`](Self::valid) sets two fields,
/// [`tag`](Self::tag) adds to one, and [`ttl`](Self::ttl), [`expires_at`](Self::expires_at) and
/// [`never_expires`](Self::never_expires) set the lifetime. Metadata has no public field:
/// [`field`](Self::field), [`metadata_json`](Self::metadata_json) and [`metadata`](Self::metadata)
/// set it, and [`field_value`](Self::field_value), [`metadata_as`](Self::metadata_as) and
/// [`metadata_as_json`](Self::metadata_as_json) read it. No setter panics; limits are checked at
/// the insert, those of typed metadata at once.
///
/// A memory read from a store can be changed and inserted again, there or elsewhere. It keeps its
/// times and gets a new sequence number. If it has expired since it was read, nothing is written:
/// [`Outcome::Expired`](crate::Outcome::Expired) or [`Applied::expired`](crate::Applied::expired)
/// reports that. Two memories are equal if their fields are equal. Their sequence numbers are not
/// compared.
///
/// # serde
///
/// `serde` exports and imports memories. It writes every field except the sequence number. In
/// human-readable formats, times are RFC 3339 and ids are strings. A memory deserialized with
/// `serde` is treated like one read from a store.
///
/// ```
/// use altiplano::Memory;
/// use std::time::Duration;
/// let memory = Memory::new(7, vec![0.1, 0.2, 0.3])
///     .text("likes tea")
///     .namespace("user:42")
///     .importance(0.8)
///     .ttl(Duration::from_secs(90 * 86_400));
/// assert_eq!(memory.text.as_deref(), Some("likes tea"));
/// let json = serde_json::to_string(&memory).unwrap();
/// assert_eq!(serde_json::from_str::<Memory>(&json).unwrap(), memory);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Memory {
    /// The id, unique in its collection.
    pub id: MemoryId,
    /// The vector as it was inserted, bit by bit. Empty in a hit whose search did not ask for it.
    /// Format version 1 stored cosine vectors normalised: such a vector may differ by about one
    /// unit in the last place.
    pub vector: Vec<f32>,
    /// The text, UTF-8. The setter of the same name is [`Memory::text()`];
    /// [`Hit::text()`](crate::Hit::text) reads it from the result of a search.
    #[serde(default)]
    pub text: Option<String>,
    /// Arbitrary bytes, stored beside the text.
    #[serde(default)]
    pub bytes: Option<Vec<u8>>,
    /// The caller's own key, such as the address of a document. It need not be unique.
    #[serde(default)]
    pub key: Option<String>,
    /// The namespace: a user, an agent, a project.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The session: a conversation or a run of the agent.
    #[serde(default)]
    pub session: Option<String>,
    /// The kind: `turn`, `observation`, `summary`, or what the caller likes.
    #[serde(default)]
    pub kind: Option<String>,
    /// The tags, in the order in which they were given.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The importance, 0 to 1.
    #[serde(default = "default_importance")]
    pub importance: f32,
    /// Whether the memory is exempt from default lifetimes: see [`Memory::pinned`].
    #[serde(default)]
    pub pinned: bool,
    /// When the memory was made. Always set in a memory read from a store.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When the thing remembered happened.
    #[serde(default)]
    pub event_time: Option<Timestamp>,
    /// From when the fact holds in the world.
    #[serde(default)]
    pub valid_from: Option<Timestamp>,
    /// Until when the fact holds in the world.
    #[serde(default)]
    pub valid_to: Option<Timestamp>,
    /// The id of the memory that replaced this fact.
    #[serde(default)]
    pub superseded_by: Option<MemoryId>,
    /// How long the memory is visible. [`Memory::expiry`] returns when that ends.
    #[serde(default)]
    pub lifetime: Lifetime,
    /// How many tokens the text has, as the caller's model counts them.
    #[serde(default)]
    pub tokens: Option<u32>,
    /// The ids of the memories that this one was made from.
    #[serde(default)]
    pub derived_from: Vec<MemoryId>,
    /// How often the memory was used: see
    /// [`Collection::note_uses`](crate::Collection::note_uses).
    #[serde(default)]
    pub uses: u32,
    /// When the memory was last used, to the second.
    #[serde(default)]
    pub last_used: Option<Timestamp>,
    #[serde(default)]
    pub(crate) metadata: Option<Metadata>,
    #[serde(skip, default = "Origin::imported")]
    pub(crate) origin: Origin,
}

const fn default_importance() -> f32 {
    DEFAULT_IMPORTANCE
}

/// Importance of a memory whose caller sets none.
pub(crate) const DEFAULT_IMPORTANCE: f32 = 0.5;

impl Memory {
    /// Largest total size of text and bytes of one memory, in bytes: 16 MiB.
    pub const MAX_CONTENT_BYTES: usize = 16 << 20;
    /// Largest encoded metadata of one memory, in bytes: 1 MiB.
    pub const MAX_METADATA_BYTES: usize = 1 << 20;
    /// Largest namespace, session, kind, key or tag, in bytes.
    pub const MAX_NAME_BYTES: usize = 1024;
    /// Largest number of tags of one memory.
    pub const MAX_TAGS: usize = 256;
    /// Largest number of ids in `derived_from`.
    pub const MAX_DERIVED_FROM: usize = 4096;

    /// Returns a memory with an id and a vector only. The id is unique in its collection: it
    /// replaces a memory with the same id, whatever their namespaces. Under cosine the vector's
    /// length does not matter, but it must not be zero.
    pub fn new(id: impl Into<MemoryId>, vector: impl Into<Vec<f32>>) -> Self {
        Self {
            id: id.into(),
            vector: vector.into(),
            text: None,
            bytes: None,
            key: None,
            namespace: None,
            session: None,
            kind: None,
            tags: Vec::new(),
            importance: DEFAULT_IMPORTANCE,
            pinned: false,
            created_at: None,
            event_time: None,
            valid_from: None,
            valid_to: None,
            superseded_by: None,
            lifetime: Lifetime::Default,
            tokens: None,
            derived_from: Vec::new(),
            uses: 0,
            last_used: None,
            metadata: None,
            origin: Origin::default(),
        }
    }

    /// Returns when the memory stops being visible, if it was read from a store or has a fixed end.
    /// `None` means never, or that its lifetime has not begun.
    #[doc(alias = "expires")]
    pub const fn expiry(&self) -> Option<Timestamp> {
        match self.lifetime {
            Lifetime::Until(at) => Some(at),
            _ => None,
        }
    }

    /// Sets the field [`text`](field@Self::text). Text and bytes together take at most
    /// [`Memory::MAX_CONTENT_BYTES`].
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Sets arbitrary bytes, stored beside the text. Both together take at most
    /// [`Memory::MAX_CONTENT_BYTES`].
    #[must_use]
    pub fn bytes(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.bytes = Some(bytes.into());
        self
    }

    /// Sets the caller's own key, to find a memory again without its id:
    /// [`Collection::get_by_key`](crate::Collection::get_by_key). Several memories may have the
    /// same key, unless the collection has
    /// [`unique_keys`](crate::CollectionOptions::unique_keys). [`Memory::keyed`] makes the id of
    /// the key. At most [`Memory::MAX_NAME_BYTES`].
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the namespace: a user, an agent, a project.
    /// [`Filter::namespace`](crate::Filter::namespace) limits searches and deletes to it. Ids, keys
    /// and sessions belong to the collection, not to the namespace.
    /// [`Collection::scope`](crate::Collection::scope) limits everything to it. At most
    /// [`Memory::MAX_NAME_BYTES`].
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Sets the session: a conversation or a run of the agent. If several users use the same
    /// session names, filter by namespace and session. At most [`Memory::MAX_NAME_BYTES`].
    #[must_use]
    pub fn session(mut self, session: impl Into<String>) -> Self {
        self.session = Some(session.into());
        self
    }

    /// Sets the kind: `turn`, `observation`, `summary`, or what the caller likes. At most
    /// [`Memory::MAX_NAME_BYTES`].
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Adds a tag, of at most [`Memory::MAX_NAME_BYTES`]. A memory has at most [`Memory::MAX_TAGS`]
    /// tags; the same tag twice counts once.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        let tag = tag.into();
        if !self.tags.contains(&tag) {
            self.tags.push(tag);
        }
        self
    }

    /// Replaces the tags. At most [`Memory::MAX_TAGS`] of [`Memory::MAX_NAME_BYTES`].
    ///
    /// ```
    /// use altiplano::Memory;
    /// let memory = Memory::new(1, [0.5]).tag("draft").tags(["food", "travel"]);
    /// assert_eq!(memory.tags, ["food", "travel"]);
    /// ```
    #[must_use]
    pub fn tags<S: Into<String>>(self, tags: impl IntoIterator<Item = S>) -> Self {
        tags.into_iter().fold(Self { tags: Vec::new(), ..self }, Self::tag)
    }

    /// Sets the importance, from 0 to 1. Default = 0.5.
    #[must_use]
    pub const fn importance(mut self, importance: f32) -> Self {
        self.importance = importance;
        self
    }

    /// Exempts the memory from the collection's default lifetime, and from every other rule that
    /// removes memories without naming them. The memory's own lifetime still applies, and deletes
    /// remove pinned memories like others. Default = false.
    ///
    /// If a memory was read from a store, pinning it removes the default lifetime it was stored
    /// with.
    #[must_use]
    pub const fn pinned(mut self, pinned: bool) -> Self {
        self.pinned = pinned;
        self
    }

    /// Sets when the memory was made, also before 1970. Default = the moment of the insert.
    #[must_use]
    pub fn created_at(mut self, at: impl Into<Timestamp>) -> Self {
        self.created_at = Some(at.into());
        self
    }

    /// Sets when the thing remembered happened, also before 1970. Default = not known.
    #[must_use]
    pub fn event_time(mut self, at: impl Into<Timestamp>) -> Self {
        self.event_time = Some(at.into());
        self
    }

    /// Sets the span of time in which the fact holds in the world; `None` leaves an end open. A
    /// span that ends before it begins is an error at the insert.
    /// [`Filter::valid_at`](crate::Filter::valid_at) finds the facts that hold at a moment.
    #[must_use]
    pub fn valid(mut self, from: Option<Timestamp>, to: Option<Timestamp>) -> Self {
        self.valid_from = from;
        self.valid_to = to;
        self
    }

    /// Names the memory that replaced this fact. [`Filter::superseded`](crate::Filter::superseded)
    /// finds such facts, and leaves them out.
    #[must_use]
    pub fn superseded_by(mut self, id: impl Into<MemoryId>) -> Self {
        self.superseded_by = Some(id.into());
        self
    }

    /// Makes the memory invisible this long after its insert; its bytes become reclaimable then.
    /// The time is rounded up to a whole millisecond; zero is an error at the insert. Replaces a
    /// lifetime that was set before.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.lifetime = Lifetime::Ttl(ttl);
        self.origin.end = End::Given;
        self
    }

    /// Makes the memory invisible from `at` on. A moment that is not after the store's now is an
    /// error at the insert. Replaces a lifetime that was set before.
    #[must_use]
    pub fn expires_at(mut self, at: impl Into<Timestamp>) -> Self {
        self.lifetime = Lifetime::Until(at.into());
        self.origin.end = End::Given;
        self
    }

    /// Keeps the memory for ever, whatever the collection's default lifetime is. Replaces a
    /// lifetime that was set before.
    #[must_use]
    pub const fn never_expires(mut self) -> Self {
        self.lifetime = Lifetime::Forever;
        self
    }

    /// Sets how many tokens the text has, as the caller's model counts them.
    /// [`Filter::tokens`](crate::Filter::tokens) finds memories by it.
    #[must_use]
    pub const fn tokens(mut self, tokens: u32) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Names the memories that this one was made from. At most [`Memory::MAX_DERIVED_FROM`].
    /// [`Filter::derived_from`](crate::Filter::derived_from) finds what was made from one.
    #[must_use]
    pub fn derived_from<I: Into<MemoryId>>(mut self, ids: impl IntoIterator<Item = I>) -> Self {
        self.derived_from = ids.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how often the memory was used, for an import. Default = 0. In a store,
    /// [`Collection::note_uses`](crate::Collection::note_uses) counts.
    #[must_use]
    pub const fn uses(mut self, uses: u32) -> Self {
        self.uses = uses;
        self
    }

    /// Sets when the memory was last used, for an import. Default = not known.
    #[must_use]
    pub fn last_used(mut self, at: impl Into<Timestamp>) -> Self {
        self.last_used = Some(at.into());
        self
    }

    /// Sets metadata as JSON text (of a `serde_json::Value`, `value.to_string()`), for values whose
    /// type changes or is known only at run time. The text is kept as it is, numbers included. At
    /// most [`Memory::MAX_METADATA_BYTES`]. Text that is not JSON is an
    /// [`Error::InvalidOption`](crate::Error::InvalidOption) at the insert, which names line and
    /// column. If it is an object, [`Filter::field`](crate::Filter::field) finds memories by its
    /// values. An object in which values are nested in more than 64 levels is an
    /// [`Error::LimitExceeded`](crate::Error::LimitExceeded). O(text).
    #[must_use]
    #[doc(alias = "set_metadata_json")]
    pub fn metadata_json(mut self, json: impl Into<String>) -> Self {
        self.metadata = Some(Metadata::json(json.into()));
        self
    }

    /// Returns the metadata's schema number, if there is metadata: 0 for JSON.
    pub fn metadata_schema(&self) -> Option<u32> {
        self.metadata.as_ref().map(|m| m.schema)
    }

    /// Returns the metadata as JSON text, if it was set as such.
    pub fn metadata_as_json(&self) -> Option<&str> {
        self.metadata.as_ref()?.text()
    }
}
