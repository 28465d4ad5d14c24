//! Owns how a repair reads the log: the log files as sources, and in their frames the operations
//! that no file covers yet. `survivors` decides which of them count.

use super::sources::Sources;
use crate::format::cursor::Cursor;
use crate::format::frame::{FrameHead, FrameKind};
use crate::format::header::HEADER_LEN;
use crate::format::manifest::LogEntry;
use crate::format::op::Op;
use crate::ids::Seq;
use crate::log::{Hole, LogSource};

/// Returns the sequence number of a frame's first operation.
pub(super) fn first_seq(head: &FrameHead, payload: &[u8]) -> Seq {
    Op::decode(&mut Cursor::new(payload)).map_or(head.last_seq, |op| op.seq)
}

/// Returns the hole that a log file leaves if nothing of it can be read.
pub(super) fn missing(entry: &LogEntry) -> Hole {
    // A file that is known to have held no frame leaves no hole.
    let bytes = entry.valid_len.map_or(0, |len| len.saturating_sub(HEADER_LEN as u64));
    let offset = u64::from(entry.valid_len.is_some() && bytes == 0);
    Hole { offset, bytes, next: None, reason: "the log file is missing or cannot be read" }
}

pub(super) fn log_source<'a>(sources: &'a Sources<'_>, file: u32) -> LogSource<'a> {
    LogSource {
        disk: sources.disk,
        dir: sources.dir,
        store: sources.manifest.store,
        entry: &sources.log[file as usize],
        last: file as usize + 1 == sources.log.len(),
    }
}

/// Visits the operations of a frame that no file covers yet, each with the position of its
/// collection. The position is `None` for a collection that the manifest does not know.
pub(super) fn each_op(
    sources: &Sources<'_>,
    file: u32,
    head: &FrameHead,
    payload: &[u8],
    mut visit: impl FnMut(Option<u32>, Op),
) {
    if !matches!(head.kind, FrameKind::Batch | FrameKind::Copied) {
        return;
    }
    let file = sources.log.get(file as usize).map(|entry| entry.file);
    let mut cursor = Cursor::new(payload);
    while !cursor.is_empty() {
        // The checksum of the frame holds, so an operation that cannot be decoded was not written
        // by this version.
        let Ok(op) = Op::decode(&mut cursor) else { return };
        let of = sources.manifest.collections.iter().position(|c| c.id == op.collection);
        let covered = of
            .and_then(|at| sources.manifest.collections.get(at))
            .is_some_and(|c| op.seq <= c.covers_seq || file < Some(c.log_from));
        if !covered {
            visit(of.map(|at| at as u32), op);
        }
    }
}
