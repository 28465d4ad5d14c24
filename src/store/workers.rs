//! Owns the background jobs of a store: one for the log's timers, one for rows, one for indexes.
//! They share the few threads of the process with the jobs of other stores (`worker`). They hold
//! the engine, never a handle, so that dropping the last handle ends them.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::compaction::{self, Control, Job};
use crate::engine::{Engine, refresh};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::ids::CollectionId;
use crate::snapshot::Snapshot;
use crate::snapshot::state::CollectionState;
use crate::worker::{Lane, Notify, Seat, Worker};

/// How long a job waits while the store changes. The wait doubles each time nothing has changed.
const BUSY: Duration = Duration::from_millis(500);
/// How long the row job waits after it freed bytes that an insert waits for. It waits as long if an
/// index is being built that may free some.
const GAVE: Duration = Duration::from_millis(20);
/// Longest wait while nothing happens. Expiry is noticed this late.
const IDLE: Duration = Duration::from_secs(10);
/// Longest wait if there is a budget of resident bytes, which is checked once per second even if
/// nothing is written.
const IDLE_WITH_PAGES: Duration = Duration::from_secs(1);

/// Longest wait until failed work is retried. The wait starts at [`BUSY`] and doubles. Writers wait
/// longer than this for a seal.
const MAX_BACKOFF: Duration = Duration::from_secs(8);

/// Failures without a success since, by collection. A failure is reported once and retried less and
/// less often, because a failed job may cost as much as a successful one.
#[derive(Default)]
struct FailureBackoff {
    of: HashMap<Option<String>, Trouble>,
    /// When to try again to make the reserve, in monotonic time.
    reserve_at: Duration,
}

struct Trouble {
    reason: String,
    wait: Duration,
    /// In monotonic time.
    again_at: Duration,
}

impl FailureBackoff {
    /// Returns how long to leave the collection alone, if its work failed recently.
    fn pause(&self, engine: &Engine, collection: &Option<String>) -> Option<Duration> {
        let left = self.of.get(collection)?.again_at.saturating_sub(engine.time.monotonic());
        (!left.is_zero()).then_some(left)
    }

    fn over(&mut self, collection: &Option<String>) {
        self.of.remove(collection);
    }

    /// Reports a failure to the listener, unless it was reported before. Returns how long to wait.
    fn report(&mut self, engine: &Engine, collection: Option<String>, error: &Error) -> Duration {
        // A job returns `Closed` when it must stop.
        if matches!(error, Error::Closed) {
            return BUSY;
        }
        let reason = error.to_string();
        let before = self.of.get(&collection);
        // The texts of a full disk differ, because each attempt writes a new file.
        let is_known = |b: &Trouble| b.reason == reason || matches!(error, Error::DiskFull { .. });
        if !before.is_some_and(is_known) {
            let (collection, reason) = (collection.clone(), reason.clone());
            engine.events.emit(&Event::BackgroundError { collection, reason });
        }
        let wait = before.map_or(BUSY, |b| (b.wait * 2).min(MAX_BACKOFF));
        let again_at = engine.time.monotonic() + wait;
        self.of.insert(collection, Trouble { reason, wait, again_at });
        wait
    }
}

/// The state that a job keeps from one turn to the next.
#[derive(Default)]
struct Memory {
    troubles: FailureBackoff,
    quiet: Quiet,
    /// Reads and uses are not written before this.
    prolong_at: Duration,
}

/// Collections without changes: the snapshot that was checked, and how long to wait after it.
#[derive(Default)]
struct Quiet {
    of: HashMap<CollectionId, (Weak<Snapshot>, Duration)>,
}

impl Quiet {
    /// Returns how long to wait after a check that found nothing to do.
    fn wait(&mut self, engine: &Engine, core: &CollectionState) -> Duration {
        let snapshot = core.snapshot();
        if snapshot.segments.is_empty() {
            self.of.remove(&core.id);
            return IDLE;
        }
        let now = Arc::downgrade(&snapshot);
        let wait = match self.of.get(&core.id) {
            Some((seen, wait)) if Weak::ptr_eq(seen, &now) => (*wait * 2).min(longest(engine)),
            _ => BUSY,
        };
        self.of.insert(core.id, (now, wait));
        wait
    }

    fn forget_dropped(&mut self, engine: &Engine, collections: usize) {
        if self.of.len() > collections {
            self.of.retain(|id, _| engine.collections.get(*id).is_some());
        }
    }

    /// Returns true if nothing has changed since the last check.
    fn holds(&self, engine: &Engine) -> bool {
        self.of.iter().all(|(id, (seen, _))| {
            let core = engine.collections.get(*id);
            core.is_none_or(|core| Weak::ptr_eq(seen, &Arc::downgrade(&core.snapshot())))
        })
    }

    /// Before a long wait, lets the next commit to a checked collection wake the workers. Returns
    /// how long to wait.
    fn doze(&self, engine: &Engine, patience: Duration) -> Duration {
        if patience <= BUSY || self.of.is_empty() {
            return patience;
        }
        engine.background.wakeups().doze();
        // A commit just before the call to `doze` wakes no job.
        if self.holds(engine) { patience } else { BUSY }
    }
}

/// Returns the longest wait in a store in which work may become due.
fn longest(engine: &Engine) -> Duration {
    let idle = if engine.background.resident().is_limited() { IDLE_WITH_PAGES } else { IDLE };
    idle.min(engine.background.reclaim_within() / 4).max(BUSY)
}

/// One turn of a job. Returns how long to wait until the next.
type Task = fn(&Arc<Engine>, &Notify, &Seat<'_>, &mut Memory) -> Duration;

/// Starts the jobs of a store.
pub(super) fn start(engine: &Arc<Engine>) -> Result<Vec<Worker>> {
    let start = |lane, wakeup: &Arc<Notify>, task: Task| {
        let (engine, own) = (Arc::clone(engine), Arc::clone(wakeup));
        let poison = Arc::clone(engine.dir.poison());
        let mut memory = Memory::default();
        Worker::start(lane, wakeup, &poison, move |seat| task(&engine, &own, seat, &mut memory))
    };
    Ok(vec![
        start(Lane::Log, &engine.background.wakeups().log, maintain_log)?,
        start(Lane::Rows, &engine.background.wakeups().rows, maintain_rows)?,
        start(Lane::Index, &engine.background.wakeups().indexes, maintain_indexes)?,
    ])
}

fn maintain_log(
    engine: &Arc<Engine>,
    _bell: &Notify,
    _seat: &Seat<'_>,
    memory: &mut Memory,
) -> Duration {
    let next = engine.moments.let_go();
    match engine.log.tend().and_then(|patience| Ok(patience.min(prolong(engine, memory)?))) {
        Ok(patience) => {
            memory.troubles.over(&None);
            patience.min(next)
        }
        Err(error) => memory.troubles.report(engine, None, &error).min(next),
    }
}

/// Writes the reads and uses that were noted, if it is time. Returns how long to wait.
fn prolong(engine: &Engine, memory: &mut Memory) -> Result<Duration> {
    if !refresh::is_due(engine) {
        return Ok(Duration::MAX);
    }
    let now = engine.time.monotonic();
    if now < memory.prolong_at {
        return Ok(memory.prolong_at.saturating_sub(now));
    }
    memory.prolong_at = now.saturating_add(refresh::EVERY);
    refresh::write_noted(engine)?;
    Ok(Duration::MAX)
}

fn maintain_rows(
    engine: &Arc<Engine>,
    wakeup: &Notify,
    seat: &Seat<'_>,
    memory: &mut Memory,
) -> Duration {
    let stop = || wakeup.is_stopping();
    let control = Control::background(engine, &stop, *seat);
    let asked = engine.admission.disk().asked();
    let patience = each_core(&control, compaction::run_rows_due, memory);
    let troubles = &mut memory.troubles;
    if patience.is_zero() {
        engine.background.wakeups().indexes.notify();
    }
    engine.background.resident().tend();
    if engine.time.monotonic() >= troubles.reserve_at && !engine.reserve.tend() {
        troubles.reserve_at = engine.time.monotonic() + MAX_BACKOFF;
    }
    if let Some(pause) = troubles.pause(engine, &None) {
        return patience.min(pause);
    }
    let given = compaction::run_checkpoint(&control.without_pace()).and_then(|trimmed| {
        let busy = trimmed || patience.is_zero();
        let gave = busy || compaction::give_back(&control)?;
        // An index job holds the files of its snapshot, and frees its older indexes at the end.
        let indexing =
            |found, core: &Arc<CollectionState>| found || core.index_bytes_under_way() > 0;
        let idle = !gave && !engine.collections.fold(false, indexing);
        engine.admission.maintain_disk(idle, asked)?;
        Ok(gave && !busy)
    });
    match given {
        Ok(gave) => {
            troubles.over(&None);
            // A writer that asked for room waits for the next turn.
            if gave { GAVE } else { memory.quiet.doze(engine, patience) }
        }
        Err(error) => troubles.report(engine, None, &error).min(patience),
    }
}

fn maintain_indexes(
    engine: &Arc<Engine>,
    wakeup: &Notify,
    seat: &Seat<'_>,
    memory: &mut Memory,
) -> Duration {
    let stop = || wakeup.is_stopping();
    let control = Control::background(engine, &stop, *seat);
    let patience = each_core(&control, compaction::run_index_due, memory);
    memory.quiet.doze(engine, patience)
}

/// Runs a task once for every collection. Returns how long to wait.
fn each_core(
    control: &Control<'_>,
    task: fn(&Job<'_>) -> Result<bool>,
    Memory { troubles, quiet, .. }: &mut Memory,
) -> Duration {
    let engine = control.engine();
    if engine.dir.poison().is_set() {
        return IDLE;
    }
    let (mut patience, cores) = (IDLE, engine.collections.all());
    quiet.forget_dropped(engine, cores.len());
    for core in cores {
        let name = Some(core.name().to_owned());
        if let Some(pause) = troubles.pause(engine, &name) {
            patience = patience.min(pause);
            continue;
        }
        let result = task(&Job::new(&core, control));
        if result.is_ok() {
            troubles.over(&name);
        }
        let wanted = match result {
            Ok(true) => Duration::ZERO,
            Ok(false) => quiet.wait(engine, &core),
            Err(error) => {
                quiet.of.remove(&core.id);
                troubles.report(engine, name, &error)
            }
        };
        patience = patience.min(wanted);
        if control.is_stopped() {
            break;
        }
    }
    patience
}

#[cfg(test)]
mod tests {
    use crate::sync::{Mutex, lock};
    use std::path::PathBuf;

    use super::*;
    use crate::{Background, ManualClock, StoreOptions, Timestamp};

    #[test]
    fn what_keeps_failing_is_told_of_once_and_tried_less_and_less_often() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1)));
        let received: Arc<Mutex<Vec<Event>>> = Arc::default();
        let inner = Arc::clone(&received);
        let store = StoreOptions::new()
            .background(Background::Manual)
            .clock(clock.clone())
            .reserve_bytes(0)
            .tap(move |event| lock(&inner).push(event.clone()))
            .open(dir.path().join("s"))
            .unwrap();
        let engine = &store.engine;
        let mut troubles = FailureBackoff::default();
        let name = Some("notes".to_owned());
        let waits: Vec<u128> = (0..8)
            .map(|n| {
                assert_eq!(troubles.pause(engine, &name), None);
                let full = Error::DiskFull { path: PathBuf::from(format!("seg-{n}")) };
                let wait = troubles.report(engine, name.clone(), &full);
                assert_eq!(troubles.pause(engine, &name), Some(wait));
                assert_eq!(troubles.pause(engine, &None), None, "others go on");
                clock.advance(wait);
                wait.as_millis()
            })
            .collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 8000, 8000, 8000]);
        assert_eq!(lock(&received).len(), 1);
        troubles.over(&name);
        let again = troubles.report(engine, name.clone(), &Error::DiskFull { path: "x".into() });
        assert_eq!((again, lock(&received).len()), (BUSY, 2));
        let other = Error::corrupt("seg-1", 0, "damage");
        troubles.report(engine, name, &other);
        assert_eq!(lock(&received).len(), 3, "another reason is news");
    }
}
