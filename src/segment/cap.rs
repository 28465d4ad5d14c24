//! Owns the largest size of a segment.

/// Smallest cap on the bytes of a segment.
const MIN_SEGMENT_BYTES: u64 = 4 << 20;
/// Largest cap on the bytes of a segment.
const MAX_SEGMENT_BYTES: u64 = 256 << 20;

/// Returns the largest size in bytes of a segment in a collection with this many live bytes. It is
/// an eighth of them, so that a rewrite never needs much scratch space.
pub(crate) fn segment_cap(live_bytes: u64) -> u64 {
    (live_bytes / 8).clamp(MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES)
}
