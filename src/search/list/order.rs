//! Owns the orders in which memories can be listed, and `Rank`, the place of a memory in one.
//!
//! Invariant: ranks of two memories of one store are never equal, because sequence numbers differ.

use serde::{Deserialize, Serialize};

use crate::segment::Column;

/// The attribute by which [`Collection::list`](crate::Collection::list) orders memories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Order {
    /// When the memory was made: [`Memory::created_at`](crate::Memory::created_at).
    Created,
    /// When the thing remembered happened: [`Memory::event_time`](crate::Memory::event_time).
    EventTime,
    /// [`Memory::importance`](crate::Memory::importance).
    Importance,
    /// [`Memory::key`](crate::Memory::key), by its bytes.
    Key,
}

/// The direction of an [`Order`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Direction {
    /// The smallest or oldest first.
    Ascending,
    /// The largest or newest first.
    Descending,
}

impl Order {
    /// Returns the column of numbers that has the order; `None` if texts have it.
    pub(super) const fn column(self) -> Option<Column> {
        match self {
            Self::Created => Some(Column::Created),
            Self::EventTime => Some(Column::Event),
            Self::Importance => Some(Column::Importance),
            Self::Key => None,
        }
    }
}

impl Direction {
    /// Returns a number that sorts in this direction. The function is its own inverse.
    pub(super) const fn turn(self, number: u64) -> u64 {
        match self {
            Self::Ascending => number,
            Self::Descending => !number,
        }
    }
}

/// The place of a memory in an order; the first memory has the smallest. Memories without a value
/// come last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank<V> {
    pub(super) is_missing: bool,
    /// Sorts in the direction of the order. If it is missing, any fixed value.
    pub(super) value: V,
    /// The sequence number, turned into the direction.
    pub(super) seq: u64,
}

/// A text that sorts in a direction. All texts of one order are of one variant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Text {
    Up(String),
    Down(std::cmp::Reverse<String>),
}

impl Text {
    pub(super) fn new(direction: Direction, text: &str) -> Self {
        match direction {
            Direction::Ascending => Self::Up(text.to_owned()),
            Direction::Descending => Self::Down(std::cmp::Reverse(text.to_owned())),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Up(text) | Self::Down(std::cmp::Reverse(text)) => text,
        }
    }
}
