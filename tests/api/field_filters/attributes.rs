//! Owns the tests of filters on stored attributes: validity, replacement, sources, sessions,
//! lifetimes, tokens, and namespaces below others.

use std::collections::BTreeSet;
use std::time::Duration;

use altiplano::{Filter, Memory, Timestamp};

use super::{DIM, copy_of, open, scanned};
use crate::common::START;

const ROWS: u64 = 120;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn minutes(n: u64) -> Timestamp {
    START + Duration::from_secs(60 * n)
}

const NAMES: [&str; 9] = [
    "user:42",
    "user:42/notes",
    "user:42/notes/old",
    "user:421",
    "user:42!",
    "user",
    "",
    "/x",
    "ä/b",
];

fn memory(id: u64) -> Memory {
    let mut memory = Memory::new(id, [id as f32, 1.0]).valid(
        (id % 4 == 1 || id % 4 == 3).then(|| at(id as i64 - 20)),
        (id % 4 >= 2).then(|| at(id as i64)),
    );
    if id.is_multiple_of(5) {
        memory = memory.superseded_by(id + 1);
    }
    if id % 7 < 3 {
        memory = memory.derived_from((0..id % 7).map(|n| id % 10 + n));
    }
    if id.is_multiple_of(3) {
        memory = memory.session(format!("s{}", id % 2));
    }
    if id.is_multiple_of(6) {
        memory = memory.expires_at(minutes(id + 1));
    }
    if !id.is_multiple_of(4) {
        memory = memory.tokens(if id == 1 { u32::MAX } else { id as u32 });
    }
    match NAMES.get(id as usize % 11) {
        Some(name) => memory.namespace(*name),
        None => memory,
    }
}

type Means = Box<dyn Fn(u64) -> bool>;

/// Returns filters with their meanings, written a second time.
fn filters() -> Vec<(Filter, Means)> {
    let mut all: Vec<(Filter, Means)> = Vec::new();
    for t in [-21, -19, 0, 1, 17, 18, 60, 118, 119, 120] {
        let holds = move |id: u64| {
            let n = id as i64;
            let from = (id % 4 == 1 || id % 4 == 3).then_some(n - 20);
            let to = (id % 4 >= 2).then_some(n);
            from.is_none_or(|from| from <= t) && to.is_none_or(|to| t < to)
        };
        all.push((Filter::valid_at(at(t)), Box::new(holds)));
    }
    all.push((Filter::superseded(true), Box::new(|id| id.is_multiple_of(5))));
    all.push((Filter::superseded(false), Box::new(|id| !id.is_multiple_of(5))));
    for source in [0, 5, 10, 11] {
        let holds = move |id: u64| id % 7 < 3 && (0..id % 7).any(|n| id % 10 + n == source);
        all.push((Filter::derived_from(source), Box::new(holds)));
    }
    all.push((Filter::has_session(), Box::new(|id| id.is_multiple_of(3))));
    let expires = |from: u64, to: u64| -> Means {
        Box::new(move |id| id.is_multiple_of(6) && (from..to).contains(&(id + 1)))
    };
    all.push((Filter::expires(..), expires(0, u64::MAX)));
    all.push((Filter::expires(minutes(7)..minutes(31)), expires(7, 31)));
    all.push((Filter::expires(minutes(7)..=minutes(31)), expires(7, 32)));
    all.push((Filter::expires(..Timestamp::MAX), expires(0, u64::MAX)));
    let tokens = |from: u64, to: u64| -> Means {
        Box::new(move |id| {
            let tokens = if id == 1 { u64::from(u32::MAX) } else { id };
            !id.is_multiple_of(4) && (from..to).contains(&tokens)
        })
    };
    all.push((Filter::tokens(..), tokens(0, u64::MAX)));
    all.push((Filter::tokens(10..=20), tokens(10, 21)));
    all.push((Filter::tokens(10..20), tokens(10, 20)));
    all.push((Filter::tokens(u32::MAX..), tokens(u32::MAX.into(), u64::MAX)));
    all.push((Filter::tokens(5..5), tokens(5, 5)));
    for (name, below) in [
        ("user:42", &[0, 1, 2][..]),
        ("user:42/", &[0, 1, 2]),
        ("user:42/notes", &[1, 2]),
        ("user:42/notes/", &[1, 2]),
        ("user:4", &[]),
        ("user", &[5]),
        ("", &[6, 7]),
        ("/", &[6, 7]),
        ("ä", &[8]),
    ] {
        let below = below.to_vec();
        all.push((Filter::namespace_under(name), Box::new(move |id| below.contains(&(id % 11)))));
    }
    let both = Filter::has_session() & !Filter::valid_at(at(60)) & Filter::tokens(7..);
    let holds = |id: u64| {
        let valid = (id.is_multiple_of(2) || id as i64 - 20 <= 60) && (id % 4 < 2 || 60 < id);
        id.is_multiple_of(3) && !valid && !id.is_multiple_of(4) && id >= 7
    };
    all.push((both, Box::new(holds)));
    all
}

#[test]
fn stored_attributes_can_be_asked_for_wherever_the_rows_are() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("s"), dir.path().join("copy"));
    let (store, notes) = open(&path);
    notes.apply((0..ROWS).map(memory).collect()).unwrap();
    copy_of(&path, &copy);
    let (_replayed, copied) = open(&copy);
    let check = |notes: &altiplano::Collection, place: &str| {
        for (filter, means) in filters() {
            let wanted: BTreeSet<u64> = (0..ROWS).filter(|id| means(*id)).collect();
            assert_eq!(scanned(notes, &filter), wanted, "{place}: {filter:?}");
            let others = (0..ROWS).filter(|id| !means(*id)).collect();
            assert_eq!(scanned(notes, &!filter.clone()), others, "{place}: !{filter:?}");
            let query = [0.0; DIM];
            let (hits, told) = notes.search(&query).k(500).filter(filter).explain().unwrap();
            assert_eq!((hits.len(), told.fields_from_rows), (wanted.len(), 0), "{place}");
        }
    };
    check(&notes, "in memory");
    check(&copied, "replayed");
    store.compact().unwrap();
    assert_eq!(notes.stats().unwrap().memtable_rows, 0);
    check(&notes, "in a segment");
    assert!(store.verify().unwrap().is_clean());
    store.close().unwrap();
    let (_store, notes) = open(&path);
    check(&notes, "opened again");
}

#[test]
fn deletes_by_stored_attributes_are_replayed() {
    for (n, (filter, means)) in filters().into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let (path, copy) = (dir.path().join("s"), dir.path().join("copy"));
        let (store, notes) = open(&path);
        notes.apply((0..ROWS / 2).map(memory).collect()).unwrap();
        if n % 2 == 0 {
            store.compact().unwrap();
        }
        notes.apply((ROWS / 2..ROWS).map(memory).collect()).unwrap();
        let gone = (0..ROWS).filter(|id| means(*id)).count() as u64;
        assert_eq!(notes.delete_where(filter.clone()).unwrap(), gone, "{filter:?}");
        copy_of(&path, &copy);
        let (_copied, notes) = open(&copy);
        let stay: Vec<u64> = (0..ROWS).filter(|id| !means(*id)).collect();
        assert_eq!(crate::common::ids(&notes), stay, "{filter:?}");
    }
}
