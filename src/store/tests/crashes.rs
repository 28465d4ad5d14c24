//! Owns the tests of crashes: after every few operations on the disk the directory is copied aside as
//! a killed process and as a power cut would leave it, and both copies are opened.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::crash_disk::{CrashDisk, copy, copy_durable};
use super::{State, collections, open, read, recovered, scratch, step};
use crate::Store;
use crate::worker::lock;

/// What was acknowledged, and what is there as well if the batch in flight is.
type Possible = Arc<Mutex<[State; 2]>>;

#[derive(Default)]
struct Counts {
    operations: u64,
    crashes: u64,
    in_flight_stored: u64,
    in_flight_lost: u64,
}

/// Looks at what a crash leaves, after every `every`-th operation on the disk from now on.
fn crash_after_each(
    disk: &CrashDisk,
    (dir, aside): (&Path, &Path),
    every: u64,
    possible: &Possible,
) -> Arc<Mutex<Counts>> {
    let counts = Arc::new(Mutex::new(Counts::default()));
    let seen = Arc::clone(&counts);
    let (dir, aside) = (dir.to_owned(), aside.to_owned());
    let (possible, durable) = (Arc::clone(possible), disk.durable());
    disk.after_each(move |what, path| {
        let mut counts = lock(&seen);
        counts.operations += 1;
        if !counts.operations.is_multiple_of(every) {
            return;
        }
        let [before, after] = lock(&possible).clone();
        for cut in [false, true] {
            match cut {
                false => copy(&dir, &aside),
                true => copy_durable(&dir, &aside, &lock(&durable)),
            }
            let found = recovered(&aside);
            let at = format!(
                "{what} {} (operation {})",
                path.display(),
                counts.operations
            );
            assert!(found == before || found == after, "{at}, power cut: {cut}");
            counts.crashes += 1;
            if before != after {
                counts.in_flight_stored += u64::from(found == after);
                counts.in_flight_lost += u64::from(found == before);
            }
            std::fs::remove_dir_all(&aside).unwrap();
        }
    });
    counts
}

/// Makes the next batches of the workload, with all jobs that are due after each few.
fn work(store: &Store, steps: std::ops::Range<u64>, possible: &Possible) {
    let to = collections(store).unwrap();
    for n in steps {
        let before = lock(possible)[0].clone();
        let (after, write) = step(n, before);
        lock(possible)[1] = after.clone();
        write(&to).unwrap();
        lock(possible)[0] = after;
        if n % 4 == 3 {
            while store.run_pending().unwrap() {}
        }
    }
    assert_eq!(read(store), lock(possible)[0]);
}

#[test]
fn after_a_crash_at_any_operation_everything_acknowledged_is_there_i3_i4_i8() {
    let temp = scratch();
    let [dir, aside] = ["a.alt", "aside.alt"].map(|name| temp.path().join(name));
    let disk = CrashDisk::over(&dir);
    let possible = Possible::default();
    // From the creation on; a prime, so that every place of the workload has its turn.
    std::fs::create_dir(&dir).unwrap();
    let counts = crash_after_each(&disk, (&dir, &aside), 7, &possible);
    let store = open(disk.clone(), &dir).unwrap();
    work(&store, 0..40, &possible);
    store.compact().unwrap();
    assert_eq!(read(&store), lock(&possible)[0]);
    store.close().unwrap();
    let counts = lock(&counts);
    assert!(counts.crashes > 100, "{}", counts.crashes);
    assert!(counts.in_flight_stored > 0 && counts.in_flight_lost > 0);
}

#[test]
fn a_crash_at_any_operation_of_a_recovery_changes_nothing_i3_i4() {
    let temp = scratch();
    let at = |name: &str| -> PathBuf { temp.path().join(name) };
    let (first, dir, aside) = (at("first.alt"), at("a.alt"), at("aside.alt"));
    let possible = Possible::default();
    let disk = CrashDisk::over(&first);
    let store = open(disk.clone(), &first).unwrap();
    work(&store, 0..23, &possible);
    copy_durable(&first, &dir, &lock(&disk.durable()));
    drop(store);
    let disk = CrashDisk::over(&dir);
    let counts = crash_after_each(&disk, (&dir, &aside), 1, &possible);
    let store = open(disk.clone(), &dir).unwrap();
    disk.no_hook();
    assert_eq!(read(&store), lock(&possible)[0]);
    assert!(lock(&counts).crashes > 10);
}
