//! Owns `RESERVE`: ballast that is removed when the disk is full, so that deletes, the compaction
//! after them, recovery and closing find room. Its content means nothing and is never read.
//!
//! Its size covers what may have to be written then: a copy of the open log by the next open, and
//! the output of a compaction, which is as large as its largest file. So it grows with the store in
//! steps, unless the user chose its size.
//!
//! Invariants: inserts never use it; while it is missing or too small, they wait until it is made
//! again. Whoever removes it retries the failed operation once. It never shrinks.

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

/// Written in pieces of this many bytes, so that a full disk is noticed soon.
const PIECE: usize = 256 << 10;
/// The sizes through which it grows, in bytes.
const STEPS: [u64; 4] = [64 << 10, 256 << 10, 1 << 20, MOST];
/// Maximum size. A log file has about as many bytes, and a compaction on a full disk takes the
/// smallest step first.
const MOST: u64 = 4 << 20;
/// Bytes for headers, and for what several writers add at once.
const SLACK: u64 = 16 << 10;

/// The state of the ballast.
#[derive(Debug)]
pub(crate) struct Reserve {
    dir: Arc<StoreDir>,
    collections: Arc<Collections>,
    catalog: Arc<Catalog>,
    /// The size that the user chose; `None` to fit the store.
    chosen: Option<u64>,
    /// Bytes of the file if it is present, and the minimum size of the next one.
    size: AtomicU64,
    /// Bytes of the open log file.
    log_bytes: AtomicU64,
    present: AtomicBool,
    /// A job ran out of space. Compaction takes the smallest step first until space is known to be
    /// there.
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

    /// Returns the maximum size of the ballast in bytes, whether it is present or not.
    pub(super) fn bytes(&self) -> u64 {
        self.chosen.unwrap_or(MOST)
    }

    /// Notes the length of the open log file.
    pub(crate) fn note_log(&self, bytes: u64) {
        self.log_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Returns the size that the ballast must have if the log and the manifest grow by `more`
    /// bytes.
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

    /// Returns true if the ballast is present and has at least `wanted` bytes.
    fn holds(&self, wanted: u64) -> bool {
        self.present.load(Ordering::Acquire) && self.size.load(Ordering::Acquire) >= wanted
    }

    /// Returns true if a job ran out of space since the disk was last known to have room.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    /// Notes that a job ran out of space. Returns false if that was already known.
    pub(crate) fn note_full(&self) -> bool {
        !self.full.swap(true, Ordering::AcqRel)
    }

    /// Notes that a job freed space. With ballast configured this proves nothing: making the
    /// ballast does.
    pub(crate) fn note_room(&self) {
        if self.bytes() == 0 {
            self.full.store(false, Ordering::Release);
        }
    }

    /// Removes the ballast. Returns false if there is none.
    pub(crate) fn spend(&self) -> bool {
        if self.bytes() == 0 || self.dir.check_writable().is_err() {
            return false;
        }
        // The directory may belong to another store by now.
        if self.catalog.check_owner().is_err() {
            return false;
        }
        let _changing = lock(&self.changing);
        self.present.store(false, Ordering::Release);
        self.dir.remove(FileName::Reserve).is_ok()
    }

    /// Looks for the ballast at open. Makes it if it is missing or has the wrong size. A full disk
    /// is no error here.
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

    /// Makes the ballast if it is missing or if the store has outgrown it. Returns false if there
    /// is no room.
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
        // A file that is too small is removed first, because nothing is appended to a closed file.
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
            // The bytes of the removed file are free again.
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
            // A partly written file must not take space that other writes need.
            Err(_) => drop(self.dir.remove(FileName::Reserve)),
        }
        written
    }

    fn fill(&self, bytes: u64) -> Result<()> {
        let mut file = self.dir.disk().create(&self.dir.path(FileName::Reserve))?;
        let (mut left, mut state) = (bytes, 0u64);
        let mut piece = vec![0; PIECE.min(bytes as usize).next_multiple_of(8)];
        while left > 0 {
            // The content has no holes and cannot be compressed, so the file system must allocate
            // all of it.
            for word in piece.chunks_exact_mut(8) {
                state += 1;
                word.copy_from_slice(&mix(state).to_le_bytes());
            }
            let len = left.min(piece.len() as u64);
            file.append(piece.get(..len as usize).unwrap_or_default())?;
            left -= len;
        }
        // Only a sync proves that the space is allocated.
        file.sync()
    }

    /// Ensures that inserts which append `logged` bytes to the log do not use the space of the
    /// ballast. An error if the ballast is missing or too small and cannot be made.
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
