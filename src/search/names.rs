//! Owns counting without reading memories: how many match a filter, and which names an attribute
//! has, with how many memories each.
//!
//! Invariants: everything in one answer is of one snapshot and one moment. Only visible memories
//! count.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::engine::moment::Moment;
use crate::error::Result;
use crate::filter::{Filter, Matcher};
use crate::report::Count;
use crate::search::eligible::{bits, visible};
use crate::segment::{Field, RowBuffer, Rows};

/// With fewer matching rows than one in this many, their bodies are read instead of the lists of
/// all names. A body takes about as long as this many rows in lists.
const ROWS_A_BODY: u64 = 128;

/// A name and how many memories have it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct NameCount {
    /// The namespace, session, kind or tag.
    pub name: String,
    /// The number of visible memories with this name, at least 1.
    pub memories: u64,
}

impl fmt::Display for NameCount {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, Count(self.memories, "memory"))
    }
}

/// Returns the number of visible memories that match.
pub(crate) fn count(at: &Moment, filter: Filter) -> Result<u64> {
    filter.check()?;
    let filter = Matcher::new(filter);
    let mut count = 0;
    for (rows, live) in at.snapshot.parts() {
        count += match visible(rows, live, at.now, &filter, &mut 0)? {
            None => u64::from(live.live()),
            Some((_, count)) => count,
        };
    }
    Ok(count)
}

/// Which names to count.
struct Names<'a> {
    of: Field,
    /// Only names that begin with this.
    prefix: &'a str,
    /// Only memories that match.
    filter: Filter,
    /// Returns the name under which a name counts; `None` to leave it out.
    group: &'a dyn for<'n> Fn(&'n str) -> Option<&'n str>,
}

impl Names<'_> {
    /// Returns the names that visible memories have, sorted by their bytes. O(names and their rows)
    /// by lists, or O(matching rows) if these are few.
    fn count(self, at: &Moment) -> Result<Vec<NameCount>> {
        self.filter.check()?;
        let (filter, mut counts) = (Matcher::new(self.filter.clone()), BTreeMap::new());
        for (rows, live) in at.snapshot.parts() {
            let (words, matching) = match visible(rows, live, at.now, &filter, &mut 0)? {
                Some((words, count)) => (Some(words), count),
                None if live.dead() > 0 => (Some(live.words().collect()), u64::from(live.live())),
                None => (None, u64::from(live.live())),
            };
            let is_few = matching.saturating_mul(ROWS_A_BODY) < u64::from(rows.rows());
            if is_few || !self.by_lists(rows, words.as_deref(), &mut counts)? {
                let words = words.unwrap_or_else(|| live.words().collect());
                self.by_bodies(rows, &words, &mut counts)?;
            }
        }
        let counts = counts.into_iter().map(|(name, memories)| NameCount { name, memories });
        Ok(counts.collect())
    }

    fn add(&self, name: &str, memories: u64, counts: &mut BTreeMap<String, u64>) {
        let Some(name) = (self.group)(name).filter(|_| memories > 0) else {
            return;
        };
        match counts.get_mut(name) {
            Some(count) => *count += memories,
            None => drop(counts.insert(name.to_owned(), memories)),
        }
    }

    /// Counts the rows of each name's list; only those in `words`, if given. Returns false if the
    /// rows are not listed by name.
    fn by_lists(
        &self,
        rows: &dyn Rows,
        words: Option<&[u64]>,
        counts: &mut BTreeMap<String, u64>,
    ) -> Result<bool> {
        rows.names(self.of, self.prefix, &mut |name, list| {
            let is_set = |row: &u32| {
                let word = words.and_then(|words| words.get(*row as usize / 64));
                word.is_some_and(|word| word & (1 << (row % 64)) != 0)
            };
            let memories = match words {
                None => list.len(),
                Some(_) => list.iter().filter(is_set).count() as u64,
            };
            self.add(name, memories, counts);
        })
    }

    /// Reads the names of the rows in `words` from their bodies.
    fn by_bodies(
        &self,
        rows: &dyn Rows,
        words: &[u64],
        counts: &mut BTreeMap<String, u64>,
    ) -> Result<()> {
        let mut buffer = RowBuffer::default();
        for row in bits(words) {
            let of = rows.attributes(row, &mut buffer)?;
            let one = match self.of {
                Field::Namespace => of.namespace,
                Field::Session => of.session,
                Field::Kind => of.kind,
                Field::Tag => None,
            };
            let tags = of.tags.iter().copied().filter(|_| self.of == Field::Tag);
            for name in one.into_iter().chain(tags).filter(|name| name.starts_with(self.prefix)) {
                self.add(name, 1, counts);
            }
        }
        Ok(())
    }
}

/// Returns all names of an attribute that memories have which match, sorted by their bytes.
pub(crate) fn all(at: &Moment, of: Field, filter: Filter) -> Result<Vec<NameCount>> {
    Names { of, prefix: "", filter, group: &|name| Some(name) }.count(at)
}

/// Returns the namespaces at `prefix` and below it, cut to `depth` labels below it.
pub(crate) fn namespaces(at: &Moment, prefix: &str, depth: usize) -> Result<Vec<NameCount>> {
    let scope = prefix.strip_suffix('/').unwrap_or(prefix);
    let group: &dyn for<'n> Fn(&'n str) -> Option<&'n str> =
        &|name| name_at_depth(name, scope, depth);
    Names { of: Field::Namespace, prefix: scope, filter: Filter::All, group }.count(at)
}

/// Returns the first `depth` labels of a name below `scope`, with `scope` before them. Labels are
/// separated by `/`. Returns `None` if the name is neither `scope` nor below it.
fn name_at_depth<'n>(name: &'n str, scope: &str, depth: usize) -> Option<&'n str> {
    let below = name.strip_prefix(scope)?;
    let (start, labels) = match below.strip_prefix('/') {
        _ if scope.is_empty() => (0, below),
        _ if below.is_empty() => return Some(name),
        Some(labels) => (scope.len() + 1, labels),
        None => return None,
    };
    let end = match depth.checked_sub(1) {
        None => Some(scope.len()),
        Some(last) => labels.match_indices('/').nth(last).map(|(at, _)| start + at),
    };
    end.map_or(Some(name), |end| name.get(..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cut_at_the_border_of_a_label() {
        let cut = |name, scope, depth| name_at_depth(name, scope, depth);
        assert_eq!(cut("user:42/chat/1", "user:42", 1), Some("user:42/chat"));
        assert_eq!(cut("user:42/chat/1", "user:42", 2), Some("user:42/chat/1"));
        assert_eq!(cut("user:42/chat/1", "user:42", usize::MAX), Some("user:42/chat/1"));
        assert_eq!(cut("user:42/chat/1", "user:42", 0), Some("user:42"));
        assert_eq!(cut("user:42", "user:42", 1), Some("user:42"));
        assert_eq!(cut("user:421", "user:42", 1), None);
        assert_eq!(cut("b", "a", 1), None);
        assert_eq!(cut("a/b/c", "", 1), Some("a"));
        assert_eq!(cut("a/b/c", "", 2), Some("a/b"));
        assert_eq!(cut("a/b/c", "", 0), Some(""));
        assert_eq!(cut("a//c", "a", 1), Some("a/"));
        assert_eq!(cut("/x", "", 1), Some(""));
        assert_eq!(cut("ü/ä", "ü", 1), Some("ü/ä"));
    }
}
