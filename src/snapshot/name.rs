//! Owns the name of a collection, which may change while handles are open.

use crate::sync::OnceLock;

/// A name, and the one that came after it. Earlier names are kept, so that a name can be lent for
/// as long as the collection is open. A name has 255 bytes at most, and renames are rare.
#[derive(Debug)]
pub(crate) struct Name {
    text: String,
    next: OnceLock<Box<Self>>,
}

impl Name {
    pub(super) const fn new(text: String) -> Self {
        Self { text, next: OnceLock::new() }
    }

    /// Returns the newest name. O(renames since the open).
    pub(super) fn get(&self) -> &str {
        &self.newest().text
    }

    /// Sets another name. One thread at a time does so.
    pub(super) fn set(&self, text: String) {
        if self.get() != text {
            self.newest().next.get_or_init(|| Box::new(Self::new(text)));
        }
    }

    fn newest(&self) -> &Self {
        let mut name = self;
        while let Some(next) = name.next.get() {
            name = next;
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lent_name_stays_while_the_newest_one_changes() {
        let name = Name::new("a".to_owned());
        let first = name.get();
        name.set("b".to_owned());
        name.set("b".to_owned());
        name.set("a".to_owned());
        assert_eq!((first, name.get()), ("a", "a"));
        assert_eq!(name.next.get().map(|next| next.text.as_str()), Some("b"));
    }
}
