//! Owns the tests of crashes. After every few operations the directory is copied as a killed
//! process and as a power cut would leave it. The copies are opened.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::crash_disk::{Crash, CrashDisk, copy_crashed};
use super::{State, collections, memory, open, read, recovered, scratch, step_with};
use crate::sync::lock;
use crate::testing::fault::Fault;
use crate::{Batch, Durability, Store};

/// The states that a store may be found in.
struct History {
    /// After each acknowledged batch.
    states: Vec<State>,
    /// How many of them, except the last of these, a power cut must not undo.
    synced: usize,
    /// After the batch in flight.
    next: State,
}

type Possible = Arc<Mutex<History>>;

fn nothing() -> Possible {
    Arc::new(Mutex::new(History {
        states: vec![State::default()],
        synced: 0,
        next: State::default(),
    }))
}

impl History {
    fn now(&self) -> State {
        self.states.last().unwrap().clone()
    }

    fn begin(&mut self, next: &State) {
        self.next = next.clone();
    }

    fn acknowledge(&mut self, state: State, durability: Durability) {
        self.states.push(state);
        if durability == Durability::Sync {
            self.synced = self.states.len() - 1;
        }
    }

    /// Returns true if `found` has every acknowledged batch that its durability protects, and no
    /// gap in the history.
    fn allows(&self, found: &State, crash: Crash) -> bool {
        let from = match crash {
            Crash::Kill => self.states.len() - 1,
            Crash::Cut | Crash::CutAfterRename => self.synced,
        };
        self.states[from..].contains(found) || *found == self.next
    }
}

#[derive(Default)]
struct Counts {
    operations: u64,
    crashes: u64,
    /// Crashes that kept the batch in flight.
    next_found: u64,
    /// Crashes that undid buffered batches.
    older_found: u64,
}

/// Checks what a crash leaves, after every `every`-th operation on the disk from now on.
fn crash_after_each(
    disk: &CrashDisk,
    (dir, aside): (&Path, &Path),
    every: u64,
    possible: &Possible,
) -> Arc<Mutex<Counts>> {
    let counts = Arc::new(Mutex::new(Counts::default()));
    let seen = Arc::clone(&counts);
    let (dir, aside) = (dir.to_owned(), aside.to_owned());
    let (possible, durable) = (Arc::clone(possible), Arc::clone(disk.durable()));
    disk.after_each(move |what, path| {
        if std::thread::panicking() {
            return; // the store closes after a failed check
        }
        let mut counts = lock(&seen);
        counts.operations += 1;
        if !counts.operations.is_multiple_of(every) {
            return;
        }
        for crash in [Crash::Kill, Crash::Cut, Crash::CutAfterRename] {
            copy_crashed(&dir, &aside, crash, &durable);
            let found = recovered(&aside);
            let (history, n) = (lock(&possible), counts.operations);
            let at = format!("{crash:?} after {what} {} (operation {n})", path.display());
            assert!(history.allows(&found, crash), "{at}");
            counts.crashes += 1;
            let now = history.now();
            counts.next_found += u64::from(found == history.next && found != now);
            counts.older_found += u64::from(found != history.next && found != now);
            std::fs::remove_dir_all(&aside).unwrap();
        }
    });
    counts
}

/// Applies the next batches of the workload, and runs all due jobs after every few of them.
fn work(store: &Store, steps: std::ops::Range<u64>, possible: &Possible) {
    let to = collections(store).unwrap();
    for n in steps {
        let max_delay = Duration::from_secs(3600);
        let durability = match n % 5 {
            4 => Durability::Sync,
            _ => Durability::Buffered { max_delay },
        };
        let before = lock(possible).now();
        let (after, write) = step_with(n, before, durability);
        lock(possible).begin(&after);
        write(&to).unwrap();
        lock(possible).acknowledge(after, durability);
        // Also between two syncs: a job must then sync the writes that its files build on.
        if n % 4 == 3 {
            while store.run_pending_tasks().unwrap() {}
        }
    }
    assert_eq!(read(store), lock(possible).now());
}

#[test]
fn after_a_crash_at_any_operation_everything_acknowledged_is_there_i3_i4_i8() {
    let temp = scratch();
    let [dir, aside] = ["a.alt", "aside.alt"].map(|name| temp.path().join(name));
    let disk = CrashDisk::over(&dir);
    let possible = nothing();
    // From the creation on. `every` is a prime, so that every place of the workload has its turn.
    std::fs::create_dir(&dir).unwrap();
    let counts = crash_after_each(&disk, (&dir, &aside), 7, &possible);
    let store = open(disk.clone(), &dir).unwrap();
    work(&store, 0..40, &possible);
    store.compact().unwrap();
    assert_eq!(read(&store), lock(&possible).now());
    store.close().unwrap();
    let counts = lock(&counts);
    assert!(counts.crashes > 100, "{}", counts.crashes);
    assert!(counts.next_found > 0 && counts.older_found > 0);
}

#[test]
fn a_crash_at_any_operation_of_a_recovery_changes_nothing_i3_i4() {
    let temp = scratch();
    let at = |name: &str| -> PathBuf { temp.path().join(name) };
    let (first, dir, aside) = (at("first.alt"), at("a.alt"), at("aside.alt"));
    let possible = nothing();
    let disk = CrashDisk::over(&first);
    let store = open(disk.clone(), &first).unwrap();
    work(&store, 0..23, &possible);
    store.sync().unwrap();
    copy_crashed(&first, &dir, Crash::Cut, disk.durable());
    drop(store);
    let disk = CrashDisk::over(&dir);
    let counts = crash_after_each(&disk, (&dir, &aside), 1, &possible);
    let store = open(disk.clone(), &dir).unwrap();
    disk.no_hook();
    assert_eq!(read(&store), lock(&possible).now());
    assert!(lock(&counts).crashes > 10);
}

/// A full disk makes the log continue in a new file at the next write, so rolls are cheap here.
#[test]
fn after_a_crash_at_any_operation_of_a_roll_or_trim_everything_is_there_i4_i8() {
    let temp = scratch();
    let [dir, aside] = ["a.alt", "aside.alt"].map(|name| temp.path().join(name));
    let disk = CrashDisk::over(&dir);
    let possible = nothing();
    let store = open(disk.clone(), &dir).unwrap();
    let to = collections(&store).unwrap();
    let counts = crash_after_each(&disk, (&dir, &aside), 5, &possible);
    for n in 0..60u64 {
        disk.faults.fail(Fault::Append, 0, false);
        assert!(to[0].insert(memory(n, "refused")).is_err());
        // The second collection stays so small that its rows are only ever copied forward in the
        // log.
        let text = format!("step {n}");
        let small = n.is_multiple_of(7);
        let mut after = lock(&possible).now();
        let mut batch = Batch::new();
        for id in n * 6..n * 6 + 9 {
            after[0].insert(id, text.clone());
            batch = batch.insert(memory(id, &text));
        }
        if small {
            after[1].insert(n % 5, text.clone());
            batch = batch.insert_into(&to[1], memory(n % 5, &text));
        }
        lock(&possible).begin(&after);
        to[0].apply(batch).unwrap();
        lock(&possible).acknowledge(after, Durability::Sync);
        while store.run_pending_tasks().unwrap() {}
    }
    disk.no_hook();
    assert!(lock(&counts).crashes > 100);
    let manifest = store.engine.catalog.manifest();
    let [notes, facts] = &manifest.collections[..] else {
        panic!("{manifest:?}");
    };
    assert!(!notes.segments.is_empty() && facts.segments.is_empty());
    assert!(manifest.log.len() < 20, "{:?}", manifest.log);
}
