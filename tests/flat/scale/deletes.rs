//! Deletes by filter: namespaces, sessions, half of all rows.

use std::path::Path;
use std::time::Duration;

use altiplano::{Collection, CollectionOptions, Filter, Memory, Metric, Store};

use super::copy_of;
use crate::common::{bytes_of, file_names, ids, manual, memory, settle, vector};

const DIM: usize = 4;
/// Largest frame of a delete by a short filter.
const FRAME: u64 = 256;

fn open(dir: &Path) -> (Store, Collection) {
    let store = manual().open(dir).unwrap();
    let options = CollectionOptions::new(DIM, Metric::L2).memtable_rows(1024);
    let all = store.collection("all", options).unwrap();
    (store, all)
}

/// Inserts rows whose namespaces and sessions alternate, and seals all except the last of them.
fn fill(store: &Store, all: &Collection, rows: u64, namespaces: u64) {
    let of = |id: u64| {
        let memory = memory(id, DIM).namespace(format!("user:{}", id % namespaces));
        let kind = if id.is_multiple_of(2) { "even" } else { "odd" };
        memory.session(format!("session {}", id % 50)).kind(kind)
    };
    for first in (0..rows).step_by(500) {
        all.apply((first..(first + 500).min(rows)).map(of).collect()).unwrap();
        settle(store);
    }
    let stats = &store.stats().unwrap().collections[0];
    assert!(!stats.segments.is_empty() && stats.memtable_rows > 0, "rows in files and in RAM");
}

#[test]
fn a_namespace_or_session_goes_with_one_frame_and_can_be_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (store, all) = open(&path);
    fill(&store, &all, 6_300, 90);
    let mut wanted = ids(&all);
    let mut log = bytes_of(&path, "log-");
    let drops = [
        (Filter::namespace("user:7"), 90, 7),
        (Filter::session("session 49"), 50, 49),
        (Filter::namespace("user:11").and(Filter::kind("odd")), 90, 11),
    ];
    for (filter, every, rest) in drops {
        let before = wanted.len();
        wanted.retain(|id| id % every != rest);
        assert_eq!(all.delete_where(filter.clone()).unwrap(), (before - wanted.len()) as u64);
        assert_eq!(ids(&all), wanted);
        assert_eq!(all.delete_where(filter).unwrap(), 0);
        let now = bytes_of(&path, "log-");
        assert!(now - log <= 2 * FRAME, "{} bytes of log", now - log);
        log = now;
    }
    // Later rows with the same name are not deleted, at once or in a replay.
    let again = |id| memory(id, DIM).namespace("user:7").session("session 49");
    all.apply([7, 9_000, 9_001].map(again).into_iter().collect()).unwrap();
    wanted.extend([7, 9_000, 9_001]);
    wanted.sort_unstable();
    assert_eq!(ids(&all), wanted);
    copy_of(&path, &dir.path().join("copy"));
    let (copy, replayed) = open(&dir.path().join("copy"));
    assert_eq!(ids(&replayed), wanted);
    assert_eq!(replayed.delete_where(Filter::namespace("user:7")).unwrap(), 3);
    drop(copy);
    store.compact().unwrap();
    assert_eq!(ids(&all), wanted);
    let hits = all.search(&vector(9_000, DIM)).namespace("user:7").k(10).run().unwrap();
    assert_eq!(hits.len(), 3);
    drop(all);
    store.close().unwrap();
    let (store, all) = open(&path);
    assert_eq!(ids(&all), wanted);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn half_of_all_rows_go_with_one_frame_at_once_and_in_a_replay() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (store, all) = open(&path);
    fill(&store, &all, 20_400, 3);
    let log = bytes_of(&path, "log-");
    let files = file_names(&path);
    assert_eq!(all.delete_where(Filter::kind("odd")).unwrap(), 10_200);
    assert!(bytes_of(&path, "log-") - log <= FRAME);
    assert_eq!(file_names(&path), files, "nothing else is written");
    all.insert(memory(1, DIM).kind("odd")).unwrap();
    let mut wanted: Vec<u64> = (0..20_400).step_by(2).collect();
    wanted.insert(1, 1);
    assert_eq!(ids(&all), wanted);
    copy_of(&path, &dir.path().join("copy"));
    let (copy, replayed) = open(&dir.path().join("copy"));
    assert_eq!(ids(&replayed), wanted);
    // Replayed over its own effect, once that is in files.
    settle(&copy);
    drop((replayed, copy));
    let (_copy, replayed) = open(&dir.path().join("copy"));
    assert_eq!(ids(&replayed), wanted);
    settle(&store);
    assert_eq!(ids(&all), wanted);
    assert_eq!(all.delete_where(Filter::All).unwrap(), 10_201);
    assert!(all.is_empty().unwrap());
    store.compact().unwrap();
    assert_eq!(bytes_of(&path, "seg-"), 0);
}

#[test]
fn what_had_expired_is_deleted_and_not_counted() {
    let dir = tempfile::tempdir().unwrap();
    let clock = std::sync::Arc::new(altiplano::ManualClock::new(crate::common::START));
    let store = crate::common::with_clock(&clock).open(dir.path().join("s")).unwrap();
    let options = CollectionOptions::new(DIM, Metric::L2).memtable_rows(64);
    let all = store.collection("all", options).unwrap();
    let hour = Duration::from_secs(3600);
    let of = |id: u64| match id % 3 {
        0 => memory(id, DIM).kind("a").ttl(hour),
        1 => memory(id, DIM).kind("a"),
        _ => memory(id, DIM).kind("b"),
    };
    for first in (0..600).step_by(50) {
        all.apply((first..first + 50).map(of).collect::<altiplano::Batch>()).unwrap();
        settle(&store);
    }
    clock.advance(hour);
    assert_eq!(all.len().unwrap(), 400);
    assert_eq!(all.delete_where(Filter::kind("a")).unwrap(), 200);
    assert_eq!(all.delete_where(Filter::kind("a")).unwrap(), 0);
    assert_eq!(ids(&all), (0..600).filter(|id| id % 3 == 2).collect::<Vec<u64>>());
}

#[test]
fn namespaces_have_no_file_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let counts = [1u64, 3_000].map(|namespaces| {
        let path = dir.path().join(format!("of-{namespaces}"));
        let (store, all) = open(&path);
        let of = |id: u64| -> Memory { memory(id, DIM).namespace(format!("{}", id % namespaces)) };
        all.apply((0..3_000).map(of).collect()).unwrap();
        settle(&store);
        file_names(&path).len()
    });
    assert_eq!(counts[0], counts[1]);
}
