//! Owns maps: read-only ones of sealed files, and anonymous ones for large arrays in RAM
//! (`map_vec`), with the unsafe lines that make them and let their pages go.
//!
//! Why a map here is sound although the file system is shared: (1) only sealed files are mapped:
//! this process never writes, truncates or punches a file once it is sealed (I2; `Disk` has no
//! operation that could); (2) the store's lock keeps other writers of this crate out, and readers of
//! this crate never write; (3) files leave by unlink, which keeps maps alive. What remains is
//! another program that changes the file in place: truncation would end in SIGBUS, as for every
//! program that maps files. The crate's documentation says so.
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
    /// A simulated file: words, for their alignment, and how many bytes of them count.
    #[cfg(any(test, feature = "__fuzzing"))]
    Heap(Arc<[u128]>, usize),
}

impl Mapped {
    /// Maps a whole sealed file.
    pub(super) fn new(file: &File, path: &Path) -> Result<Self> {
        // SAFETY: the file is sealed, so nobody changes it while it is mapped: guaranteed by I2 and
        // the store's lock, argued at the top of this file; the caller is `SealedFile::map`, the
        // type of which says that the file was opened for reading only.
        let map = unsafe { memmap2::Mmap::map(file) }.map_err(|e| Error::io("map", path, e))?;
        Ok(Self { bytes: Bytes::Map(Arc::new(map)) })
    }

    /// Lets its pages go: they leave the resident memory of this process and come back from the file
    /// where they are read again. Where the system has no such advice, nothing happens.
    pub(crate) fn release(&self) {
        self.release_range(0..self.len());
    }

    /// As [`Mapped::release`], of the pages of this part.
    pub(crate) fn release_range(&self, range: Range<usize>) {
        let range = range.start..range.end.min(self.len());
        if range.is_empty() {
            return;
        }
        match &self.bytes {
            #[cfg(target_os = "linux")]
            Bytes::Map(map) => {
                let advice = memmap2::UncheckedAdvice::DontNeed;
                // SAFETY: dropped pages of a read-only map of a file are read from it again, and the
                // file is sealed (I2), so that whoever holds a slice sees the same bytes as before. The
                // range lies within the map: checked above.
                let _ = unsafe { map.unchecked_advise_range(advice, range.start, range.len()) };
            }
            #[cfg(not(target_os = "linux"))]
            Bytes::Map(_) => {}
            #[cfg(any(test, feature = "__fuzzing"))]
            Bytes::Heap(..) => {}
        }
    }

    /// A copy of a simulated file.
    #[cfg(any(test, feature = "__fuzzing"))]
    pub(crate) fn copy_of(bytes: &[u8]) -> Self {
        let mut words = vec![0u128; bytes.len().div_ceil(size_of::<u128>())];
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
        Self { bytes: Bytes::Heap(words.into(), bytes.len()) }
    }
}

/// Bytes of RAM that are the system's and not the allocator's: zero at first, and given back the
/// moment that they are dropped.
#[derive(Debug)]
pub(crate) struct AnonMap(MmapMut);

impl AnonMap {
    /// A map of this many bytes.
    pub(crate) fn new(len: usize) -> std::io::Result<Self> {
        MmapMut::map_anon(len).map(Self)
    }

    /// Lets the pages go that begin behind this byte, but for some of the first; those that went
    /// read as zero. Where the system has no such advice, nothing happens.
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
            // SAFETY: dropped pages of an anonymous private map read as zero, and nobody else sees
            // it: the map is borrowed mutably. The range lies within the map, and begins on a
            // page: checked above.
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
