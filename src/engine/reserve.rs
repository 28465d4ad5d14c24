//! Owns `RESERVE`: ballast that is given up when the disk is full, so that deletes, the compaction
//! that follows them, recovery and closing find room. Its content means nothing and is never read.
//!
//! It is as large as what may have to be written then: the open log, which the next open copies
//! forward, and the largest file, of which a compaction writes another one. So it grows with the
//! store, in steps, unless its size was chosen.
//!
//! Invariants: inserts never use it (while it is missing or too small, they wait for it to be made
//! again); whoever gives it up tries once more what failed, and no more than once; it never
//! shrinks.

use std::sync::Arc;

use crate::dir::StoreDir;
use crate::engine::catalog::Catalog;
use crate::engine::collections::Collections;
use crate::error::{Error, Result};
use crate::format::names::FileName;
use crate::options::StoreOptions;
use crate::splitmix::mix;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::lock;

/// It is written in pieces of this many bytes, so that a full disk is noticed soon.
const PIECE: usize = 256 << 10;
/// The sizes that it grows through.
const STEPS: [u64; 4] = [64 << 10, 256 << 10, 1 << 20, MOST];
/// More it need not have: a log file has about as much, and a compaction on a full disk takes the
/// smallest step first.
const MOST: u64 = 4 << 20;
/// For headers, and for what several writers add at once.
const SLACK: u64 = 16 << 10;

/// What is known of the ballast.
#[derive(Debug)]
pub(crate) struct Reserve {
    dir: Arc<StoreDir>,
    collections: Arc<Collections>,
    catalog: Arc<Catalog>,
    /// The size that was chosen; none: as large as the store needs.
    chosen: Option<u64>,
    /// Bytes of the file, where it is there, and of the next one at least.
    size: AtomicU64,
    /// Bytes of the open log file.
    log_bytes: AtomicU64,
    present: AtomicBool,
    /// A job ran out of space: from now on the plans are frugal.
    full: AtomicBool,
    changing: Mutex<()>,
}

impl Reserve {
    pub(super) fn new(
        dir: &Arc<StoreDir>,
        collections: &Arc<Collections>,
        catalog: &Arc<Catalog>,
        options: &StoreOptions,
    ) -> Self {
        Self {
            chosen: if dir.is_read_only() { Some(0) } else { options.reserve_bytes },
            dir: Arc::clone(dir),
            collections: Arc::clone(collections),
            catalog: Arc::clone(catalog),
            size: AtomicU64::new(0),
            log_bytes: AtomicU64::new(0),
            present: AtomicBool::new(false),
            full: AtomicBool::new(false),
            changing: Mutex::default(),
        }
    }

    /// Most bytes that the ballast comes to, whether it is there or not.
    pub(super) fn bytes(&self) -> u64 {
        self.chosen.unwrap_or(MOST)
    }

    /// The open log file has so many bytes.
    pub(crate) fn note_log(&self, bytes: u64) {
        self.log_bytes.store(bytes, Ordering::Relaxed);
    }

    /// The size that it must have where so many bytes come to the log and the manifest.
    fn wanted(&self, more: u64) -> u64 {
        if let Some(chosen) = self.chosen {
            return chosen;
        }
        let log = self.log_bytes.load(Ordering::Relaxed);
        let held = log + self.catalog.bytes() + SLACK;
        let held = held.saturating_add(more);
        let step = STEPS.into_iter().find(|step| *step >= held).unwrap_or(MOST);
        step.max(self.size.load(Ordering::Acquire))
    }

    /// Whether it is there, and large enough.
    fn holds(&self, wanted: u64) -> bool {
        self.present.load(Ordering::Acquire) && self.size.load(Ordering::Acquire) >= wanted
    }

    /// Whether a job ran out of space since the disk was last known to have some.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    /// Notes that a job ran out of space; false if that was known.
    pub(crate) fn note_full(&self) -> bool {
        !self.full.swap(true, Ordering::AcqRel)
    }

    /// Notes that a job gave space back. Where there is ballast, to make it is the better proof.
    pub(crate) fn note_room(&self) {
        if self.bytes() == 0 {
            self.full.store(false, Ordering::Release);
        }
    }

    /// Gives the ballast up; false if there is none.
    pub(crate) fn spend(&self) -> bool {
        if self.bytes() == 0 || self.dir.check_writable().is_err() {
            return false;
        }
        // It may be another store's by now.
        if self.catalog.check_owner().is_err() {
            return false;
        }
        let _changing = lock(&self.changing);
        self.present.store(false, Ordering::Release);
        self.dir.remove(FileName::Reserve).is_ok()
    }

    /// Looks for the ballast at open, and makes it if it is missing or of a wrong size. A full disk
    /// is no error.
    pub(crate) fn open(&self) {
        let path = self.dir.path(FileName::Reserve);
        if let Ok(file) = self.dir.disk().open(&path) {
            let (len, most) = (file.len(), self.bytes());
            if len > 0 && self.chosen.map_or(len <= most, |chosen| len == chosen) {
                self.size.store(len, Ordering::Release);
                self.present.store(true, Ordering::Release);
            } else {
                let _ = self.dir.disk().remove(&path);
            }
        }
        self.tend();
    }

    /// Makes the ballast if it is missing, or larger if the store has grown; false if there is no
    /// room for it.
    pub(crate) fn tend(&self) -> bool {
        if self.bytes() == 0 || self.holds(self.bytes()) {
            return true;
        }
        let largest = self.collections.fold(0, |most, core| core.sizes().largest_file.max(most));
        self.make(self.wanted(largest)).is_ok()
    }

    fn make(&self, wanted: u64) -> Result<()> {
        if wanted == 0 || self.holds(wanted) {
            return Ok(());
        }
        self.dir.check_writable()?;
        self.catalog.check_owner()?;
        let _changing = lock(&self.changing);
        if self.holds(wanted) {
            return Ok(());
        }
        // One that is too small goes first: nothing is written to a file that was closed.
        let before = match self.present.swap(false, Ordering::AcqRel) {
            true => self.size.load(Ordering::Acquire),
            false => 0,
        };
        if before > 0 {
            let _ = self.dir.remove(FileName::Reserve);
        }
        let made = self.write(wanted);
        match &made {
            Ok(()) => self.full.store(false, Ordering::Release),
            // What it gave back is there for it again.
            Err(Error::DiskFull { .. }) if before > 0 => {
                let _ = self.write(before);
            }
            Err(_) => {}
        }
        made
    }

    fn write(&self, bytes: u64) -> Result<()> {
        let written = self.fill(bytes);
        match &written {
            Ok(()) => {
                self.size.store(bytes, Ordering::Release);
                self.present.store(true, Ordering::Release);
            }
            // What there is of it must not take the space that somebody else needs.
            Err(_) => drop(self.dir.remove(FileName::Reserve)),
        }
        written
    }

    fn fill(&self, bytes: u64) -> Result<()> {
        let mut file = self.dir.disk().create(&self.dir.path(FileName::Reserve))?;
        let (mut left, mut state) = (bytes, 0u64);
        let mut piece = vec![0; PIECE.min(bytes as usize).next_multiple_of(8)];
        while left > 0 {
            // Neither holes nor anything that a file system could compress.
            for word in piece.chunks_exact_mut(8) {
                state += 1;
                word.copy_from_slice(&mix(state).to_le_bytes());
            }
            let len = left.min(piece.len() as u64);
            file.append(piece.get(..len as usize).unwrap_or_default())?;
            left -= len;
        }
        // Only now the space is known to be taken.
        file.sync()
    }

    /// Sees to it that inserts which make the log longer by so many bytes leave the ballast alone:
    /// an error while it is missing, or smaller than it must be then, and cannot be made. The space
    /// that it gave up is not for them.
    pub(super) fn admit(&self, logged: u64) -> Result<()> {
        if logged == 0 {
            return Ok(());
        }
        match self.make(self.wanted(logged)) {
            Err(full @ Error::DiskFull { .. }) => Err(full),
            _ => Ok(()),
        }
    }
}
