//! Owns `Error`: why a model cannot be loaded or cannot answer, and the way out.

use std::path::PathBuf;

/// Why a model cannot be loaded, or cannot answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the model is not there.
    #[error(
        "{} is missing: fetch the model into its folder ({hint}), or give the folder that has it",
        file.display()
    )]
    Missing {
        /// The file.
        file: PathBuf,
        /// How to get it.
        hint: &'static str,
    },

    /// A file of the model cannot be read.
    #[error("{} cannot be read: {source}; check its permissions and its disk", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },

    /// A file of the model is not what it should be: cut off, damaged, or of something else.
    #[error(
        "{} is damaged or of another kind: {reason}; fetch the model anew ({hint})",
        file.display()
    )]
    Invalid {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// How to get it.
        hint: &'static str,
    },

    /// The folder has another model.
    #[error(
        "{} describes {found}, not {expected}: give the folder of that model, or wrap this one in \
         an Embedder of your own",
        file.display()
    )]
    OtherModel {
        /// The file that says so.
        file: PathBuf,
        /// What it describes.
        found: String,
        /// What was expected.
        expected: &'static str,
    },

    /// The model could not compute the vectors.
    #[error("the model cannot embed these texts: {reason}; give fewer or shorter texts at once")]
    Compute {
        /// What went wrong.
        reason: String,
    },
}
