//! Owns what feeds damaged and hostile files to every decoder, and says what must hold whatever the
//! bytes are: a typed error or an answer, never a panic, and never a wrong row where the checksums
//! were left as they were. Compiled for tests and behind the feature `fuzzing`; no part of the API.
//!
//! An input is not a file but a list of edits over a golden one (`edits`), after which all checksums
//! may be made right again (`repair`): random bytes would be refused by the first checksum, and
//! nothing behind it would be reached. Golden files are made here, from fixed seeds (`golden`).
//! Bounds on time and memory are the caller's business: `tests/fuzz`.
#![allow(clippy::print_stderr, clippy::missing_panics_doc, reason = "a failed check must tell")]

mod edits;
mod files;
mod golden;
mod graph;
mod repair;
mod segment;
mod store;
#[cfg(test)]
mod tests;

use edits::Input;
use files::MemoryDisk;
use golden::Golden;

use crate::disk::Disk;
use crate::error::Error;
use crate::format::cursor::Cursor;
use crate::format::header::FileKind;
use crate::format::manifest::LogEntry;
use crate::format::op::{Op, OpKind};
use crate::format::record;
use crate::ids::FileId;
use crate::log::{LogSource, LogWriter};
use crate::manifest::Found;

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the files were taken in; otherwise a typed error came back.
    pub accepted: bool,
    /// Whether the checksums were made right after the edits.
    pub repaired: bool,
}

/// A decoder, or several that work together.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Feeds one input to it; panics where something does not hold.
    pub run: fn(&[u8]) -> Verdict,
}

/// All targets of this crate.
pub const TARGETS: [Target; 5] = [
    Target { name: "log", run: log },
    Target { name: "manifest", run: manifest },
    Target { name: "segment", run: segment::segment },
    Target { name: "graph", run: graph::graph },
    Target { name: "store", run: store::store },
];

/// Makes the golden files, so that the first run takes no longer than the others, and tells how many
/// bytes they have in all.
pub fn prepare() -> usize {
    Golden::get().files.values().map(|bytes| bytes.len()).sum()
}

/// A random input: the same for the same seed.
pub fn random_input(seed: u64) -> Vec<u8> {
    edits::random(seed)
}

/// Fails unless the error is one that damaged files may cause.
fn typed(error: &Error) {
    let fits =
        matches!(error, Error::Corrupt { .. } | Error::UnsupportedFormat { .. } | Error::Io { .. });
    assert!(fits, "damage is reported as {error:?}");
}

/// Frames and the operations in them; copying forward.
pub fn log(data: &[u8]) -> Verdict {
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

/// Decodes operations as a replay does, and what is in them.
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
            OpKind::DeleteWhere { filter, .. } => {
                filter.filter().check_size().unwrap();
                for memory in Golden::get().sample() {
                    let _ = filter.matches(&memory.attributes());
                }
            }
        }
    }
}

/// What was read can be copied forward and read again.
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
    // A `Close` frame at the end is left behind.
    assert!(copied == frames || copied + 1 == frames, "{copied} of {frames} frames were copied");
}

/// The manifest's file and body.
pub fn manifest(data: &[u8]) -> Verdict {
    let (golden, mut input) = (Golden::get(), Input::new(data));
    let name = golden.manifest_name();
    let mut bytes = golden.bytes(&name).clone();
    let regions = [0..128, 128..144, 144..bytes.len(), 144..200];
    input.edit(&mut bytes, &regions);
    if input.repair {
        repair::repair(FileKind::Manifest, &mut bytes);
    }
    let disk = MemoryDisk::default();
    disk.put(golden.dir, &name, bytes);
    let found = crate::manifest::load(&disk as &dyn Disk, golden.dir);
    match &found {
        Err(error) => typed(error),
        Ok(Found::Nothing) => panic!("a manifest was passed over"),
        Ok(Found::Manifest(found)) => {
            assert!(input.repair || **found == golden.manifest, "another manifest came back");
            let again = found.encode([0; 16]).unwrap();
            let again = crate::format::manifest::Manifest::decode(&again).unwrap();
            assert_eq!(again, **found);
            assert!(found.files().count() >= found.log.len());
        }
    }
    Verdict { accepted: found.is_ok(), repaired: input.repair }
}
