//! Owns `Change`: the attributes of a stored memory that change without a new row.

use super::lifetime::Expiry;
use crate::ids::Seq;

/// What was changed of one row since it was written; `None` for what was not.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Change {
    /// The newest operation that changed the row.
    pub(crate) seq: Seq,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) importance: Option<f32>,
    pub(crate) pinned: Option<bool>,
}

impl Change {
    /// Returns true if it changes nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.expiry.is_none() && self.importance.is_none() && self.pinned.is_none()
    }

    /// Returns this change followed by a newer one.
    #[must_use]
    pub(crate) fn then(self, newer: Self) -> Self {
        Self {
            seq: self.seq.max(newer.seq),
            expiry: newer.expiry.or(self.expiry),
            importance: newer.importance.or(self.importance),
            pinned: newer.pinned.or(self.pinned),
        }
    }
}
