//! Owns the tests of the log: torn tails, corruption, and copying forward.

use super::*;
use crate::disk::RealDisk;
use crate::testing::fault::{Fault, FaultDisk};

const STORE: StoreId = StoreId([1; 16]);

fn header(file: u64) -> FileHeader {
    FileHeader { kind: FileKind::Log, store: STORE, file: FileId(file), salt: [file as u8; 16] }
}

fn head(seq: u64) -> FrameHead {
    FrameHead {
        kind: FrameKind::Batch,
        last_seq: Seq(seq),
        synced_len: 0,
        time: Timestamp::from_millis(seq as i64),
        clock_doubted: Timestamp::MIN,
    }
}

/// Writes three frames and syncs after frame `synced` (1 or 2; 0 for none). Returns the end of each
/// frame.
fn write(dir: &Path, file: u64, synced: u64) -> Vec<u64> {
    let mut log = LogWriter::create(&RealDisk, dir, &header(file)).unwrap();
    let mut ends = vec![log.good_len()];
    for seq in 1..=3 {
        log.append(&head(seq), &[seq as u8; 20]).unwrap();
        ends.push(log.good_len());
        if seq == synced {
            log.sync().unwrap();
        }
    }
    log.sync().unwrap();
    ends
}

fn read(dir: &Path, file: u64, last: bool) -> Result<(Vec<Seq>, LogEnd)> {
    let entry = LogEntry { file: FileId(file), synced_len: 0, valid_len: None };
    let source = LogSource { disk: &RealDisk, dir, store: STORE, entry: &entry, last };
    let mut seen = Vec::new();
    let end = source.read(|head, payload, _| {
        assert_eq!(payload, [head.last_seq.0 as u8; 20]);
        seen.push(head.last_seq);
        Ok(())
    })?;
    Ok((seen, end))
}

#[test]
fn a_tail_torn_at_any_byte_leaves_the_whole_frames_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let ends = write(dir.path(), 1, 0);
    let path = log_path(dir.path(), FileId(1));
    let bytes = std::fs::read(&path).unwrap();
    for len in HEADER_LEN..bytes.len() {
        std::fs::write(&path, &bytes[..len]).unwrap();
        let (seen, end) = read(dir.path(), 1, true).unwrap();
        let whole = ends.iter().filter(|e| **e <= len as u64).count() - 1;
        assert_eq!((seen.len(), end.valid_len), (whole, ends[whole]), "length {len}");
        if !ends.contains(&(len as u64)) {
            assert!(read(dir.path(), 1, false).is_err(), "length {len}");
        }
    }
}

#[test]
fn a_tail_of_zeros_is_torn_too() {
    let dir = tempfile::tempdir().unwrap();
    let ends = write(dir.path(), 1, 2);
    let path = log_path(dir.path(), FileId(1));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.resize(bytes.len() + 5000, 0);
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(read(dir.path(), 1, true).unwrap().1.valid_len, ends[3]);
    assert!(matches!(read(dir.path(), 1, false), Err(Error::Corrupt { .. })));
}

#[test]
fn a_hole_below_what_was_synced_is_corruption_and_above_it_a_torn_tail() {
    for (synced, corrupt) in [(2, true), (1, false), (0, false)] {
        let dir = tempfile::tempdir().unwrap();
        let ends = write(dir.path(), 1, synced);
        let path = log_path(dir.path(), FileId(1));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[ends[1] as usize + 70] ^= 1; // in the second frame
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(read(dir.path(), 1, true).is_err(), corrupt, "synced after {synced}");
    }
}

/// The payload behind the head may be torn itself. It must not take the evidence with it, and must
/// not be read for every place where a head might be: that is quadratic.
#[test]
fn a_head_says_that_frames_before_it_were_durable_though_its_payload_is_torn() {
    let dir = tempfile::tempdir().unwrap();
    let ends = write(dir.path(), 1, 2);
    let path = log_path(dir.path(), FileId(1));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[ends[1] as usize + 70] ^= 1; // in the second frame
    bytes[ends[2] as usize + 70] ^= 1; // in the payload of the third
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(read(dir.path(), 1, true), Err(Error::Corrupt { .. })));
}

#[test]
fn a_file_with_another_ones_content_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1, 0);
    std::fs::rename(log_path(dir.path(), FileId(1)), log_path(dir.path(), FileId(2))).unwrap();
    assert!(matches!(read(dir.path(), 2, true), Err(Error::Corrupt { .. })));
}

#[test]
fn a_failed_append_leaves_a_prefix_that_counts() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultDisk::default();
    let mut log = LogWriter::create(&disk, dir.path(), &header(1)).unwrap();
    log.append(&head(1), &[1; 20]).unwrap();
    disk.fail(Fault::Append, 0, false);
    assert!(matches!(log.append(&head(2), &[2; 20]), Err(Error::DiskFull { .. })));
    assert!(!log.has_room(1));
    let entry = LogEntry { file: FileId(1), synced_len: 0, valid_len: Some(log.good_len()) };
    let dir = dir.path();
    let source = LogSource { disk: &RealDisk, dir, store: STORE, entry: &entry, last: false };
    let mut frames = 0;
    source
        .read(|_, _, _| {
            frames += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(frames, 1);
}

#[test]
fn copying_forward_keeps_every_frame() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1, 2);
    let entry = LogEntry { file: FileId(1), synced_len: 0, valid_len: None };
    let source =
        LogSource { disk: &RealDisk, dir: dir.path(), store: STORE, entry: &entry, last: true };
    let mut to = LogWriter::create(&RealDisk, dir.path(), &header(2)).unwrap();
    source.copy_forward(&mut to).unwrap();
    assert_eq!(read(dir.path(), 2, true).unwrap().0, [Seq(1), Seq(2), Seq(3)]);
}

/// Frames that an open copied forward were durable before the manifest named their file, though no
/// frame after them says so.
#[test]
fn a_bad_frame_among_those_that_were_durable_from_the_start_is_corruption() {
    let dir = tempfile::tempdir().unwrap();
    let ends = write(dir.path(), 1, 0);
    let path = log_path(dir.path(), FileId(1));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[ends[1] as usize + 70] ^= 1; // in the second frame
    std::fs::write(&path, &bytes).unwrap();
    for (synced_len, corrupt) in [(ends[1], false), (ends[2], true), (ends[3], true)] {
        let entry = LogEntry { file: FileId(1), synced_len, valid_len: None };
        let dir = dir.path();
        let source = LogSource { disk: &RealDisk, dir, store: STORE, entry: &entry, last: true };
        assert_eq!(source.read(|_, _, _| Ok(())).is_err(), corrupt, "{synced_len}");
    }
}

/// After a roll, the first frame of the new file may be lost and a later one kept. The later one
/// must not say that the lost frame was durable, or the store would not open.
#[test]
fn a_new_file_that_lost_its_first_frame_alone_is_torn_not_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = LogWriter::create(&RealDisk, dir.path(), &header(1)).unwrap();
    log.sync().unwrap();
    let first = log.good_len() as usize;
    log.append(&head(7), &[7; 20]).unwrap();
    log.append(&head(8), &[8; 20]).unwrap();
    let path = log_path(dir.path(), FileId(1));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[first..first + 64].fill(0);
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(read(dir.path(), 1, true).unwrap().0, []);
}

#[test]
fn a_frame_behind_the_end_of_a_session_is_corruption() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = LogWriter::create(&RealDisk, dir.path(), &header(1)).unwrap();
    log.append(&head(1), &[1; 20]).unwrap();
    log.append(&FrameHead { kind: FrameKind::Close, ..head(2) }, &[2; 20]).unwrap();
    let end = log.good_len();
    assert_eq!(read(dir.path(), 1, true).unwrap().1.valid_len, end);
    log.append(&head(3), &[3; 20]).unwrap();
    match read(dir.path(), 1, true) {
        Err(Error::Corrupt { offset, .. }) => assert_eq!(offset, end),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_log_larger_than_any_is_refused_unread() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1, 0);
    let path = log_path(dir.path(), FileId(1));
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(MAX_FILE_BYTES + 1).unwrap();
    match read(dir.path(), 1, true) {
        Err(Error::Corrupt { reason, .. }) => assert!(reason.contains("larger"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_is_untouched_until_the_first_try_to_append() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultDisk::default();
    let mut log = LogWriter::create(&disk, dir.path(), &header(1)).unwrap();
    assert!(log.is_untouched());
    log.append(&head(1), &[1; 20]).unwrap();
    assert!(!log.is_untouched());
    let mut log = LogWriter::create(&disk, dir.path(), &header(2)).unwrap();
    disk.fail(Fault::Append, 0, false);
    assert!(log.append(&head(1), &[1; 20]).is_err());
    assert!(!log.is_untouched(), "what failed may have left bytes behind");
}

#[test]
fn a_log_larger_than_any_is_refused_before_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1, 0);
    let path = log_path(dir.path(), FileId(1));
    // A sparse file takes no space.
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(1 << 40).unwrap();
    let entry = LogEntry { file: FileId(1), synced_len: 0, valid_len: None };
    let source =
        LogSource { disk: &RealDisk, dir: dir.path(), store: STORE, entry: &entry, last: true };
    match source.read(|_, _, _| Ok(())).unwrap_err() {
        Error::Corrupt { reason, .. } => assert!(reason.contains("larger"), "{reason}"),
        error => panic!("{error:?}"),
    }
}

#[test]
fn nothing_is_salvaged_from_another_ones_file_or_one_of_a_newer_version() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1, 0);
    let entry = |file| LogEntry { file: FileId(file), synced_len: 0, valid_len: None };
    let salvage = |file| {
        let (dir, entry) = (dir.path(), entry(file));
        let source = LogSource { disk: &RealDisk, dir, store: STORE, entry: &entry, last: true };
        let mut frames = 0;
        let holes = source.salvage(|_, _, _| {
            frames += 1;
            Ok(())
        });
        holes.map(|holes| (frames, holes.len()))
    };
    assert_eq!(salvage(1).unwrap(), (3, 0));
    let path = log_path(dir.path(), FileId(1));
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(log_path(dir.path(), FileId(2)), &whole).unwrap();
    assert!(matches!(salvage(2), Err(Error::Corrupt { .. })));
    let mut newer = whole;
    newer[10] = crate::format::READ_VERSION as u8 + 1; // the version that a reader must know
    let crc = crate::format::crc32(&[&newer[..124]]);
    newer[124..128].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&path, newer).unwrap();
    assert!(matches!(salvage(1), Err(Error::Corrupt { offset: 10, .. })));
}

#[test]
fn salvage_gives_every_whole_frame_and_names_the_holes() {
    let dir = tempfile::tempdir().unwrap();
    let ends = write(dir.path(), 1, 0);
    let path = log_path(dir.path(), FileId(1));
    let whole = std::fs::read(&path).unwrap();
    let salvage = |bytes: &[u8], valid_len| {
        std::fs::write(&path, bytes).unwrap();
        let entry = LogEntry { file: FileId(1), synced_len: 0, valid_len };
        let source =
            LogSource { disk: &RealDisk, dir: dir.path(), store: STORE, entry: &entry, last: true };
        let mut seen = Vec::new();
        let holes = source.salvage(|head, _, at| {
            seen.push((head.last_seq.0, at));
            Ok(())
        });
        let holes: Vec<_> =
            holes.unwrap().iter().map(|h| (h.offset, h.bytes, h.next, h.reason)).collect();
        (seen, holes)
    };
    let frames = vec![(1, ends[0]), (2, ends[1]), (3, ends[2])];
    let (none, len) = ("no whole frame is here", ends[3]);
    for valid_len in [None, Some(len)] {
        assert_eq!(salvage(&whole, valid_len), (frames.clone(), vec![]));
    }
    let mut bytes = whole.clone();
    bytes[ends[1] as usize + 70] ^= 1; // in the second frame
    let hole = (ends[1], ends[2] - ends[1], Some(Seq(3)), none);
    assert_eq!(salvage(&bytes, None), (vec![frames[0], frames[2]], vec![hole]));
    let torn = len - 8;
    let hole = (ends[2], torn - ends[2], None, none);
    assert_eq!(salvage(&whole[..torn as usize], None), (frames[..2].to_vec(), vec![hole]));
    let hole = (len, 80, None, "the log is cut short");
    assert_eq!(salvage(&whole, Some(len + 80)), (frames, vec![hole]));
}
