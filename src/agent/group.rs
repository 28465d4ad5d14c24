//! Owns `Group`: memories of one session that make no sense alone. They leave a tier together, or
//! stay together.

use super::new_memory::GROUP;
use crate::{Collection, Error, FieldValue, Fields, Filter, Memory, Result};

/// Most memories of a group that are kept together.
const MOST: usize = 1024;

/// A group of memories.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Group {
    session: Option<String>,
    name: String,
}

impl Group {
    /// Returns the group of a memory, if it has one.
    pub(super) fn of(memory: &Memory) -> Option<Self> {
        match memory.field_value(GROUP)? {
            FieldValue::Text(name) => Some(Self { session: memory.session.clone(), name }),
            _ => None,
        }
    }

    /// Returns the members that are in a collection.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if a row is damaged.
    pub(super) fn members(&self, collection: &Collection, fields: Fields) -> Result<Vec<Memory>> {
        let mut filter = Filter::field(GROUP).eq(self.name.as_str());
        if let Some(session) = &self.session {
            filter = filter.and(Filter::session(session));
        }
        let found = collection.scan(filter).fields(fields);
        let is_own = |memory: &Result<Memory, Error>| {
            memory.as_ref().map_or(true, |memory| Self::of(memory).as_ref() == Some(self))
        };
        found.filter(is_own).take(MOST).collect()
    }
}
