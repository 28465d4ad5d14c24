//! Owns the 128-byte header at the start of every file of a store. It says which store, which file,
//! which kind of file and which format version. Layout: `format.md`, "File header".

use super::cursor::Cursor;
use super::{DecodeError, READ_VERSION, WRITE_VERSION, crc32};
use crate::ids::FileId;

/// Bytes of a file header.
pub(crate) const HEADER_LEN: usize = 128;
const MAGIC: [u8; 8] = *b"ALTIPLAN";

/// Identifies a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct StoreId(pub(crate) [u8; 16]);

/// The kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FileKind {
    Manifest = 1,
    Log = 2,
    Segment = 3,
    Deletes = 4,
    Index = 5,
    Locator = 6,
}

impl FileKind {
    fn decode(byte: u8) -> Option<Self> {
        let all =
            [Self::Manifest, Self::Log, Self::Segment, Self::Deletes, Self::Index, Self::Locator];
        all.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// The identity of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) kind: FileKind,
    pub(crate) store: StoreId,
    /// The file's number; for a manifest, its generation.
    pub(crate) file: FileId,
    /// Part of the checksums of log frames, so that stale blocks of other files do not pass.
    pub(crate) salt: [u8; 16],
}

/// Why a header was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderError {
    Decode(DecodeError),
    /// The file needs a reader of this later format version.
    TooNew(u16),
}

impl From<DecodeError> for HeaderError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl FileHeader {
    pub(crate) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = Vec::with_capacity(HEADER_LEN);
        out.extend_from_slice(&MAGIC);
        out.push(self.kind as u8);
        out.push(0); // crypto_suite: none
        out.extend_from_slice(&READ_VERSION.to_le_bytes());
        out.extend_from_slice(&WRITE_VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.store.0);
        out.extend_from_slice(&self.file.0.to_le_bytes());
        out.extend_from_slice(&self.salt);
        out.resize(HEADER_LEN - 4, 0); // key_id, nonce and reserved bytes: zero
        let crc = crc32(&[&out]);
        out.extend_from_slice(&crc.to_le_bytes());
        let mut header = [0; HEADER_LEN];
        header.copy_from_slice(&out);
        header
    }

    /// Decodes and checks a header. Bytes behind it are ignored.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(bytes);
        let body = cursor.bytes(HEADER_LEN - 4)?;
        let crc = cursor.u32()?;
        let mut cursor = Cursor::new(body);
        if cursor.array::<8>()? != MAGIC {
            return Err(DecodeError::new(0, "this is not a file of an Altiplano store").into());
        }
        if crc != crc32(&[body]) {
            return Err(DecodeError::new(0, "the file header's checksum does not match").into());
        }
        let kind = cursor.u8()?;
        let crypto = cursor.u8()?;
        let read_version = cursor.u16()?;
        if read_version > READ_VERSION {
            return Err(HeaderError::TooNew(read_version));
        }
        let _write_version = cursor.u16()?;
        cursor.bytes(2)?;
        let kind = FileKind::decode(kind)
            .ok_or(DecodeError::new(8, "the header names an unknown kind of file"))?;
        if crypto != 0 {
            return Err(DecodeError::new(9, "the file is encrypted").into());
        }
        let store = StoreId(cursor.array()?);
        let file = FileId(cursor.u64()?);
        Ok(Self { kind, store, file, salt: cursor.array()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> FileHeader {
        let store = StoreId([0x11; 16]);
        FileHeader { kind: FileKind::Log, store, file: FileId(0x2a), salt: [0x22; 16] }
    }

    #[test]
    fn golden_bytes() {
        let mut expected = b"ALTIPLAN".to_vec(); // magic
        expected.extend([2, 0]); // kind: log; crypto_suite: none
        expected.extend([4, 0, 4, 0, 0, 0]); // read version, write version, reserved
        expected.extend([0x11; 16]); // store
        expected.extend([0x2a, 0, 0, 0, 0, 0, 0, 0]); // file
        expected.extend([0x22; 16]); // salt
        expected.extend([0; 68]); // key_id, nonce, reserved
        let bytes = header().encode();
        assert_eq!(bytes[..124], expected);
        assert_eq!(bytes[124..], crc32(&[&expected]).to_le_bytes());
        assert_eq!(FileHeader::decode(&bytes), Ok(header()));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = header().encode();
        for i in 0..HEADER_LEN * 8 {
            let mut damaged = bytes;
            damaged[i / 8] ^= 1 << (i % 8);
            assert!(FileHeader::decode(&damaged).is_err(), "bit {i}");
        }
        for len in 0..HEADER_LEN {
            assert!(FileHeader::decode(&bytes[..len]).is_err());
        }
    }

    #[test]
    fn a_newer_version_is_told_apart_from_damage() {
        let mut bytes = header().encode();
        bytes[10] = 5;
        let crc = crc32(&[&bytes[..124]]);
        bytes[124..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(FileHeader::decode(&bytes), Err(HeaderError::TooNew(5)));
    }

    #[test]
    fn an_unknown_kind_and_an_encrypted_file_are_refused_even_with_a_right_checksum() {
        for (at, value) in [(8, 0), (8, 7), (9, 1)] {
            let mut bytes = header().encode();
            bytes[at] = value;
            let crc = crc32(&[&bytes[..124]]);
            bytes[124..].copy_from_slice(&crc.to_le_bytes());
            match FileHeader::decode(&bytes) {
                Err(HeaderError::Decode(error)) => assert_eq!(error.offset, at as u64),
                other => panic!("{other:?}"),
            }
        }
    }
}
