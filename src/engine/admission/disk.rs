//! Owns the disk budget: how many bytes the store's files take, and whether an insert still fits
//! beside the output of the next compaction. The row worker frees space. Deletes and compaction are
//! always admitted.
//!
//! A batch that grows the store must leave a headroom, the budget divided by [`HEADROOM_SHARE`],
//! for batches that do not. So a memory can be replaced by one of its size when the budget is full.
//! Compaction frees the bytes of replaced and deleted rows in the headroom.

use std::sync::Arc;

use crate::dir::StoreDir;
use crate::engine::admission::added::{Added, HEADROOM_SHARE};
use crate::engine::admission::room::Room;
use crate::engine::collections::Collections;
use crate::engine::progress::Progress;
use crate::engine::reserve::Reserve;
use crate::error::{Budget, Error, Result};
use crate::segment::segment_cap;
use crate::sync::{Mutex, lock};

/// A refused insert asks the caller to free the bytes that it lacks plus the budget divided by this
/// number. Each delete takes some bytes of the log, and files end at whole blocks.
const MARGIN_SHARE: u64 = 32;
/// The log and indexes are rewritten for space if that frees at least the budget divided by this
/// number.
const WORTH_SHARE: u64 = 128;

/// The disk budget and the last measurement of the files.
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
    /// At the last measurement: bytes of all files but `RESERVE`, and of the log files among them.
    measured: u64,
    measured_log: u64,
    /// Bytes that had been appended to the log at that time.
    counted: u64,
    /// How many requests for room inserts have made, and the newest request for which the worker
    /// found nothing to free.
    asked: u64,
    in_vain: u64,
    /// The largest number of extra bytes that an unanswered request needs.
    wanted: u64,
    pressed: bool,
}

/// Whether inserts need room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pressure {
    None,
    /// An insert did not fit. Every step that frees bytes is due.
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

    /// Returns the least number of freed bytes for which the log or indexes are rewritten; `None`
    /// without a budget.
    pub(crate) fn worth(&self) -> Option<u64> {
        self.limit.map(|limit| limit / WORTH_SHARE)
    }

    /// Returns whether an insert did not fit.
    pub(crate) fn pressure(&self) -> Pressure {
        let pressed = self.limit.is_some() && lock(&self.state).pressed;
        if pressed { Pressure::Pressed } else { Pressure::None }
    }

    /// Returns the number of requests for room so far. A worker reads it before it looks for bytes
    /// to free, and passes it to `Admission::maintain_disk` afterwards.
    pub(crate) fn asked(&self) -> u64 {
        lock(&self.state).asked
    }

    /// Returns the bytes of the log files: the last measurement plus the bytes appended since.
    pub(crate) fn log_bytes(&self) -> u64 {
        let state = lock(&self.state);
        state.measured_log + self.appended_since(&state)
    }

    /// Requests room and returns the number of the request.
    fn ask(&self, wanted: u64) -> u64 {
        let mut state = lock(&self.state);
        state.asked += 1;
        state.pressed = true;
        state.wanted = state.wanted.max(wanted);
        state.asked
    }

    /// Repeats the request numbered `question`, unless the worker found nothing to free. Returns
    /// true if the caller must wait.
    fn waits(&self, question: u64) -> bool {
        let mut state = lock(&self.state);
        let waits = state.in_vain < question;
        state.pressed |= waits;
        waits
    }

    /// Returns the bytes appended to the log since the last measurement.
    fn appended_since(&self, state: &State) -> u64 {
        self.progress.appended().saturating_sub(state.counted)
    }

    /// Measures the files again, after a job freed bytes or tried to. `idle` is true if there was
    /// nothing to try for the requests up to `asked`.
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
        // Without workers the pressure stays: more rows may die before the caller runs the next
        // job.
        let given_up = has_workers && state.in_vain == state.asked;
        state.pressed &= !fits && !given_up;
        Ok(())
    }

    /// Waits until these writes fit into the budget. Refuses them once the worker finds no more
    /// bytes to free.
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

    /// Returns the maximum bytes that the store would take with `added` more bytes of rows. Rows in
    /// RAM and added rows are in the log and in a segment for a while. Indexes grow by the rows and
    /// graphs that they lack. A compaction writes its output before its inputs are removed.
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
            // Several small segments are merged into one.
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
        // Read first: bytes appended during the measurement count twice rather than not at all.
        let counted = self.progress.appended();
        let sizes = self.dir.listed_sizes()?;
        let mut state = lock(&self.state);
        if counted >= state.counted {
            (state.measured, state.measured_log) = (sizes.bytes, sizes.log_bytes);
            state.counted = counted;
        }
        Ok(())
    }
}
