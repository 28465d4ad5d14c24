//! Owns the budget of disk: how many bytes the store's files take, and whether an insert still fits
//! beside what the next compaction needs. Making room is the row worker's; deletes and compaction are
//! always admitted.

use crate::collection::commit::Prepared;
use crate::collection::engine::Engine;
use crate::error::{Error, Result};
use crate::format::names::FileName;
use crate::format::op::OpKind;
use crate::sync::Mutex;
use crate::worker::lock;

/// What is known of the disk.
#[derive(Debug)]
pub(crate) struct DiskBudget {
    limit: Option<u64>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes of all files but `RESERVE`, when they were last measured.
    measured: u64,
    /// Bytes appended to the log so far, and up to then.
    appended: u64,
    counted: u64,
    pressure: Pressure,
}

/// Whether inserts need room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pressure {
    #[default]
    None,
    /// An insert did not fit: whatever gives bytes back is due.
    Pressed,
    /// Nothing gave any back.
    Exhausted,
}

impl DiskBudget {
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self { limit, state: Mutex::default() }
    }

    /// So many bytes went to the log.
    pub(super) fn note_appended(&self, bytes: u64) {
        if self.limit.is_some() {
            lock(&self.state).appended += bytes;
        }
    }

    pub(crate) fn pressure(&self) -> Pressure {
        if self.limit.is_some() { lock(&self.state).pressure } else { Pressure::None }
    }

    fn press(&self) {
        lock(&self.state).pressure = Pressure::Pressed;
    }
}

impl Engine {
    /// Measures the files again, after something gave bytes back or tried to. `idle` says that there
    /// was nothing to try.
    pub(crate) fn tend_disk_budget(&self, idle: bool) -> Result<()> {
        let Some(limit) = self.disk_budget.limit else {
            return Ok(());
        };
        self.measure_disk()?;
        let fits = self.disk_needed(0) <= limit;
        let mut state = lock(&self.disk_budget.state);
        state.pressure = match state.pressure {
            Pressure::None => Pressure::None,
            _ if fits => Pressure::None,
            Pressure::Pressed if idle => Pressure::Exhausted,
            pressure => pressure,
        };
        drop(state);
        self.made_room();
        Ok(())
    }

    /// Waits until these writes fit into the budget, as long as the worker finds bytes to give back, or
    /// refuses them.
    pub(super) fn wait_for_disk(&self, writes: &[Prepared], added: u64) -> Result<()> {
        let logged =
            |w: &Prepared| matches!(w.kind, OpKind::Insert { .. }) && !w.core.is_volatile();
        let Some(limit) = self.disk_budget.limit.filter(|_| writes.iter().any(logged)) else {
            return Ok(());
        };
        if self.disk_needed(added) <= limit {
            return Ok(());
        }
        self.measure_disk()?;
        let waits = || {
            let exhausted = self.disk_budget.pressure() == Pressure::Exhausted;
            if self.disk_needed(added) <= limit || exhausted {
                return false;
            }
            self.disk_budget.press();
            true
        };
        if self.background {
            self.wait_while(waits)?;
        }
        if self.disk_needed(added) <= limit {
            return Ok(());
        }
        // What dies from now on may make room for the next one.
        self.disk_budget.press();
        self.row_bell.ring();
        Err(Error::OverBudget { budget: "disk_budget", needed: self.disk_needed(added), limit })
    }

    /// What the store would take at most with so many bytes of rows more: they are in the log and in a
    /// segment for a while, as are those in RAM; and a compaction writes its output before its inputs
    /// go.
    fn disk_needed(&self, added: u64) -> u64 {
        let (unsealed, output) =
            self.fold_cores((0, 0), |(unsealed, output), core| match core.is_volatile() {
                true => (unsealed, output),
                false => (unsealed + core.mem_bytes(), core.largest_file().max(output)),
            });
        let state = lock(&self.disk_budget.state);
        state.measured
            + (state.appended - state.counted)
            + self.reserve.bytes()
            + unsealed
            + output
            + 2 * added
    }

    fn measure_disk(&self) -> Result<()> {
        // Looked at before: what is appended while files are looked at counts twice rather than not.
        let counted = lock(&self.disk_budget.state).appended;
        let mut bytes = 0;
        for entry in self.disk.list(self.dir())? {
            let name = FileName::parse(&entry.name).filter(|name| *name != FileName::Reserve);
            // A file may go between the two calls.
            bytes += name.map_or(0, |n| self.disk.allocated_bytes(&self.path(n)).unwrap_or(0));
        }
        let mut state = lock(&self.disk_budget.state);
        if counted >= state.counted {
            (state.measured, state.counted) = (bytes, counted);
        }
        Ok(())
    }
}
