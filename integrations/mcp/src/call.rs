//! Owns `Call`, a tool call as plain data: what a process does itself or hands to the one that has
//! the store open.

use altiplano::MemoryId;
use serde::{Deserialize, Serialize};

use crate::input;

/// A call of a tool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    /// What is asked for.
    pub op: Op,
    /// By which server it is asked.
    pub origin: Origin,
    /// Names the call, so that a second attempt is known as such.
    pub write: MemoryId,
    /// True if it may have been carried out before, by an owner that died.
    pub is_retry: bool,
}

/// What a server was started with that matters for its calls.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Origin {
    /// The namespace of calls that name none.
    pub namespace: Option<String>,
    /// Whether calls may name no other namespace than that and those below it.
    pub is_confined: bool,
    /// The token cap of calls that name none.
    pub max_tokens: u32,
}

/// A tool with its arguments.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Op {
    /// See [`input::Remember`].
    Remember(input::Remember),
    /// See [`input::Recall`].
    Recall(input::Recall),
    /// See [`input::Forget`].
    Forget(input::Forget),
    /// See [`input::Update`].
    Update(input::Update),
    /// See [`input::ListMemories`].
    ListMemories(input::ListMemories),
    /// See [`input::ListSessions`].
    ListSessions(input::ListSessions),
    /// See [`input::Stats`].
    Stats(input::Stats),
}
