//! Owns the command line.

use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};

use crate::call::Origin;
use crate::cap;
use crate::embedder::EmbedderChoice;
use crate::share::Settings;

/// A memory for AI agents over the Model Context Protocol (stdio).
///
/// Start it from an MCP client. Several clients may use one store at the same time: their servers
/// share it.
#[derive(Debug, Parser)]
#[command(name = "altiplano-mcp", version)]
pub struct Args {
    /// The directory of the store. It is made if it is missing, in a directory that exists.
    /// [default: a directory of your own for application data]
    #[arg(long, value_name = "DIR", env = "ALTIPLANO_STORE")]
    store: Option<PathBuf>,

    /// The namespace of calls that name none, such as `project/web`
    #[arg(long, value_name = "NAME", env = "ALTIPLANO_NAMESPACE")]
    namespace: Option<String>,

    /// Refuse calls that reach beyond --namespace and what is below it
    #[arg(long, requires = "namespace")]
    confine: bool,

    /// What makes vectors of texts: `hashing` compares words and parts of words
    #[arg(long, value_enum, value_name = "NAME")]
    embedder: Option<Embedder>,

    /// A directory with the model all-MiniLM-L6-v2, which compares meanings
    #[arg(long, value_name = "DIR", conflicts_with = "embedder")]
    model: Option<PathBuf>,

    /// Give memories of another model new vectors when the store is opened
    #[arg(long)]
    reembed: bool,

    /// The most tokens of an answer, if the call gives no number of its own
    #[arg(long, value_name = "N", default_value_t = 4_000)]
    max_tokens: u32,

    /// Offer only the tools that change nothing
    #[arg(long)]
    read_only: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Embedder {
    Hashing,
}

impl Args {
    /// Returns true if only tools that change nothing are offered.
    pub const fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Returns what the store is opened with.
    ///
    /// # Errors
    ///
    /// What is wrong with the arguments, and the way out.
    pub fn settings(&self) -> Result<Settings, String> {
        let (Some(Embedder::Hashing) | None) = self.embedder;
        let max_tokens = cap::check(self.max_tokens).map_err(|error| error.to_string())?;
        let embedder = match &self.model {
            Some(dir) => model(&home(dir)?)?,
            None => EmbedderChoice::Hashing,
        };
        let store = match &self.store {
            Some(dir) => home(dir)?,
            None => default_store()?,
        };
        let store = std::path::absolute(&store).map_err(|error| error.to_string())?;
        let (namespace, is_confined) = (self.namespace.clone(), self.confine);
        let origin = Origin { namespace, is_confined, max_tokens };
        Ok(Settings { store, embedder, reembed: self.reembed, origin })
    }
}

#[cfg(feature = "minilm")]
fn model(dir: &Path) -> Result<EmbedderChoice, String> {
    if !dir.is_dir() {
        return Err(format!("there is no directory {}; give that of the model", dir.display()));
    }
    Ok(EmbedderChoice::MiniLm(dir.to_owned()))
}

#[cfg(not(feature = "minilm"))]
fn model(_: &Path) -> Result<EmbedderChoice, String> {
    Err("this altiplano-mcp was built without models; build it with `--features minilm`, or leave \
         --model out"
        .to_owned())
}

/// Returns the directory of a user.
fn home_dir() -> Result<PathBuf, String> {
    std::env::home_dir().ok_or_else(|| "there is no home directory; give --store".to_owned())
}

/// Reads `~` at the beginning, because MCP clients start servers without a shell.
fn home(path: &Path) -> Result<PathBuf, String> {
    match path.strip_prefix("~") {
        Ok(rest) => Ok(home_dir()?.join(rest)),
        Err(_) => Ok(path.to_owned()),
    }
}

/// Returns the store of callers that name none. The directories above it are made.
fn default_store() -> Result<PathBuf, String> {
    let data = match std::env::var_os("XDG_DATA_HOME") {
        Some(dir) if !dir.is_empty() => PathBuf::from(dir),
        _ if cfg!(target_os = "macos") => home_dir()?.join("Library/Application Support"),
        _ => home_dir()?.join(".local/share"),
    };
    let parent = data.join("altiplano");
    let failed = |error| format!("cannot make {}: {error}; give --store", parent.display());
    std::fs::create_dir_all(&parent).map_err(failed)?;
    Ok(parent.join("memory.alt"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn settings(args: &[&str]) -> Result<Settings, String> {
        let args = [&["altiplano-mcp"], args].concat();
        Args::try_parse_from(args).map_err(|error| error.to_string())?.settings()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_tilde_is_the_home_directory_and_paths_are_absolute() {
        let of = |path: &str| settings(&["--store", path]).unwrap().store;
        assert_eq!(of("~/memory.alt"), home_dir().unwrap().join("memory.alt"));
        assert!(of("memory.alt").is_absolute());
        assert_eq!(of("/a/~b"), Path::new("/a/~b"));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for args in [
            &["--store", "x", "--max-tokens", "10"][..],
            &["--store", "x", "--confine"],
            &["--store", "x", "--embedder", "gpt"],
            &["--store", "x", "--model", "/no/such/directory"],
        ] {
            assert!(settings(args).is_err(), "{args:?}");
        }
    }
}
