//! Owns `EndPolicy`: what becomes of the memories of a session that ends. Plain data.

use std::fmt;

use serde::Serialize;

/// What becomes of the memories of a session when it ends. Pinned ones always stay, and the scratch
/// of the session always goes. Groups are not kept together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum EndPolicy {
    /// They are forgotten.
    Drop,
    /// They move to the tier that the working tier moves to.
    Demote,
    /// They stay where they are.
    #[default]
    Keep,
}

impl EndPolicy {
    /// Returns the name that is stored.
    pub(in crate::agent) const fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Demote => "demote",
            Self::Keep => "keep",
        }
    }

    /// Returns the policy of a stored name. An unknown one keeps.
    pub(in crate::agent) fn of_name(name: Option<&str>) -> Self {
        match name {
            Some("drop") => Self::Drop,
            Some("demote") => Self::Demote,
            _ => Self::Keep,
        }
    }
}

impl fmt::Display for EndPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
