//! Owns the reading of a damaged log file: every whole frame, before the damage and behind it. For
//! repair only; recovery takes frames up to the first bad one, see `log`.

use super::{LogSource, MAX_FILE_BYTES, frame_at, log_path};
use crate::error::{Error, Result};
use crate::format::frame::{FRAME_HEAD_LEN, FrameHead, FrameKind};
use crate::format::header::{FileHeader, FileKind, HEADER_LEN, HeaderError};
use crate::ids::Seq;
use crate::map_vec::MapVec;

/// Position of the salt in a file header.
const SALT: std::ops::Range<usize> = 40..56;

/// A part of a log without a whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    /// The `last_seq` of the next whole frame in the file.
    pub(crate) next: Option<Seq>,
    pub(crate) reason: &'static str,
}

impl LogSource<'_> {
    /// Passes every whole frame to `visit` in order, and returns the holes between them. An error
    /// means that the file cannot be read at all, or that it is another file.
    pub(crate) fn salvage(
        &self,
        mut visit: impl FnMut(&FrameHead, &[u8], u64) -> Result<()>,
    ) -> Result<Vec<Hole>> {
        let path = log_path(self.dir, self.entry.file);
        let file = self.disk.open(&path)?;
        let bytes = MapVec::read_file(file.as_ref(), MAX_FILE_BYTES.min(file.len()))?;
        let header = match FileHeader::decode(&bytes) {
            Ok(header) => header,
            Err(HeaderError::TooNew(_)) => return Err(Error::corrupt(path, 10, "it is too new")),
            // The checksums of the frames show whether the salt is right.
            Err(HeaderError::Decode(_)) => {
                let salt = bytes.get(SALT).and_then(|salt| salt.try_into().ok());
                let salt = salt.ok_or_else(|| Error::corrupt(&path, 0, "the file is cut short"))?;
                let (store, file) = (self.store, self.entry.file);
                FileHeader { kind: FileKind::Log, store, file, salt }
            }
        };
        let ours = header.kind == FileKind::Log
            && header.store == self.store
            && header.file == self.entry.file;
        if !ours {
            return Err(Error::corrupt(path, 0, "this is another file's content"));
        }
        let len = bytes.len() as u64;
        let vouched = self.entry.valid_len.unwrap_or(self.entry.synced_len);
        let end = self.entry.valid_len.unwrap_or(len.max(vouched));
        let (mut at, mut hole, mut holes) = (HEADER_LEN as u64, None, Vec::new());
        while at < end.min(len) {
            let Ok(frame) = frame_at(&header, &bytes, at) else {
                hole.get_or_insert(at);
                at += 8;
                continue;
            };
            if let Some(offset) = hole.take() {
                let next = Some(frame.head.last_seq);
                let reason = "no whole frame is here";
                holes.push(Hole { offset, bytes: at - offset, next, reason });
            }
            visit(&frame.head, frame.payload, at)?;
            at += frame.len as u64;
            if frame.head.kind == FrameKind::Close {
                return Ok(holes);
            }
        }
        if hole.is_some() || end > len {
            let offset = hole.unwrap_or(at.min(len));
            // Only a head is missing: a `Close` or a `Time` frame, which hold no operations.
            if end == vouched && end.saturating_sub(offset) == FRAME_HEAD_LEN as u64 {
                return Ok(holes);
            }
            let reason = if end > len { "the log is cut short" } else { "no whole frame is here" };
            holes.push(Hole { offset, bytes: end - offset, next: None, reason });
        }
        Ok(holes)
    }
}
