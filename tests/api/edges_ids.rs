//! A lookup of ids uses RAM and does not read every row. It finds the right version of each.

use std::time::Duration;

use crate::common::{manual, vector};
use altiplano::{Batch, Collection, CollectionOptions, Durability, Memory, Metric};

const IDS: u64 = 3_000;

fn written(version: u64) -> impl Iterator<Item = Memory> {
    (0..IDS).map(move |id| {
        let text = format!("{id} in version {version}");
        Memory::new(id, vector(id, 2)).text(text)
    })
}

fn check(notes: &Collection, version: u64) {
    for id in 0..IDS + 10 {
        let there = id < IDS && id % 5 != 3;
        assert_eq!(notes.contains(id).unwrap(), there, "{id}");
        let text = notes.get(id).unwrap().and_then(|m| m.text.as_deref().map(str::to_owned));
        assert_eq!(text, there.then(|| format!("{id} in version {version}")));
    }
}

#[test]
fn the_newest_version_of_every_id_is_found_in_ram_and_no_deleted_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let options = |in_memory| {
        let lazy = Durability::buffered(Duration::from_secs(60));
        let options = CollectionOptions::new(2, Metric::L2).memtable_rows(65_536).durability(lazy);
        if in_memory { options.in_memory() } else { options }
    };
    for in_memory in [false, true] {
        let notes = store.collection(&format!("{in_memory}"), options(in_memory)).unwrap();
        for version in 0..3 {
            for memory in written(version) {
                // One at a time, and all at once: the smallest and the largest steps.
                if version == 1 {
                    notes.insert(memory).unwrap();
                    continue;
                }
                notes.apply(written(version).collect::<Batch>()).unwrap();
                break;
            }
            for id in (3..IDS).step_by(5) {
                assert!(notes.delete(id).unwrap());
            }
            check(&notes, version);
        }
    }
}

#[test]
fn an_id_that_was_deleted_and_written_again_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = store.collection("n", CollectionOptions::new(2, Metric::L2).in_memory()).unwrap();
    for round in 0..300u64 {
        let memory = Memory::new(1u64, [1.0, 0.0]).text(format!("round {round}"));
        notes.insert(memory).unwrap();
        let got = notes.get(1u64).unwrap().unwrap();
        assert_eq!(got.text.as_deref(), Some(&*format!("round {round}")));
        assert!(notes.delete(1u64).unwrap() && !notes.contains(1u64).unwrap());
    }
}
