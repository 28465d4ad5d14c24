//! Owns the frames of a log: one frame is one atomic batch. Layout: `format.md`, "Log frame".
//!
//! Checksums are salted with the file's salt, its number and the frame's offset. So zeros, stale
//! blocks and blocks of other files never look like a frame.

use super::DecodeError;
use super::cursor::Cursor;
use crate::clock::Timestamp;
use crate::ids::{FileId, Seq};
use crate::sabotage::broken;

/// Bytes of a frame's head, which precedes its payload.
pub(crate) const FRAME_HEAD_LEN: usize = 64;
/// Largest payload of a frame, in bytes.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 64 << 20;
const MAGIC: u32 = 0x4D52_4641; // "AFRM"

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FrameKind {
    /// Operations of one batch, with new sequence numbers.
    Batch = 1,
    /// Rows copied from an older log file, with their own sequence numbers.
    Copied = 2,
    /// The time alone, without operations.
    Time = 3,
    /// The store was closed; nothing follows.
    Close = 4,
}

/// The fields of a frame, without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHead {
    pub(crate) kind: FrameKind,
    /// Sequence number of the last operation in the frame or before it.
    pub(crate) last_seq: Seq,
    /// Bytes of the file that were known to be durable when the frame was written.
    pub(crate) synced_len: u64,
    /// The high-water mark of time.
    pub(crate) time: Timestamp,
    /// The clock's reading when doubt about it began; `Timestamp::MIN` if there is no doubt.
    pub(crate) clock_doubted: Timestamp,
}

/// The position of a frame, which is part of its checksums.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameContext {
    pub(crate) salt: [u8; 16],
    pub(crate) file: FileId,
    /// Offset of the frame in its file.
    pub(crate) offset: u64,
}

/// A decoded frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Frame<'a> {
    pub(crate) head: FrameHead,
    pub(crate) payload: &'a [u8],
    /// Bytes of the whole frame, padding included.
    pub(crate) len: usize,
}

impl Frame<'_> {
    /// Returns the frame that a reader without checks would see in eight zeros. See
    /// `Sabotage::ZerosAreFrames`.
    const fn of_zeros() -> Self {
        let (kind, last_seq, time) = (FrameKind::Time, Seq::ZERO, Timestamp::MIN);
        let head = FrameHead { kind, last_seq, synced_len: 0, time, clock_doubted: time };
        Self { head, payload: &[], len: 8 }
    }
}

/// Returns the bytes that a frame with a payload of `payload` bytes takes in the log.
pub(crate) const fn frame_len(payload: usize) -> usize {
    FRAME_HEAD_LEN.saturating_add(payload).next_multiple_of(8)
}

/// Appends an encoded frame to `out`.
pub(crate) fn encode_frame(out: &mut Vec<u8>, at: &FrameContext, head: &FrameHead, payload: &[u8]) {
    out.reserve_exact(frame_len(payload.len()));
    let mut fields = Vec::with_capacity(FRAME_HEAD_LEN);
    fields.extend_from_slice(&MAGIC.to_le_bytes());
    fields.extend_from_slice(&[head.kind as u8, 0, 0, 0]);
    fields.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    fields.extend_from_slice(&head.last_seq.0.to_le_bytes());
    fields.extend_from_slice(&head.synced_len.to_le_bytes());
    fields.extend_from_slice(&head.time.to_mark_bits().to_le_bytes());
    fields.extend_from_slice(&head.clock_doubted.to_mark_bits().to_le_bytes());
    fields.resize(FRAME_HEAD_LEN - 8, 0);
    let body_crc = salted(at, &[payload]);
    fields.extend_from_slice(&body_crc.to_le_bytes());
    let head_crc = salted(at, &[&fields]);
    fields.extend_from_slice(&head_crc.to_le_bytes());
    out.extend_from_slice(&fields);
    out.extend_from_slice(payload);
    out.resize(out.len().next_multiple_of(8), 0);
}

/// Decodes the frame at the start of `bytes`. They must reach to the end of the file or past the
/// frame.
pub(crate) fn decode_frame<'a>(
    bytes: &'a [u8],
    at: &FrameContext,
) -> Result<Frame<'a>, DecodeError> {
    broken!(ZerosAreFrames => if bytes.starts_with(&[0; 8]) { return Ok(Frame::of_zeros()) });
    let (head, payload_len, body_crc) = decode_head(bytes, at)?;
    let mut cursor = Cursor::new(bytes);
    cursor.bytes(FRAME_HEAD_LEN)?;
    let payload = cursor.bytes(payload_len)?;
    if body_crc != salted(at, &[payload]) {
        return Err(DecodeError::new(FRAME_HEAD_LEN as u64, "the frame's checksum does not match"));
    }
    let len = frame_len(payload.len());
    if bytes.len() < len {
        return Err(DecodeError::new(cursor.position() as u64, "the frame's padding is cut short"));
    }
    Ok(Frame { head, payload, len })
}

/// Decodes the head of the frame at the start of `bytes`. Returns its fields, the length of its
/// payload and the payload's checksum. O(1), whatever the length says.
pub(crate) fn decode_head(
    bytes: &[u8],
    at: &FrameContext,
) -> Result<(FrameHead, usize, u32), DecodeError> {
    let mut cursor = Cursor::new(bytes);
    let fields = cursor.bytes(FRAME_HEAD_LEN - 4)?;
    let mut head = Cursor::new(fields);
    if head.u32()? != MAGIC {
        return Err(DecodeError::new(0, "no frame begins here"));
    }
    if cursor.u32()? != salted(at, &[fields]) {
        return Err(DecodeError::new(0, "the frame head's checksum does not match"));
    }
    let kind = match head.u8()? {
        1 => FrameKind::Batch,
        2 => FrameKind::Copied,
        3 => FrameKind::Time,
        4 => FrameKind::Close,
        _ => return Err(DecodeError::new(4, "the frame is of an unknown kind")),
    };
    head.bytes(3)?;
    let payload_len = head.u64()?;
    if payload_len > MAX_PAYLOAD_BYTES as u64 {
        return Err(DecodeError::new(8, "the frame is larger than any may be"));
    }
    let last_seq = Seq(head.u64()?);
    let synced_len = head.u64()?;
    if last_seq > Seq::MAX {
        return Err(DecodeError::new(16, "the frame's sequence number is out of range"));
    }
    let time = Timestamp::from_mark_bits(head.u64()?);
    let clock_doubted = Timestamp::from_mark_bits(head.u64()?);
    head.bytes(8)?;
    let body_crc = head.u32()?;
    let head = FrameHead { kind, last_seq, synced_len, time, clock_doubted };
    Ok((head, payload_len as usize, body_crc))
}

fn salted(at: &FrameContext, pieces: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&at.salt);
    hasher.update(&at.file.0.to_le_bytes());
    hasher.update(&at.offset.to_le_bytes());
    for piece in pieces {
        hasher.update(piece);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: FrameContext = FrameContext { salt: [7; 16], file: FileId(3), offset: 128 };

    fn head() -> FrameHead {
        FrameHead {
            kind: FrameKind::Batch,
            last_seq: Seq(5),
            synced_len: 4,
            time: Timestamp::from_millis(9),
            clock_doubted: Timestamp::from_millis(6),
        }
    }

    #[test]
    fn golden_bytes() {
        let mut out = Vec::new();
        encode_frame(&mut out, &AT, &head(), b"abc");
        let mut expected = b"AFRM".to_vec(); // magic
        expected.extend([1, 0, 0, 0]); // kind: batch, reserved
        expected.extend([3, 0, 0, 0, 0, 0, 0, 0]); // payload bytes
        expected.extend([5, 0, 0, 0, 0, 0, 0, 0]); // last_seq
        expected.extend([4, 0, 0, 0, 0, 0, 0, 0]); // synced_len
        expected.extend([9, 0, 0, 0, 0, 0, 0, 0]); // time
        expected.extend([6, 0, 0, 0, 0, 0, 0, 0]); // clock_doubted
        expected.extend([0; 8]); // reserved
        assert_eq!(out[..56], expected);
        assert_eq!(out[64..], *b"abc\0\0\0\0\0");
        let frame = decode_frame(&out, &AT).unwrap();
        assert_eq!((frame.head, frame.payload, frame.len), (head(), &b"abc"[..], 72));
    }

    #[test]
    fn damage_zeros_and_frames_from_elsewhere_do_not_pass() {
        let mut out = Vec::new();
        encode_frame(&mut out, &AT, &head(), b"abc");
        for i in 0..67 * 8 {
            let mut damaged = out.clone();
            damaged[i / 8] ^= 1 << (i % 8);
            assert!(decode_frame(&damaged, &AT).is_err(), "bit {i}");
        }
        for len in 0..out.len() {
            assert!(decode_frame(&out[..len], &AT).is_err(), "length {len}");
        }
        assert!(decode_frame(&[0; 128], &AT).is_err());
        assert!(decode_frame(&out, &FrameContext { offset: 136, ..AT }).is_err());
        assert!(decode_frame(&out, &FrameContext { file: FileId(4), ..AT }).is_err());
        assert!(decode_frame(&out, &FrameContext { salt: [8; 16], ..AT }).is_err());
    }

    #[test]
    fn a_head_that_cannot_be_is_refused_even_with_a_right_checksum() {
        let reason = |change: &dyn Fn(&mut [u8])| {
            let mut out = Vec::new();
            encode_frame(&mut out, &AT, &head(), b"abc");
            change(&mut out);
            let crc = salted(&AT, &[&out[..FRAME_HEAD_LEN - 4]]);
            out[FRAME_HEAD_LEN - 4..FRAME_HEAD_LEN].copy_from_slice(&crc.to_le_bytes());
            decode_frame(&out, &AT).map(|frame| frame.head.kind).map_err(|e| e.reason)
        };
        assert_eq!(reason(&|_| {}), Ok(FrameKind::Batch));
        assert_eq!(reason(&|out| out[4] = 2), Ok(FrameKind::Copied));
        for kind in [0, 5, 255] {
            let refused = Err("the frame is of an unknown kind");
            assert_eq!(reason(&|out| out[4] = kind), refused);
        }
        let large = (MAX_PAYLOAD_BYTES as u64 + 1).to_le_bytes();
        let refused = Err("the frame is larger than any may be");
        assert_eq!(reason(&|out| out[8..16].copy_from_slice(&large)), refused);
        let late = (Seq::MAX.0 + 1).to_le_bytes();
        let refused = Err("the frame's sequence number is out of range");
        assert_eq!(reason(&|out| out[16..24].copy_from_slice(&late)), refused);
    }

    #[test]
    fn every_kind_comes_back_and_the_largest_payload_passes() {
        for kind in [FrameKind::Batch, FrameKind::Copied, FrameKind::Time, FrameKind::Close] {
            let mut out = Vec::new();
            encode_frame(&mut out, &AT, &FrameHead { kind, ..head() }, b"abc");
            assert_eq!(decode_frame(&out, &AT).unwrap().head.kind, kind);
        }
        let mut out = Vec::new();
        encode_frame(&mut out, &AT, &head(), &vec![0; MAX_PAYLOAD_BYTES]);
        assert_eq!(decode_frame(&out, &AT).unwrap().payload.len(), MAX_PAYLOAD_BYTES);
        out.clear();
        encode_frame(&mut out, &AT, &head(), &vec![0; MAX_PAYLOAD_BYTES + 1]);
        assert!(decode_frame(&out, &AT).is_err());
    }
}
