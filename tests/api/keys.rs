//! Keys: ids made of them, reads and deletes by them, and keys that are unique in a namespace.

#![allow(clippy::disallowed_methods, reason = "a test may use files")]

use std::path::Path;

use crate::common::{contents, manual, memory, settle};
use altiplano::{
    Batch, Collection, CollectionOptions, Error, Filter, Lifetime, Memory, MemoryId, Metric,
    Outcome, Patch, Store, StoreOptions,
};

fn options() -> CollectionOptions {
    CollectionOptions::new(4, Metric::L2)
}

fn unique(store: &Store) -> Collection {
    store.collection("notes", options().unique_keys(true)).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn is_taken<T: std::fmt::Debug>(result: Result<T, Error>, by: u64) -> bool {
    matches!(&result, Err(Error::KeyTaken { key, id, .. }) if key == "k" && *id == by.into())
}

#[test]
fn a_memory_is_found_and_deleted_by_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = manual().open(dir.path().join("s")).unwrap();
    let notes = |store: &Store| store.collection("notes", options().memtable_rows(64)).unwrap();
    let all = (0..300u64).map(|n| Memory::keyed(format!("doc:{n}"), [n as f32; 4]));
    notes(&store).apply(all.collect()).unwrap();
    for place in ["in RAM", "in segments", "after an open"] {
        for n in [0u64, 7, 299] {
            let found = notes(&store).get_by_key(&format!("doc:{n}")).unwrap().unwrap();
            assert_eq!(found.id, MemoryId::from_key(&format!("doc:{n}")), "{place}");
            assert_eq!(found.vector, [n as f32; 4], "{place}");
        }
        assert!(notes(&store).get_by_key("doc:300").unwrap().is_none());
        match place {
            "in RAM" => settle(&store),
            _ => {
                store.close().unwrap();
                store = manual().open(dir.path().join("s")).unwrap();
            }
        }
    }
    assert_eq!(notes(&store).delete_by_key("doc:7").unwrap(), 1);
    assert_eq!(notes(&store).delete_by_key("doc:7").unwrap(), 0);
    assert!(notes(&store).get_by_key("doc:7").unwrap().is_none());
    assert_eq!(notes(&store).len().unwrap(), 299);
}

#[test]
fn of_several_memories_with_a_key_the_one_inserted_last_is_returned() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    for id in [5u64, 9, 2] {
        notes.insert(memory(id, 4).key("k")).unwrap();
        notes.compact().unwrap();
    }
    let newest = || notes.get_by_key("k").unwrap().unwrap().id;
    assert_eq!(newest(), 2.into());
    // An update is no insert: the memory keeps its sequence number.
    notes.patch(9, Patch::new().text("changed")).unwrap();
    notes.patch(5, Patch::new().importance(0.9)).unwrap();
    assert_eq!(newest(), 2.into());
    notes.insert(memory(9, 4).key("k")).unwrap();
    assert_eq!(newest(), 9.into());
    assert_eq!(notes.delete_by_key("k").unwrap(), 3);
    assert!(notes.get_by_key("k").unwrap().is_none());
}

/// No two texts with one hash are known, so a memory is put where the second would be.
#[test]
fn two_keys_with_one_hash_are_an_error_and_no_replacement() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    let ids = [MemoryId::from_key("a"), MemoryId::from_key_in("n", "a")];
    let keyed = [Memory::keyed("a", [1.0; 4]), Memory::keyed_in("n", "a", [1.0; 4])];
    for (id, keyed) in ids.into_iter().zip(keyed) {
        for key in [Some("b"), None] {
            let mut first = Memory::new(id, [0.0; 4]);
            first.key = key.map(str::to_owned);
            notes.insert(first).unwrap();
            for refused in [notes.insert(keyed.clone()), notes.insert_new(keyed.clone())] {
                assert!(matches!(refused, Err(Error::IdTaken { id: of, .. }) if of == id));
            }
            let batch = Batch::new().insert(memory(1, 4)).insert(keyed.clone());
            assert!(matches!(notes.apply(batch), Err(Error::IdTaken { .. })));
            assert_eq!(notes.get(id).unwrap().unwrap().key.as_deref(), key);
            assert!(!notes.contains(1).unwrap());
        }
        assert!(notes.delete(id).unwrap());
        assert_eq!(notes.insert(keyed.clone()).unwrap(), Outcome::Inserted);
        assert_eq!(notes.insert(keyed.clone()).unwrap(), Outcome::Replaced);
        assert_eq!(notes.insert_new(keyed).unwrap(), Outcome::Exists);
        let rename = |memory: &mut Memory| memory.key = Some("b".into());
        assert_eq!(notes.update(id, rename).unwrap(), Outcome::Updated);
        let back = |memory: &mut Memory| memory.key = Some("a".into());
        assert_eq!(notes.update(id, back).unwrap(), Outcome::Updated);
    }
}

#[test]
fn a_unique_key_is_refused_a_second_time_wherever_the_first_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut path = dir.path().join("s");
    let mut store = manual().open(&path).unwrap();
    unique(&store).insert(memory(1, 4).key("k").namespace("a")).unwrap();
    unique(&store).insert(memory(2, 4).key("k")).unwrap();
    unique(&store).insert(memory(3, 4).key("k").namespace("b")).unwrap();
    for place in ["in RAM", "in a segment", "after an open", "after a crash", "at the end"] {
        let notes = unique(&store);
        assert!(notes.settings().unique_keys, "{place}");
        let before = contents(&notes);
        let second = || memory(9, 4).key("k").namespace("a");
        assert!(is_taken(notes.insert(second()), 1), "{place}");
        assert!(is_taken(notes.insert_new(second()), 1), "{place}");
        assert!(is_taken(notes.insert(memory(9, 4).key("k")), 2), "{place}");
        assert!(is_taken(notes.patch(2, Patch::new().namespace("a")), 1), "{place}");
        assert!(is_taken(notes.patch(1, Patch::new().remove_namespace()), 2), "{place}");
        assert!(is_taken(notes.supersede(3, second()), 1), "{place}");
        let into_a = Patch::new().namespace("a");
        assert!(is_taken(notes.update_where(Filter::id(3), into_a), 1), "{place}");
        let to_c = notes.update_where(Filter::All, Patch::new().namespace("c"));
        assert!(matches!(to_c, Err(Error::KeyTaken { .. })), "{place}");
        let into_b = notes.update(1, |memory| memory.namespace = Some("b".into()));
        assert!(is_taken(into_b, 3), "{place}");
        let batch = Batch::new().insert(memory(8, 4)).insert(second());
        assert!(is_taken(notes.apply(batch), 1), "{place}");
        assert!(is_taken(notes.scope("a").insert(memory(9, 4).key("k")), 1), "{place}");
        assert_eq!(contents(&notes), before, "{place}");
        // The memory itself may be written again, changed and replaced.
        assert_eq!(notes.insert(before[&MemoryId::from(1)].clone()).unwrap(), Outcome::Replaced);
        assert_eq!(notes.patch(2, Patch::new().text("new")).unwrap(), Outcome::Updated);
        assert!(notes.touch(3, Lifetime::Forever).unwrap());
        match place {
            "in RAM" => drop(notes.compact().unwrap()),
            "in a segment" => {
                drop(notes);
                store.close().unwrap();
                store = manual().open(&path).unwrap();
            }
            "after an open" => {
                let copied = dir.path().join("copy");
                copy(&path, &copied);
                path = copied;
                store = manual().open(&path).unwrap();
            }
            _ => {}
        }
    }
}

#[test]
fn a_key_is_free_again_once_its_memory_is_gone_or_has_another() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = unique(&store);
    notes.insert(memory(1, 4).key("k")).unwrap();
    // The writes of a batch are checked in turn.
    let batch = Batch::new().delete(1).insert(memory(2, 4).key("k")).insert(memory(1, 4).key("l"));
    assert_eq!(notes.apply(batch).unwrap().inserted, 2);
    assert_eq!(notes.get_by_key("k").unwrap().unwrap().id, 2.into());
    let batch = Batch::new().insert(memory(3, 4).key("k")).delete(2);
    assert!(is_taken(notes.apply(batch), 2));
    assert_eq!(notes.insert(memory(2, 4)).unwrap(), Outcome::Replaced);
    assert_eq!(notes.insert(memory(3, 4).key("k")).unwrap(), Outcome::Inserted);
    assert_eq!(notes.patch(3, Patch::new().namespace("n")).unwrap(), Outcome::Updated);
    assert_eq!(notes.insert(memory(4, 4).key("k")).unwrap(), Outcome::Inserted);
    // Memories without a key are not affected.
    notes.apply((10..20u64).map(|id| memory(id, 4)).collect()).unwrap();
    assert_eq!(notes.len().unwrap(), 14);
}

#[test]
fn keys_become_unique_only_if_none_is_shared() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    for in_memory in [false, true] {
        let name = format!("in memory: {in_memory}");
        let made = if in_memory { options().in_memory() } else { options() };
        let notes = store.collection(&name, made).unwrap();
        assert!(!notes.settings().unique_keys);
        let many = (0..200u64).map(|id| memory(id, 4).key(format!("{}", id / 2)));
        let split = many.map(|memory| {
            let odd = memory.id.as_u128() % 2 == 1;
            if odd { memory.namespace("odd") } else { memory }
        });
        notes.apply(split.collect()).unwrap();
        notes.insert(memory(500, 4).key("k").namespace("odd")).unwrap();
        if !in_memory {
            notes.compact().unwrap();
        }
        notes.insert(memory(501, 4).key("k").namespace("odd")).unwrap();
        let unique = || store.collection(&name, options().unique_keys(true));
        let refused = unique().unwrap_err().to_string();
        assert!(refused.contains("unique_keys") && refused.contains("\"k\""), "{refused}");
        assert!(refused.contains("\"odd\""), "{refused}");
        assert!(!notes.settings().unique_keys);
        notes.insert(memory(502, 4).key("k").namespace("odd")).unwrap();
        assert!(notes.delete(501).unwrap() && notes.delete(502).unwrap());
        assert!(unique().unwrap().settings().unique_keys);
        assert!(is_taken(notes.insert(memory(501, 4).key("k").namespace("odd")), 500));
        // What is not given stays, and it can be switched off.
        assert!(store.collection(&name, options()).unwrap().settings().unique_keys);
        store.collection(&name, options().unique_keys(false)).unwrap();
        notes.insert(memory(501, 4).key("k").namespace("odd")).unwrap();
    }
    let copied = store.collection("copy", options().unique_keys(true)).unwrap().settings();
    assert!(store.collection("second", copied).unwrap().settings().unique_keys);
    store.close().unwrap();
    let store = manual().open(&path).unwrap();
    let kept = |name| store.get_collection(name).unwrap().settings().unique_keys;
    assert!(kept("second") && !kept("in memory: false"));
}

#[test]
fn an_expired_memory_does_not_hold_its_key() {
    use crate::common::{START, with_clock};
    let clock = std::sync::Arc::new(altiplano::ManualClock::new(START));
    let dir = tempfile::tempdir().unwrap();
    let store = with_clock(&clock).open(dir.path().join("s")).unwrap();
    let notes = unique(&store);
    let minute = std::time::Duration::from_secs(60);
    notes.insert(memory(1, 4).key("k").ttl(minute)).unwrap();
    assert!(is_taken(notes.insert(memory(2, 4).key("k")), 1));
    clock.advance(minute);
    assert!(notes.get_by_key("k").unwrap().is_none());
    assert_eq!(notes.insert(memory(2, 4).key("k")).unwrap(), Outcome::Inserted);
    assert_eq!(notes.get_by_key("k").unwrap().unwrap().id, 2.into());
    store.collection("notes", options().unique_keys(false)).unwrap();
    unique(&store);
}

#[test]
fn of_two_threads_that_insert_one_new_key_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let store = StoreOptions::new().open(dir.path().join("s")).unwrap();
    let notes = unique(&store);
    for round in 0..50u64 {
        let key = format!("key {round}");
        let barrier = std::sync::Barrier::new(2);
        let insert = |id: u64| {
            barrier.wait();
            notes.insert(memory(id, 4).key(&*key))
        };
        let results: Vec<Result<Outcome, Error>> = std::thread::scope(|scope| {
            let insert = &insert;
            let threads = [0, 1].map(|n| scope.spawn(move || insert(2 * round + n)));
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let won = results.iter().filter(|r| matches!(r, Ok(Outcome::Inserted))).count();
        let lost = results.iter().filter(|r| matches!(r, Err(Error::KeyTaken { .. }))).count();
        assert_eq!((won, lost), (1, 1), "{results:?}");
    }
    assert_eq!(notes.len().unwrap(), 50);
}

#[test]
fn a_store_with_unique_keys_is_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("s"), dir.path().join("t"));
    let store = manual().open(&from).unwrap();
    unique(&store).apply((0..9u64).map(|n| memory(n, 4).key(n.to_string())).collect()).unwrap();
    store.close().unwrap();
    let report = manual().repair(&from, &to).unwrap();
    assert!(report.is_complete() && report.shared_keys.is_empty(), "{report}");
    let store = manual().open(&to).unwrap();
    let notes = store.get_collection("notes").unwrap();
    assert!(notes.settings().unique_keys);
    assert!(matches!(notes.insert(memory(20, 4).key("3")), Err(Error::KeyTaken { .. })));
}
