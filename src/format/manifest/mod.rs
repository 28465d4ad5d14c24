//! Owns the bytes of a manifest. Layout: `format.md`, "Manifest". `data` has what a manifest says,
//! and `body` the versions of its body.

mod body;
mod data;

use std::collections::HashSet;

use super::cursor::Cursor;
use super::header::{FileHeader, FileKind, HEADER_LEN, HeaderError};
use super::names::FileName;
use super::{DecodeError, codec, crc32};
use crate::ids::{CollectionId, FileId, Seq};
use body::{BodyV2, BodyV3, BodyV4};
pub(crate) use data::{
    CollectionEntry, DeletesEntry, IndexEntry, LogEntry, Manifest, SegmentEntry,
};

const BODY_VERSION: u16 = 4;

impl Manifest {
    /// Returns every file that is part of the store, without the lock and the manifest itself.
    pub(crate) fn files(&self) -> impl Iterator<Item = FileName> {
        let log = self.log.iter().map(|l| FileName::Log(l.file));
        let segments = self.collections.iter().flat_map(|c| &c.segments).flat_map(|s| {
            let deletes = s.deletes.as_ref().map(|d| FileName::Deletes(d.file));
            [Some(FileName::Segment(s.file)), deletes].into_iter().flatten()
        });
        let indexes = self
            .collections
            .iter()
            .flat_map(|c| &c.indexes)
            .flat_map(|i| [FileName::Index(i.index), FileName::Locator(i.locator)]);
        log.chain(segments).chain(indexes)
    }

    /// Returns the entry of a collection.
    pub(crate) fn collection_mut(&mut self, id: CollectionId) -> Option<&mut CollectionEntry> {
        self.collections.iter_mut().find(|c| c.id == id)
    }

    /// Encodes the whole file.
    pub(crate) fn encode(&self, salt: [u8; 16]) -> crate::Result<Vec<u8>> {
        let body = codec::encode(&BodyV4::from(self))?;
        let file = FileId(self.generation);
        let header = FileHeader { kind: FileKind::Manifest, store: self.store, file, salt };
        let mut out = header.encode().to_vec();
        out.extend_from_slice(&BODY_VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&(body.len() as u32).to_le_bytes());
        let crc = checksum(BODY_VERSION, salt, &body);
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&body);
        Ok(out)
    }

    /// Decodes a whole file.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let header = FileHeader::decode(bytes)?;
        if header.kind != FileKind::Manifest {
            return Err(DecodeError::new(8, "this is not a manifest").into());
        }
        let mut cursor = Cursor::new(bytes);
        cursor.bytes(HEADER_LEN)?;
        let version = cursor.u16()?;
        let reserved = cursor.u16()?;
        let len = cursor.u32()? as usize;
        let crc = cursor.u32()?;
        // No checksum covers these bytes.
        if (u32::from(reserved), cursor.u32()?) != (0, 0) {
            return Err(cursor.error("reserved bytes of the manifest are not zero").into());
        }
        let at = cursor.position() as u64;
        if len != cursor.remaining() {
            return Err(DecodeError::new(at, "the manifest's length does not match").into());
        }
        let body = cursor.bytes(len)?;
        if crc != checksum(version, header.salt, body) {
            return Err(DecodeError::new(at, "the manifest's checksum does not match").into());
        }
        let older = BodyV3::into;
        let body: Result<BodyV4, _> = match version {
            1 => codec::decode(body)
                .map(|rest| older(BodyV2 { rest, dead_since: Vec::new() }.into())),
            2 => codec::decode(body).map(|rest: BodyV2| older(rest.into())),
            3 => codec::decode(body).map(older),
            BODY_VERSION => codec::decode(body),
            _ => return Err(HeaderError::TooNew(version)),
        };
        let body =
            body.map_err(|_| DecodeError::new(at, "the manifest's body cannot be decoded"))?;
        let manifest = body.into_manifest(header);
        manifest.check().map_err(|reason| DecodeError::new(at, reason))?;
        Ok(manifest)
    }

    /// Checks what must hold between the parts of a manifest.
    fn check(&self) -> Result<(), &'static str> {
        let mut seen = HashSet::new();
        if !self.files().filter_map(FileName::file).all(|f| f < self.next_file && seen.insert(f)) {
            return Err("the manifest names a file twice, or one that was never made");
        }
        if self.log.is_empty() {
            return Err("the manifest names no log");
        }
        let numbers = [self.generation, self.next_file.0, self.last_seq.0];
        if numbers.into_iter().any(|n| n > Seq::MAX.0) || self.next_collection.0 > u32::MAX / 2 {
            return Err("a number of the manifest is out of range");
        }
        if !self.log.is_sorted_by(|a, b| a.file < b.file) {
            return Err("the manifest's log files are out of order");
        }
        let mut names = HashSet::new();
        for collection in &self.collections {
            if collection.id >= self.next_collection || !names.insert(&collection.name) {
                return Err("the manifest names a collection twice");
            }
            if collection.options.validate().is_err() {
                return Err("the manifest's options of a collection are out of range");
            }
            let segments: HashSet<FileId> = collection.segments.iter().map(|s| s.file).collect();
            let mut listed = collection.indexes.iter().flat_map(|i| &i.segments);
            if !listed.all(|file| segments.contains(file)) {
                return Err("an index covers a segment that is not there");
            }
        }
        Ok(())
    }
}

/// Returns the checksum of a body. It covers the version. Otherwise one flipped bit, as in version
/// 1, makes a manifest look newer, and not even a repair touches a newer one.
pub(crate) fn checksum(version: u16, salt: [u8; 16], body: &[u8]) -> u32 {
    match version {
        1 => crc32(&[&salt, body]),
        _ => crc32(&[&salt, &version.to_le_bytes(), body]),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::time::Duration;

    use crate::clock::Timestamp;
    use crate::format::header::StoreId;
    use crate::options::{CollectionOptions, CollectionSettings, Metric, TextIndex};
    use crate::words::Language;

    pub(crate) fn manifest() -> Manifest {
        let options = CollectionOptions::new(3, Metric::Cosine).embedding_space("m");
        let options = options.unique_keys(true).refresh_on_read(Duration::from_millis(300));
        let options = options.text_index(TextIndex::new().language(Language::German).k1(0.5));
        let options = CollectionSettings::from(options);
        let deletes = DeletesEntry { file: FileId(4), len: 99, covers_seq: Seq(17), dead: 2 };
        let segment = SegmentEntry {
            file: FileId(3),
            len: 1000,
            rows: 5,
            deletes: Some(deletes),
            dead_since: Some(Timestamp::from_millis(77)),
        };
        let index = IndexEntry {
            index: FileId(5),
            index_len: 500,
            locator: FileId(6),
            locator_len: 400,
            segments: vec![FileId(3)],
        };
        let collection = CollectionEntry {
            id: CollectionId(1),
            name: "notes".into(),
            options,
            covers_seq: Seq(17),
            log_from: FileId(7),
            segments: vec![segment],
            indexes: vec![index],
        };
        Manifest {
            store: StoreId([1; 16]),
            generation: 9,
            next_file: FileId(8),
            next_collection: CollectionId(2),
            time: Timestamp::from_millis(1234),
            clock_doubted: Timestamp::from_millis(5),
            last_seq: Seq(20),
            log: vec![LogEntry { file: FileId(7), synced_len: 128, valid_len: None }],
            collections: vec![collection],
        }
    }

    #[test]
    fn a_manifest_round_trips() {
        let bytes = manifest().encode([5; 16]).unwrap();
        assert_eq!(Manifest::decode(&bytes), Ok(manifest()));
        assert_eq!(manifest().files().count(), 5);
    }

    #[test]
    fn golden_bytes_of_the_body() {
        let mut empty = manifest();
        empty.collections.clear();
        let bytes = empty.encode([5; 16]).unwrap();
        let mut expected = vec![4, 0, 0, 0]; // body version, reserved
        expected.extend([101, 0, 0, 0]); // body bytes
        assert_eq!(bytes[128..136], expected);
        let mut body = vec![8, 0, 0, 0, 0, 0, 0, 0]; // next_file
        body.extend([2, 0, 0, 0]); // next_collection
        body.extend([0xD2, 4, 0, 0, 0, 0, 0, 0]); // time
        body.extend([5, 0, 0, 0, 0, 0, 0, 0]); // clock_doubted
        body.extend([20, 0, 0, 0, 0, 0, 0, 0]); // last_seq
        body.extend([1, 0, 0, 0, 0, 0, 0, 0]); // log: one file
        body.extend([7, 0, 0, 0, 0, 0, 0, 0]); // its number
        body.extend([128, 0, 0, 0, 0, 0, 0, 0, 0]); // synced_len, no valid_len
        body.extend([0; 8]); // no collections
        body.extend([0; 8]); // no segment with dead rows
        body.extend([0; 8]); // no collection with unique keys
        body.extend([0; 8]); // no collection that prolongs lifetimes
        body.extend([0; 8]); // no collection that indexes words
        assert_eq!(bytes[144..], body);
    }

    #[test]
    fn bodies_of_older_versions_are_read_and_end_before_what_came_later() {
        let mut expected = manifest();
        let mut bytes = expected.encode([5; 16]).unwrap();
        // Version 4 added one collection to a list, version 3 to two lists, version 2 one segment.
        for (version, added) in [(3, 25), (2, 32), (1, 24)] {
            bytes.truncate(bytes.len() - added);
            bytes[128] = version;
            let len = bytes.len() as u32 - 144;
            bytes[132..136].copy_from_slice(&len.to_le_bytes());
            let crc = checksum(version.into(), [5; 16], &bytes[144..]);
            bytes[136..140].copy_from_slice(&crc.to_le_bytes());
            expected.collections[0].options.text_index = None;
            if version < 3 {
                expected.collections[0].options.unique_keys = false;
                expected.collections[0].options.refresh_on_read = None;
            }
            if version == 1 {
                expected.collections[0].segments[0].dead_since = None;
            }
            assert_eq!(Manifest::decode(&bytes), Ok(expected.clone()));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = manifest().encode([5; 16]).unwrap();
        for i in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[i / 8] ^= 1 << (i % 8);
            // No checksum covers two reserved fields, but a change in them must be noticed as well.
            assert!(Manifest::decode(&damaged).is_err(), "bit {i}");
        }
        for len in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..len]).is_err());
        }
    }

    #[test]
    fn contradictions_are_refused_even_with_a_right_checksum() {
        let mut twice = manifest();
        twice.collections[0].indexes[0].locator = FileId(5);
        let mut missing = manifest();
        missing.collections[0].indexes[0].segments = vec![FileId(2)];
        let mut no_log = manifest();
        no_log.log.clear();
        // For each of these numbers the next one would overflow.
        let last_file = Manifest { next_file: FileId(u64::MAX), ..manifest() };
        let last_seq = Manifest { last_seq: Seq(u64::MAX), ..manifest() };
        let last_generation = Manifest { generation: u64::MAX, ..manifest() };
        let last_collection = Manifest { next_collection: CollectionId(u32::MAX), ..manifest() };
        let numbers = [last_file, last_seq, last_generation, last_collection];
        for bad in [twice, missing, no_log].into_iter().chain(numbers) {
            assert!(Manifest::decode(&bad.encode([5; 16]).unwrap()).is_err());
        }
    }

    #[test]
    fn each_contradiction_is_named() {
        let reason = |bad: Manifest| match Manifest::decode(&bad.encode([5; 16]).unwrap()) {
            Err(HeaderError::Decode(error)) => error.reason,
            other => panic!("{other:?}"),
        };
        let mut order = manifest();
        order.log.push(LogEntry { file: FileId(2), synced_len: 128, valid_len: None });
        assert_eq!(reason(order), "the manifest's log files are out of order");
        let mut twice = manifest();
        let (id, name) = (CollectionId(2), twice.collections[0].name.clone());
        let (segments, indexes) = (Vec::new(), Vec::new());
        let same = CollectionEntry { id, name, segments, indexes, ..twice.collections[0].clone() };
        twice.next_collection = CollectionId(3);
        twice.collections.push(same);
        assert_eq!(reason(twice), "the manifest names a collection twice");
        let mut options = manifest();
        options.collections[0].options.dimension = 0;
        let refused = "the manifest's options of a collection are out of range";
        assert_eq!(reason(options), refused);
    }

    #[test]
    fn another_kind_of_file_and_a_newer_body_are_told_apart_from_damage() {
        let mut bytes = manifest().encode([5; 16]).unwrap();
        bytes[128] = 5;
        let damaged = DecodeError::new(144, "the manifest's checksum does not match");
        assert_eq!(Manifest::decode(&bytes), Err(damaged.into()));
        let crc = checksum(5, [5; 16], &bytes[144..]);
        bytes[136..140].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Manifest::decode(&bytes), Err(HeaderError::TooNew(5)));
        let mut bytes = manifest().encode([5; 16]).unwrap();
        bytes[8] = FileKind::Log as u8;
        let crc = crc32(&[&bytes[..124]]);
        bytes[124..128].copy_from_slice(&crc.to_le_bytes());
        let refused = DecodeError::new(8, "this is not a manifest");
        assert_eq!(Manifest::decode(&bytes), Err(refused.into()));
    }
}
