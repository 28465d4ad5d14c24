//! Owns the commit pipeline. Batches queue up. One thread at a time holds the commit token and
//! carries out every queued batch, with one append per batch and one sync for all. This is group
//! commit, as in Gray and Reuter, "Transaction Processing", 1993, section 9.4.
//!
//! Order for every batch (I4): work it out in private, log it, sync if a batch asked for it,
//! publish, acknowledge. A failed append fails that batch only. A failed sync poisons the store
//! (I10).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::dir::StoreDir;
use crate::engine::open_log::{LogState, OpenLog};
use crate::engine::progress::Progress;
use crate::engine::time::StoreTime;
use crate::engine::wakeups::Wakeups;
use crate::error::{Error, Result};
use crate::format::frame::{FrameKind, MAX_PAYLOAD_BYTES};
use crate::ids::CollectionId;
use crate::options::Durability;
use crate::sabotage::broken;
use crate::snapshot::stage::{Checkpoint, Effect, Prepared, Stage};
use crate::sync::{Mutex, lock};

/// Estimated bytes of an operation in the log besides its vector and body.
const OP_BYTES: u64 = 64;

/// A batch in the queue.
struct PendingBatch {
    writes: Mutex<Vec<Prepared>>,
    durability: Durability,
    reply: Mutex<Option<Result<Vec<Effect>>>>,
}

impl PendingBatch {
    fn answer(&self, reply: Result<Vec<Effect>>) {
        *lock(&self.reply) = Some(reply);
    }

    fn take_answer(&self) -> Option<Result<Vec<Effect>>> {
        lock(&self.reply).take()
    }
}

/// The queue of batches.
pub(crate) struct Committer {
    dir: Arc<StoreDir>,
    time: Arc<StoreTime>,
    progress: Arc<Progress>,
    log: Arc<OpenLog>,
    wakeups: Arc<Wakeups>,
    queue: Mutex<Vec<Arc<PendingBatch>>>,
}

impl Committer {
    pub(super) fn new(
        dir: &Arc<StoreDir>,
        time: &Arc<StoreTime>,
        progress: &Arc<Progress>,
        log: &Arc<OpenLog>,
        wakeups: &Arc<Wakeups>,
    ) -> Self {
        Self {
            dir: Arc::clone(dir),
            time: Arc::clone(time),
            progress: Arc::clone(progress),
            log: Arc::clone(log),
            wakeups: Arc::clone(wakeups),
            queue: Mutex::default(),
        }
    }

    /// Returns the number of batches that wait for the token.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.queue).len()
    }

    /// Carries out a batch, as a whole or not at all.
    pub(crate) fn commit(
        &self,
        writes: Vec<Prepared>,
        durability: Durability,
    ) -> Result<Vec<Effect>> {
        self.dir.check_writable()?;
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let writes = Mutex::new(writes);
        let slot = Arc::new(PendingBatch { writes, durability, reply: Mutex::default() });
        lock(&self.queue).push(Arc::clone(&slot));
        let mut token = self.log.hold();
        if let Some(reply) = slot.take_answer() {
            return reply;
        }
        let group = std::mem::take(&mut *lock(&self.queue));
        if !group.is_empty() {
            CommitGroup::new(self).lead(&mut token, group);
        }
        drop(token);
        // The thread that took over the batch panicked, so the outcome of the batch is unknown.
        let unknown = || Err(Error::CommitUnknown { seq: self.progress.last_seq().0 });
        slot.take_answer().unwrap_or_else(unknown)
    }
}

/// The batches that one holder of the token carries out.
struct CommitGroup<'a> {
    committer: &'a Committer,
    now: Timestamp,
    stages: BTreeMap<CollectionId, Stage>,
    /// Batches that wait for the sync, with their effects. The flag is true if the batch must be
    /// durable.
    done: Vec<(Arc<PendingBatch>, Vec<Effect>, bool)>,
}

impl<'a> CommitGroup<'a> {
    fn new(committer: &'a Committer) -> Self {
        let now = committer.time.now();
        Self { committer, now, stages: BTreeMap::new(), done: Vec::new() }
    }

    fn lead(mut self, token: &mut Option<LogState>, group: Vec<Arc<PendingBatch>>) {
        for slot in group {
            let writes = std::mem::take(&mut *lock(&slot.writes));
            match self.one(token, writes) {
                Ok((effects, durable)) => self.done.push((slot, effects, durable)),
                Err(error) => slot.answer(Err(error)),
            }
        }
        match self.sync(token) {
            Ok(()) => self.publish(token),
            Err(seq) => {
                for (slot, _, _) in self.done.drain(..) {
                    slot.answer(Err(Error::CommitUnknown { seq }));
                }
            }
        }
    }

    /// Works out and logs one batch. On an error nothing of it remains. The flag in the result is
    /// true if the batch names a collection that is logged.
    fn one(
        &mut self,
        token: &mut Option<LogState>,
        writes: Vec<Prepared>,
    ) -> Result<(Vec<Effect>, bool)> {
        self.committer.dir.poison().check()?;
        let log = token.as_mut().ok_or(Error::Closed)?;
        let mut checkpoints: BTreeMap<CollectionId, Checkpoint> = BTreeMap::new();
        let result = self.stage(log, writes, &mut checkpoints);
        if result.is_err() {
            for (id, checkpoint) in checkpoints {
                if let Some(stage) = self.stages.get_mut(&id) {
                    stage.roll_back(checkpoint);
                }
            }
        }
        result
    }

    fn stage(
        &mut self,
        log: &mut LogState,
        writes: Vec<Prepared>,
        checkpoints: &mut BTreeMap<CollectionId, Checkpoint>,
    ) -> Result<(Vec<Effect>, bool)> {
        // The capacity is reserved once, because repeated growth would dominate the allocations of
        // a write.
        let bytes = writes.iter().map(|w| w.logged_bytes() + OP_BYTES).sum::<u64>();
        let mut payload = Vec::with_capacity(bytes.min(MAX_PAYLOAD_BYTES as u64) as usize);
        let mut effects = Vec::with_capacity(writes.len());
        let only_deletes = writes.iter().all(Prepared::is_delete);
        let durable = writes.iter().any(|w| !w.core.is_in_memory());
        for Prepared { core, task } in writes {
            if core.is_dropped() {
                return Err(Error::Closed);
            }
            let stage = self.stages.entry(core.id).or_insert_with(|| Stage::begin(&core, self.now));
            checkpoints.entry(core.id).or_insert_with(|| stage.checkpoint());
            let sequence = self.committer.progress.as_ref();
            effects.push(stage.carry_out(task, sequence, &mut payload)?);
            broken!(SplitBatch => if !payload.is_empty() {
                self.committer.log.append(log, FrameKind::Batch, &std::mem::take(&mut payload))?
            });
        }
        check_payload(payload.len())?;
        match (payload.is_empty(), only_deletes) {
            (true, _) => {}
            (false, false) => self.committer.log.append(log, FrameKind::Batch, &payload)?,
            // A batch that only deletes is the way out of a full disk.
            (false, true) => self.committer.log.append_vital(log, FrameKind::Batch, &payload)?,
        }
        Ok((effects, durable))
    }

    /// Syncs if a batch asked for it. If the sync fails, returns the newest sequence number whose
    /// outcome is unknown.
    fn sync(&self, token: &mut Option<LogState>) -> std::result::Result<(), u64> {
        let Some(log) = token.as_mut() else {
            return Ok(());
        };
        // A roll for a later batch of the group may have failed and left every earlier frame
        // unsynced.
        if self.committer.dir.poison().is_set() {
            return Err(log.appended.0);
        }
        let now = self.committer.time.monotonic();
        let due_before = log.sync_due;
        // A batch that changed nothing also needs the sync, because it saw the effects of earlier
        // batches.
        let unsynced = log.good_len() > log.writer.synced_len();
        for (slot, _, _) in self.done.iter().filter(|(_, _, durable)| *durable && unsynced) {
            broken!(AcknowledgeEarly => if slot.durability == Durability::Sync { continue });
            let due = match slot.durability {
                Durability::Sync => now,
                Durability::Buffered { max_delay } => now.saturating_add(max_delay),
            };
            log.sync_due = Some(log.sync_due.map_or(due, |d| d.min(due)));
        }
        match log.sync_due {
            Some(due) if due <= now => {
                self.committer.log.sync_held(log).map_err(|_| log.appended.0)
            }
            Some(due) if due_before.is_none_or(|before| due < before) => {
                // The log worker waits until the previous deadline, or longer.
                self.committer.wakeups.log.notify();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn publish(self, token: &mut Option<LogState>) {
        let log_file = token.as_ref().map(LogState::file).unwrap_or_default();
        let gone = self.committer.time.plausible_now();
        let (mut frozen, mut looked_at) = (false, false);
        for mut stage in self.stages.into_values() {
            if stage.is_full() {
                stage.freeze(log_file);
                frozen = true;
            }
            looked_at |= stage.is_looked_at();
            stage.publish(gone);
        }
        // Notified only after publishing: a job that checks too early finds nothing and waits as
        // long as in a quiet store.
        if frozen {
            self.committer.wakeups.rows.notify();
        }
        if looked_at {
            self.committer.wakeups.stir();
        }
        for (slot, effects, _) in self.done {
            slot.answer(Ok(effects));
        }
    }
}

fn check_payload(got: usize) -> Result<()> {
    if got > MAX_PAYLOAD_BYTES {
        let way_out = "split it into smaller ones";
        return Err(Error::limit("the batch", (got, "bytes"), MAX_PAYLOAD_BYTES, way_out));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_may_fill_a_frame_and_no_more() {
        assert!(check_payload(MAX_PAYLOAD_BYTES).is_ok());
        for over in [MAX_PAYLOAD_BYTES + 1, MAX_PAYLOAD_BYTES * 2] {
            assert!(matches!(check_payload(over), Err(Error::LimitExceeded { .. })));
        }
    }
}
