//! Owns what must be true of a store after a fault: the record of its writer's lines, and the
//! comparison with what is found.

use std::path::Path;

use altiplano::{Background, Error, StoreOptions};

use super::ledger::{self, Ledger};
use super::places;
use super::session::{self, SCRATCH_ROWS};

/// The knowledge about the collection that is created and dropped again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scratch {
    #[default]
    Absent,
    /// A call that creates or drops it was cut short.
    Unknown,
    /// It holds all its rows.
    Whole,
}

/// The expected content of a store, as far as the lines of its writer say.
pub(crate) struct Book {
    pub(crate) ledger: Ledger,
    pub(crate) scratch: Scratch,
    /// The number of the next batch.
    pub(crate) next: u64,
    pub(crate) acknowledged: u64,
    pub(crate) in_flight: u64,
    pub(crate) stored_in_flight: u64,
    pub(crate) failed: u64,
    pub(crate) reopened: u64,
}

impl Book {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            ledger: Ledger::new(seed),
            scratch: Scratch::Absent,
            next: 1,
            acknowledged: 0,
            in_flight: 0,
            stored_in_flight: 0,
            failed: 0,
            reopened: 0,
        }
    }

    /// Records what a writer reported until it ended.
    pub(crate) fn enter(&mut self, lines: &[String]) {
        let (mut tried, mut failed) = (None, Vec::new());
        // After a failed sync nothing may be acknowledged until the store is opened again (I10).
        let mut poisoned = false;
        for line in lines {
            let mut words = line.split(' ');
            let number = |word: Option<&str>| word.unwrap().parse::<u64>().unwrap();
            match words.next() {
                Some("try") => {
                    let n = number(words.next());
                    tried = Some(n);
                    self.next = n + 1;
                }
                Some("ack") => {
                    let n = number(words.next());
                    assert!(!poisoned, "acknowledged after a failed sync: {lines:?}");
                    assert_eq!(tried.take(), Some(n), "{lines:?}");
                    // Operations that failed before are gone with the log file that they were in.
                    failed.clear();
                    self.ledger.acknowledged(n);
                    self.acknowledged += 1;
                }
                Some("fail") => {
                    let (n, kind) = (number(words.next()), words.next().unwrap());
                    assert_eq!(tried.take(), Some(n), "{lines:?}");
                    check_kind(kind, lines);
                    poisoned |= matches!(kind, "CommitUnknown" | "Poisoned");
                    self.failed += 1;
                    failed.push(n);
                }
                Some("open") => {
                    poisoned = false;
                    self.in_flight(&mut failed);
                    self.reopened += 1;
                }
                Some("trouble" | "openfail") => check_kind(words.nth(1).unwrap(), lines),
                Some("scratch") => {
                    self.scratch = match words.next() {
                        Some("made") => Scratch::Whole,
                        Some("dropped") => Scratch::Absent,
                        _ => Scratch::Unknown,
                    };
                }
                Some("end" | "gaveup" | "note" | "at" | "") | None => {}
                Some(_) => panic!("not a line of the child's: {line:?} in {lines:?}"),
            }
        }
        failed.extend(tried);
        self.in_flight(&mut failed);
    }

    /// Records what a writer reported after the moment of a cut. None of it need be there, but
    /// whatever is there must be a prefix of it.
    pub(crate) fn enter_after_cut(&mut self, lines: &[String]) {
        let tried = lines.iter().filter_map(|line| line.strip_prefix("try "));
        let tried: Vec<u64> = tried.map(|n| n.parse().unwrap()).collect();
        self.in_flight += tried.len() as u64;
        self.ledger.prefix_of(tried);
        if lines.iter().any(|line| line.starts_with("scratch ")) {
            self.scratch = Scratch::Unknown;
        }
    }

    /// Records that each of these batches may be there whole, or not at all.
    fn in_flight(&mut self, batches: &mut Vec<u64>) {
        for n in batches.drain(..) {
            self.ledger.in_flight(n);
            self.in_flight += 1;
        }
    }

    /// Opens the store without any fault and compares everything. With `reader` it is opened
    /// read-only first: a reader of an unrecovered store sees the same.
    pub(crate) fn check(&mut self, dir: &Path, what: &str, reader: bool) {
        if reader && dir.exists() {
            match StoreOptions::new().open_read_only(dir) {
                Ok(store) => {
                    if let [Some(a), Some(b)] = ledger::NAMES.map(|name| store.get_collection(name))
                    {
                        self.stored_in_flight += self.ledger.settle(&ledger::read(&[a, b]));
                    }
                }
                Err(Error::NotFound { .. }) => {} // it died before the first manifest
                Err(error) => panic!("{what}: {error}"),
            }
        }
        let (store, collections) = session::open(dir, Background::Manual, None)
            .unwrap_or_else(|error| panic!("{what}: the store does not open: {error}"));
        let found = ledger::read(&collections);
        self.stored_in_flight += self.ledger.settle(&found);
        for (collection, rows) in collections.iter().zip(&found) {
            assert_eq!(collection.len().unwrap(), rows.len() as u64, "{what}");
        }
        let rows = store.get_collection("scratch").map(|scratch| scratch.len().unwrap());
        match self.scratch {
            Scratch::Absent => assert_eq!(rows, None, "{what}: a dropped collection came back"),
            Scratch::Whole => assert_eq!(rows, Some(SCRATCH_ROWS), "{what}"),
            Scratch::Unknown => assert!(rows.is_none_or(|n| n <= SCRATCH_ROWS), "{what}"),
        }
        let report = store.verify().unwrap();
        assert!(report.is_clean(), "{what}: {:?}", report.problems);
        // The remains of the fault are removed, and the store continues as any other.
        while store.run_pending_tasks().unwrap() {}
        assert_eq!(ledger::read(&collections), found, "{what}");
        if rows.is_some() {
            assert!(store.drop_collection("scratch").unwrap());
        }
        self.scratch = Scratch::Absent;
        let stats = store.stats().unwrap();
        assert_eq!(stats.held_files, 0, "{what}");
        assert_eq!(stats.poisoned, None, "{what}");
        store.close().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(places::orphans(dir).is_empty(), "{what}: {:?}", places::orphans(dir));
    }
}

fn check_kind(kind: &str, lines: &[String]) {
    let typed = ["Io", "DiskFull", "ReadOnly", "CommitUnknown", "Poisoned"];
    assert!(typed.contains(&kind), "a fault of the system became {kind}: {lines:?}");
}
