//! Owns the tests of `repair`: it salvages exactly what a damaged store still has. No damage makes
//! it write a memory that never was, or by default one that was deleted (I1, I4, I8).
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests may use files and print"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::common::size::sized;
use crate::common::{Rng, contents, file_names, manual, memory, settle, vector};
use altiplano::{
    Collection, CollectionOptions, Error, Memory, MemoryId, Metric, RepairPolicy, RepairReport,
    Store,
};

const NAMES: [&str; 2] = ["facts", "notes"];

type Rows = BTreeMap<MemoryId, Memory>;

/// A closed store with every kind of file, its content, and every version of a memory that it ever
/// held.
struct Specimen {
    _temp: tempfile::TempDir,
    dir: PathBuf,
    expected: BTreeMap<String, Rows>,
    written: BTreeMap<String, BTreeMap<MemoryId, Vec<Memory>>>,
}

fn everything(store: &Store) -> BTreeMap<String, Rows> {
    let names = store.collection_names().into_iter();
    names.map(|name| (name.clone(), contents(&store.get_collection(&name).unwrap()))).collect()
}

fn insert(to: &Collection, memory: Memory) {
    to.insert(memory).unwrap();
}

/// Creates the specimen. `notes` has segments, a file of deletes, indexes, and rows and deletes in
/// the log. `facts` is in the log alone.
fn specimen() -> Specimen {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("damaged.alt");
    let mut written = BTreeMap::<String, BTreeMap<MemoryId, Vec<Memory>>>::new();
    let mut note = |store: &Store| {
        for (name, rows) in everything(store) {
            for (id, memory) in rows {
                written.entry(name.clone()).or_default().entry(id).or_default().push(memory);
            }
        }
    };
    let store = manual().open(&dir).unwrap();
    let options = CollectionOptions::new(8, Metric::L2).memtable_rows(64);
    let notes = store.collection(NAMES[1], options).unwrap();
    let facts = store.collection(NAMES[0], CollectionOptions::new(4, Metric::Cosine)).unwrap();
    (0..320).for_each(|id| insert(&notes, memory(id, 8).namespace(format!("user:{}", id % 9))));
    (0..12).for_each(|id| insert(&facts, memory(id, 4).key(format!("key {id}"))));
    settle(&store);
    note(&store);
    assert!(notes.delete(3u64).unwrap() && notes.delete(70u64).unwrap());
    (400..470).for_each(|id| insert(&notes, memory(id, 8)));
    settle(&store);
    note(&store);
    // From here on in the log alone.
    assert!(notes.delete(11u64).unwrap());
    insert(&notes, memory(12, 8).text("replaced"));
    (500..510).for_each(|id| insert(&notes, memory(id, 8)));
    assert!(facts.delete(1u64).unwrap());
    insert(&facts, memory(2, 4).text("replaced"));
    note(&store);
    assert_eq!(facts.delete_where(altiplano::Filter::key("key 5")).unwrap(), 1);
    insert(&notes, memory(510, 8));
    note(&store);
    drop((notes, facts));
    store.close().unwrap();
    // Opened once more, so that the manifest before the last one has the same content.
    let store = manual().open(&dir).unwrap();
    let expected = everything(&store);
    store.close().unwrap();
    for prefix in ["seg-", "del-", "idx-", "loc-", "log-"] {
        assert!(file_names(&dir).iter().any(|name| name.starts_with(prefix)), "{prefix}");
    }
    Specimen { _temp: temp, dir, expected, written }
}

impl Specimen {
    fn files(&self, prefix: &str) -> Vec<PathBuf> {
        let names = file_names(&self.dir).into_iter();
        names.filter(|name| name.starts_with(prefix)).map(|name| self.dir.join(name)).collect()
    }

    /// Damages and repairs a copy. Returns the report and the content of the new store.
    fn repaired(
        &self,
        doubt: RepairPolicy,
        damage: impl FnOnce(&Path),
    ) -> Result<(RepairReport, BTreeMap<String, Rows>), Error> {
        let temp =
            tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap());
        let (from, to) = (temp.path().join("from"), temp.path().join("to"));
        std::fs::create_dir(&from).unwrap();
        for name in file_names(&self.dir) {
            std::fs::copy(self.dir.join(&name), from.join(&name)).unwrap();
        }
        damage(&from);
        let before = bytes(&from);
        let report = manual().repair_with(&from, &to, doubt);
        assert_eq!(bytes(&from), before, "the damaged store was changed");
        let report = report?;
        let store = manual().create(false).open(&to).unwrap();
        assert!(store.verify().unwrap().is_clean());
        let found = everything(&store);
        for salvaged in &report.salvaged {
            assert_eq!(found[&salvaged.collection].len() as u64, salvaged.rows);
        }
        Ok((report, found))
    }

    /// As [`Specimen::repaired`]. Checks that all memories except these are salvaged, and that
    /// these are listed.
    fn all_but(
        &self,
        what: &str,
        doubt: RepairPolicy,
        gone: &[(&str, u64)],
        damage: impl FnOnce(&Path),
    ) -> RepairReport {
        let (report, found) = self.repaired(doubt, damage).unwrap();
        let mut expected = self.expected.clone();
        for (collection, id) in gone {
            let rows = expected.get_mut(*collection).unwrap();
            assert!(rows.remove(&MemoryId::from(*id)).is_some(), "{what}: {collection} {id}");
        }
        for name in NAMES {
            let keys = |of: &BTreeMap<String, Rows>| of[name].keys().copied().collect::<Vec<_>>();
            assert_eq!(keys(&found), keys(&expected), "{what}: {name}: {:?}", report.lost);
        }
        assert_eq!(found, expected, "{what}");
        assert_eq!(report.lost.is_empty(), gone.is_empty() && report.revived == 0, "{what}");
        report
    }
}

fn bytes(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = file_names(dir).into_iter().filter(|name| name != "LOCK");
    names.map(|name| (name.clone(), std::fs::read(dir.join(name)).unwrap())).collect()
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

fn position(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).position(|w| w == needle).expect("the bytes are there")
}

fn stored(id: u64) -> Vec<u8> {
    vector(id, 8).iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Returns the segment of a directory with this memory.
fn segment_of(dir: &Path, id: u64) -> PathBuf {
    let needle = stored(id);
    let files = crate::common::files_with(dir, &needle).into_iter();
    dir.join(files.into_iter().find(|name| name.starts_with("seg-")).expect("a segment has it"))
}

/// Returns the live memories of a segment.
fn alive_in(specimen: &Specimen, path: &Path) -> Vec<(&'static str, u64)> {
    let bytes = std::fs::read(path).unwrap();
    let is_there = |id: &u64| bytes.windows(32).any(|w| w == stored(*id));
    let ids = specimen.expected["notes"].keys().map(|id| id.as_u128() as u64);
    // The version in the segment was replaced.
    ids.filter(|id| *id != 12 && is_there(id)).map(|id| ("notes", id)).collect()
}

#[test]
fn a_whole_store_comes_back_equal_and_is_not_changed() {
    let specimen = specimen();
    let report = specimen.all_but("whole", RepairPolicy::Strict, &[], |_| {});
    assert!(report.is_complete());
    assert_eq!(report.salvaged.len(), 2);
}

#[test]
fn derived_files_and_tables_cost_nothing() {
    let specimen = specimen();
    let doubt = RepairPolicy::Strict;
    for prefix in ["idx-", "loc-"] {
        specimen.all_but(prefix, doubt, &[], |dir| {
            for name in file_names(dir).iter().filter(|name| name.starts_with(prefix)) {
                std::fs::remove_file(dir.join(name)).unwrap();
            }
        });
    }
    type Damage = (&'static str, fn(&mut Vec<u8>));
    let damages: [Damage; 4] = [
        ("a header of zeros", |bytes| bytes[..128].fill(0)),
        ("no table", |bytes| bytes.truncate(bytes.len() - 40)),
        ("a tail of zeros", |bytes| {
            let len = bytes.len();
            bytes[len - 200..].fill(0);
        }),
        ("garbage behind the end", |bytes| bytes.extend([7; 100])),
    ];
    for (what, damage) in damages {
        specimen.all_but(what, doubt, &[], |dir| edit(&segment_of(dir, 5), damage));
    }
}

#[test]
fn a_damaged_row_is_lost_alone() {
    let specimen = specimen();
    for doubt in [RepairPolicy::Strict, RepairPolicy::KeepDoubtful] {
        let report = specimen.all_but("vector", doubt, &[("notes", 5)], |dir| {
            edit(&segment_of(dir, 5), |bytes| {
                let at = position(bytes, &stored(5));
                bytes[at + 3] ^= 1;
            });
        });
        assert_eq!(report.lost.len(), 1);
        assert_eq!((report.lost[0].rows, report.lost[0].ids.len()), (Some(1), 0));
        let report = specimen.all_but("text", doubt, &[("notes", 5)], |dir| {
            edit(&segment_of(dir, 5), |bytes| {
                let at = position(bytes, b"memory 5\x04");
                bytes[at] ^= 1;
            });
        });
        assert_eq!(report.lost[0].ids, [MemoryId::from(5u64)]);
        assert_eq!(report.lost[0].collection.as_deref(), Some("notes"));
        // Damage to rows that are already dead costs nothing.
        specimen.all_but("dead", doubt, &[], |dir| {
            edit(&segment_of(dir, 12), |bytes| {
                let at = position(bytes, b"memory 12\x04");
                bytes[at] ^= 1;
            });
        });
    }
}

#[test]
fn a_segment_that_is_missing_or_another_costs_its_rows() {
    let specimen = specimen();
    let path = segment_of(&specimen.dir, 5);
    let gone = alive_in(&specimen, &path);
    assert!(gone.len() > 20);
    let name = path.file_name().unwrap().to_owned();
    let report = specimen.all_but("missing", RepairPolicy::Strict, &gone, |dir| {
        std::fs::remove_file(dir.join(&name)).unwrap();
    });
    assert_eq!(report.lost.len(), 1);
    // The replaced row and the one that was deleted since may be among them: a repair cannot know.
    let most = report.lost[0].rows.unwrap();
    assert!((gone.len() as u64..=gone.len() as u64 + 2).contains(&most));
    specimen.all_but("zeroed", RepairPolicy::KeepDoubtful, &gone, |dir| {
        edit(&dir.join(&name), |bytes| bytes.fill(0));
    });
    specimen.all_but("swapped", RepairPolicy::Strict, &gone, |dir| {
        let other = segment_of(dir, 405);
        std::fs::copy(other, dir.join(&name)).unwrap();
    });
    // After a cut within the vectors, nothing says which row is which.
    specimen.all_but("cut", RepairPolicy::Strict, &gone, |dir| {
        edit(&dir.join(&name), |bytes| bytes.truncate(400));
    });
}

#[test]
fn without_the_record_of_dead_rows_nothing_comes_back_unless_it_is_asked_for() {
    let specimen = specimen();
    let deletes = specimen.files("del-");
    let of_3 = segment_of(&specimen.dir, 3);
    let mut gone = BTreeSet::new();
    for segment in [&of_3, &segment_of(&specimen.dir, 70)] {
        gone.extend(alive_in(&specimen, segment));
    }
    let damage = |dir: &Path| {
        for path in &deletes {
            edit(&dir.join(path.file_name().unwrap()), |bytes| bytes[140] ^= 0x10);
        }
    };
    let gone: Vec<_> = gone.into_iter().collect();
    let report = specimen.all_but("given up", RepairPolicy::Strict, &gone, damage);
    assert_eq!(report.revived, 0);
    let (report, found) = specimen.repaired(RepairPolicy::KeepDoubtful, damage).unwrap();
    let back: Vec<u64> = found["notes"]
        .keys()
        .filter(|id| !specimen.expected["notes"].contains_key(id))
        .map(|id| id.as_u128() as u64)
        .collect();
    assert_eq!(back, [3, 70]);
    assert!(report.revived >= 2 && !report.is_complete());
    assert_eq!(found["facts"], specimen.expected["facts"]);
}

/// Returns the log file with the operations that no other file covers.
fn log_of(dir: &Path) -> PathBuf {
    let needle = stored(505);
    let files = crate::common::files_with(dir, &needle).into_iter();
    dir.join(files.into_iter().find(|name| name.starts_with("log-")).expect("a log has it"))
}

#[test]
fn frames_before_and_behind_damage_to_the_log_are_salvaged() {
    let specimen = specimen();
    let damage = |dir: &Path| {
        edit(&log_of(dir), |bytes| {
            let at = position(bytes, &stored(505));
            bytes[at] ^= 1;
        });
    };
    let (report, found) = specimen.repaired(RepairPolicy::KeepDoubtful, damage).unwrap();
    let mut expected = specimen.expected.clone();
    assert!(expected.get_mut("notes").unwrap().remove(&MemoryId::from(505u64)).is_some());
    assert_eq!(found, expected);
    assert!(report.revived > 300);
    // By default only later operations are certain: the lost frame may have deleted any other row.
    let (report, found) = specimen.repaired(RepairPolicy::Strict, damage).unwrap();
    let notes: Vec<u64> = found["notes"].keys().map(|id| id.as_u128() as u64).collect();
    assert_eq!(notes, [506, 507, 508, 509, 510]);
    let facts: Vec<u64> = found["facts"].keys().map(|id| id.as_u128() as u64).collect();
    assert_eq!(facts, [2]);
    let listed: usize = report.lost.iter().map(|loss| loss.ids.len()).sum();
    let all: usize = specimen.expected.values().map(BTreeMap::len).sum();
    // All except those, and the one in the lost frame.
    assert_eq!(listed, all - notes.len() - facts.len() - 1);
}

#[test]
fn a_damaged_close_costs_nothing_and_a_log_that_was_cut_between_two_frames_is_reported() {
    const CLOSE_FRAME: usize = 64;
    let specimen = specimen();
    let closes: [fn(&mut Vec<u8>); 2] = [
        |bytes| bytes.truncate(bytes.len() - CLOSE_FRAME),
        |bytes| *bytes.iter_mut().rev().nth(9).unwrap() ^= 4,
    ];
    for damage in closes {
        let damage = |dir: &Path| {
            edit(&log_of(dir), damage);
            assert!(matches!(manual().open(dir), Err(Error::Corrupt { .. })));
        };
        specimen.all_but("close", RepairPolicy::Strict, &[], damage);
    }
    let cut = |dir: &Path| {
        edit(&log_of(dir), |bytes| {
            let frames: Vec<usize> = (0..bytes.len())
                .step_by(8)
                .filter(|at| bytes[*at..].starts_with(b"AFRM"))
                .collect();
            // The last frame before the close.
            bytes.truncate(frames[frames.len() - 2]);
        });
        assert!(matches!(manual().open(dir), Err(Error::Corrupt { .. })));
    };
    let report = specimen.repaired(RepairPolicy::KeepDoubtful, cut).unwrap().0;
    assert!(!report.is_complete());
    assert!(report.lost.iter().any(|loss| loss.file.to_string_lossy().contains("log-")));
}

#[test]
fn without_the_log_the_segments_come_back_only_when_asked_for() {
    let specimen = specimen();
    let damage = |dir: &Path| std::fs::remove_file(log_of(dir)).unwrap();
    let (report, found) = specimen.repaired(RepairPolicy::Strict, damage).unwrap();
    assert!(found["notes"].is_empty() && found["facts"].is_empty());
    assert!(!report.is_complete());
    let (_, found) = specimen.repaired(RepairPolicy::KeepDoubtful, damage).unwrap();
    // The log deletes 11 and replaces 12.
    let older = [MemoryId::from(11u64), MemoryId::from(12u64)];
    for id in older {
        assert_eq!(found["notes"][&id], specimen.written["notes"][&id][0]);
    }
    assert!(found["notes"].len() > 300);
}

#[test]
fn an_older_manifest_is_gone_by_and_without_any_it_says_what_is_needed() {
    let specimen = specimen();
    let newest = specimen.files("MANIFEST-").into_iter().next_back().unwrap();
    let name = newest.file_name().unwrap().to_owned();
    for missing in [false, true] {
        let (report, found) = specimen
            .repaired(RepairPolicy::Strict, |dir| match missing {
                true => std::fs::remove_file(dir.join(&name)).unwrap(),
                false => edit(&dir.join(&name), |bytes| bytes[200] ^= 1),
            })
            .unwrap();
        assert_eq!(found, specimen.expected, "{:?}", report.lost);
        assert_eq!(report.lost.len(), 1, "{:?}", report.lost);
        assert_eq!(report.lost[0].file.file_name().unwrap(), name);
    }
    let error = specimen
        .repaired(RepairPolicy::KeepDoubtful, |dir| {
            for name in file_names(dir).iter().filter(|name| name.starts_with("MANIFEST-")) {
                std::fs::remove_file(dir.join(name)).unwrap();
            }
        })
        .unwrap_err();
    assert!(error.to_string().contains("put back a MANIFEST file"), "{error}");
}

#[test]
fn an_open_store_a_full_directory_and_no_store_are_refused() {
    let specimen = specimen();
    let temp = tempfile::tempdir().unwrap();
    let to = temp.path().join("to");
    let store = manual().open(&specimen.dir).unwrap();
    assert!(matches!(manual().repair(&specimen.dir, &to), Err(Error::Locked { .. })));
    drop(store);
    std::fs::create_dir(&to).unwrap();
    std::fs::write(to.join("something"), b"x").unwrap();
    let refused = manual().repair(&specimen.dir, &to);
    assert!(matches!(refused, Err(Error::InvalidOption { name: "to", .. })));
    let nothing = temp.path().join("nothing");
    assert!(manual().repair(&nothing, temp.path().join("other")).is_err());
    assert!(!nothing.exists());
}

#[test]
fn no_flipped_bit_brings_back_what_was_deleted_or_writes_what_never_was_i8() {
    let flips = sized("flipped bits", 60, 300, 3000);
    let specimen = specimen();
    let files: Vec<PathBuf> =
        specimen.files("").into_iter().filter(|path| !path.ends_with("LOCK")).collect();
    let mut rng = Rng(20_260_502);
    let (mut whole, mut partial) = (0, 0);
    for flip in 0..flips {
        let path = &files[flip as usize % files.len()];
        let len = std::fs::metadata(path).unwrap().len();
        // Half of the flips are in the structure.
        let bit = match rng.below(4) {
            0 => rng.below(300.min(len) * 8),
            1 => (len - 300.min(len)) * 8 + rng.below(300.min(len) * 8),
            _ => rng.below(len * 8),
        };
        let name = path.file_name().unwrap();
        let damage = |dir: &Path| {
            edit(&dir.join(name), |bytes| bytes[bit as usize / 8] ^= 1 << (bit % 8));
        };
        let doubt = if flip % 4 == 3 { RepairPolicy::KeepDoubtful } else { RepairPolicy::Strict };
        let what = format!("{name:?}, bit {bit}, {doubt:?}");
        let (report, found) =
            specimen.repaired(doubt, damage).unwrap_or_else(|e| panic!("{what}: {e}"));
        for (collection, rows) in &found {
            for (id, memory) in rows {
                let expected = specimen.expected[collection].get(id);
                let once = specimen.written[collection].get(id).is_some_and(|v| v.contains(memory));
                assert!(once, "{what}: {collection} {id} never was");
                assert!(
                    doubt == RepairPolicy::KeepDoubtful || expected == Some(memory),
                    "{what}: {id} is back"
                );
            }
        }
        if report.is_complete() {
            assert_eq!(found, specimen.expected, "{what}");
            whole += 1;
        } else {
            partial += 1;
        }
    }
    eprintln!("{flips} flipped bits: {whole} cost nothing, {partial} something");
    assert!(flips < 100 || (whole > 10 && partial > 10));
}
