//! Owns which filters have the same answer for every memory. `delete_where` refuses a filter that
//! holds for all memories, unless it is `Filter::All`. Such a filter comes from an empty list or a
//! reversed range, not from intent.
//!
//! An answer is always right. No answer means that these rules decide nothing: the filter may still
//! be constant.

use super::{Filter, Matcher};
use crate::clock::Timestamp;

/// Most pairs of filters in one join that are compared. Bounds the work, which is quadratic.
const MAX_PAIRS: usize = 4096;

/// A filter, and whether it has to hold or must not hold.
type Literal<'a> = (bool, &'a Filter);

impl Matcher {
    /// Returns `true` if the filter holds for every possible memory, `false` if it holds for none.
    pub(super) fn constant(&self) -> Option<bool> {
        constant(self.filter())
    }
}

/// Recurses at most as deep as `Filter::check` allows a filter to be.
fn constant(filter: &Filter) -> Option<bool> {
    match filter {
        Filter::All => Some(true),
        Filter::TagsAll(names) if names.is_empty() => Some(true),
        Filter::TagsAny(names) if names.is_empty() => Some(false),
        Filter::Ids(ids) if ids.is_empty() => Some(false),
        Filter::Created { .. }
        | Filter::EventTime { .. }
        | Filter::Importance { .. }
        | Filter::Expires { .. }
        | Filter::Tokens { .. } => {
            let one = [(true, filter)];
            let always = contradicts(&[(false, filter)]).then_some(true);
            always.or_else(|| contradicts(&one).then_some(false))
        }
        Filter::And(list) => all(list, true),
        Filter::Or(list) => all(list, false).map(|none| !none),
        Filter::Not(inner) => constant(inner).map(|holds| !holds),
        _ => None,
    }
}

/// Returns whether all of these hold. With `holds` false, returns whether none does: "or" is "and"
/// negated.
fn all(list: &[Filter], holds: bool) -> Option<bool> {
    let mut open = Vec::new();
    for filter in list {
        match constant(filter) {
            None => open.push(literal(filter, holds)),
            Some(always) if always != holds => return Some(false),
            Some(_) => {}
        }
    }
    match open.is_empty() {
        true => Some(true),
        false => contradicts(&open).then_some(false),
    }
}

fn literal(mut filter: &Filter, mut holds: bool) -> Literal<'_> {
    while let Filter::Not(inner) = filter {
        (filter, holds) = (inner, !holds);
    }
    (holds, filter)
}

/// Returns true if no memory can satisfy all of these literals.
fn contradicts(literals: &[Literal<'_>]) -> bool {
    // A memory has one value of each of these attributes.
    let names: [fn(&Filter) -> Option<&str>; 4] = [
        |f| if let Filter::Namespace(name) = f { Some(name) } else { None },
        |f| if let Filter::Session(name) = f { Some(name) } else { None },
        |f| if let Filter::Kind(name) = f { Some(name) } else { None },
        |f| if let Filter::Key(name) = f { Some(name) } else { None },
    ];
    let created = |f: &Filter| match f {
        Filter::Created { from, to } => Some((*from, *to)),
        _ => None,
    };
    let event = |f: &Filter| match f {
        Filter::EventTime { from, to } => Some((*from, *to)),
        _ => None,
    };
    let expires = |f: &Filter| match f {
        Filter::Expires { from, to } => Some((*from, *to)),
        _ => None,
    };
    let tokens = |f: &Filter| match f {
        Filter::Tokens { from, to } => Some((*from, *to)),
        _ => None,
    };
    // Made half-open, like the other ranges.
    let importance = |f: &Filter| match f {
        Filter::Importance { from, to } => Some((*from, to.next_up())),
        _ => None,
    };
    names.iter().any(|name| differ(literals, name))
        || leaves_nothing(literals, created, Some((Timestamp::MIN, Timestamp::MAX)))
        || leaves_nothing(literals, event, None)
        || leaves_nothing(literals, expires, None)
        || leaves_nothing(literals, tokens, None)
        || leaves_nothing(literals, importance, Some((0.0, 1.0f32.next_up())))
        || both_ways(literals, |f| if let Filter::Pinned(p) = f { Some(*p) } else { None })
        || both_ways(literals, |f| if let Filter::Superseded(s) = f { Some(*s) } else { None })
        || names_no_id(literals)
        || opposed(literals)
}

fn differ(literals: &[Literal<'_>], name: impl Fn(&Filter) -> Option<&str>) -> bool {
    let mut names = literals.iter().filter(|(holds, _)| *holds).filter_map(|(_, f)| name(f));
    names.next().is_some_and(|first| names.any(|other| other != first))
}

/// Returns true if the literals want an attribute of every memory to be true, and to be false.
fn both_ways(literals: &[Literal<'_>], flag: impl Fn(&Filter) -> Option<bool>) -> bool {
    let wants = |wanted: bool| {
        let of = |(holds, f): &Literal<'_>| flag(f).is_some_and(|f| (f == *holds) == wanted);
        literals.iter().any(of)
    };
    wants(true) && wants(false)
}

/// Returns true if no value is in all ranges that hold and in none of the others. `whole` is the
/// range in which every memory has a value. Without it, only a range that holds proves that a
/// memory has a value.
fn leaves_nothing<T: Copy + PartialOrd>(
    literals: &[Literal<'_>],
    range: impl Fn(&Filter) -> Option<(T, T)>,
    whole: Option<(T, T)>,
) -> bool {
    let ranges = |wanted: bool| {
        let of = literals.iter().filter(move |(holds, _)| *holds == wanted);
        of.filter_map(|(_, filter)| range(filter)).collect::<Vec<(T, T)>>()
    };
    let (inside, mut outside) = (ranges(true), ranges(false));
    if inside.is_empty() && outside.is_empty() {
        return false;
    }
    let larger = |a: T, b: T| if b > a { b } else { a };
    let smaller = |a: T, b: T| if b < a { b } else { a };
    let both = |a: (T, T), b: (T, T)| (larger(a.0, b.0), smaller(a.1, b.1));
    let Some((mut from, to)) = inside.into_iter().chain(whole).reduce(both) else {
        return false;
    };
    outside.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    for (start, end) in outside {
        if start <= from {
            from = larger(from, end);
        }
    }
    from >= to
}

fn names_no_id(literals: &[Literal<'_>]) -> bool {
    let lists = |wanted: bool| {
        let of = literals.iter().filter(move |(holds, _)| *holds == wanted);
        of.filter_map(|(_, f)| if let Filter::Ids(ids) = f { Some(ids) } else { None })
    };
    let Some(shortest) = lists(true).min_by_key(|ids| ids.len()) else {
        return false;
    };
    !shortest.iter().any(|id| {
        lists(true).all(|ids| ids.binary_search(id).is_ok())
            && lists(false).all(|ids| ids.binary_search(id).is_err())
    })
}

/// Returns true if one filter has to hold and must not hold.
fn opposed(literals: &[Literal<'_>]) -> bool {
    let (hold, not): (Vec<_>, Vec<_>) = literals.iter().partition(|(holds, _)| *holds);
    hold.len().saturating_mul(not.len()) <= MAX_PAIRS
        && hold.iter().any(|(_, a)| not.iter().any(|(_, b)| a == b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(filter: Filter) -> Option<bool> {
        Matcher::new(filter).constant()
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis as _)
    }

    #[test]
    fn what_holds_for_every_memory_is_found_however_it_is_nested() {
        let none = || Filter::ids(Vec::<u64>::new());
        let name = || Filter::namespace("a");
        let always = [
            Filter::All,
            Filter::And(vec![]),
            Filter::Or(vec![]).not(),
            Filter::tags_all(Vec::<String>::new()),
            Filter::tags_any(Vec::<String>::new()).not(),
            none().not(),
            none().and(name()).not(),
            name().or(Filter::And(vec![])),
            Filter::And(vec![Filter::All, Filter::Or(vec![name(), Filter::All])]),
            Filter::Importance { from: 0.0, to: 1.0 },
            Filter::importance_at_least(-1.0),
            Filter::created(..),
            Filter::created(at(7)..at(7)).not(),
            Filter::created(..at(7))
                .or(Filter::created(at(5)..at(20)))
                .or(Filter::created(at(9)..)),
            Filter::created(at(3)..).or(Filter::created(at(7)..).not()),
            Filter::importance_at_least(0.5).or(Filter::Importance { from: 0.0, to: 0.5 }),
            Filter::Pinned(true).or(Filter::Pinned(false)),
            Filter::superseded(true).or(Filter::superseded(false)),
            Filter::tokens(5..5).not(),
            Filter::expires(at(7)..at(7)).not(),
            name().or(name().not()),
            name().and(Filter::namespace("b")).not(),
            name().not().or(Filter::namespace("b").not()),
            Filter::ids([1u64, 2]).and(Filter::ids([3u64])).not(),
            Filter::ids([1u64]).and(Filter::ids([1u64, 2]).not()).not(),
            Filter::event_time(at(1)..at(3)).and(Filter::event_time(at(3)..)).not(),
        ];
        for filter in always {
            assert_eq!(of(filter.clone()), Some(true), "{filter:?}");
            assert_eq!(of(filter.clone().not()), Some(false), "{filter:?}");
        }
    }

    #[test]
    fn what_may_hold_or_not_is_not_taken_for_constant() {
        let name = || Filter::namespace("a");
        let open = [
            name(),
            name().not(),
            name().or(Filter::namespace("b")),
            name().not().and(Filter::namespace("b").not()),
            name().and(Filter::session("b")),
            // A memory without an event time is outside both.
            Filter::event_time(..),
            Filter::event_time(..at(5)).or(Filter::event_time(at(5)..)),
            Filter::event_time(..at(5)).or(Filter::event_time(at(5)..)).not(),
            Filter::created(..at(5)).or(Filter::created(at(6)..)),
            Filter::created(at(7)..).or(Filter::created(at(3)..).not()),
            Filter::importance_at_least(0.1),
            Filter::importance_at_least(0.5).or(Filter::Importance { from: 0.0, to: 0.4 }),
            Filter::Pinned(true),
            Filter::superseded(true),
            // A memory without tokens, or one that never expires, is outside of every range.
            Filter::tokens(..),
            Filter::expires(..),
            Filter::field("a").one_of(Vec::<i64>::new()),
            Filter::field("a").exists(),
            Filter::tags_any(["a"]).or(Filter::tags_any(["b"]).not()),
            Filter::ids([1u64, 2]).and(Filter::ids([2u64])),
            Filter::ids([1u64]).not(),
        ];
        for filter in open {
            assert_eq!(of(filter.clone()), None, "{filter:?}");
        }
    }
}
