//! Owns the messages between the process that has the store open, its owner, and the others, its
//! guests.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::Call;
use crate::error::ToolError;

/// Grows with every change of the messages or of what they carry.
pub(super) const VERSION: u32 = 1;

/// The first message of a guest.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) version: u32,
    /// The model that the guest was started with.
    pub(super) embedder: String,
}

/// The answer to [`Hello`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Welcome {
    /// The owner is this process, and takes calls.
    Yes { process: u32 },
    /// It does not, for this reason.
    No { reason: String },
}

/// A call of a guest.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) number: u64,
    pub(super) call: Call,
}

/// The answer to a [`Request`], which may come before those to earlier ones.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Response {
    pub(super) number: u64,
    pub(super) result: Result<Value, ToolError>,
}
