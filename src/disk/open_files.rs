//! Owns the limit on files that are kept open for reading. A file that is only mapped needs no
//! descriptor and is not counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::SealedFile;
use crate::error::Result;

/// The number of open files, and its limit.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    limit: usize,
    open: AtomicUsize,
}

impl OpenFiles {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, open: AtomicUsize::new(0) })
    }

    /// Returns the right to keep one more file open; `None` if the limit is reached.
    pub(crate) fn permit(self: &Arc<Self>) -> Option<Permit> {
        let more = |open| (open < self.limit).then_some(open + 1);
        let took = self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        took.ok().map(|_| Permit(Arc::clone(self)))
    }

    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

/// The right to keep a file open. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<OpenFiles>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A file that is kept open.
#[derive(Debug)]
pub(crate) struct OpenFile {
    file: Arc<dyn SealedFile>,
    _permit: Permit,
}

impl OpenFile {
    pub(crate) fn new(file: Arc<dyn SealedFile>, permit: Permit) -> Self {
        Self { file, _permit: permit }
    }

    /// Fills `buffer` from `offset` on.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.file.read_at(offset, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_open_than_may_be_and_closing_one_makes_room() {
        let files = OpenFiles::new(2);
        let (first, second) = (files.permit(), files.permit());
        assert!(first.is_some() && second.is_some() && files.permit().is_none());
        drop(first);
        assert_eq!(files.open(), 1);
        let third = files.permit();
        assert!(third.is_some() && files.permit().is_none());
        assert!(OpenFiles::new(0).permit().is_none());
    }
}
