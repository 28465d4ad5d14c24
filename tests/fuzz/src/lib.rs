//! Owns the parts of fuzzing beside the targets of `altiplano::testing::hostile`: the target for
//! vector files, and the limit on memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use altiplano::testing::hostile::{TARGETS, Target};

mod vector_files;

/// Counts live heap bytes, so that a decoder that asks for too many is found.
pub struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// Limit of live heap bytes while one input runs, beyond those before it. The golden store has
/// about 100 KB in all. The target of stores holds its files, two maps of each, and the output of a
/// compaction. Every other target needs far less.
pub const MAX_BYTES: usize = 24 << 20;

fn grown(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(live, Ordering::Relaxed);
}

// SAFETY: every call is passed on to the system's allocator with the same arguments. The counters
// touch no memory that was allocated.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grown(size);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// Returns all targets: those of the crate and the vector files.
pub fn targets() -> Vec<Target> {
    let files = Target { name: "vector_files", run: vector_files::run };
    TARGETS.into_iter().chain([files]).collect()
}

/// Returns the target of this name.
pub fn target(name: &str) -> Option<Target> {
    targets().into_iter().find(|target| target.name == name)
}

/// Runs one input and fails if it exceeded the memory limit. Returns true if the input was
/// accepted, and the bytes that it used.
pub fn bounded(target: &Target, data: &[u8]) -> (bool, usize) {
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let verdict = (target.run)(data);
    let peak = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    assert!(peak <= MAX_BYTES, "{}: {peak} bytes of heap for one input", target.name);
    (verdict.accepted, peak)
}
