//! Owns the files of the log: appends frames, reads them back and distinguishes a torn tail from
//! corruption. It knows frames, but not the operations in them, nor which collection needs which
//! file of the chain.
//!
//! Only the tail of the last file may be torn (I5): a file is synced before its successor begins. A
//! bad frame there is a torn tail unless a later frame says that it was durable. Anywhere else a
//! bad frame is corruption. Recovery never changes an old file: it copies the valid prefix forward.

mod salvage;

use std::path::{Path, PathBuf};

use crate::clock::Timestamp;
pub(crate) use salvage::Hole;

use crate::disk::{AppendFile, Disk};
use crate::error::{Error, Result};
use crate::format::at_path::{decode_error, read_header};
use crate::format::frame::{
    Frame, FrameContext, FrameHead, FrameKind, decode_frame, decode_head, encode_frame, frame_len,
};
use crate::format::header::{FileHeader, FileKind, HEADER_LEN, StoreId};
use crate::format::manifest::LogEntry;
use crate::format::names::FileName;
use crate::ids::{FileId, Seq};
use crate::map_vec::MapVec;
use crate::sabotage::broken;

/// Size from which a log file takes no more frames, in bytes. A larger frame gets a file of its
/// own.
pub(crate) const LOG_FILE_BYTES: u64 = 4 << 20;
/// Largest log file that is read: one frame of the largest size, and a margin.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// An open log file.
pub(crate) struct LogWriter {
    file: Box<dyn AppendFile>,
    id: FileId,
    salt: [u8; 16],
    good_len: u64,
    synced_len: u64,
    failed: bool,
    buffer: Vec<u8>,
}

impl LogWriter {
    /// Creates a log file. Its name is durable once the caller has synced the directory.
    pub(crate) fn create(disk: &dyn Disk, dir: &Path, header: &FileHeader) -> Result<Self> {
        let path = log_path(dir, header.file);
        let mut file = disk.create(&path)?;
        if let Err(error) = file.append(&header.encode()) {
            // No manifest names the file yet. On a full disk each try would leave one behind.
            drop(file);
            let _ = disk.remove(&path);
            return Err(error);
        }
        Ok(Self {
            file,
            id: header.file,
            salt: header.salt,
            good_len: HEADER_LEN as u64,
            synced_len: 0,
            failed: false,
            buffer: Vec::new(),
        })
    }

    pub(crate) const fn file(&self) -> FileId {
        self.id
    }

    /// Returns the bytes of whole frames: the valid part of the file.
    pub(crate) const fn good_len(&self) -> u64 {
        self.good_len
    }

    /// Returns true if no append was tried.
    pub(crate) const fn is_untouched(&self) -> bool {
        !self.failed && self.good_len == HEADER_LEN as u64
    }

    /// Returns the bytes that are known to be durable.
    pub(crate) const fn synced_len(&self) -> u64 {
        self.synced_len
    }

    /// Returns true if a payload of this size fits. An empty file takes any payload.
    pub(crate) const fn has_room(&self, payload: usize) -> bool {
        let empty = self.good_len == HEADER_LEN as u64;
        !self.failed && (empty || self.good_len + frame_len(payload) as u64 <= LOG_FILE_BYTES)
    }

    /// Appends one frame, which records how much of the file is durable. After an error the file
    /// takes no more frames, and only its first `good_len` bytes are valid.
    pub(crate) fn append(&mut self, head: &FrameHead, payload: &[u8]) -> Result<()> {
        debug_assert!(!self.failed, "a failed log file takes no more frames");
        self.buffer.clear();
        let at = FrameContext { salt: self.salt, file: self.id, offset: self.good_len };
        let head = FrameHead { synced_len: self.synced_len, ..*head };
        encode_frame(&mut self.buffer, &at, &head, payload);
        if let Err(error) = self.file.append(&self.buffer) {
            self.failed = true;
            broken!(AppendAfterFailure => self.failed = false);
            return Err(error);
        }
        self.good_len += self.buffer.len() as u64;
        // One huge batch must not occupy its size in RAM for ever (I13).
        if self.buffer.capacity() as u64 > LOG_FILE_BYTES {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    /// Makes every appended frame durable. After an error nothing more may be acknowledged.
    #[track_caller]
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.file.sync()?;
        self.synced_len = self.good_len;
        Ok(())
    }
}

/// The time of a log without frames: no high-water mark, and no doubt about the clock.
const UNKNOWN: (Timestamp, Timestamp) = (Timestamp::MIN, Timestamp::MIN);

/// The end of a log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogEnd {
    /// Bytes of valid frames, header included.
    pub(crate) valid_len: u64,
    /// The largest `last_seq` of its frames.
    pub(crate) last_seq: Seq,
    /// The latest high-water mark of its frames, and the clock's reading when doubt about it began.
    pub(crate) time: (Timestamp, Timestamp),
}

/// A log file to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogSource<'a> {
    pub(crate) disk: &'a dyn Disk,
    pub(crate) dir: &'a Path,
    pub(crate) store: StoreId,
    pub(crate) entry: &'a LogEntry,
    /// True for the last file of the chain, whose tail may be torn.
    pub(crate) last: bool,
}

impl LogSource<'_> {
    /// Reads every frame in order. `visit` gets the head, the payload and the payload's offset.
    pub(crate) fn read(
        &self,
        mut visit: impl FnMut(&FrameHead, &[u8], u64) -> Result<()>,
    ) -> Result<LogEnd> {
        let path = log_path(self.dir, self.entry.file);
        let file = self.disk.open(&path)?;
        let len = self.check_len(&path, file.len())?;
        let bytes = MapVec::read_file(file.as_ref(), len)?;
        let header = read_header(&path, &bytes)?;
        let ours = header.kind == FileKind::Log
            && header.store == self.store
            && header.file == self.entry.file;
        if !ours {
            return Err(Error::corrupt(path, 0, "this is another file's content"));
        }
        let mut end = LogEnd { valid_len: HEADER_LEN as u64, last_seq: Seq::ZERO, time: UNKNOWN };
        let mut closed = false;
        while end.valid_len < len {
            let frame = match frame_at(&header, &bytes, end.valid_len) {
                Ok(frame) if !closed => frame,
                Ok(_) => {
                    return Err(Error::corrupt(path, end.valid_len, "a frame follows the end"));
                }
                Err(error) => {
                    let torn = self.last
                        && !closed
                        && self.entry.valid_len.is_none()
                        && end.valid_len >= self.entry.synced_len;
                    broken!(IgnoreSyncedLen => return Ok(end));
                    if torn && !durable_for_a_later_one(&header, &bytes, end.valid_len) {
                        return Ok(end);
                    }
                    return Err(decode_error(&path, end.valid_len, error));
                }
            };
            let payload_at = end.valid_len + crate::format::frame::FRAME_HEAD_LEN as u64;
            visit(&frame.head, frame.payload, payload_at)?;
            closed = frame.head.kind == FrameKind::Close;
            end.valid_len += frame.len as u64;
            end.last_seq = end.last_seq.max(frame.head.last_seq);
            end.time = end.time.max((frame.head.time, frame.head.clock_doubted));
        }
        Ok(end)
    }

    fn check_len(&self, path: &Path, len: u64) -> Result<u64> {
        let limit = self.entry.valid_len.unwrap_or(len);
        // A file that was cut between two frames shows no bad frame, so its length is checked.
        let least = limit.max(self.entry.synced_len).max(HEADER_LEN as u64);
        if len < least {
            return Err(Error::corrupt(path, len, format!("the log has {len} bytes, not {least}")));
        }
        if limit > MAX_FILE_BYTES {
            return Err(Error::corrupt(path, limit, "the log is larger than any may be"));
        }
        Ok(limit)
    }

    /// Copies the valid frames into a new log file and syncs it. Frames that end a session
    /// (`Close`) are not copied.
    pub(crate) fn copy_forward(&self, to: &mut LogWriter) -> Result<LogEnd> {
        broken!(SkipCopyForward => return self.read(|_, _, _| Ok(())));
        let end = self.read(|head, payload, _| match head.kind {
            FrameKind::Close => Ok(()),
            _ => to.append(head, payload),
        })?;
        to.sync()?;
        Ok(end)
    }
}

/// Returns the path of a log file.
fn log_path(dir: &Path, file: FileId) -> PathBuf {
    dir.join(FileName::Log(file).to_string())
}

fn frame_at<'a>(
    header: &FileHeader,
    bytes: &'a [u8],
    offset: u64,
) -> std::result::Result<Frame<'a>, crate::format::DecodeError> {
    let at = FrameContext { salt: header.salt, file: header.file, offset };
    decode_frame(bytes.get(offset as usize..).unwrap_or(&[]), &at)
}

/// Returns true if a frame after the bad one says that the bad one was durable. Then it is no torn
/// tail: acknowledged operations are missing. A whole head is proof, even if its payload is torn.
/// Reading heads alone also keeps the search linear in the file's length.
fn durable_for_a_later_one(header: &FileHeader, bytes: &[u8], bad: u64) -> bool {
    let first = bad as usize + 8;
    (first..bytes.len()).step_by(8).any(|offset| {
        let at = FrameContext { salt: header.salt, file: header.file, offset: offset as u64 };
        decode_head(bytes.get(offset..).unwrap_or(&[]), &at)
            .is_ok_and(|(head, ..)| head.synced_len > bad)
    })
}

#[cfg(test)]
mod tests;
