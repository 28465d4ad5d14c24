//! Owns `Duplicates`: what happens when a memory says the same as another. Plain data; `copies`
//! finds them.

use std::fmt;
use std::sync::Arc;

use crate::{Error, Memory, Result};

/// What is done with a new memory that says the same as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Decision {
    /// Both are kept.
    Keep,
    /// The new one is not written. The older one counts as used.
    Skip,
    /// The new one is written, and names the older one among
    /// [`Memory::derived_from`](field@Memory::derived_from).
    Link,
}

/// Decides what is done with a duplicate. Every `Fn(&Memory, &Memory) -> Decision` does: it gets
/// the older memory and the new one.
pub trait Merge: Send + Sync {
    /// Decides about the older memory and the new one.
    fn decide(&self, old: &Memory, new: &Memory) -> Decision;
}

impl<F: Fn(&Memory, &Memory) -> Decision + Send + Sync> Merge for F {
    fn decide(&self, old: &Memory, new: &Memory) -> Decision {
        self(old, new)
    }
}

#[derive(Clone)]
enum Deed {
    Fixed(Decision),
    Hook(Arc<dyn Merge>),
}

/// Which memories count as duplicates, and what is done with them. The default reports those with
/// the same text and does nothing: who removes near copies by a threshold loses facts that differ
/// in a number or a name.
///
/// ```
/// use altiplano::Memory;
/// use altiplano::agent::{Decision, Duplicates};
/// // Near copies by cosine; what has the same text is not stored twice.
/// let duplicates = Duplicates::near(0.97).hook(|old: &Memory, new: &Memory| {
///     if old.text == new.text { Decision::Skip } else { Decision::Link }
/// });
/// # let _ = duplicates;
/// ```
#[derive(Clone)]
pub struct Duplicates {
    /// The cosine from which on two memories say the same, besides those with the same text; `None`
    /// if duplicates are not looked for.
    pub(super) similarity: Option<f32>,
    deed: Deed,
}

impl Default for Duplicates {
    fn default() -> Self {
        Self::exact()
    }
}

impl fmt::Debug for Duplicates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deed = match &self.deed {
            Deed::Fixed(decision) => format!("{decision:?}"),
            Deed::Hook(_) => "hook".to_owned(),
        };
        write!(f, "Duplicates({:?}, {deed})", self.similarity)
    }
}

impl Duplicates {
    /// Looks for none. Saves a search for each new memory.
    pub const fn off() -> Self {
        Self { similarity: None, deed: Deed::Fixed(Decision::Keep) }
    }

    /// Looks for memories of the same namespace with the same text, and reports them.
    pub const fn exact() -> Self {
        Self { similarity: Some(1.0), deed: Deed::Fixed(Decision::Keep) }
    }

    /// Looks for memories of the same namespace with the same text or with a cosine of at least
    /// `similarity`, and reports them.
    pub const fn near(similarity: f32) -> Self {
        Self { similarity: Some(similarity), deed: Deed::Fixed(Decision::Keep) }
    }

    /// Does not write duplicates.
    #[must_use]
    pub fn skip(mut self) -> Self {
        self.deed = Deed::Fixed(Decision::Skip);
        self
    }

    /// Writes duplicates with a link to the older memory.
    #[must_use]
    pub fn link(mut self) -> Self {
        self.deed = Deed::Fixed(Decision::Link);
        self
    }

    /// Asks `hook` about each duplicate.
    #[must_use]
    pub fn hook(mut self, hook: impl Merge + 'static) -> Self {
        self.deed = Deed::Hook(Arc::new(hook));
        self
    }

    pub(super) fn decide(&self, old: &Memory, new: &Memory) -> Decision {
        match &self.deed {
            Deed::Fixed(decision) => *decision,
            Deed::Hook(hook) => hook.decide(old, new),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        match self.similarity {
            Some(similarity) if !(0.0..=1.0).contains(&similarity) => Err(Error::option(
                "duplicates",
                format!("the cosine {similarity} is not between 0 and 1"),
            )),
            _ => Ok(()),
        }
    }
}
