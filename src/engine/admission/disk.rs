//! Owns the budget of disk: how many bytes the store's files take, and whether an insert still fits
//! beside what the next compaction needs. Making room is the row worker's; deletes and compaction
//! are always admitted.
//!
//! What makes the store grow must leave a headroom, a [`HEADROOM_SHARE`] of the budget, for what
//! does not: so a memory can be replaced by one of its size when the budget is full. The
//! replacements that are in the headroom are given back by compaction, as is whatever is deleted.

use std::sync::Arc;

use crate::dir::StoreDir;
use crate::engine::admission::added::{Added, HEADROOM_SHARE};
use crate::engine::admission::room::Room;
use crate::engine::collections::Collections;
use crate::engine::progress::Progress;
use crate::engine::reserve::Reserve;
use crate::error::{Budget, Error, Result};
use crate::format::names::FileName;
use crate::segment::segment_cap;
use crate::sync::{Mutex, lock};

/// What a refused insert is told to free is more than it lacks by the budget divided by this: each
/// delete takes some bytes of the log, and files end at whole blocks.
const MARGIN_SHARE: u64 = 32;
/// The log and indexes are written anew for room when that gives back the budget divided by this.
const WORTH_SHARE: u64 = 128;

/// What is known of the disk.
#[derive(Debug)]
pub(crate) struct DiskBudget {
    dir: Arc<StoreDir>,
    collections: Arc<Collections>,
    progress: Arc<Progress>,
    reserve: Arc<Reserve>,
    limit: Option<u64>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes of all files but `RESERVE`, and of the log among them, when they were last measured.
    measured: u64,
    measured_log: u64,
    /// Bytes that had been appended to the log by then.
    counted: u64,
    /// How often an insert asked for room, and which of these the worker has looked for in vain.
    asked: u64,
    in_vain: u64,
    /// Most bytes beyond what there is that any of those needs who asked since there was room.
    wanted: u64,
    pressed: bool,
}

/// Whether inserts need room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pressure {
    None,
    /// An insert did not fit: whatever gives bytes back is due.
    Pressed,
}

impl DiskBudget {
    pub(super) fn new(
        dir: Arc<StoreDir>,
        collections: Arc<Collections>,
        progress: Arc<Progress>,
        reserve: Arc<Reserve>,
        limit: Option<u64>,
    ) -> Self {
        Self { dir, collections, progress, reserve, limit, state: Mutex::default() }
    }

    pub(crate) const fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// The fewest bytes for which the log or indexes are written anew; `None` if nothing is so
    /// scarce.
    pub(crate) fn worth(&self) -> Option<u64> {
        self.limit.map(|limit| limit / WORTH_SHARE)
    }

    /// Whether an insert did not fit.
    pub(crate) fn pressure(&self) -> Pressure {
        let pressed = self.limit.is_some() && lock(&self.state).pressed;
        if pressed { Pressure::Pressed } else { Pressure::None }
    }

    /// How often room was asked for: whoever looks for some remembers it for
    /// `Admission::maintain_disk`.
    pub(crate) fn asked(&self) -> u64 {
        lock(&self.state).asked
    }

    /// Bytes of the log files, as of the last measurement and what was appended since.
    pub(crate) fn log_bytes(&self) -> u64 {
        let state = lock(&self.state);
        state.measured_log + self.appended_since(&state)
    }

    /// Asks for room; tells which of all such questions this is.
    fn ask(&self, wanted: u64) -> u64 {
        let mut state = lock(&self.state);
        state.asked += 1;
        state.pressed = true;
        state.wanted = state.wanted.max(wanted);
        state.asked
    }

    /// Asks again, unless there was nothing to give; tells whether to wait for an answer.
    fn waits(&self, question: u64) -> bool {
        let mut state = lock(&self.state);
        let waits = state.in_vain < question;
        state.pressed |= waits;
        waits
    }

    /// Bytes that were appended to the log since the last measurement.
    fn appended_since(&self, state: &State) -> u64 {
        self.progress.appended().saturating_sub(state.counted)
    }

    /// Measures the files again, after something gave bytes back or tried to. `idle` says that
    /// there was nothing to try, since before the question `asked`.
    pub(super) fn tend(&self, idle: bool, asked: u64, has_workers: bool) -> Result<()> {
        let Some(limit) = self.limit else {
            return Ok(());
        };
        self.measure()?;
        let needed = self.needed(0);
        let mut state = lock(&self.state);
        if idle {
            state.in_vain = state.in_vain.max(asked);
        }
        let fits = needed + state.wanted <= limit;
        if fits {
            state.wanted = 0;
        }
        // Without workers what was refused stays due: it may die before the next piece of work.
        let given_up = has_workers && state.in_vain == state.asked;
        state.pressed &= !fits && !given_up;
        Ok(())
    }

    /// Waits until these writes fit into the budget, as long as the worker finds bytes to give
    /// back, or refuses them.
    pub(super) fn wait(&self, added: &Added<'_>, room: &Room) -> Result<()> {
        let Some(limit) = self.limit.filter(|_| added.logged > 0) else {
            return Ok(());
        };
        let mut headroom = limit / HEADROOM_SHARE;
        if self.needed(added.bytes) + headroom <= limit {
            return Ok(());
        }
        self.measure()?;
        if !added.grows(false)? {
            headroom = 0;
        }
        let needed = || self.needed(added.bytes) + headroom;
        if needed() <= limit {
            return Ok(());
        }
        let question = self.ask(2 * added.bytes + headroom);
        room.notify();
        room.wait_while(|| needed() > limit && self.waits(question))?;
        let needed = needed();
        if needed <= limit {
            return Ok(());
        }
        let free = needed - limit + limit / MARGIN_SHARE;
        Err(Error::OverBudget { budget: Budget::Disk, needed, limit, free })
    }

    /// What the store would take at most with so many bytes of rows more: they are in the log and
    /// in a segment for a while, as are those in RAM; indexes grow by the rows and graphs that they
    /// do not have yet; and a compaction writes its output before its inputs go.
    fn needed(&self, added: u64) -> u64 {
        #[derive(Default)]
        struct Sum {
            unsealed: u64,
            index_growth: u64,
            output: u64,
        }
        let sum = self.collections.fold(Sum::default(), |mut sum, core| {
            if core.is_in_memory() {
                return sum;
            }
            let sizes = core.sizes();
            let index = core.full_index_bytes(sizes.live_rows);
            // Of small segments several become one.
            let rows = sizes.segments.min(segment_cap(sizes.segments));
            sum.unsealed += core.mem_bytes();
            sum.index_growth += index.saturating_sub(sizes.indexes);
            sum.output = sum.output.max(rows).max(sizes.largest_file).max(index);
            sum
        });
        let state = lock(&self.state);
        state.measured
            + self.appended_since(&state)
            + self.reserve.bytes()
            + sum.unsealed
            + sum.index_growth
            + sum.output
            + 2 * added
    }

    /// Measures the files now.
    pub(crate) fn measure(&self) -> Result<()> {
        // Looked at before: what is appended while files are looked at counts twice rather than
        // not.
        let counted = self.progress.appended();
        let (mut all, mut log) = (0, 0);
        for entry in self.dir.list()? {
            let Some(name) = FileName::parse(&entry.name) else {
                continue;
            };
            if name == FileName::Reserve {
                continue;
            }
            let bytes = self.dir.allocated_bytes(name);
            all += bytes;
            log += if matches!(name, FileName::Log(_)) { bytes } else { 0 };
        }
        let mut state = lock(&self.state);
        if counted >= state.counted {
            (state.measured, state.measured_log, state.counted) = (all, log, counted);
        }
        Ok(())
    }
}
