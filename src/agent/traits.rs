//! Owns the traits by which a caller gives an agent what it cannot know: models, counters, sinks.
//! All are object-safe and synchronous. Their errors are boxed and come back in
//! [`Error::Callback`](crate::Error::Callback).

use std::fmt;

use crate::Memory;

/// The error of a trait that the caller implements.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Turns texts into vectors. The crate has no model: wrap one of your own.
///
/// ```
/// use altiplano::agent::{BoxError, Embedder};
///
/// /// Counts letters, which is no model; a real one goes in its place.
/// struct Letters;
///
/// impl Embedder for Letters {
///     fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, BoxError> {
///         let one = |text: &&str| {
///             let count = |letter| text.matches(letter).count() as f32;
///             vec![1.0 + count('a'), count('e'), count('o')]
///         };
///         Ok(texts.iter().map(one).collect())
///     }
///     fn space(&self) -> &str {
///         "letters-aeo"
///     }
///     fn dimension(&self) -> usize {
///         3
///     }
/// }
/// assert_eq!(Letters.embed(&["banana"]).unwrap(), [[4.0, 0.0, 0.0]]);
/// ```
pub trait Embedder: Send + Sync {
    /// Returns one vector for each text, in their order. Each has [`dimension`](Self::dimension)
    /// finite numbers.
    ///
    /// # Errors
    ///
    /// Whatever keeps the model from answering. The call that needed the vectors changes nothing.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, BoxError>;

    /// Returns the name of the model and its version, in 1 to 1,024 bytes. Vectors of two spaces
    /// are never compared.
    fn space(&self) -> &str;

    /// Returns the number of floats of a vector.
    fn dimension(&self) -> usize;
}

/// Counts the tokens of a text, as the model that will read it does.
///
/// ```
/// use altiplano::agent::TokenCounter;
///
/// # struct CoreBPE;
/// # impl CoreBPE {
/// #     fn encode_ordinary(&self, text: &str) -> Vec<u32> {
/// #         vec![0; text.split(' ').count()]
/// #     }
/// # }
/// /// The tokenizer of the crate `tiktoken-rs`.
/// struct Tiktoken(CoreBPE);
///
/// impl TokenCounter for Tiktoken {
///     fn count(&self, text: &str) -> usize {
///         self.0.encode_ordinary(text).len()
///     }
/// }
/// # assert_eq!(Tiktoken(CoreBPE).count("likes tea"), 2);
/// ```
pub trait TokenCounter: Send + Sync {
    /// Returns the number of tokens of a text.
    fn count(&self, text: &str) -> usize;
}

/// Makes a few texts of many: a model, or [`Extractive`](crate::agent::Extractive).
pub trait Summarizer: Send + Sync {
    /// Returns the summaries of memories, which are in the order of their times. `carry` is the
    /// summary that was made before of the same thing, if there is one. An empty answer leaves the
    /// memories as they are.
    ///
    /// # Errors
    ///
    /// Whatever keeps the model from answering. Nothing is changed then.
    fn summarize(
        &self,
        memories: &[Memory],
        carry: Option<&Memory>,
    ) -> Result<Vec<String>, BoxError>;
}

/// Takes the memories that leave the store.
pub trait ArchiveSink: Send + Sync {
    /// Keeps memories, which have their vectors. They leave the store when this returns. After a
    /// crash between the two, the same memories come once more, so the sink must know them by
    /// their ids.
    ///
    /// # Errors
    ///
    /// Whatever keeps the sink from keeping them. They stay in the store then.
    fn archive(&self, memories: &[Memory]) -> Result<(), BoxError>;
}

impl fmt::Debug for dyn Embedder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Embedder({})", self.space())
    }
}

macro_rules! debug_name {
    ($($name:ident),*) => {$(
        impl fmt::Debug for dyn $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )*};
}

debug_name!(TokenCounter, Summarizer, ArchiveSink);
