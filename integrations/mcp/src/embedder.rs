//! Owns the choice of the model that makes vectors.

#[cfg(feature = "minilm")]
use std::path::{Path, PathBuf};

use altiplano::agent::{AgentOptions, HashingEmbedder};

use crate::error::ToolError;

/// Which model makes the vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmbedderChoice {
    /// [`HashingEmbedder`]: compares words and parts of words.
    Hashing,
    /// A MiniLM model in a directory.
    #[cfg(feature = "minilm")]
    MiniLm(PathBuf),
}

impl EmbedderChoice {
    /// Returns the name by which processes compare their models before they load them.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Hashing => "hashing",
            #[cfg(feature = "minilm")]
            Self::MiniLm(_) => "minilm",
        }
    }

    /// Loads the model, and returns the options of an agent with it.
    ///
    /// # Errors
    ///
    /// What keeps the model from being loaded.
    pub fn options(&self) -> Result<AgentOptions, ToolError> {
        match self {
            Self::Hashing => Ok(AgentOptions::new(HashingEmbedder::new())),
            #[cfg(feature = "minilm")]
            Self::MiniLm(dir) => minilm(dir),
        }
    }
}

#[cfg(feature = "minilm")]
fn minilm(dir: &Path) -> Result<AgentOptions, ToolError> {
    let failed =
        |error| ToolError::new(format!("the model in {} cannot be used: {error}", dir.display()));
    let model = altiplano_embed::MiniLm::load(dir).map_err(failed)?;
    Ok(AgentOptions::new(model))
}
