//! Owns `ToolError`: what a tool tells the model when it cannot do what was asked. Every message
//! says the way out. Such an error never ends the server.

use std::fmt;

use altiplano::Error;
use serde::{Deserialize, Serialize};

/// An error of a tool, for the model to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolError {
    message: String,
    /// True if the store went away under the call, so that another attempt may succeed.
    #[serde(skip)]
    is_gone: bool,
}

impl ToolError {
    /// Returns an error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_gone: false }
    }

    /// Returns an error about an argument.
    pub fn argument(name: &str, reason: impl fmt::Display) -> Self {
        Self::new(format!("{name}: {reason}"))
    }

    /// Returns true if the store was closed under the call.
    pub const fn is_gone(&self) -> bool {
        self.is_gone
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ToolError {}

impl From<Error> for ToolError {
    fn from(error: Error) -> Self {
        let is_gone = matches!(error, Error::Closed | Error::Poisoned { .. });
        let message = match &error {
            Error::EmbeddingSpace { expected, got, .. } => format!(
                "the memories of this store have vectors of the model {expected:?}, and the server \
                 was started with {got:?}; start it with the model of the store, or once with \
                 --reembed, which gives every memory a vector of the new model"
            ),
            Error::NoMemory { id, .. } => no_memory(&id.to_uuid_string()),
            Error::OverBudget { .. } | Error::DiskFull { .. } => {
                format!("{error}; forget what is not needed any more, or free space on the disk")
            }
            _ => error.to_string(),
        };
        Self { message, is_gone }
    }
}

/// Says that there is no memory with an id.
pub fn no_memory(id: &str) -> String {
    format!("there is no memory {id}; recall and list_memories return the ids that there are")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_store_is_gone_and_a_bad_argument_is_not() {
        assert!(ToolError::from(Error::Closed).is_gone());
        assert!(!ToolError::argument("k", "it is 0").is_gone());
    }
}
