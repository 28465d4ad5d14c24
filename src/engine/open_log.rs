//! Owns the open end of the log: it appends frames, syncs them, and continues in a new file. The
//! thread that holds the log holds the commit token. Knows frames and log files, not what a batch
//! does; see `commit`.
//!
//! Invariants: a file is synced before its successor takes a frame (I5). After a failed sync
//! nothing is acknowledged any more (I10).

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use crate::dir::StoreDir;
use crate::engine::catalog::Catalog;
use crate::engine::progress::Progress;
use crate::engine::reserve::Reserve;
use crate::engine::time::StoreTime;
use crate::engine::wakeups::Wakeups;
use crate::error::{Error, Result};
use crate::format::frame::{FrameHead, FrameKind};
use crate::format::header::FileKind;
use crate::format::manifest::{LogEntry, Manifest};
use crate::format::names::FileName;
use crate::format::op::Op;
use crate::ids::{FileId, Seq};
use crate::log::LogWriter;
use crate::poison::Poison;
use crate::sabotage::broken;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard, lock};

/// The high-water mark of time is logged at least this often.
const TIME_FRAME_EVERY: Duration = Duration::from_secs(600);

/// The open end of the log. The thread that holds it holds the commit token.
pub(crate) struct LogState {
    pub(super) writer: LogWriter,
    pub(super) appended: Seq,
    pub(super) synced: Seq,
    /// Deadline for syncing the oldest unsynced frame, in monotonic time.
    pub(super) sync_due: Option<Duration>,
    /// When the last frame was written, in monotonic time.
    pub(super) last_frame: Duration,
}

impl LogState {
    pub(crate) fn new(writer: LogWriter, synced: Seq, now: Duration) -> Self {
        Self { writer, appended: synced, synced, sync_due: None, last_frame: now }
    }

    /// Returns the file that takes frames.
    pub(crate) const fn file(&self) -> FileId {
        self.writer.file()
    }

    /// Returns the bytes of whole frames in that file.
    pub(crate) const fn good_len(&self) -> u64 {
        self.writer.good_len()
    }
}

/// The commit token, held. A thread that panics while it holds the token may have logged half a
/// frame, or a frame that was never published. No write may follow (I10).
pub(crate) struct LogGuard<'a> {
    log: MutexGuard<'a, Option<LogState>>,
    poison: &'a Poison,
    /// True if the thread was already unwinding: a destructor may write then, which is no failure
    /// of the log.
    unwinding: bool,
}

impl Deref for LogGuard<'_> {
    type Target = Option<LogState>;

    fn deref(&self) -> &Self::Target {
        &self.log
    }
}

impl DerefMut for LogGuard<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.log
    }
}

impl Drop for LogGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.unwinding {
            self.poison.set("a thread panicked while it wrote");
        }
    }
}

/// The log of an open store. Nobody writes to it without the commit token.
pub(crate) struct OpenLog {
    dir: Arc<StoreDir>,
    time: Arc<StoreTime>,
    progress: Arc<Progress>,
    catalog: Arc<Catalog>,
    reserve: Arc<Reserve>,
    wakeups: Arc<Wakeups>,
    token: Mutex<Option<LogState>>,
    /// At most the number of files that the last checkpoint left.
    files_left: AtomicUsize,
    /// At most the bytes that could not be freed when the log was last rewritten for space.
    bytes_left: AtomicU64,
}

impl fmt::Debug for OpenLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenLog").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl OpenLog {
    pub(super) fn new(
        dir: Arc<StoreDir>,
        time: Arc<StoreTime>,
        progress: Arc<Progress>,
        catalog: Arc<Catalog>,
        reserve: Arc<Reserve>,
        wakeups: Arc<Wakeups>,
    ) -> Self {
        Self {
            dir,
            time,
            progress,
            catalog,
            reserve,
            wakeups,
            token: Mutex::default(),
            files_left: AtomicUsize::new(0),
            bytes_left: AtomicU64::new(0),
        }
    }

    /// Opens the log for writing.
    pub(crate) fn start(&self, log: LogState) {
        self.progress.take_seq(log.appended);
        self.progress.note_synced_seq(log.synced);
        *lock(&self.token) = Some(log);
    }

    /// Keeps commits out for as long as the guard lives.
    pub(crate) fn hold(&self) -> LogGuard<'_> {
        let (log, poison) = (lock(&self.token), self.dir.poison());
        LogGuard { log, poison, unwinding: std::thread::panicking() }
    }

    /// Returns true if a thread holds the token.
    #[cfg(test)]
    pub(crate) fn is_held(&self) -> bool {
        self.token.try_lock().is_err()
    }

    /// Returns how many files the last checkpoint left, and at most `now`, the current number of
    /// files.
    pub(crate) fn files_left(&self, now: usize) -> usize {
        self.files_left.fetch_min(now, Ordering::Relaxed).min(now)
    }

    pub(crate) fn note_files_left(&self, files: usize) {
        self.files_left.store(files, Ordering::Relaxed);
    }

    /// Returns how many bytes could not be freed when the log was last rewritten, and at most
    /// `now`, the bytes that could be freed now.
    pub(crate) fn bytes_left(&self, now: u64) -> u64 {
        self.bytes_left.fetch_min(now, Ordering::Relaxed).min(now)
    }

    pub(crate) fn note_bytes_left(&self, bytes: u64) {
        self.bytes_left.store(bytes, Ordering::Relaxed);
    }

    /// Makes everything durable that was acknowledged before the call. Returns the newest durable
    /// sequence number.
    pub(crate) fn sync(&self) -> Result<Seq> {
        self.dir.check_writable()?;
        let mut token = self.hold();
        let log = token.as_mut().ok_or(Error::Closed)?;
        self.sync_held(log)?;
        Ok(log.synced)
    }

    /// Syncs buffered writes whose deadline has passed. Logs the time if no frame was written for
    /// [`TIME_FRAME_EVERY`]. Returns how long to wait before the next call.
    pub(crate) fn tend(&self) -> Result<Duration> {
        let mut token = self.hold();
        let Some(log) = token.as_mut() else {
            return Ok(TIME_FRAME_EVERY);
        };
        self.dir.check_writable()?;
        let now = self.time.monotonic();
        if now.saturating_sub(log.last_frame) >= TIME_FRAME_EVERY {
            self.append(log, FrameKind::Time, &[])?;
            let with_time = self.sync_held(log);
            with_time?;
        }
        if log.sync_due.is_some_and(|due| due <= now) {
            self.sync_held(log)?;
        }
        Ok(log.sync_due.map_or(TIME_FRAME_EVERY, |due| due.saturating_sub(now)))
    }

    /// Ends the log: from now on writes are refused.
    pub(super) fn close(&self) -> Result<()> {
        let mut token = self.hold();
        let Some(mut log) = token.take() else {
            return Ok(());
        };
        self.dir.poison().check()?;
        self.sync_held(&mut log)?;
        self.append_vital(&mut log, FrameKind::Close, &[])?;
        self.sync_held(&mut log)?;
        // The manifest records how far the log reaches, so that a log that lost its end is noticed.
        // Nothing that was acknowledged depends on it, so a full disk does not fail the close.
        let _ = self.catalog.commit(|_| {});
        Ok(())
    }

    /// Same as [`OpenLog::sync`], for a caller that holds the token.
    #[track_caller]
    pub(crate) fn sync_held(&self, log: &mut LogState) -> Result<()> {
        // After a failed sync the system may have dropped the bytes. A second sync would succeed
        // and prove nothing (I10).
        self.dir.poison().check()?;
        let mut synced = log.writer.sync();
        broken!(RetryFailedSync => if synced.is_err() { synced = log.writer.sync() });
        if let Err(error) = synced {
            self.dir.poison().set(format!("the log could not be synced: {error}"));
            return Err(Error::CommitUnknown { seq: log.appended.0 });
        }
        log.synced = log.appended;
        log.sync_due = None;
        self.progress.note_synced_seq(log.synced);
        self.progress.note_synced_log(log.writer.file(), log.writer.synced_len());
        Ok(())
    }

    /// Appends one frame, in a new file if the old one is full or failed.
    pub(super) fn append(&self, log: &mut LogState, kind: FrameKind, payload: &[u8]) -> Result<()> {
        self.dir.poison().check()?;
        if !log.writer.has_room(payload.len()) {
            self.roll_held(log)?;
        }
        let time = self.time.advance();
        let head = FrameHead {
            kind,
            last_seq: self.progress.last_seq(),
            synced_len: log.writer.synced_len(),
            time: time.mark(),
            clock_doubted: time.doubted(),
        };
        log.writer.append(&head, payload)?;
        self.reserve.note_log(log.writer.good_len());
        self.progress.note_appended(payload.len() as u64);
        log.appended = head.last_seq;
        log.last_frame = self.time.monotonic();
        Ok(())
    }

    /// Appends a frame that must find room even on a full disk, because it lets space be freed or
    /// ends the log.
    pub(super) fn append_vital(
        &self,
        log: &mut LogState,
        kind: FrameKind,
        payload: &[u8],
    ) -> Result<()> {
        match self.append(log, kind, payload) {
            Err(Error::DiskFull { .. }) if self.reserve.spend() => self.append(log, kind, payload),
            result => result,
        }
    }

    /// Continues in a new log file, unless the open one is empty. Returns the file that is open
    /// now.
    pub(crate) fn roll(&self) -> Result<FileId> {
        self.dir.check_writable()?;
        let mut token = self.hold();
        let log = token.as_mut().ok_or(Error::Closed)?;
        if !log.writer.is_untouched() {
            self.roll_held(log)?;
        }
        Ok(log.file())
    }

    /// Ends every log file but an empty one, and keeps the manifest of that moment in force for as
    /// long as the guard lives. The files that it names, without the open log file, hold every
    /// write that was acknowledged before, and of later ones nothing.
    pub(crate) fn cut(&self) -> Result<MutexGuard<'_, Manifest>> {
        self.dir.check_writable()?;
        let mut token = self.hold();
        let log = token.as_mut().ok_or(Error::Closed)?;
        if !log.writer.is_untouched() {
            self.roll_held(log)?;
        }
        // The token is held until here. So no segment or index that the manifest names has an
        // effect of a frame in the open file.
        Ok(self.catalog.hold())
    }

    /// Continues in a new log file. The old one is synced first: no frame of the new file may be
    /// durable before a frame of the old one.
    fn roll_held(&self, log: &mut LogState) -> Result<()> {
        self.sync_held(log)?;
        let file = self.catalog.new_file()?;
        let header = self.dir.header(FileKind::Log, file);
        let made =
            LogWriter::create(self.dir.disk(), self.dir.root(), &header).and_then(|mut w| {
                w.sync()?;
                self.dir.sync_names()?;
                Ok(w)
            });
        let (old, good_len) = (log.writer.file(), log.writer.good_len());
        let named = made.and_then(|writer| {
            let synced_len = writer.synced_len();
            self.catalog.commit(|manifest| {
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
                // The log may be long enough for a checkpoint.
                self.wakeups.rows.notify();
                Ok(())
            }
            Err(error) => {
                if self.dir.may_clean_up() {
                    let _ = self.dir.remove(FileName::Log(file));
                }
                Err(error)
            }
        }
    }

    /// Copies rows of a small collection to the end of the log under their old sequence numbers, so
    /// that older files can be removed. The caller holds the token.
    pub(crate) fn append_copied(&self, log: &mut LogState, ops: &[Op]) -> Result<FileId> {
        let mut payload = Vec::new();
        ops.iter().for_each(|op| op.encode(&mut payload));
        self.append_vital(log, FrameKind::Copied, &payload)?;
        Ok(log.file())
    }

    /// Moves the high-water mark to the time that the clock shows, however far ahead, and makes it
    /// durable.
    pub(crate) fn trust_clock(&self) -> Result<()> {
        self.dir.check_writable()?;
        let mut token = self.hold();
        let log = token.as_mut().ok_or(Error::Closed)?;
        self.time.trust_clock();
        self.append_vital(log, FrameKind::Time, &[])?;
        self.sync_held(log)
    }
}
