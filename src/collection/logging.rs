//! Owns the open end of the log: appends frames, syncs them, goes on in a new file. Whoever holds it
//! holds the commit token. Knows frames and files of the log, not what a batch does; see `commit`.
//!
//! A file is synced before its successor takes a frame (I5). After a failed sync nothing is
//! acknowledged any more (I10).

use std::time::Duration;

use crate::collection::engine::Engine;
use crate::error::{Error, Result};
use crate::format::frame::{FrameHead, FrameKind};
use crate::format::header::FileKind;
use crate::format::manifest::LogEntry;
use crate::format::names::FileName;
use crate::format::op::Op;
use crate::ids::{FileId, Seq};
use crate::log::LogWriter;
use crate::sabotage::{self, Sabotage};
use crate::sync::atomic::Ordering;

/// The high-water mark of time goes to the log at least this often.
const TIME_FRAME_EVERY: Duration = Duration::from_secs(600);

/// The open end of the log. Whoever holds it holds the commit token.
pub(crate) struct LogState {
    pub(super) writer: LogWriter,
    pub(super) appended: Seq,
    pub(super) synced: Seq,
    /// When the oldest frame that is not synced must be, in monotonic time.
    pub(super) sync_due: Option<Duration>,
    /// When the last frame was written, in monotonic time.
    pub(super) last_frame: Duration,
}

impl LogState {
    pub(crate) fn new(writer: LogWriter, synced: Seq, now: Duration) -> Self {
        Self { writer, appended: synced, synced, sync_due: None, last_frame: now }
    }

    /// The file that takes frames.
    pub(crate) const fn file(&self) -> FileId {
        self.writer.file()
    }

    /// Bytes of whole frames in that file.
    pub(crate) const fn good_len(&self) -> u64 {
        self.writer.good_len()
    }
}

impl Engine {
    /// Makes everything that was acknowledged before durable.
    pub(crate) fn sync_log(&self) -> Result<Seq> {
        self.check_writable()?;
        let mut token = self.committer.hold();
        let log = token.as_mut().ok_or(Error::Closed)?;
        self.sync_held(log)?;
        Ok(log.synced)
    }

    /// Syncs what a buffered write was promised by now, and writes the time if nothing else did for
    /// long. Tells when it wants to be called again.
    pub(crate) fn tend_log(&self) -> Result<Duration> {
        let mut token = self.committer.hold();
        let Some(log) = token.as_mut() else {
            return Ok(TIME_FRAME_EVERY);
        };
        self.check_writable()?;
        let now = self.monotonic();
        if now.saturating_sub(log.last_frame) >= TIME_FRAME_EVERY {
            self.append(log, FrameKind::Time, &[])?;
            self.sync_held(log)?;
        }
        if log.sync_due.is_some_and(|due| due <= now) {
            self.sync_held(log)?;
        }
        Ok(log.sync_due.map_or(TIME_FRAME_EVERY, |due| due.saturating_sub(now)))
    }

    /// Ends the log: from now on writes are refused.
    pub(crate) fn close_log(&self) -> Result<()> {
        let mut token = self.committer.hold();
        let Some(mut log) = token.take() else {
            return Ok(());
        };
        self.poison.check()?;
        self.sync_held(&mut log)?;
        self.append_vital(&mut log, FrameKind::Close, &[])?;
        self.sync_held(&mut log)?;
        // Says that the log reaches this far, so that one that lost its end does not pass for whole.
        // Nothing that was acknowledged depends on it: a full disk is no reason not to close.
        let _ = self.commit_manifest(|_| {});
        Ok(())
    }

    /// As [`Engine::sync_log`], for whoever holds the token.
    pub(crate) fn sync_held(&self, log: &mut LogState) -> Result<()> {
        // After a failed sync the system may have dropped the bytes: a second one would succeed and
        // prove nothing (I10).
        self.poison.check()?;
        let synced = match log.writer.sync() {
            Err(_) if sabotage::on(Sabotage::RetryFailedSync) => log.writer.sync(),
            synced => synced,
        };
        if let Err(error) = synced {
            self.poison.set(format!("the log could not be synced: {error}"));
            return Err(Error::CommitUnknown { seq: log.appended.0 });
        }
        log.synced = log.appended;
        log.sync_due = None;
        self.committer.synced_seq.store(log.synced.0, Ordering::Release);
        self.committer.log_synced(log.writer.file(), log.writer.synced_len());
        Ok(())
    }

    /// Appends one frame, in a new file where the old one is full or failed.
    pub(super) fn append(&self, log: &mut LogState, kind: FrameKind, payload: &[u8]) -> Result<()> {
        self.poison.check()?;
        if !log.writer.has_room(payload.len()) {
            self.roll(log)?;
        }
        let time = self.advance_time();
        let head = FrameHead {
            kind,
            last_seq: self.committer.last_seq(),
            synced_len: log.writer.synced_len(),
            time: time.mark(),
            clock_doubted: time.doubted(),
        };
        log.writer.append(&head, payload)?;
        self.reserve.note_log(log.writer.good_len());
        self.disk_budget.note_appended(payload.len() as u64);
        log.appended = head.last_seq;
        log.last_frame = self.monotonic();
        Ok(())
    }

    /// Appends a frame that must find room also on a full disk: one that lets space be given back, or
    /// ends the log.
    pub(super) fn append_vital(
        &self,
        log: &mut LogState,
        kind: FrameKind,
        payload: &[u8],
    ) -> Result<()> {
        match self.append(log, kind, payload) {
            Err(Error::DiskFull { .. }) if self.spend_reserve() => self.append(log, kind, payload),
            result => result,
        }
    }

    /// Goes on in a new log file, unless the open one is empty; tells which is open now.
    pub(crate) fn roll_log(&self) -> Result<FileId> {
        self.check_writable()?;
        let mut token = self.committer.hold();
        let log = token.as_mut().ok_or(Error::Closed)?;
        if !log.writer.is_untouched() {
            self.roll(log)?;
        }
        Ok(log.file())
    }

    /// Goes on in a new log file. The old one is synced first: a frame of the new file must not be
    /// durable before one of the old.
    fn roll(&self, log: &mut LogState) -> Result<()> {
        if !sabotage::on(Sabotage::SkipRollSync) {
            self.sync_held(log)?;
        }
        let file = self.new_file()?;
        let header = self.header(FileKind::Log, file);
        let made = LogWriter::create(self.disk.as_ref(), &self.dir, &header).and_then(|mut w| {
            w.sync()?;
            self.disk.sync_dir(&self.dir)?;
            Ok(w)
        });
        let (old, good_len) = (log.writer.file(), log.writer.good_len());
        let named = made.and_then(|writer| {
            let synced_len = writer.synced_len();
            self.commit_manifest(|manifest| {
                if let Some(entry) = manifest.log.iter_mut().find(|e| e.file == old) {
                    entry.valid_len = Some(good_len);
                }
                manifest.log.push(LogEntry { file, synced_len, valid_len: None });
            })?;
            Ok(writer)
        });
        match named {
            Ok(writer) => {
                log.writer = writer;
                // The log may be long enough to be trimmed.
                self.row_bell.ring();
                Ok(())
            }
            Err(error) => {
                if self.may_clean_up() {
                    let _ = self.disk.remove(&self.path(FileName::Log(file)));
                }
                Err(error)
            }
        }
    }

    /// Copies rows of a small collection to the end of the log with their own sequence numbers, so
    /// that older files can go. The caller holds the token.
    pub(crate) fn append_carried(&self, log: &mut LogState, ops: &[Op]) -> Result<FileId> {
        let mut payload = Vec::new();
        ops.iter().for_each(|op| op.encode(&mut payload));
        self.append_vital(log, FrameKind::Carried, &payload)?;
        Ok(log.file())
    }
}
