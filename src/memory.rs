//! Owns `Memory`, what a user stores and gets back: a vector with text, attributes and a lifetime.
//! Plain data; limits are checked here, everything else (dimension, metric) where a collection is
//! known. How it becomes bytes is `format::record`.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::MemoryId;

/// Longest text or byte content of one memory, in bytes: 16 MiB.
pub const MAX_CONTENT_BYTES: usize = 16 << 20;
/// Longest encoded metadata of one memory, in bytes: 1 MiB.
pub const MAX_METADATA_BYTES: usize = 1 << 20;
/// Longest namespace, session, kind, key or tag, in bytes.
pub const MAX_NAME_BYTES: usize = 1024;
/// Most tags of one memory.
pub const MAX_TAGS: usize = 256;
/// Most sources in `derived_from`.
pub const MAX_DERIVED_FROM: usize = 4096;

/// What a memory says, beside its vector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// Nothing: the vector alone.
    #[default]
    None,
    /// UTF-8 text.
    Text(String),
    /// Any bytes.
    Bytes(Vec<u8>),
}

/// How metadata bytes are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataCodec {
    /// A `serde` type through bincode: compact, typed, not self-describing.
    Bincode,
    /// JSON text, for values whose shape is known only at run time.
    Json,
}

/// Encoded metadata with the caller's own schema number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) codec: MetadataCodec,
    pub(crate) schema: u32,
    pub(crate) bytes: Vec<u8>,
}

/// When a memory stops being visible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// As the collection says.
    #[default]
    Default,
    /// For this long after the insert.
    For(Duration),
    /// Until this moment.
    Until(Timestamp),
    /// For ever, whatever the collection says.
    Forever,
}

/// One memory: an id, a vector, and what an agent wants to know about it later.
///
/// All setters take and return the memory, and none of them panics; limits are checked at insert.
///
/// ```
/// use altiplano::Memory;
/// use std::time::Duration;
/// let memory = Memory::new(7u64, vec![0.1, 0.2, 0.3])
///     .text("likes tea")
///     .namespace("user:42")
///     .importance(0.8)
///     .ttl(Duration::from_secs(90 * 86_400));
/// assert_eq!(memory.text_content(), Some("likes tea"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    pub(crate) id: MemoryId,
    pub(crate) vector: Vec<f32>,
    pub(crate) content: Content,
    pub(crate) key: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) importance: f32,
    pub(crate) pinned: bool,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) event_time: Option<Timestamp>,
    pub(crate) valid_from: Option<Timestamp>,
    pub(crate) valid_to: Option<Timestamp>,
    pub(crate) superseded_by: Option<MemoryId>,
    pub(crate) lifetime: Lifetime,
    pub(crate) tokens: Option<u32>,
    pub(crate) derived_from: Vec<MemoryId>,
    pub(crate) metadata: Option<Metadata>,
}

/// Importance of a memory that was given none.
pub(crate) const DEFAULT_IMPORTANCE: f32 = 0.5;

impl Memory {
    /// A memory with nothing but a vector. Under cosine its length does not matter.
    pub fn new(id: impl Into<MemoryId>, vector: impl Into<Vec<f32>>) -> Self {
        Self {
            id: id.into(),
            vector: vector.into(),
            content: Content::None,
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
            metadata: None,
        }
    }

    /// Sets the text. At most [`MAX_CONTENT_BYTES`].
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.content = Content::Text(text.into());
        self
    }

    /// Sets any bytes instead of text. At most [`MAX_CONTENT_BYTES`].
    #[must_use]
    pub fn bytes(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.content = Content::Bytes(bytes.into());
        self
    }

    /// Sets the caller's own key, for finding a memory again without its id.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the namespace: a user, an agent, a project. Filters and drops work on it.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Sets the session.
    #[must_use]
    pub fn session(mut self, session: impl Into<String>) -> Self {
        self.session = Some(session.into());
        self
    }

    /// Sets the kind: `turn`, `observation`, `summary`, or what the caller likes.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Adds a tag. At most [`MAX_TAGS`]; the same tag twice counts once.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        let tag = tag.into();
        if !self.tags.contains(&tag) {
            self.tags.push(tag);
        }
        self
    }

    /// Sets the importance, from 0 to 1. Default = 0.5.
    #[must_use]
    pub const fn importance(mut self, importance: f32) -> Self {
        self.importance = importance;
        self
    }

    /// Marks the memory as one that retention must not remove.
    #[must_use]
    pub const fn pinned(mut self, pinned: bool) -> Self {
        self.pinned = pinned;
        self
    }

    /// Sets when the memory was made. Default = the moment of the insert.
    #[must_use]
    pub fn created_at(mut self, at: impl Into<Timestamp>) -> Self {
        self.created_at = Some(at.into());
        self
    }

    /// Sets when the thing remembered happened.
    #[must_use]
    pub fn event_time(mut self, at: impl Into<Timestamp>) -> Self {
        self.event_time = Some(at.into());
        self
    }

    /// Sets the span of time in which the fact holds in the world.
    #[must_use]
    pub fn valid(mut self, from: Option<Timestamp>, to: Option<Timestamp>) -> Self {
        self.valid_from = from;
        self.valid_to = to;
        self
    }

    /// Names the memory that replaced this fact.
    #[must_use]
    pub fn superseded_by(mut self, id: impl Into<MemoryId>) -> Self {
        self.superseded_by = Some(id.into());
        self
    }

    /// Makes the memory invisible this long after its insert, and its bytes reclaimable.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.lifetime = Lifetime::For(ttl);
        self
    }

    /// Makes the memory invisible from `at` on. A moment already past is an error at insert.
    #[must_use]
    pub fn expires_at(mut self, at: impl Into<Timestamp>) -> Self {
        self.lifetime = Lifetime::Until(at.into());
        self
    }

    /// Keeps the memory whatever the collection's default lifetime is.
    #[must_use]
    pub const fn never_expires(mut self) -> Self {
        self.lifetime = Lifetime::Forever;
        self
    }

    /// Sets how many tokens the text has, as the caller's model counts them.
    #[must_use]
    pub const fn tokens(mut self, tokens: u32) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Names the memories that this one was made from. At most [`MAX_DERIVED_FROM`].
    #[must_use]
    pub fn derived_from(mut self, ids: impl IntoIterator<Item = MemoryId>) -> Self {
        self.derived_from = ids.into_iter().collect();
        self
    }

    /// Sets metadata as JSON text, for values whose shape is known only at run time. The text is
    /// kept as it is. At most [`MAX_METADATA_BYTES`].
    #[must_use]
    pub fn metadata_json(mut self, json: impl Into<String>) -> Self {
        let bytes = json.into().into_bytes();
        self.metadata = Some(Metadata { codec: MetadataCodec::Json, schema: 0, bytes });
        self
    }

    /// The id.
    pub const fn id(&self) -> MemoryId {
        self.id
    }

    /// The vector as it was inserted; empty where it was not asked for.
    pub fn vector(&self) -> &[f32] {
        &self.vector
    }

    /// The text, if there is one.
    pub fn text_content(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Text or bytes.
    pub const fn content(&self) -> &Content {
        &self.content
    }

    /// The caller's key.
    pub fn key_name(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The namespace.
    pub fn namespace_name(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The session.
    pub fn session_name(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// The kind.
    pub fn kind_name(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// The tags, in the order they were given.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// The importance, 0 to 1.
    pub const fn importance_value(&self) -> f32 {
        self.importance
    }

    /// Whether retention must leave it alone.
    pub const fn is_pinned(&self) -> bool {
        self.pinned
    }

    /// When it was made; always there in a memory that a store gave back.
    pub const fn created(&self) -> Option<Timestamp> {
        self.created_at
    }

    /// When the thing remembered happened.
    pub const fn event(&self) -> Option<Timestamp> {
        self.event_time
    }

    /// The span of time in which the fact holds.
    pub const fn validity(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        (self.valid_from, self.valid_to)
    }

    /// The memory that replaced this fact.
    pub const fn superseded(&self) -> Option<MemoryId> {
        self.superseded_by
    }

    /// When it stops being visible, in a memory that a store gave back or that was given a moment.
    pub const fn expires(&self) -> Option<Timestamp> {
        match self.lifetime {
            Lifetime::Until(at) => Some(at),
            _ => None,
        }
    }

    /// How many tokens the text has.
    pub const fn token_count(&self) -> Option<u32> {
        self.tokens
    }

    /// The memories that this one was made from.
    pub fn sources(&self) -> &[MemoryId] {
        &self.derived_from
    }

    /// The metadata's schema number, if there is metadata.
    pub fn metadata_schema(&self) -> Option<u32> {
        self.metadata.as_ref().map(|m| m.schema)
    }

    /// The metadata as JSON text, if it was given as such.
    pub fn metadata_as_json(&self) -> Option<&str> {
        let metadata = self.metadata.as_ref()?;
        match metadata.codec {
            MetadataCodec::Json => std::str::from_utf8(&metadata.bytes).ok(),
            MetadataCodec::Bincode => None,
        }
    }

    /// Checks every size limit and range that does not depend on the collection.
    pub(crate) fn check_limits(&self) -> Result<()> {
        let content = match &self.content {
            Content::None => 0,
            Content::Text(text) => text.len(),
            Content::Bytes(bytes) => bytes.len(),
        };
        limit("the text", content, MAX_CONTENT_BYTES)?;
        limit(
            "the metadata",
            self.metadata.as_ref().map_or(0, |m| m.bytes.len()),
            MAX_METADATA_BYTES,
        )?;
        let names = [&self.key, &self.namespace, &self.session, &self.kind];
        for name in names.into_iter().flatten().chain(&self.tags) {
            limit("a key, namespace, session, kind or tag", name.len(), MAX_NAME_BYTES)?;
        }
        limit("the list of tags", self.tags.len(), MAX_TAGS)?;
        limit("the list of sources", self.derived_from.len(), MAX_DERIVED_FROM)?;
        if !(0.0..=1.0).contains(&self.importance) {
            let reason = format!("{} is not between 0 and 1", self.importance);
            return Err(Error::option("importance", reason));
        }
        Ok(())
    }
}

fn limit(what: &'static str, got: usize, limit: usize) -> Result<()> {
    if got > limit {
        return Err(Error::LimitExceeded { what, got: got as u64, limit: limit as u64 });
    }
    Ok(())
}
