//! Owns `RESERVE`: ballast that is given up when the disk is full, so that deletes, the compaction
//! that follows them, recovery and closing find room. Its content means nothing and is never read.
//!
//! Invariants: inserts never use it (while it is missing, they wait for it to be made again); whoever
//! gives it up tries once more what failed, and no more than once.

use crate::collection::commit::Prepared;
use crate::collection::engine::{Engine, mix};
use crate::error::{Error, Result};
use crate::format::names::FileName;
use crate::format::op::OpKind;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::worker::lock;

/// It is written in pieces of this many bytes, so that a full disk is noticed soon.
const PIECE: usize = 256 << 10;

/// What is known of the ballast.
#[derive(Debug)]
pub(crate) struct Reserve {
    bytes: u64,
    present: AtomicBool,
    /// A job ran out of space: from now on the plans are frugal.
    full: AtomicBool,
    changing: Mutex<()>,
}

impl Reserve {
    pub(super) fn new(bytes: u64) -> Self {
        let (present, full) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { bytes, present, full, changing: Mutex::default() }
    }

    /// Bytes of the ballast, whether it is there or not.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
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
        if self.bytes == 0 {
            self.full.store(false, Ordering::Release);
        }
    }
}

impl Engine {
    /// Gives the ballast up; false if there is none.
    pub(crate) fn spend_reserve(&self) -> bool {
        if self.reserve.bytes == 0 || self.check_writable().is_err() {
            return false;
        }
        let _changing = lock(&self.reserve.changing);
        self.reserve.present.store(false, Ordering::Release);
        self.disk.remove(&self.path(FileName::Reserve)).is_ok()
    }

    /// Looks for the ballast at open and makes it if it is missing or of another size. A full disk is
    /// no error.
    pub(crate) fn open_reserve(&self) {
        let path = self.path(FileName::Reserve);
        if let Ok(file) = self.disk.open(&path) {
            if file.len() == self.reserve.bytes && file.len() > 0 {
                self.reserve.present.store(true, Ordering::Release);
                return;
            }
            let _ = self.disk.remove(&path);
        }
        self.tend_reserve();
    }

    /// Makes the ballast if it is missing; false if there is no room for it.
    pub(crate) fn tend_reserve(&self) -> bool {
        self.make_reserve().is_ok()
    }

    fn make_reserve(&self) -> Result<()> {
        let reserve = &self.reserve;
        if reserve.bytes == 0 || reserve.present.load(Ordering::Acquire) {
            return Ok(());
        }
        self.check_writable()?;
        let _changing = lock(&reserve.changing);
        if reserve.present.load(Ordering::Acquire) {
            return Ok(());
        }
        let made = self.write_reserve();
        match &made {
            Ok(()) => {
                reserve.present.store(true, Ordering::Release);
                reserve.full.store(false, Ordering::Release);
            }
            // What there is of it must not take the space that somebody else needs.
            Err(_) => drop(self.disk.remove(&self.path(FileName::Reserve))),
        }
        made
    }

    fn write_reserve(&self) -> Result<()> {
        let mut file = self.disk.create(&self.path(FileName::Reserve))?;
        let (mut left, mut state) = (self.reserve.bytes, 0u64);
        let mut piece = vec![0; PIECE];
        while left > 0 {
            // Neither holes nor anything that a file system could compress.
            for word in piece.chunks_exact_mut(8) {
                state += 1;
                word.copy_from_slice(&mix(state).to_le_bytes());
            }
            let len = left.min(PIECE as u64);
            file.append(piece.get(..len as usize).unwrap_or_default())?;
            left -= len;
        }
        // Only now the space is known to be taken.
        file.sync()
    }

    /// Refuses inserts while the ballast is missing and cannot be made: the space that it gave up is
    /// not for them.
    pub(super) fn check_reserve(&self, writes: &[Prepared]) -> Result<()> {
        let logged =
            |w: &Prepared| matches!(w.kind, OpKind::Insert { .. }) && !w.core.options().volatile;
        if self.reserve.present.load(Ordering::Acquire) || !writes.iter().any(logged) {
            return Ok(());
        }
        match self.make_reserve() {
            Err(full @ Error::DiskFull { .. }) => Err(full),
            _ => Ok(()),
        }
    }
}
