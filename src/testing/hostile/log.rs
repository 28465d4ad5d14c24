//! Owns the target of log files: frames, the operations in them, and copying forward.

use super::edits::Input;
use super::files::MemoryDisk;
use super::golden::{self, Golden};
use super::repair;
use super::verdict::{Verdict, typed};
use crate::format::cursor::Cursor;
use crate::format::header::FileKind;
use crate::format::manifest::LogEntry;
use crate::format::op::{Op, OpKind};
use crate::format::record;
use crate::ids::FileId;
use crate::log::{LogSource, LogWriter};

/// Frames and the operations in them; copying forward.
pub(super) fn log(data: &[u8]) -> Verdict {
    let (golden, mut input) = (Golden::get(), Input::new(data));
    let expected = golden.logs.get(input.variant % golden.logs.len()).unwrap();
    let mut bytes = golden.bytes(&expected.name).clone();
    input.edit(&mut bytes, &expected.regions);
    if input.repair {
        repair::repair(FileKind::Log, &mut bytes);
    }
    let disk = MemoryDisk::default();
    disk.put(golden.dir, &expected.name, bytes);
    let entry = LogEntry { file: expected.file, synced_len: 0, valid_len: None };
    let source = LogSource {
        disk: &disk,
        dir: golden.dir,
        store: golden.manifest.store,
        entry: &entry,
        last: input.variant & 0x40 == 0,
    };
    let mut seen = 0;
    let end = source.read(|head, payload, _| {
        if !input.repair {
            assert_eq!(expected.frames.get(seen), Some(&(*head, payload.to_vec())));
        }
        seen += 1;
        operations(payload);
        Ok(())
    });
    match &end {
        Ok(_) => assert_copied(&source, golden, seen),
        Err(error) => typed(error),
    }
    Verdict { accepted: end.is_ok(), repaired: input.repair }
}

/// Decodes operations as a replay does, with their content.
fn operations(payload: &[u8]) {
    let mut cursor = Cursor::new(payload);
    while !cursor.is_empty() {
        let Ok(op) = Op::decode(&mut cursor) else { return };
        let mut again = Vec::new();
        op.encode(&mut again);
        match op.kind {
            OpKind::Insert { id, vector, body, .. } => {
                assert!(vector.iter().all(|x| x.is_finite()), "a vector that is no vector");
                if let Ok(memory) = record::decode_memory(id, vector, &body) {
                    let _ = memory.metadata_as::<golden::Note>();
                }
            }
            OpKind::Delete { .. } | OpKind::DeleteIds { .. } => {}
            OpKind::ChangeIds { .. } => {}
            OpKind::DeleteWhere { filter, .. } | OpKind::ChangeWhere { filter, .. } => {
                filter.filter().check_size().unwrap();
                for memory in Golden::get().sample() {
                    let _ = filter.matches(&memory.attributes());
                }
            }
        }
    }
}

/// Checks that the frames that were read can be copied forward and read again.
fn assert_copied(source: &LogSource<'_>, golden: &Golden, frames: usize) {
    let file = FileId(u64::MAX - 1);
    let header = golden.header(FileKind::Log, file);
    let mut to = LogWriter::create(source.disk, golden.dir, &header).unwrap();
    source.copy_forward(&mut to).unwrap();
    let entry = LogEntry { file, synced_len: 0, valid_len: Some(to.good_len()) };
    let mut copied = 0;
    let copy = LogSource { entry: &entry, last: false, ..*source };
    copy.read(|_, _, _| {
        copied += 1;
        Ok(())
    })
    .unwrap();
    // A `Close` frame at the end is not copied.
    assert!(copied == frames || copied + 1 == frames, "{copied} of {frames} frames were copied");
}
