//! Owns `Change`: the attributes of a stored memory that change without a new row, and `Uses`: how
//! often it was used.
//!
//! Invariant: beside a row, every value is absolute, so that applying a change again does nothing.
//! Only an operation adds, and it becomes absolute where it meets its row.

use super::lifetime::Expiry;
use crate::clock::Timestamp;
use crate::ids::Seq;

/// What was changed of one row since it was written; `None` for what was not.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Change {
    /// The newest operation that changed the row otherwise than by uses; zero if none has.
    pub(crate) seq: Seq,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) importance: Option<f32>,
    pub(crate) pinned: Option<bool>,
    /// In an operation, the uses to add, with its own number. Beside a row, all uses that it has.
    pub(crate) uses: Option<Uses>,
}

/// How often a memory was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Uses {
    /// The newest operation that added uses; zero if none has.
    pub(crate) seq: Seq,
    pub(crate) count: u32,
    /// When the memory was last used; `Timestamp::MIN` if that is not known.
    pub(crate) last: Timestamp,
}

impl Default for Uses {
    fn default() -> Self {
        Self { seq: Seq::ZERO, count: 0, last: Timestamp::MIN }
    }
}

impl Uses {
    /// Returns these uses with more of them. The count stops at its largest value.
    #[must_use]
    fn plus(self, added: Self) -> Self {
        Self {
            seq: self.seq.max(added.seq),
            count: self.count.saturating_add(added.count),
            last: self.last.max(added.last),
        }
    }
}

impl Change {
    /// Returns true if it changes nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_of_uses() && self.uses.is_none()
    }

    /// Returns true if it changes nothing but the uses.
    fn is_of_uses(&self) -> bool {
        self.expiry.is_none() && self.importance.is_none() && self.pinned.is_none()
    }

    /// Returns the newest operation in it, uses included.
    pub(crate) fn newest(&self) -> Seq {
        self.uses.map_or(self.seq, |uses| uses.seq.max(self.seq))
    }

    /// Returns the change that an operation makes to a row with these uses.
    #[must_use]
    pub(crate) fn of_row(self, before: Uses) -> Self {
        let Some(added) = self.uses else { return self };
        let seq = if self.is_of_uses() { Seq::ZERO } else { self.seq };
        Self { seq, uses: Some(before.plus(added)), ..self }
    }

    /// Returns this change of a row followed by a newer one.
    #[must_use]
    pub(crate) fn then(self, newer: Self) -> Self {
        Self {
            seq: self.seq.max(newer.seq),
            expiry: newer.expiry.or(self.expiry),
            importance: newer.importance.or(self.importance),
            pinned: newer.pinned.or(self.pinned),
            uses: newer.uses.or(self.uses),
        }
    }
}
