//! Owns `Error`, and how it becomes an error of rig.

use rig_core::memory::MemoryError;
use rig_core::vector_store::VectorStoreError;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] altiplano::Error),

    /// A document has no usable id.
    #[error(
        "a document has no id: its field {field:?} {reason}; give each document a text, a number \
         or a bool there, or leave out `id_field`"
    )]
    Id {
        /// The field that the id was expected in.
        field: String,
        /// What is wrong with it.
        reason: &'static str,
    },

    /// More documents were asked for than one search returns.
    #[error("{requested} samples were asked for, and at most {most} are returned; ask for fewer")]
    Samples {
        /// How many were asked for.
        requested: u64,
        /// How many are possible.
        most: u64,
    },

    /// A document or message is not JSON that can be written or read.
    #[error("a document or message does not fit its type: {0}")]
    Json(#[from] serde_json::Error),

    /// A model did not embed a text of a message.
    #[error(
        "the model gave no usable vector for a message: {reason}; try again or use another one"
    )]
    Vector {
        /// What is wrong with its answer.
        reason: String,
    },

    /// The runtime stopped before the call was made.
    #[error("the call was not made, because its thread stopped: {reason}; make it again")]
    Stopped {
        /// What the runtime says.
        reason: String,
    },
}

impl From<Error> for VectorStoreError {
    fn from(error: Error) -> Self {
        match error {
            Error::Id { .. } => Self::MissingIdError(error.to_string()),
            Error::Samples { requested, most } => Self::SamplesOutOfRange { requested, max: most },
            Error::Json(error) => Self::JsonError(error),
            other => Self::datastore(other),
        }
    }
}

impl From<Error> for MemoryError {
    fn from(error: Error) -> Self {
        Self::backend(error)
    }
}
