//! Owns `AgentEvent`, what an agent tells about what it does by itself, and the listener's trait.

use std::fmt;

use serde::Serialize;

use super::retention::Rule;
use crate::MemoryId;

/// Something that an agent did, by a rule or at the end of a session.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub enum AgentEvent {
    /// Memories were forgotten.
    #[non_exhaustive]
    Forgotten {
        /// The tier that they were in.
        tier: String,
        /// Why.
        cause: Cause,
        /// Which.
        ids: Vec<MemoryId>,
    },
    /// Memories moved to another tier or into the archive.
    #[non_exhaustive]
    Moved {
        /// The tier that they were in.
        from: String,
        /// The tier that they are in; `archive` for the archive.
        to: String,
        /// Why.
        cause: Cause,
        /// Which.
        ids: Vec<MemoryId>,
    },
    /// Summaries were written, in the place of memories that another event names.
    #[non_exhaustive]
    Summarized {
        /// The tier of the summaries.
        tier: String,
        /// The summaries.
        ids: Vec<MemoryId>,
    },
    /// A session ended.
    #[non_exhaustive]
    SessionEnded {
        /// The session.
        session: String,
        /// True if nobody ended it: it was idle for too long, or its process died.
        by_itself: bool,
    },
    /// Work in the background failed. It is tried again.
    #[non_exhaustive]
    Failed {
        /// What went wrong.
        reason: String,
    },
}

/// Why a memory left its tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum Cause {
    /// The caller asked for it.
    Asked,
    /// A rule of its tier.
    Rule(Rule),
    /// Its session ended.
    SessionEnded,
    /// A summary took its place.
    Consolidated,
    /// It came back from the archive.
    Restored,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("asked for"),
            Self::Rule(rule) => write!(f, "{rule}"),
            Self::SessionEnded => f.write_str("the session ended"),
            Self::Consolidated => f.write_str("a summary took its place"),
            Self::Restored => f.write_str("restored from the archive"),
        }
    }
}

/// Is told what an agent does. Every `Fn(&AgentEvent)` is one.
pub trait EventListener: Send + Sync {
    /// Takes notice. It is called after the deed, on the thread that did it, and may call the
    /// agent.
    fn on_event(&self, event: &AgentEvent);
}

impl<F: Fn(&AgentEvent) + Send + Sync> EventListener for F {
    fn on_event(&self, event: &AgentEvent) {
        self(event);
    }
}

impl fmt::Debug for dyn EventListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventListener")
    }
}
