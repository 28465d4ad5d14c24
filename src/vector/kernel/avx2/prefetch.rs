//! Owns the prefetching of cache lines on x86-64.
#![expect(unsafe_code, reason = "a prefetch is an intrinsic")]

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

use crate::vector::kernel::batch::{Part, Rows};

/// Prefetches every cache line that the bytes touch.
#[inline(always)]
pub(in crate::vector::kernel) fn prefetch(bytes: &[u8]) {
    let start = bytes.as_ptr();
    // Offset from the start of the first cache line.
    let end = start.addr() % 64 + bytes.len();
    // The first line is outside the loop, because a sign filter mostly reads no other line.
    // SAFETY: a prefetch has no effect on memory whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(start.cast()) };
    let mut at = 64;
    while at < end {
        // SAFETY: a prefetch has no effect on memory whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(at).cast()) };
        at += 64;
    }
}

/// Prefetches a part of these rows.
pub(in crate::vector::kernel) fn ask(rows: &Rows<'_>, part: Part, nodes: &[u32]) {
    nodes.iter().for_each(|node| prefetch(part.codes(rows.row(*node))));
}
