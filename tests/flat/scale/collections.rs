//! Many collections in one store.

use std::time::Duration;

use altiplano::{Batch, CollectionOptions, Durability, Metric, Store};

use super::commits;
use crate::common::{alone, bytes_of, contents, file_names, manual, memory, settle};

const DIM: usize = 4;

fn options() -> CollectionOptions {
    let later = Durability::buffered(Duration::from_secs(3600));
    CollectionOptions::new(DIM, Metric::L2).durability(later)
}

fn name(n: u64) -> String {
    format!("agent {n}")
}

/// Returns the descriptors and the number of maps that this process holds of a directory.
#[cfg(target_os = "linux")]
fn held(dir: &std::path::Path) -> (Vec<String>, usize) {
    let dir = dir.to_str().unwrap();
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    let descriptors = descriptors
        .filter_map(|fd| Some(std::fs::read_link(fd.ok()?.path()).ok()?.to_str()?.to_owned()))
        .filter(|path| path.starts_with(dir));
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    (descriptors.collect(), maps.lines().filter(|line| line.contains(dir)).count())
}

/// Returns the number of this process's threads that belong to a store.
#[cfg(target_os = "linux")]
fn workers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|t| std::fs::read_to_string(t.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("altiplano")).count()
}

#[cfg(target_os = "linux")]
#[test]
fn collections_share_threads_descriptors_and_files() {
    if !alone("scale::collections::collections_share_threads_descriptors_and_files") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = Store::open(&path).unwrap();
    for n in 0..400 {
        let notes = store.collection(&name(n), options()).unwrap();
        notes.apply((0..10).map(|id| memory(id, DIM)).collect::<Batch>()).unwrap();
    }
    // No other test here has a store with threads: for the log, rows and indexes. A thread sets its
    // name soon after it was started.
    assert!((1..=3).contains(&workers()), "{} threads", workers());
    let (descriptors, maps) = held(&path);
    assert!(descriptors.len() <= 3 && maps == 0, "{descriptors:?}, {maps} maps");
    assert!(file_names(&path).len() <= 8, "{:?}", file_names(&path));
    store.close().unwrap();
    let store = Store::open(&path).unwrap();
    assert!(workers() <= 3, "{} threads", workers());
    let stats = store.stats().unwrap();
    assert!(stats.collections.len() == 400 && stats.collections.iter().all(|c| c.live_rows == 10));
    let (descriptors, maps) = held(&path);
    assert!(descriptors.len() <= 3 && maps == 0, "{descriptors:?}, {maps} maps");
}

#[cfg(target_os = "linux")]
#[test]
fn sealed_files_are_mapped_and_not_kept_open() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let fill = |store: &Store| {
        for n in 0..20 {
            let notes = store.collection(&name(n), options()).unwrap();
            notes.apply((0..300).map(|id| memory(id, DIM)).collect::<Batch>()).unwrap();
        }
        store.compact().unwrap();
    };
    let check = |store: &Store, collections: usize| {
        let mapped =
            |name: &&String| ["seg-", "idx-", "loc-"].iter().any(|kind| name.starts_with(kind));
        let files = file_names(&path).iter().filter(mapped).count();
        assert_eq!(files, collections * 3);
        let (descriptors, maps) = held(&path);
        assert_eq!(maps, files);
        assert!(descriptors.len() <= 3, "{descriptors:?}");
        assert_eq!(store.stats().unwrap().collections.len(), collections);
    };
    let store = manual().open(&path).unwrap();
    fill(&store);
    check(&store, 20);
    store.close().unwrap();
    let store = manual().open(&path).unwrap();
    check(&store, 20);
    for n in 0..15 {
        assert!(store.drop_collection(&name(n)).unwrap());
    }
    check(&store, 5);
}

/// More is written than the log may hold, but the live rows fit. They are copied forward in the
/// log, and no collection gets a file.
#[test]
fn small_collections_keep_the_log_short_without_a_commit_each() {
    const COLLECTIONS: u64 = 150;
    const ROWS: u64 = 40;
    const LIMIT: u64 = 16 * (4 << 20);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let all: Vec<_> =
        (0..COLLECTIONS).map(|n| store.collection(&name(n), options()).unwrap()).collect();
    let before = commits(&path);
    let (rounds, text) = (13, "x".repeat(2_000));
    for round in 0..rounds {
        for notes in &all {
            let of = |id| memory(id, DIM).text(format!("{round} {text}"));
            notes.apply((0..ROWS).map(of).collect::<Batch>()).unwrap();
            settle(&store);
        }
        assert!(bytes_of(&path, "log-") < 2 * LIMIT, "round {round}");
    }
    let written = rounds * COLLECTIONS * ROWS * text.len() as u64;
    assert!(written > 2 * LIMIT, "the log was trimmed twice at least");
    let made = commits(&path) - before;
    assert!(made < 4 * (written / (4 << 20)), "{made} commits for {COLLECTIONS} collections");
    let kinds = ["seg-", "del-", "idx-", "loc-"].map(|kind| bytes_of(&path, kind));
    assert_eq!(kinds, [0; 4]);
    // The dead rows of older rounds are gone from RAM, too.
    let stats = store.stats().unwrap();
    let in_ram: u64 = stats.collections.iter().map(|c| c.memtable_rows).sum();
    assert!(in_ram < rounds * COLLECTIONS * ROWS / 2, "{in_ram} rows");
    let wanted = contents(&all[77]);
    assert_eq!(wanted.len() as u64, ROWS);
    drop(all);
    store.close().unwrap();
    let store = manual().open(&path).unwrap();
    for n in 0..COLLECTIONS {
        let notes = store.get_collection(&name(n)).unwrap();
        assert_eq!(notes.len().unwrap(), ROWS);
        let newest = format!("{} {text}", rounds - 1);
        assert_eq!(notes.get(n % ROWS).unwrap().unwrap().text.as_deref(), Some(newest.as_str()));
    }
    assert_eq!(contents(&store.get_collection(&name(77)).unwrap()), wanted);
    assert!(store.verify().unwrap().is_clean());
}

/// A log file has room for one of these collections but not for two, so copies do not shorten the
/// log.
#[test]
fn copies_that_fill_half_of_a_file_each_are_not_made_for_ever() {
    const COLLECTIONS: u64 = 80;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let text = "x".repeat(21_000);
    for n in 0..COLLECTIONS {
        let notes = store.collection(&name(n), options()).unwrap();
        let of = |id| memory(id, DIM).text(text.clone());
        notes.apply((0..101).map(of).collect::<Batch>()).unwrap();
        settle(&store);
    }
    let files = store.stats().unwrap().log_files as u64;
    assert!((COLLECTIONS..=COLLECTIONS * 3 / 2 + 8).contains(&files), "{files} files");
    drop(store);
    let store = manual().open(&path).unwrap();
    settle(&store);
    for n in 0..COLLECTIONS {
        assert_eq!(store.get_collection(&name(n)).unwrap().len().unwrap(), 101);
    }
}
