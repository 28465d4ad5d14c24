//! Owns the tests of `repair`: it salvages exactly what a damaged store still has. No damage makes
//! it write a memory that never was, or by default one that was deleted (I1, I4, I8).
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests may use files and print"
)]

mod specimen;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::common::size::sized;
use crate::common::{Rng, file_names, manual};
use altiplano::{Error, MemoryId, RepairPolicy};
use specimen::{alive_in, edit, log_of, position, segment_of, specimen, stored};

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
