//! Owns the operations that walk a whole filter without recursion: drop, copy, comparison and
//! flattening. A caller may nest a filter a million levels deep. `Filter::check` refuses it, but
//! even then nothing here may use the stack for its depth. `Debug` recurses a bounded number of
//! levels.

use std::fmt;
use std::slice;

use super::{Filter, MAX_FILTER_DEPTH};

/// The kinds of filters that contain other filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    And,
    Or,
    Not,
}

impl Join {
    /// Returns true if a join of this kind inside `outer` can be merged into it.
    pub(super) const fn is_flat_in(self, outer: Option<Self>) -> bool {
        matches!((self, outer), (Self::And, Some(Self::And)) | (Self::Or, Some(Self::Or)))
    }

    /// Returns the join of these filters.
    fn of(self, mut inner: Vec<Filter>) -> Filter {
        match self {
            Self::And => Filter::And(inner),
            Self::Or => Filter::Or(inner),
            Self::Not => Filter::Not(Box::new(inner.pop().unwrap_or(Filter::All))),
        }
    }
}

impl Filter {
    /// Returns the kind of join, if the filter is one.
    pub(super) const fn join(&self) -> Option<Join> {
        match self {
            Self::And(_) => Some(Join::And),
            Self::Or(_) => Some(Join::Or),
            Self::Not(_) => Some(Join::Not),
            _ => None,
        }
    }

    /// Returns the filters inside the join.
    pub(super) fn inner(&self) -> &[Self] {
        match self {
            Self::And(list) | Self::Or(list) => list,
            Self::Not(inner) => slice::from_ref(inner),
            _ => &[],
        }
    }

    /// Takes out the filters inside the join.
    fn take_inner(&mut self) -> Vec<Self> {
        match self {
            Self::And(list) | Self::Or(list) => std::mem::take(list),
            Self::Not(inner) => vec![std::mem::replace(&mut **inner, Self::All)],
            _ => Vec::new(),
        }
    }

    /// Returns the same filter with joins of one kind made flat, in their order. Calls `leaf` with
    /// each filter that contains no others. O(nodes).
    pub(super) fn rebuilt(mut self, mut leaf: impl FnMut(&mut Self)) -> Self {
        enum Step {
            /// A filter to handle, and the kind of the join around it.
            Take(Filter, Option<Join>),
            /// The filters of this join are done; they are the output from this place on.
            Close(Join, usize),
        }
        if self.join().is_none() {
            leaf(&mut self);
            return self;
        }
        let (mut steps, mut done) = (vec![Step::Take(self, None)], Vec::new());
        while let Some(step) = steps.pop() {
            match step {
                Step::Take(mut filter, outer) => {
                    let Some(join) = filter.join() else {
                        leaf(&mut filter);
                        done.push(filter);
                        continue;
                    };
                    if !join.is_flat_in(outer) {
                        steps.push(Step::Close(join, done.len()));
                    }
                    let inner = filter.take_inner().into_iter().rev();
                    steps.extend(inner.map(|inner| Step::Take(inner, Some(join))));
                }
                Step::Close(join, from) => {
                    let inner = done.split_off(from.min(done.len()));
                    done.push(join.of(inner));
                }
            }
        }
        done.pop().unwrap_or(Self::All)
    }

    /// Returns true if no join is inside another of its own kind.
    pub(super) fn is_flat(&self) -> bool {
        let mut rest = vec![self];
        while let Some(filter) = rest.pop() {
            let join = filter.join();
            if filter.inner().iter().any(|f| f.join().is_some_and(|j| j.is_flat_in(join))) {
                return false;
            }
            rest.extend(filter.inner());
        }
        true
    }

    /// Copies a filter that contains no others.
    fn copy_leaf(&self) -> Self {
        match self {
            Self::Namespace(name) => Self::Namespace(name.clone()),
            Self::Session(name) => Self::Session(name.clone()),
            Self::Kind(name) => Self::Kind(name.clone()),
            Self::TagsAny(names) => Self::TagsAny(names.clone()),
            Self::TagsAll(names) => Self::TagsAll(names.clone()),
            Self::Key(key) => Self::Key(key.clone()),
            Self::Created { from, to } => Self::Created { from: *from, to: *to },
            Self::EventTime { from, to } => Self::EventTime { from: *from, to: *to },
            Self::Importance { from, to } => Self::Importance { from: *from, to: *to },
            Self::Pinned(pinned) => Self::Pinned(*pinned),
            Self::Ids(ids) => Self::Ids(ids.clone()),
            Self::Field(field) => Self::Field(field.clone()),
            Self::ValidAt(at) => Self::ValidAt(*at),
            Self::Superseded(superseded) => Self::Superseded(*superseded),
            Self::DerivedFrom(id) => Self::DerivedFrom(*id),
            Self::HasSession => Self::HasSession,
            Self::Expires { from, to } => Self::Expires { from: *from, to: *to },
            Self::Tokens { from, to } => Self::Tokens { from: *from, to: *to },
            Self::NamespaceUnder(name) => Self::NamespaceUnder(name.clone()),
            Self::And(_) => Self::And(Vec::new()),
            Self::Or(_) => Self::Or(Vec::new()),
            Self::All | Self::Not(_) => Self::All,
        }
    }

    fn is_same_leaf(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, Self::All) | (Self::HasSession, Self::HasSession) => true,
            (Self::Field(a), Self::Field(b)) => a == b,
            (Self::ValidAt(a), Self::ValidAt(b)) => a == b,
            (Self::DerivedFrom(a), Self::DerivedFrom(b)) => a == b,
            (Self::Tokens { from, to }, Self::Tokens { from: f, to: t }) => (from, to) == (f, t),
            (Self::Namespace(a), Self::Namespace(b))
            | (Self::Session(a), Self::Session(b))
            | (Self::Kind(a), Self::Kind(b))
            | (Self::NamespaceUnder(a), Self::NamespaceUnder(b))
            | (Self::Key(a), Self::Key(b)) => a == b,
            (Self::TagsAny(a), Self::TagsAny(b)) | (Self::TagsAll(a), Self::TagsAll(b)) => a == b,
            (Self::Created { from, to }, Self::Created { from: f, to: t })
            | (Self::EventTime { from, to }, Self::EventTime { from: f, to: t })
            | (Self::Expires { from, to }, Self::Expires { from: f, to: t }) => {
                (from, to) == (f, t)
            }
            (Self::Importance { from, to }, Self::Importance { from: f, to: t }) => {
                (from, to) == (f, t)
            }
            (Self::Pinned(a), Self::Pinned(b)) | (Self::Superseded(a), Self::Superseded(b)) => {
                a == b
            }
            (Self::Ids(a), Self::Ids(b)) => a == b,
            _ => false,
        }
    }
}

impl Drop for Filter {
    /// Without recursion: the filter may be nested deeper than the stack allows.
    fn drop(&mut self) {
        if self.inner().iter().all(|filter| filter.join().is_none()) {
            return;
        }
        let mut rest = self.take_inner();
        while let Some(mut filter) = rest.pop() {
            rest.append(&mut filter.take_inner());
        }
    }
}

impl Clone for Filter {
    fn clone(&self) -> Self {
        enum Step<'a> {
            Copy(&'a Filter),
            Close(Join, usize),
        }
        if self.join().is_none() {
            return self.copy_leaf();
        }
        let (mut steps, mut done) = (vec![Step::Copy(self)], Vec::new());
        while let Some(step) = steps.pop() {
            match step {
                Step::Copy(filter) => match filter.join() {
                    None => done.push(filter.copy_leaf()),
                    Some(join) => {
                        steps.push(Step::Close(join, done.len()));
                        steps.extend(filter.inner().iter().rev().map(Step::Copy));
                    }
                },
                Step::Close(join, from) => {
                    let inner = done.split_off(from.min(done.len()));
                    done.push(join.of(inner));
                }
            }
        }
        done.pop().unwrap_or(Self::All)
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        let mut rest = vec![(self, other)];
        while let Some((a, b)) = rest.pop() {
            let same = match (a.join(), b.join()) {
                (None, None) => a.is_same_leaf(b),
                (a_join, b_join) => a_join == b_join && a.inner().len() == b.inner().len(),
            };
            if !same {
                return false;
            }
            rest.extend(a.inner().iter().zip(b.inner()));
        }
        true
    }
}

/// A filter at a nesting level, to be displayed.
struct Shown<'a>(&'a Filter, usize);

/// Filters of one list at a nesting level, to be displayed.
struct ShownList<'a>(&'a [Filter], usize);

impl fmt::Debug for Filter {
    /// Leaves out filters nested too deeply to be accepted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(self, 0).fmt(f)
    }
}

impl fmt::Debug for ShownList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|filter| Shown(filter, self.1))).finish()
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(filter, depth) = self;
        let below = depth + 1;
        if *depth > MAX_FILTER_DEPTH {
            return f.write_str("..");
        }
        let mut value =
            |name: &str, value: &dyn fmt::Debug| f.debug_tuple(name).field(value).finish();
        match filter {
            Filter::All => f.write_str("All"),
            Filter::Namespace(name) => value("Namespace", name),
            Filter::Session(name) => value("Session", name),
            Filter::Kind(name) => value("Kind", name),
            Filter::TagsAny(names) => value("TagsAny", names),
            Filter::TagsAll(names) => value("TagsAll", names),
            Filter::Key(key) => value("Key", key),
            Filter::Created { from, to } => range(f, "Created", from, to),
            Filter::EventTime { from, to } => range(f, "EventTime", from, to),
            Filter::Importance { from, to } => range(f, "Importance", from, to),
            Filter::Pinned(pinned) => value("Pinned", pinned),
            Filter::Ids(ids) => value("Ids", ids),
            Filter::Field(field) => value("Field", field),
            Filter::ValidAt(at) => value("ValidAt", at),
            Filter::Superseded(superseded) => value("Superseded", superseded),
            Filter::DerivedFrom(id) => value("DerivedFrom", id),
            Filter::HasSession => f.write_str("HasSession"),
            Filter::Expires { from, to } => range(f, "Expires", from, to),
            Filter::Tokens { from, to } => range(f, "Tokens", from, to),
            Filter::NamespaceUnder(name) => value("NamespaceUnder", name),
            Filter::And(list) => value("And", &ShownList(list, below)),
            Filter::Or(list) => value("Or", &ShownList(list, below)),
            Filter::Not(inner) => value("Not", &Shown(inner, below)),
        }
    }
}

fn range(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    from: &dyn fmt::Debug,
    to: &dyn fmt::Debug,
) -> fmt::Result {
    f.debug_struct(name).field("from", from).field("to", to).finish()
}
