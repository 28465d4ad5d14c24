//! Owns the running of a workload on a simulated disk. After every operation that changes the disk,
//! a point is recorded with the files and the allowed states.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::copied::SharedCopies;
use super::model::{self, History, Model, NAMES, handles, read};
use super::script::{Act, Script};
use super::seen::{Budget, Seen};
use super::setup::{BEGIN, Point, dir, new_clock, open, options};
use super::{check, order};
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::options::TextIndex;
use crate::store::open::open_for_writing;
use crate::sync::lock;
use crate::testing::sim::{Failure, Fault, FileSystem, Op, OpKind, SimDisk, SyncModel};
use crate::{Durability, Error, Event, Store};

/// The recording of a workload.
#[derive(Debug, Default)]
pub(super) struct Recording {
    pub(super) states: Vec<Model>,
    pub(super) points: Vec<Point>,
    /// The first problem while it ran.
    pub(super) wrong: Option<String>,
}

/// A function to run when a job has begun to write.
type Hook = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// A store that runs a workload.
pub(super) struct Runner {
    pub(super) disk: SimDisk,
    pub(super) clock: Arc<ManualClock>,
    pub(super) store: Option<Store>,
    pub(super) history: Arc<Mutex<History>>,
    pub(super) held: Vec<crate::search::Iter>,
    pub(super) copies: SharedCopies,
    hook: Hook,
    /// The budget that stores are opened with.
    pub(super) budget: Option<Budget>,
    pub(super) seen: Arc<Seen>,
    n: u64,
}

impl Runner {
    pub(super) fn new(disk: SimDisk) -> Self {
        let history = Arc::new(Mutex::new(History::new()));
        let (clock, held) = (new_clock(BEGIN), Vec::new());
        let (hook, seen, copies) = (Hook::default(), Arc::default(), SharedCopies::default());
        Self { disk, clock, store: None, history, held, copies, hook, budget: None, seen, n: 0 }
    }

    pub(super) fn open(&mut self) -> Result<(), Error> {
        let (hook, seen) = (Arc::clone(&self.hook), Arc::clone(&self.seen));
        let options = options(&self.clock).tap(move |event| {
            seen.note(event);
            if matches!(event, Event::Progress { .. }) {
                let job = lock(&hook).take();
                if let Some(job) = job {
                    job();
                }
            }
        });
        let options = self.budget.map_or(options.clone(), |budget| budget.of(options));
        self.store = Some(open_for_writing(Arc::new(self.disk.clone()), dir(), options)?);
        Ok(())
    }

    pub(super) fn store(&self) -> Result<&Store, Error> {
        self.store.as_ref().ok_or(Error::Closed)
    }

    /// Carries out one act. The history notes it before the disk sees it.
    pub(super) fn act(&mut self, act: &Act) -> Result<(), Error> {
        match act {
            Act::Write { writes, sync } => {
                let max_delay = Duration::from_secs(1 << 30);
                let durability =
                    if *sync { Durability::Sync } else { Durability::Buffered { max_delay } };
                self.write(writes, durability)
            }
            Act::Sync => {
                self.store()?.sync()?;
                lock(&self.history).acknowledge(true);
                Ok(())
            }
            Act::Advance(seconds) => {
                self.clock.advance(Duration::from_secs(*seconds));
                Ok(())
            }
            Act::RunOne => self.store()?.run_pending_tasks().map(drop),
            Act::Run => {
                while self.store()?.run_pending_tasks()? {}
                Ok(())
            }
            Act::Compact => self.store()?.compact().map(drop),
            Act::Purge => self.store()?.purge().map(drop),
            Act::Make(c) => self.make(*c),
            Act::Words(c, index) => self.words(*c, *index),
            Act::Drop(c) => self.drop_collection(*c),
            Act::Reopen => self.reopen(),
            Act::Away(seconds) => self.away(*seconds),
            Act::Trust => self.store()?.trust_clock(),
            Act::Refused(writes) => self.refused(writes),
            Act::Hold => {
                let store = self.store.as_ref().ok_or(Error::Closed)?;
                self.held
                    .extend(NAMES.iter().filter_map(|n| store.get_collection(n)).map(|c| c.iter()));
                Ok(())
            }
            Act::Release => {
                self.held.clear();
                Ok(())
            }
            Act::During(writes) => self.during(writes),
            Act::Roll => self.store()?.engine.log.roll().map(drop),
            Act::Ask => self.ask(),
            Act::Wear => self.wear(),
            Act::Tighten(budget) => self.tighten(*budget),
            Act::Bulky => self.bulky(),
            Act::Backup(copy) => self.back_up(*copy),
            Act::Rename(c) => self.rename(*c),
            Act::Swap(a, b) => self.swap(*a, *b),
            Act::PurgeDuring => self.purge_during_a_build(),
        }
    }

    fn write(&mut self, writes: &[model::Write], durability: Durability) -> Result<(), Error> {
        self.n += 1;
        let mut next = lock(&self.history).now().clone();
        // A batch into a missing collection is refused as a whole.
        if writes.iter().any(|w| !next.0.contains_key(&w.collection())) {
            return Ok(());
        }
        model::apply(&mut next, self.n, writes, self.store()?.now());
        lock(&self.history).begin(next);
        model::carry_out(&handles(self.store()?), self.n, writes, durability)?;
        lock(&self.history).acknowledge(durability == Durability::Sync);
        Ok(())
    }

    /// Compacts, with a write during the job's first step. Writes nothing if there is no job.
    fn during(&mut self, writes: &[model::Write]) -> Result<(), Error> {
        self.n += 1;
        let mut next = lock(&self.history).now().clone();
        if writes.iter().any(|w| !next.0.contains_key(&w.collection())) {
            return Ok(());
        }
        model::apply(&mut next, self.n, writes, self.clock.wall());
        let (to, writes, n) = (handles(self.store()?), writes.to_vec(), self.n);
        let (history, failed) = (Arc::clone(&self.history), Arc::new(Mutex::new(None)));
        let refused = Arc::clone(&failed);
        *lock(&self.hook) = Some(Box::new(move || {
            lock(&history).begin(next);
            match model::carry_out(&to, n, &writes, Durability::Sync) {
                Ok(()) => lock(&history).acknowledge(true),
                Err(error) => *lock(&refused) = Some(error),
            }
        }));
        let done = self.store()?.compact();
        *lock(&self.hook) = None;
        let refused = lock(&failed).take();
        refused.map_or(Ok(()), Err).and(done.map(drop))
    }

    fn make(&mut self, c: usize) -> Result<(), Error> {
        let mut next = lock(&self.history).now().clone();
        let new = !next.0.contains_key(&c);
        next.0.entry(c).or_default();
        lock(&self.history).begin(next);
        self.store()?.collection(NAMES[c], model::options(c))?;
        lock(&self.history).acknowledge(new);
        Ok(())
    }

    /// Changes an option of a collection that exists, and no memory.
    fn words(&self, c: usize, index: Option<TextIndex>) -> Result<(), Error> {
        if self.store()?.get_collection(NAMES[c]).is_none() {
            return Ok(());
        }
        let options = model::options(c);
        let options = match index {
            Some(index) => options.text_index(index),
            None => options.no_text_index(),
        };
        self.store()?.collection(NAMES[c], options).map(drop)
    }

    fn drop_collection(&mut self, c: usize) -> Result<(), Error> {
        let mut next = lock(&self.history).now().clone();
        let there = next.0.remove(&c).is_some();
        lock(&self.history).begin(next);
        self.store()?.drop_collection(NAMES[c])?;
        lock(&self.history).acknowledge(there);
        Ok(())
    }

    pub(super) fn reopen(&mut self) -> Result<(), Error> {
        if let Some(store) = self.store.take() {
            store.close()?;
            lock(&self.history).acknowledge(true);
        }
        self.open()
    }

    /// Only the wall clock advances while the store is closed.
    fn away(&mut self, seconds: u64) -> Result<(), Error> {
        if let Some(store) = self.store.take() {
            store.close()?;
            lock(&self.history).acknowledge(true);
        }
        self.clock.set_wall(self.clock.wall() + Duration::from_secs(seconds));
        self.open()
    }

    /// Makes the device refuse an append: the batch must never be found.
    fn refused(&mut self, writes: &[model::Write]) -> Result<(), Error> {
        let (only, failure) = (Some(OpKind::Append), Failure::Io);
        let model = SyncModel::Kept;
        self.disk.fail(Fault { skip: 0, only, failure, forever: false, model });
        let result = model::carry_out(&handles(self.store()?), 0, writes, Durability::Sync);
        let fired = self.disk.fired();
        self.disk.heal();
        match result {
            Ok(()) if fired => Err(Error::option("refused write", "it was acknowledged")),
            _ => Ok(()),
        }
    }

    /// Continues with the files that a crash left, which must hold one of these states.
    pub(super) fn restart(&mut self, files: FileSystem, states: &[Model]) -> Result<(), String> {
        self.held.clear();
        self.store = None;
        // With the earliest clock, so that a wrong clock does not hide memories and make states
        // look alike.
        let early = SimDisk::new(files.clone(), self.n);
        let store = open(&early, &new_clock(Timestamp::MIN))
            .map_err(|e| format!("after a crash it does not open: {e}"))?;
        let (found, now) = (read(&store)?, store.now());
        let wanted = states.last().ok_or("no state may be found")?;
        let state =
            states.iter().rev().find(|s| s.visible(now) == found).ok_or_else(|| {
                format!("after a crash: {}", wanted.visible(now).difference(&found))
            })?;
        self.disk = SimDisk::new(files, self.n);
        self.open().map_err(|e| format!("after a crash it does not open: {e}"))?;
        *lock(&self.history) = History { states: vec![state.clone()], acknowledged: 0, synced: 0 };
        Ok(())
    }

    /// Returns what is wrong with the view of readers of the running store.
    pub(super) fn look(&self) -> Result<(), String> {
        let Some(store) = &self.store else { return Ok(()) };
        let found = read(store)?;
        let wanted = lock(&self.history).now().visible(store.now());
        if found != wanted {
            return Err(format!("readers see: {}", wanted.difference(&found)));
        }
        Ok(())
    }
}

/// Runs a workload on a disk and records a point after each of its operations.
pub(super) fn record(script: &Script, disk: &SimDisk) -> Recording {
    let points: Arc<Mutex<Vec<Point>>> = Arc::default();
    let disorder: Arc<Mutex<Option<String>>> = Arc::default();
    let mut runner = Runner::new(disk.clone());
    {
        let (points, disorder) = (Arc::clone(&points), Arc::clone(&disorder));
        let (history, clock) = (Arc::clone(&runner.history), Arc::clone(&runner.clock));
        let copies = Arc::clone(&runner.copies);
        disk.observe(move |op: &Op, files| {
            if let Some(wrong) = order::check(op, files) {
                lock(&disorder).get_or_insert(wrong);
            }
            let allowed = lock(&history).allowed();
            let (files, now, copies) = (files.clone(), clock.wall(), Arc::clone(&lock(&copies)));
            lock(&points).push(Point { op: op.to_string(), files, now, allowed, copies });
        });
    }
    let wrong = run(script, &mut runner).err();
    // Readers are dropped before the store ends, so that its end is recorded too.
    runner.held.clear();
    if let Some(store) = runner.store.take() {
        drop(store);
    }
    disk.no_observer();
    let points = std::mem::take(&mut *lock(&points));
    let states = std::mem::take(&mut lock(&runner.history).states);
    Recording { states, points, wrong: wrong.or_else(|| lock(&disorder).take()) }
}

pub(super) fn run(script: &Script, runner: &mut Runner) -> Result<(), String> {
    runner.open().map_err(|e| format!("the first open: {e}"))?;
    for (i, act) in script.acts.iter().enumerate() {
        let at = |what: String| format!("act {i} ({act:?}): {what}");
        runner.act(act).map_err(|e| at(e.to_string()))?;
        runner.look().map_err(at)?;
    }
    let store = runner.store.as_ref().ok_or("no store is open")?;
    if runner.held.is_empty() {
        let strays = check::strays(store, &runner.disk);
        if !strays.is_empty() {
            return Err(format!("files that no manifest names: {strays:?}"));
        }
    }
    Ok(())
}
