//! Owns the tests of section files: what an open checks, what a first touch checks, and forgeries.

use super::*;
use crate::disk::RealDisk;
use crate::format::table::{CHECKED, REQUIRED};
use crate::ids::FileId;

const NAME: FileName = FileName::Segment(FileId(3));

fn header() -> FileHeader {
    let store = StoreId([1; 16]);
    FileHeader { kind: FileKind::Segment, store, file: FileId(3), salt: [2; 16] }
}

fn identity(len: u64) -> Identity {
    Identity { name: NAME, kind: FileKind::Segment, store: StoreId([1; 16]), len }
}

fn write(dir: &Path) -> u64 {
    let mut writer = SectionWriter::create(&RealDisk, dir, NAME, &header()).unwrap();
    writer.section(1, Check::Rows, b"rows").unwrap();
    writer.begin(2, Check::Blocks).unwrap();
    for i in 0..30_000u32 {
        writer.write(&i.to_le_bytes()).unwrap();
    }
    writer.section(3, Check::Blocks, b"").unwrap();
    writer.finish().unwrap()
}

#[test]
fn sections_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let len = write(dir.path());
    let file = SectionFile::open(&RealDisk, dir.path(), &identity(len)).unwrap();
    assert_eq!(file.bytes(1), Some(&b"rows"[..]));
    assert_eq!(file.checked(2).unwrap().len(), 120_000);
    assert_eq!(file.checked_range(2, 8..12).unwrap(), 2u32.to_le_bytes());
    assert_eq!(file.checked(3).unwrap(), b"");
    assert!(file.checked(4).is_err());
    assert!(file.checked_range(2, 119_999..120_001).is_err());
    file.verify().unwrap();
}

#[test]
fn damage_is_found_where_it_is_used_and_only_there() {
    let dir = tempfile::tempdir().unwrap();
    let len = write(dir.path());
    let path = dir.path().join(NAME.to_string());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[192 + 70_000] ^= 1; // in the second block of section 2
    std::fs::write(&path, &bytes).unwrap();
    let file = SectionFile::open(&RealDisk, dir.path(), &identity(len)).unwrap();
    assert!(file.checked_range(2, 0..100).is_ok());
    let error = file.checked_range(2, 66_000..66_004).unwrap_err();
    let offset = 192 + BLOCK_LEN as u64;
    assert!(matches!(error, Error::Corrupt { offset: at, .. } if at == offset), "{error}");
    assert!(file.verify().is_err());
}

#[test]
fn damage_to_a_block_that_had_passed_was_never_found_by_a_verification() {
    let dir = tempfile::tempdir().unwrap();
    let len = write(dir.path());
    let file = SectionFile::open(&RealDisk, dir.path(), &identity(len)).unwrap();
    file.verify().unwrap();
    let path = dir.path().join(NAME.to_string());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[192 + 70_000] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert!(file.checked_range(2, 66_000..66_004).is_ok(), "a block is checked once");
    assert!(file.verify().is_err());
    assert!(file.verify_but(&[2]).is_ok());
    // From here on the damage is found where the block is used, too.
    assert!(file.checked_range(2, 66_000..66_004).is_err());
}

#[test]
fn a_probe_sees_header_length_and_table_as_an_open_does() {
    let dir = tempfile::tempdir().unwrap();
    let len = write(dir.path());
    let path = dir.path().join(NAME.to_string());
    let whole = std::fs::read(&path).unwrap();
    let both = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let opened = SectionFile::open(&RealDisk, dir.path(), &identity(len)).is_ok();
        let probed = probe(&RealDisk, dir.path(), &identity(len)).is_ok();
        assert_eq!(opened, probed);
        probed
    };
    assert!(both(&whole));
    let ends = (0..HEADER_LEN).chain(whole.len() - 120..whole.len());
    let mut refused = 0;
    for at in ends {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        refused += u32::from(!both(&bytes));
    }
    // The few of these 248 bytes that are content are not checked.
    assert!(refused > 230, "{refused}");
    for cut in [0, 1, 100, 130, whole.len() - 1] {
        assert!(!both(&whole[..cut]));
    }
}

#[test]
fn a_file_with_an_unknown_section_is_refused_if_the_section_is_required() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(NAME.to_string());
    for flags in [REQUIRED | CHECKED, CHECKED] {
        let _ = std::fs::remove_file(&path);
        let mut writer = SectionWriter::create(&RealDisk, dir.path(), NAME, &header()).unwrap();
        writer.section(1, Check::Blocks, b"known").unwrap();
        writer.section(200, Check::Blocks, b"of a later version").unwrap();
        writer.table.entries[1].flags = flags;
        let len = writer.finish().unwrap();
        let opened = SectionFile::open(&RealDisk, dir.path(), &identity(len)).map(|_| ());
        for result in [opened, probe(&RealDisk, dir.path(), &identity(len))] {
            match result {
                Ok(()) => assert_eq!(flags & REQUIRED, 0),
                Err(Error::Corrupt { file, reason, .. }) => {
                    assert_ne!(flags & REQUIRED, 0);
                    assert_eq!(file, path);
                    assert!(reason.contains("section 200"), "{reason}");
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn another_file_a_wrong_length_and_a_missing_file_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let len = write(dir.path());
    let open = |identity: &Identity| SectionFile::open(&RealDisk, dir.path(), identity);
    let store = StoreId([9; 16]);
    assert!(matches!(open(&Identity { store, ..identity(len) }), Err(Error::Corrupt { .. })));
    assert!(matches!(open(&identity(len + 1)), Err(Error::Corrupt { .. })));
    let kind = FileKind::Index;
    assert!(matches!(open(&Identity { kind, ..identity(len) }), Err(Error::Corrupt { .. })));
    let name = FileName::Segment(FileId(4));
    assert!(matches!(open(&Identity { name, ..identity(len) }), Err(Error::Io { .. })));
}

#[test]
fn a_newer_version_is_told_apart_from_damage_and_a_stub_is_not_mapped() {
    let dir = tempfile::tempdir().unwrap();
    let len = write(dir.path());
    let path = dir.path().join(NAME.to_string());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[10] = crate::format::READ_VERSION as u8 + 1; // the version that a reader must know
    let crc = crate::format::crc32(&[&bytes[..124]]);
    bytes[124..128].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let both = |len| {
        [
            SectionFile::open(&RealDisk, dir.path(), &identity(len)).map(drop),
            probe(&RealDisk, dir.path(), &identity(len)),
        ]
    };
    for result in both(len) {
        assert!(matches!(result, Err(Error::UnsupportedFormat { found: 5, .. })), "{result:?}");
    }
    // The file has the length that the manifest says, but is too short to be valid.
    for short in [4, HEADER_LEN, HEADER_LEN + TAIL_LEN - 1] {
        std::fs::write(&path, vec![7; short]).unwrap();
        for result in both(short as u64) {
            let Err(Error::Corrupt { reason, .. }) = result else { panic!("{result:?}") };
            assert!(reason.contains("too short"), "{short}: {reason}");
        }
    }
}

#[test]
fn a_block_that_passed_never_stood_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = SectionWriter::create(&RealDisk, dir.path(), NAME, &header()).unwrap();
    writer.section(2, Check::Blocks, &vec![7; 130 * BLOCK_LEN]).unwrap();
    let len = writer.finish().unwrap();
    let path = dir.path().join(NAME.to_string());
    let whole = std::fs::read(&path).unwrap();
    // Neighboring bits, and bits that a wrong word or a wrong position in the word would confuse.
    for (good, bad) in [(0, 1), (1, 0), (0, 64), (64, 65), (65, 1), (1, 65), (129, 2), (2, 128)] {
        let mut bytes = whole.clone();
        bytes[HEADER_LEN + bad * BLOCK_LEN + 5] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let file = SectionFile::open(&RealDisk, dir.path(), &identity(len)).unwrap();
        let block = |n: usize| file.checked_range(2, n * BLOCK_LEN..(n + 1) * BLOCK_LEN);
        assert!(block(good).is_ok() && block(bad).is_err(), "{bad} after {good}");
    }
}

#[test]
fn damage_in_a_section_is_told_by_its_place_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let len = write(dir.path());
    let file = SectionFile::open(&RealDisk, dir.path(), &identity(len)).unwrap();
    let error = file.corrupt_in(2, 5, "why");
    assert!(matches!(error, Error::Corrupt { offset: 197, .. }), "{error}");
}
