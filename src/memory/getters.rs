//! Owns what can be asked of a `Memory`, in a hand or given back by a store.

use super::{Content, Lifetime, Memory, MetadataCodec};
use crate::clock::Timestamp;
use crate::ids::MemoryId;

impl Memory {
    /// The id.
    pub const fn id(&self) -> MemoryId {
        self.id
    }

    /// Its place in the history of its store, in a memory that a store gave back: whatever was
    /// written later has a larger one. It is given at the insert and kept for life, over compactions
    /// and opens, and a memory that replaces another gets a new one. Memories of one batch have
    /// ascending numbers in the order in which they were added, and the same time of creation unless
    /// they were given one: order by `(created(), seq())` to have them as they came.
    pub fn seq(&self) -> Option<u64> {
        self.origin.seq.map(|seq| seq.0)
    }

    /// The vector as it was inserted, bit by bit; empty where it was not asked for. In a store that
    /// format version 1 wrote, under cosine, to about one unit in the last place.
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

    /// Whether it is exempt from default lifetimes: see [`Memory::pinned`].
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

    /// When it stops being visible, in a memory that a store gave back or that was given a moment;
    /// `None` for never, and where a lifetime has not begun.
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

    /// The metadata's schema number, if there is metadata: 0 for JSON.
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
}
