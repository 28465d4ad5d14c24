//! Owns maps: read-only maps of sealed files, and anonymous maps for large arrays in RAM
//! (`map_vec`). It holds the unsafe lines that make them and release their pages.
//!
//! Why a map is sound here although the file system is shared:
//! 1. Only sealed files are mapped. This process never writes, truncates or punches a file once it
//!    is sealed (I2; `Disk` has no operation that could).
//! 2. The store's lock keeps other writers of this crate out, and readers of this crate never
//!    write.
//! 3. Files are removed by unlink, which keeps maps alive.
//!
//! What remains is another program that changes the file in place. Truncation would end in SIGBUS,
//! as for every program that maps files. The crate's documentation says so.
#![expect(unsafe_code, reason = "a memory map cannot be made without")]

use std::fs::File;
use std::ops::{Deref, DerefMut, Range};
use std::path::Path;
use std::sync::Arc;

use memmap2::MmapMut;

use crate::error::{Error, Result};

/// The bytes of a sealed file. Clones share the map; the last one unmaps it.
#[derive(Clone, Debug)]
pub(crate) struct Mapped {
    bytes: Bytes,
}

#[derive(Clone, Debug)]
enum Bytes {
    Map(Arc<memmap2::Mmap>),
    /// A simulated file: words, for their alignment, and the number of valid bytes in them.
    #[cfg(any(test, feature = "__fuzzing"))]
    Heap(Arc<[u128]>, usize),
}

impl Mapped {
    /// Maps a whole sealed file.
    pub(super) fn new(file: &File, path: &Path) -> Result<Self> {
        // SAFETY: the file is sealed, so nobody changes it while it is mapped. I2 and the store's
        // lock guarantee that, as argued at the top of this file. The caller is `SealedFile::map`:
        // its type says that the file was opened for reading only.
        let map = unsafe { memmap2::Mmap::map(file) }.map_err(|e| Error::io("map", path, e))?;
        Ok(Self { bytes: Bytes::Map(Arc::new(map)) })
    }

    /// Releases the pages: they leave the resident memory of this process, and a later read brings
    /// them back from the file. On systems without such advice, it does nothing.
    pub(crate) fn release(&self) {
        self.release_range(0..self.len());
    }

    /// As [`Mapped::release`], for the pages of this part.
    pub(crate) fn release_range(&self, range: Range<usize>) {
        let range = range.start..range.end.min(self.len());
        if range.is_empty() {
            return;
        }
        match &self.bytes {
            #[cfg(target_os = "linux")]
            Bytes::Map(map) => {
                let advice = memmap2::UncheckedAdvice::DontNeed;
                // SAFETY: a released page of a read-only map of a file is read from the file again.
                // The file is sealed (I2), so a slice that somebody holds shows the same bytes as
                // before. The range lies within the map: checked above.
                let _ = unsafe { map.unchecked_advise_range(advice, range.start, range.len()) };
            }
            #[cfg(not(target_os = "linux"))]
            Bytes::Map(_) => {}
            #[cfg(any(test, feature = "__fuzzing"))]
            Bytes::Heap(..) => {}
        }
    }

    /// Returns a copy of a simulated file.
    #[cfg(any(test, feature = "__fuzzing"))]
    pub(crate) fn copy_of(bytes: &[u8]) -> Self {
        let mut words = vec![0u128; bytes.len().div_ceil(size_of::<u128>())];
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
        Self { bytes: Bytes::Heap(words.into(), bytes.len()) }
    }
}

/// RAM that is mapped from the system and not the allocator's. It is zero at first, and returns to
/// the system as soon as it is dropped.
#[derive(Debug)]
pub(crate) struct AnonMap(MmapMut);

impl AnonMap {
    /// Creates a map of `len` bytes.
    pub(crate) fn new(len: usize) -> std::io::Result<Self> {
        MmapMut::map_anon(len).map(Self)
    }

    /// Releases the pages behind byte `from`, rounded up to `ALIGN`; released pages read as zero.
    /// On systems without such advice, it does nothing.
    pub(crate) fn release_tail(&mut self, from: usize) {
        /// A multiple of the page size of every system.
        const ALIGN: usize = 64 << 10;
        let (map, from) = (&mut self.0, from.next_multiple_of(ALIGN));
        if from >= map.len() {
            return;
        }
        #[cfg(target_os = "linux")]
        {
            let (advice, len) = (memmap2::UncheckedAdvice::DontNeed, map.len() - from);
            // SAFETY: released pages of an anonymous private map read as zero. Nobody else sees the
            // map: it is borrowed mutably. The range lies within the map and begins on a page:
            // checked above.
            let _ = unsafe { map.unchecked_advise_range(advice, from, len) };
        }
    }
}

impl Deref for AnonMap {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for AnonMap {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Map(map) => map,
            #[cfg(any(test, feature = "__fuzzing"))]
            Bytes::Heap(words, len) => &bytemuck::cast_slice(words)[..*len],
        }
    }
}
