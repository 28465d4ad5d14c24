//! Owns the writer that faults hit: a fixed sequence of batches, seals, compactions, index builds,
//! collections created and dropped, closes and opens. It runs on one thread, so that the n-th
//! system call is the same in every run. It reports each step before and after it, and compares
//! what it reads with a ledger of its own. The caller uses the reports.

use std::path::{Path, PathBuf};

use altiplano::{
    Background, Batch, Collection, CollectionOptions, Durability, Error, Event, Memory, Metric,
    Store, StoreOptions,
};

use super::kind;
use super::ledger::{self, Ledger};

/// Small rows of the collection that is created and dropped, and large ones that make the log roll.
pub(crate) const SCRATCH_ROWS: u64 = 70;
const LARGE: u64 = 3;
const LARGE_BYTES: usize = 1_500_000;
/// A writer gives up after this many failures in a row.
const PATIENCE: u64 = 4;

/// Receives the lines.
pub(crate) type Say<'a> = &'a mut dyn FnMut(&str);

pub(crate) fn open(
    dir: &Path,
    background: Background,
    listener: Option<fn(&Event)>,
) -> Result<(Store, [Collection; 2]), Error> {
    let mut options = StoreOptions::new().background(background).seed(7);
    if let Some(listener) = listener {
        options = options.on_event(listener);
    }
    let store = options.open(dir)?;
    let [notes, facts] = [0, 1].map(|c| {
        let (name, options) = ledger::collection(c);
        store.collection(name, options)
    });
    let collections = [notes?, facts?];
    Ok((store, collections))
}

pub(crate) struct Session {
    dir: PathBuf,
    pub(crate) store: Option<(Store, [Collection; 2])>,
    pub(crate) ledger: Ledger,
    state: ledger::State,
    failures: u64,
    scratch: bool,
    /// True if the scratch collection gets rows that make the log roll.
    pub(crate) large: bool,
}

/// Says whether to continue.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Go {
    On,
    /// The fault does not end.
    GiveUp,
}

impl Session {
    /// Opens the store. After a fault it may need another try.
    pub(crate) fn start(dir: &Path, seed: u64, say: Say<'_>) -> Option<Self> {
        let mut session = Self {
            dir: dir.to_owned(),
            store: None,
            ledger: Ledger::new(seed),
            state: ledger::State::default(),
            failures: 0,
            scratch: false,
            large: true,
        };
        session.try_open(say)?;
        let state = ledger::read(session.collections());
        session.ledger = Ledger::at(seed, state.clone());
        session.state = state;
        Some(session)
    }

    pub(crate) fn collections(&self) -> &[Collection; 2] {
        &self.store.as_ref().expect("an open store").1
    }

    fn store(&self) -> &Store {
        &self.store.as_ref().expect("an open store").0
    }

    fn try_open(&mut self, say: Say<'_>) -> Option<()> {
        for _ in 0..PATIENCE {
            match open(&self.dir, Background::Manual, None) {
                Ok(open) => {
                    self.scratch = open.0.get_collection("scratch").is_some();
                    self.store = Some(open);
                    say("open");
                    return Some(());
                }
                Err(error) => say(&format!("openfail open {}", kind(&error))),
            }
        }
        None
    }

    /// Drops the store and opens it again. A batch in flight is there whole or not at all.
    fn reopen(&mut self, say: Say<'_>) -> Go {
        self.store = None;
        if self.try_open(say).is_none() {
            return Go::GiveUp;
        }
        let found = ledger::read(self.collections());
        self.ledger.settle(&found);
        self.state = found;
        Go::On
    }

    /// Writes batch `n`, and does the steps that follow it.
    pub(crate) fn step(&mut self, n: u64, say: Say<'_>) -> Go {
        if self.batch(n, say) == Go::GiveUp {
            return Go::GiveUp;
        }
        if n % 4 == 3 {
            say("at pending");
            let mut done = Ok(());
            for _ in 0..20 {
                match self.store().run_pending_tasks() {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => done = Err(error),
                }
            }
            self.note("pending", done, say);
        }
        if n % 6 == 5 {
            self.toggle_scratch(say);
        }
        if n % 10 == 9 {
            say("at compact");
            let done = self.store().compact().map(drop);
            self.note("compact", done, say);
        }
        if n % 14 == 13 {
            say("at close");
            let (store, collections) = self.store.take().expect("an open store");
            drop(collections);
            let done = store.close();
            self.note("close", done, say);
            return self.reopen(say);
        }
        Go::On
    }

    fn batch(&mut self, n: u64, say: Say<'_>) -> Go {
        let (base, ops) = ledger::batch(self.ledger.seed, n);
        let batch = ledger::to_batch(self.collections(), base, n, &ops);
        say(&format!("try {n}"));
        match self.collections()[base].apply_with(batch, Durability::Sync) {
            Ok(_) => {
                say(&format!("ack {n}"));
                self.ledger.acknowledged(n);
                self.state = ledger::read(self.collections());
                self.ledger.settle(&self.state.clone());
                self.failures = 0;
                Go::On
            }
            Err(error) => {
                say(&format!("fail {n} {}", kind(&error)));
                // Reads still work, and see nothing of the failed batch.
                assert_eq!(ledger::read(self.collections()), self.state, "after {error}");
                self.failures += 1;
                if self.failures > PATIENCE {
                    return Go::GiveUp;
                }
                match error {
                    Error::CommitUnknown { .. } | Error::Poisoned { .. } => {
                        self.ledger.in_flight(n);
                        self.reopen(say)
                    }
                    _ => Go::On,
                }
            }
        }
    }

    fn note(&self, what: &str, done: Result<(), Error>, say: Say<'_>) {
        if let Err(error) = done {
            say(&format!("trouble {what} {}", kind(&error)));
        }
    }

    fn toggle_scratch(&mut self, say: Say<'_>) {
        let done = if self.scratch {
            say("scratch drop");
            let dropped = self.store().drop_collection("scratch").map(drop);
            if dropped.is_ok() {
                self.scratch = false;
                say("scratch dropped");
            }
            dropped
        } else {
            say("scratch make");
            let made = self.make_scratch();
            self.scratch = self.store().get_collection("scratch").is_some();
            if made.is_ok() {
                say("scratch made");
            }
            made
        };
        self.note("scratch", done, say);
    }

    fn make_scratch(&self) -> Result<(), Error> {
        let options = CollectionOptions::new(4, Metric::L2).memtable_rows(64);
        let scratch = self.store().collection("scratch", options)?;
        let row = |id: u64| Memory::new(id, [id as f32, 1.0, 2.0, 3.0]);
        let small = (LARGE..SCRATCH_ROWS).fold(Batch::new(), |b, id| b.insert(row(id)));
        scratch.apply(small)?;
        for id in 0..LARGE {
            let bytes = if self.large { LARGE_BYTES } else { 10 };
            scratch.insert(row(id).text("x".repeat(bytes)))?;
        }
        Ok(())
    }
}
