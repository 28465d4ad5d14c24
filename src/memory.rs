//! Owns `Memory`, what a user stores and gets back: a vector with text, attributes and a lifetime.
//! Plain data; limits are checked in `limits`, everything else (dimension, metric) where a collection
//! is known. How it becomes bytes is `format::record`.

mod expiry;
mod getters;
mod limits;

use std::time::Duration;

pub(crate) use expiry::expiry;

use crate::clock::Timestamp;
use crate::ids::{MemoryId, Seq};

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
    /// What the type of a bincode value looked like, if that is known: see `format::shape`.
    pub(crate) shape: Option<Vec<u8>>,
    pub(crate) bytes: Vec<u8>,
    /// Why the text is not JSON. Told at insert; text that a store gave back is not looked at.
    pub(crate) fault: Option<String>,
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

/// When the life of a memory ends, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expiry {
    /// `Timestamp::MAX` for never.
    pub(crate) at: Timestamp,
    /// The collection's default says so, and not the memory.
    pub(crate) by_default: bool,
}

impl From<Timestamp> for Expiry {
    fn from(at: Timestamp) -> Self {
        Self { at, by_default: false }
    }
}

/// Who set the end of a memory's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    /// The caller.
    #[default]
    Given,
    /// The store that gave the memory back.
    Stored,
    /// The same, and there it came from the default of a collection.
    StoredByDefault,
}

/// What a store knows of a memory that it gave back. It is no part of what the memory says, so two
/// memories are equal whatever theirs are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Origin {
    pub(crate) seq: Option<Seq>,
    pub(crate) end: End,
}

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// One memory: an id, a vector, and what an agent wants to know about it later.
///
/// Setters take and return the memory, and none of them panics; limits are checked at insert, those
/// of typed metadata at once. Setting something again replaces it, but for tags, which add up.
///
/// A memory that a store gave back can be changed and written again, there or elsewhere. It keeps its
/// times, and gets a new sequence number. If its life has ended since it was read, nothing is written,
/// which [`Outcome::Expired`](crate::Outcome::Expired) and
/// [`Applied::expired`](crate::Applied::expired) say. Two memories are equal if they say the same,
/// whatever their sequence numbers.
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
    pub(crate) origin: Origin,
}

/// Importance of a memory that was given none.
pub(crate) const DEFAULT_IMPORTANCE: f32 = 0.5;

impl Memory {
    /// A memory with nothing but a vector. Under cosine the vector's length does not matter, as long as
    /// it is not zero. The id is unique in its collection: a memory with the same one is replaced,
    /// whatever namespace either is in.
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
            origin: Origin::default(),
        }
    }

    /// Sets the text, in place of bytes if there were any. At most [`MAX_CONTENT_BYTES`].
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.content = Content::Text(text.into());
        self
    }

    /// Sets any bytes, in place of text if there was any. At most [`MAX_CONTENT_BYTES`].
    #[must_use]
    pub fn bytes(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.content = Content::Bytes(bytes.into());
        self
    }

    /// Sets the caller's own key, for finding a memory again without its id, with
    /// [`Filter::key`](crate::Filter::key). Several memories may have the same. At most
    /// [`MAX_NAME_BYTES`].
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the namespace: a user, an agent, a project. Searches and deletes can be bound to it with
    /// [`Filter::namespace`](crate::Filter::namespace). Ids, keys and sessions belong to the
    /// collection, not to the namespace. At most [`MAX_NAME_BYTES`].
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Sets the session. Where users number their sessions alike, ask for namespace and session. At
    /// most [`MAX_NAME_BYTES`].
    #[must_use]
    pub fn session(mut self, session: impl Into<String>) -> Self {
        self.session = Some(session.into());
        self
    }

    /// Sets the kind: `turn`, `observation`, `summary`, or what the caller likes. At most
    /// [`MAX_NAME_BYTES`].
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Adds a tag. At most [`MAX_TAGS`] of [`MAX_NAME_BYTES`]; the same tag twice counts once.
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

    /// Exempts the memory from the collection's default lifetime, and from whatever else removes
    /// memories that were not named. A lifetime that is given to the memory itself still counts, and
    /// deletes take pinned memories like others. Default = false.
    ///
    /// Pinning a memory that a store gave back lifts the default that it was stored with.
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

    /// Sets the span of time in which the fact holds in the world; `None` leaves an end open. It is
    /// kept and given back, and nothing else goes by it.
    #[must_use]
    pub fn valid(mut self, from: Option<Timestamp>, to: Option<Timestamp>) -> Self {
        self.valid_from = from;
        self.valid_to = to;
        self
    }

    /// Names the memory that replaced this fact. It is kept and given back, and nothing else goes by
    /// it.
    #[must_use]
    pub fn superseded_by(mut self, id: impl Into<MemoryId>) -> Self {
        self.superseded_by = Some(id.into());
        self
    }

    /// Makes the memory invisible this long after its insert, and its bytes reclaimable. Rounded up to
    /// a whole millisecond; zero is an error at insert. It takes the place of an end that was set
    /// before.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.lifetime = Lifetime::For(ttl);
        self.origin.end = End::Given;
        self
    }

    /// Makes the memory invisible from `at` on. A moment that is not after the store's now is an error
    /// at insert. It takes the place of an end that was set before.
    #[must_use]
    pub fn expires_at(mut self, at: impl Into<Timestamp>) -> Self {
        self.lifetime = Lifetime::Until(at.into());
        self.origin.end = End::Given;
        self
    }

    /// Keeps the memory whatever the collection's default lifetime is. It takes the place of an end
    /// that was set before.
    #[must_use]
    pub const fn never_expires(mut self) -> Self {
        self.lifetime = Lifetime::Forever;
        self
    }

    /// Sets how many tokens the text has, as the caller's model counts them. The number is kept and
    /// given back, and nothing else goes by it.
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

    /// Sets metadata as JSON text, for values whose type changes or is known only at run time. The
    /// text is kept as it is, numbers included. At most [`MAX_METADATA_BYTES`]. Text that is not JSON
    /// is an [`Error::InvalidOption`](crate::Error::InvalidOption) at insert, which names line and column. O(text).
    #[must_use]
    pub fn metadata_json(mut self, json: impl Into<String>) -> Self {
        let json = json.into();
        let fault = serde_json::from_str::<serde::de::IgnoredAny>(&json).err();
        self.metadata = Some(Metadata {
            codec: MetadataCodec::Json,
            schema: 0,
            shape: None,
            bytes: json.into_bytes(),
            fault: fault.map(|error| error.to_string()),
        });
        self
    }
}
