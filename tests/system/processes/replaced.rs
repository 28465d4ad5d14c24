//! A directory is moved away or removed under an open store, and a new store is created under the
//! same name. The old store must not touch a file of the new one, whose files have the same names.

use std::collections::BTreeMap;
use std::path::Path;

use altiplano::{CollectionOptions, Filter, Memory, Metric, Store};

use super::setup::{fill, open, rounds};
use crate::faults::places::in_ram;

/// Operations of the old store.
const DEEDS: [&str; 8] = ["insert", "seal", "compact", "create", "drop", "roll", "delete", "close"];

fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    let read = |path: &Path| std::fs::read(path).unwrap();
    entries.map(|e| (e.file_name().into_string().unwrap(), read(&e.path()))).collect()
}

/// Runs an operation. Returns true if it succeeded.
fn act(store: &Store, deed: &str) -> bool {
    let notes = store.get_collection("notes").unwrap();
    let options = CollectionOptions::new(2, Metric::L2);
    match deed {
        "insert" => notes.insert(Memory::new(1u64, [3.0, 4.0])).is_ok(),
        "seal" => store.run_pending_tasks().is_ok(),
        "compact" => store.compact().is_ok(),
        "create" => store.collection("more", options).is_ok(),
        "drop" => store.drop_collection("notes").is_ok(),
        "roll" => (0..6u64)
            .all(|id| notes.insert(Memory::new(id, [1.0, 1.0]).text("x".repeat(1 << 20))).is_ok()),
        "delete" => notes.delete_where(Filter::All).is_ok(),
        _ => true,
    }
}

/// A store must not write to a directory of its name that is another store's by now. It would
/// replace the other's manifest and remove files of the same names.
#[test]
fn a_store_whose_directory_was_replaced_leaves_the_new_one_alone() {
    let temp = in_ram();
    let dir = temp.path().join("agent.alt");
    let (mut cases, mut refused, mut pinned) = (0, 0, 0);
    for round in 0..rounds() {
        for (turn, deed) in DEEDS.iter().enumerate() {
            // The old store has up to a few files more or fewer than the new one.
            let old = open(&dir).unwrap();
            fill(&old, 40 + 70 * (round % 3), "old");
            if round.is_multiple_of(2) {
                while old.run_pending_tasks().unwrap() {}
            }
            fill(&old, 70, "old again");
            // Files that a reader holds are released when the directory is another store's.
            let held = turn.is_multiple_of(3).then(|| {
                let held = old.get_collection("notes").unwrap().iter();
                old.compact().unwrap();
                pinned += old.stats().unwrap().held_files;
                held
            });
            let aside = temp.path().join("aside.alt");
            let moved = (round as usize + turn).is_multiple_of(2);
            match moved {
                true => std::fs::rename(&dir, &aside).unwrap(),
                false => std::fs::remove_dir_all(&dir).unwrap(),
            }
            let new = open(&dir).unwrap();
            fill(&new, 40 + 70 * (round % 4), "new");
            while new.run_pending_tasks().unwrap() {}
            let before = contents(&dir);
            let what = format!("{deed} in round {round}");
            refused += u64::from(!act(&old, deed));
            drop(held);
            match turn % 2 {
                0 => drop(old),
                _ => drop(old.close()),
            }
            let after = contents(&dir);
            assert!(before.keys().eq(after.keys()), "{what}: {:?}", after.keys());
            assert!(before == after, "{what}: a file of the new store was changed");
            fill(&new, 10, "newer");
            new.close().unwrap();
            let new = open(&dir).unwrap();
            let rows = new.get_collection("notes").unwrap();
            assert_eq!(rows.len().unwrap(), 40 + 70 * (round % 4), "{what}");
            assert!(rows.get(9u64).unwrap().unwrap().text.as_deref().unwrap().starts_with("newer"));
            assert!(new.verify().unwrap().is_clean());
            drop(new);
            if moved {
                // The old store is where it was moved to, with its content.
                let old = open(&aside).unwrap();
                assert!(old.verify().unwrap().is_clean(), "{what}");
                drop(old);
                std::fs::remove_dir_all(&aside).unwrap();
            }
            std::fs::remove_dir_all(&dir).unwrap();
            cases += 1;
        }
    }
    eprintln!(
        "{cases} directories replaced under an open store, {refused} calls refused, {pinned} files held"
    );
    assert!(refused > cases / 4 && pinned > 0, "{refused} {pinned}");
}
