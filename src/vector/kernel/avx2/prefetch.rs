//! Owns the asking for cache lines that are read soon, on x86-64.
#![expect(unsafe_code, reason = "a prefetch is an intrinsic")]

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

use crate::vector::kernel::batch::{Part, Rows};

/// Every line that the bytes touch.
#[inline(always)]
pub(in crate::vector::kernel) fn prefetch(bytes: &[u8]) {
    let start = bytes.as_ptr();
    // Counted from the beginning of the first line.
    let end = start.addr() % 64 + bytes.len();
    // The first one outside the loop: most first looks at a row ask for no other.
    // SAFETY: a prefetch has no effect on memory whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(start.cast()) };
    let mut at = 64;
    while at < end {
        // SAFETY: a prefetch has no effect on memory whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(at).cast()) };
        at += 64;
    }
}

/// The same for a part of these rows.
pub(in crate::vector::kernel) fn ask(rows: &Rows<'_>, part: Part, nodes: &[u32]) {
    nodes.iter().for_each(|node| prefetch(part.codes(rows.row(*node))));
}
