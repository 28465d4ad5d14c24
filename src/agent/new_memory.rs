//! Owns `NewMemory`: what a caller says of a memory before it has a vector and an id.

use std::time::Duration;

use crate::{FieldValue, Memory, Timestamp};

/// The path of the group in the metadata of a memory.
pub(super) const GROUP: &str = "agent.group";
/// The path that tells that the importance was estimated.
pub(super) const ESTIMATED: &str = "agent.estimated";

/// A text to remember. A `&str` or a `String` is one, too.
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// use altiplano::agent::{Agent, HashingEmbedder, NewMemory};
/// let agent = Agent::open(dir.path().join("agent.alt"), HashingEmbedder::new())?;
/// agent.remember("likes tea")?;
/// agent.remember(NewMemory::new("is allergic to nuts").namespace("user:42").pinned(true))?;
/// # agent.close()
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct NewMemory {
    /// Without a vector, and with an id only if the caller gave a key.
    pub(super) memory: Memory,
    pub(super) tier: Option<String>,
    pub(super) importance: Option<f32>,
    pub(super) vector: Option<Vec<f32>>,
    /// Whether duplicates are looked for.
    pub(super) is_compared: bool,
}

impl From<&str> for NewMemory {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for NewMemory {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl NewMemory {
    /// Returns a memory with this text.
    pub fn new(text: impl Into<String>) -> Self {
        let memory = Memory::new(0u64, Vec::new()).text(text);
        Self { memory, tier: None, importance: None, vector: None, is_compared: true }
    }

    fn with(mut self, change: impl FnOnce(Memory) -> Memory) -> Self {
        self.memory = change(self.memory);
        self
    }

    /// Sets whom it belongs to: a user, an agent, a project.
    #[must_use]
    pub fn namespace(self, name: impl Into<String>) -> Self {
        self.with(|memory| memory.namespace(name))
    }

    /// Sets the conversation or task that it is of.
    #[must_use]
    pub fn session(self, name: impl Into<String>) -> Self {
        self.with(|memory| memory.session(name))
    }

    /// Sets what kind of thing it is: `turn`, `preference`, `fact`, …
    #[must_use]
    pub fn kind(self, name: impl Into<String>) -> Self {
        self.with(|memory| memory.kind(name))
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(self, name: impl Into<String>) -> Self {
        self.with(|memory| memory.tag(name))
    }

    /// Sets a name that is unique within the namespace. A memory with the same key takes the place
    /// of the one before, in whichever tier that is.
    #[must_use]
    pub fn key(self, key: impl Into<String>) -> Self {
        self.with(|memory| memory.key(key))
    }

    /// Sets how much it matters, 0 to 1. Without it, the text is
    /// [estimated](crate::agent::AgentOptions::importance).
    #[must_use]
    pub const fn importance(mut self, importance: f32) -> Self {
        self.importance = Some(importance);
        self
    }

    /// Keeps it whatever the rules say. Only [`Agent::forget`](crate::agent::Agent::forget) removes
    /// it.
    #[must_use]
    pub fn pinned(self, pinned: bool) -> Self {
        self.with(|memory| memory.pinned(pinned))
    }

    /// Joins it with others of the same session that make no sense alone, such as a tool call and
    /// its result. A group leaves a tier as a whole, and is packed into a prompt as a whole. It is
    /// kept in the metadata, under `agent.group`.
    #[must_use]
    pub fn group(self, name: impl Into<String>) -> Self {
        self.with(|memory| memory.field(GROUP, name.into()))
    }

    /// Sets when it happened. Default = when it is remembered.
    #[must_use]
    pub fn event_time(self, at: impl Into<Timestamp>) -> Self {
        self.with(|memory| memory.event_time(at))
    }

    /// Sets when it was made, for memories that come from elsewhere. Default = now.
    #[must_use]
    pub fn created_at(self, at: impl Into<Timestamp>) -> Self {
        self.with(|memory| memory.created_at(at))
    }

    /// Sets how long it lives.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        self.with(|memory| memory.ttl(ttl))
    }

    /// Sets how many tokens its text has. Default = the agent's counter counts them.
    #[must_use]
    pub fn tokens(self, tokens: u32) -> Self {
        self.with(|memory| memory.tokens(tokens))
    }

    /// Sets a field of its metadata: see [`Memory::field`]. The object `agent` belongs to this
    /// layer.
    #[must_use]
    pub fn field(self, path: impl AsRef<str>, value: impl Into<FieldValue>) -> Self {
        self.with(|memory| memory.field(path, value))
    }

    /// Sets the tier. Default = `working`, or the first tier if there is none of that name.
    #[must_use]
    pub fn tier(mut self, name: impl Into<String>) -> Self {
        self.tier = Some(name.into());
        self
    }

    /// Sets the vector, if the caller has it already. It must be of the agent's embedder.
    #[must_use]
    pub fn vector(mut self, vector: impl Into<Vec<f32>>) -> Self {
        self.vector = Some(vector.into());
        self
    }
}
