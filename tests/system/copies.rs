//! Owns the tests of copies of a store that goes on writing: backups, and plain copies of its
//! files. A copy is the store at one moment: a prefix of its history, with whole batches.
#![allow(clippy::disallowed_methods, reason = "a test may use files")]

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use altiplano::{
    BackupOptions, Batch, Collection, CollectionOptions, Durability, HnswParams, Memory, Metric,
    Outcome, Patch, Store, StoreOptions, VerifyLevel,
};

use crate::common::size::sized;
use crate::common::{Rng, contents, file_names, vector};

const DIMENSION: usize = 4;
/// Each step inserts one memory and deletes the one this many steps before.
const WINDOW: u64 = 150;
/// Replaced in every step, in both collections.
const GROUP: std::ops::Range<u64> = 2_000_000..2_000_006;
/// The most bytes of a file that has only a header.
const EMPTY_FILE: u64 = 128;
/// Updated in every step of the second thread.
const UPDATED: u64 = 3_000_000;

/// How far a thread has come.
#[derive(Default)]
struct Steps {
    begun: AtomicU64,
    acknowledged: AtomicU64,
}

impl Steps {
    fn step(&self, n: u64, write: impl FnOnce()) {
        self.begun.store(n, Ordering::SeqCst);
        write();
        self.acknowledged.store(n, Ordering::SeqCst);
    }

    fn range(&self) -> (u64, u64) {
        (self.acknowledged.load(Ordering::SeqCst), self.begun.load(Ordering::SeqCst))
    }
}

fn options() -> CollectionOptions {
    CollectionOptions::new(DIMENSION, Metric::L2)
        .memtable_rows(64)
        .hnsw(HnswParams::default().m(8).ef_construction(32).min_rows(100))
        .durability(Durability::buffered(Duration::from_millis(20)))
}

/// The batch of a step: across two collections, with inserts, replacements and a delete.
fn batch(n: u64, facts: &Collection) -> Batch {
    let one = |id: u64| Memory::new(id, vector(id ^ n, DIMENSION)).text(n.to_string());
    let batch = GROUP.fold(Batch::new(), |batch, id| batch.insert(one(id)));
    let batch = GROUP.fold(batch, |batch, id| batch.insert_into(facts, one(id)));
    let batch = batch.insert(one(n));
    if n >= WINDOW { batch.delete(n - WINDOW) } else { batch }
}

/// Calls `check` beside two threads that write, delete, update and compact.
fn under_load(path: &Path, check: impl FnOnce(&Store, &Steps, &Steps)) {
    let store = StoreOptions::new().open(path).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    let facts = store.collection("facts", options()).unwrap();
    notes.apply(batch(0, &facts)).unwrap();
    facts.insert(Memory::new(UPDATED, vector(1, DIMENSION)).tokens(0)).unwrap();
    let (writes, updates) = (Steps::default(), Steps::default());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in (1..).take_while(|_| !done.load(Ordering::Acquire)) {
                writes.step(n, || assert!(notes.apply(batch(n, &facts)).unwrap().replaced > 0));
                match n % 500 {
                    250 => drop(notes.compact().unwrap()),
                    0 => drop(store.purge().unwrap()),
                    _ => {}
                }
            }
        });
        scope.spawn(|| {
            for n in (1..).take_while(|_| !done.load(Ordering::Acquire)) {
                let patch = Patch::new().tokens(n as u32).importance((n % 100) as f32 / 100.0);
                updates
                    .step(n, || assert_eq!(facts.patch(UPDATED, patch).unwrap(), Outcome::Updated));
                match n % 300 {
                    0 => drop(facts.compact().unwrap()),
                    _ => thread::yield_now(),
                }
            }
        });
        // Raised however the check ends, so that the other threads do not run for ever.
        struct Finish<'a>(&'a AtomicBool);
        impl Drop for Finish<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Release);
            }
        }
        let _finish = Finish(&done);
        check(&store, &writes, &updates);
    });
}

/// Checks that a store is clean and holds a prefix of the history. Returns the last steps in it.
fn clean_prefix(store: &Store) -> (u64, u64) {
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "{report}");
    prefix(store)
}

/// Checks that a store holds a prefix of the history. Returns the last steps in it.
fn prefix(store: &Store) -> (u64, u64) {
    let notes = contents(&store.get_collection("notes").unwrap());
    let facts = contents(&store.get_collection("facts").unwrap());
    let step = |memory: &Memory| memory.text.as_deref().unwrap().parse::<u64>().unwrap();
    let last = step(&notes[&GROUP.start.into()]);
    for id in GROUP {
        assert_eq!((step(&notes[&id.into()]), step(&facts[&id.into()])), (last, last), "{id}");
    }
    let first = (last + 1).saturating_sub(WINDOW);
    let mut wanted: Vec<u64> = (first..=last).collect();
    wanted.extend(GROUP);
    let found: Vec<u64> = notes.keys().map(|id| id.as_u128() as u64).collect();
    assert_eq!(found, wanted, "up to step {last}");
    let updated = &facts[&UPDATED.into()];
    let tokens = u64::from(updated.tokens.unwrap());
    assert_eq!(
        (updated.importance * 100.0).round() as u64,
        if tokens == 0 { 50 } else { tokens % 100 }
    );
    (last, tokens)
}

fn inodes(dir: &Path) -> BTreeMap<String, (u64, u64)> {
    let of = |name: String| {
        let found = std::fs::metadata(dir.join(&name)).unwrap();
        (name, (found.ino(), found.len()))
    };
    file_names(dir).into_iter().map(of).collect()
}

#[test]
fn backups_under_load_are_prefixes_of_history() {
    let dir = tempfile::tempdir().unwrap();
    let count = sized("backups under load", 40, 100, 1000);
    under_load(&dir.path().join("s"), |store, writes, updates| {
        for n in 0..count {
            // Every fourth is a first backup, every other of them by copies. The rest are updates.
            let (is_new, copy) = (n % 4 == 0, n % 8 == 0);
            let to: PathBuf = dir.path().join(format!("copy {}", n / 4));
            let before = if is_new { BTreeMap::new() } else { inodes(&to) };
            let least = (writes.range().0, updates.range().0);
            let report = store.backup_with(&to, &BackupOptions::new().copy(copy)).unwrap();
            let most = (writes.range().1, updates.range().1);
            let after = inodes(&to);
            let (mut kept, mut new) = (0, 0);
            for (name, found) in after.iter().filter(|(name, _)| name.contains("-0")) {
                match before.get(name) {
                    _ if name.starts_with("MANIFEST") => {}
                    Some(old) => {
                        assert_eq!(old, found, "{name} was written again");
                        kept += 1;
                    }
                    None => new += found.1,
                }
            }
            assert_eq!((report.files_kept, report.bytes_new), (kept, new), "{report}");
            // A backup that needs no log gets a file without frames, which no link can be.
            assert!(copy || report.bytes_copied <= EMPTY_FILE, "{report}");
            assert!(!copy || report.files_linked == 0, "{report}");
            // An open for writing makes it a store of its own.
            let opened = match n % 4 {
                3 => StoreOptions::new().create(false).open(&to).unwrap(),
                _ => StoreOptions::new().open_read_only(&to).unwrap(),
            };
            let last = clean_prefix(&opened);
            assert!((least.0..=most.0).contains(&last.0), "{last:?}: {least:?} to {most:?}");
            assert!((least.1..=most.1).contains(&last.1), "{last:?}: {least:?} to {most:?}");
            opened.close().unwrap();
            if n % 4 == 3 {
                std::fs::remove_dir_all(&to).unwrap();
            }
        }
        assert!(store.verify_with(VerifyLevel::Quick).unwrap().is_clean());
    });
}

/// Copies the files one by one, in any order, as `cp -r` does.
fn copy_files(from: &Path, to: &Path, rng: &mut Rng) {
    std::fs::create_dir(to).unwrap();
    let mut names = file_names(from);
    for i in (1..names.len()).rev() {
        names.swap(i, rng.below(i as u64 + 1) as usize);
    }
    for name in names {
        match std::fs::copy(from.join(&name), to.join(&name)) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}"),
        }
    }
}

#[test]
fn a_plain_copy_of_a_busy_store_is_a_prefix_of_history_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (count, mut rng) = (sized("plain copies under load", 40, 100, 1000), Rng(3));
    let mut opened = 0;
    under_load(&path, |_, writes, updates| {
        for n in 0..count {
            let to = dir.path().join(format!("copy {n}"));
            copy_files(&path, &to, &mut rng);
            let most = (writes.range().1, updates.range().1);
            if let Ok(store) = StoreOptions::new().create(false).open(&to) {
                // Indexes and locators are derived (I1): one that the copy missed is scanned and
                // made again. Nothing else may be missing.
                for problem in store.verify().unwrap().problems {
                    let text = problem.to_string();
                    assert!(text.contains("/idx-") || text.contains("/loc-"), "{text}");
                }
                let last = prefix(&store);
                assert!(last.0 <= most.0 && last.1 <= most.1, "{last:?}: {most:?}");
                store.close().unwrap();
                opened += 1;
            }
            std::fs::remove_dir_all(&to).unwrap();
        }
    });
    assert!(opened > 0, "none of {count} copies opened");
}
