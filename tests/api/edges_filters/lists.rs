//! Lists of ids and tags of any length: their meaning, and the log record of a delete by them.

use std::collections::BTreeSet;

use altiplano::{Filter, Memory};

use super::{DIM, copy_of, open};
use crate::common::{Rng, bytes_of, ids, memory, settle};

/// Number of rows of a collection.
const ROWS: u64 = 5_000;

fn tagged(id: u64) -> Memory {
    memory(id, DIM).tag(format!("t{}", id % 1000)).tag(format!("u{}", id % 7))
}

/// Returns lists in no order, with repetitions, and the rows that each means.
fn lists() -> Vec<(Filter, BTreeSet<u64>)> {
    let mut rng = Rng(5);
    let mut all = Vec::new();
    for len in [1u64, 3, 70, 4_000, 60_000] {
        let range = ROWS.max(len) * 2;
        let listed: Vec<u64> = (0..len).map(|_| rng.below(range)).collect();
        let meant: BTreeSet<u64> = listed.iter().copied().filter(|id| *id < ROWS).collect();
        all.push((Filter::ids(listed.iter().copied()), meant.clone()));
        let rest = (0..ROWS).filter(|id| !meant.contains(id)).collect();
        all.push((Filter::ids(listed).not(), rest));
        let named: Vec<u64> = (0..len).map(|_| rng.below(len.max(500) * 3)).collect();
        let meant = (0..ROWS).filter(|id| named.contains(&(id % 1000))).collect();
        all.push((Filter::tags_any(named.iter().map(|n| format!("t{n}"))), meant));
    }
    let both = ["u3", "t10", "u3"];
    all.push((
        Filter::tags_all(both),
        (0..ROWS).filter(|i| i % 7 == 3 && i % 1000 == 10).collect(),
    ));
    let many = (0..60_000).map(|i| format!("t{i}"));
    all.push((Filter::tags_all(many), BTreeSet::new()));
    all
}

#[test]
fn lists_of_every_length_mean_the_same_in_ram_and_in_segments() {
    let dir = tempfile::tempdir().unwrap();
    let (store, notes) = open(&dir.path().join("s"));
    notes.apply((0..ROWS).map(tagged).collect()).unwrap();
    for sealed in [false, true] {
        if sealed {
            store.compact().unwrap();
            settle(&store);
            assert!(!store.stats().unwrap().collections[0].segments.is_empty());
        }
        for (filter, meant) in lists() {
            let found = notes.scan(filter).map(|m| m.unwrap().id.as_u128() as u64);
            assert_eq!(found.collect::<BTreeSet<u64>>(), meant);
        }
    }
}

#[test]
fn a_delete_by_a_long_list_logs_what_died_and_not_the_list() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (store, notes) = open(&path);
    notes.apply((0..ROWS).map(tagged).collect()).unwrap();
    store.compact().unwrap();
    notes.apply((ROWS..ROWS + 50).map(tagged).collect()).unwrap();
    let mut left: BTreeSet<u64> = (0..ROWS + 50).collect();
    // Each list names ten rows in a segment and ten in RAM, among very many that do not exist.
    let absent = 1_000_000..1_100_000u64;
    let some = |from: u64| (from..from + 10).chain(ROWS + from..ROWS + from + 10);
    let doomed: Vec<u64> = some(30).collect();
    let stay: Vec<u64> = left.iter().copied().filter(|id| !some(20).any(|d| d == *id)).collect();
    let deletes = [
        (Filter::ids(absent.clone().chain(some(0))), some(0).collect::<Vec<u64>>()),
        (
            Filter::tags_any(absent.clone().map(|i| format!("t{i}"))).or(Filter::ids(some(10))),
            some(10).collect(),
        ),
        (Filter::ids(absent.chain(stay)).not(), some(20).collect()),
        (Filter::ids(doomed.clone()), doomed),
    ];
    for (filter, dead) in deletes {
        let before = bytes_of(&path, "log-");
        assert_eq!(notes.delete_where(filter.clone()).unwrap(), 20);
        let grown = bytes_of(&path, "log-") - before;
        assert!((16 * 20..16 * 20 + 200).contains(&grown), "{grown} bytes for 20 ids");
        dead.iter().for_each(|id| assert!(left.remove(id)));
        assert_eq!(ids(&notes), left.iter().copied().collect::<Vec<_>>());
        assert_eq!(notes.delete_where(filter).unwrap(), 0);
    }
    // An id that is inserted again stays, at once and in replays.
    notes.insert(tagged(3)).unwrap();
    left.insert(3);
    let wanted: Vec<u64> = left.into_iter().collect();
    assert_eq!(ids(&notes), wanted);
    for copy in ["once", "twice"] {
        let copy = dir.path().join(copy);
        copy_of(&path, &copy);
        let (store, notes) = open(&copy);
        assert_eq!(ids(&notes), wanted);
        settle(&store);
        assert!(store.verify().unwrap().is_clean());
        drop((store, notes));
        assert_eq!(ids(&open(&copy).1), wanted, "over its own effect");
    }
    store.purge().unwrap();
    assert_eq!(ids(&notes), wanted);
}

#[test]
fn a_delete_by_a_short_filter_stays_one_short_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (_store, notes) = open(&path);
    notes.apply((0..ROWS).map(tagged).collect()).unwrap();
    let before = bytes_of(&path, "log-");
    assert_eq!(notes.delete_where(Filter::tag("u3")).unwrap(), 714);
    assert!(bytes_of(&path, "log-") - before <= 128);
    drop((_store, notes));
    let (_store, notes) = open(&path);
    assert_eq!(notes.len().unwrap(), ROWS - 714);
}
