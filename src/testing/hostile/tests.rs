//! Owns the tests that run the targets: seeded random inputs, and inputs that once failed.

use super::*;
use crate::error::Error;
use crate::format::cursor::Cursor;
use crate::format::op::{Op, OpKind};
use crate::testing::size::{seed, sized};

/// Number of inputs per target in CI.
const RUNS: [(&str, u64); 6] = [
    ("log", 30_000),
    ("manifest", 30_000),
    ("segment", 20_000),
    ("graph", 20_000),
    ("store", 4_000),
    ("cursor", 30_000),
];

fn runs(target: &Target) -> u64 {
    let (name, ci) = *RUNS.iter().find(|(name, _)| *name == target.name).unwrap();
    sized(name, ci / 20, ci, 10 * ci)
}

/// Runs one target on many inputs. Prints the seed of one that fails.
fn fuzz(name: &str) {
    struct Tell(u64);
    impl Drop for Tell {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("the input is random_input({})", self.0);
            }
        }
    }
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let (mut accepted, mut refused) = ([0u64; 2], [0u64; 2]);
    let (start, runs) = (seed(0), runs(target));
    let seeds = start..start + runs;
    for seed in seeds.clone() {
        let mut tell = Tell(seed);
        let verdict = (target.run)(&random_input(seed));
        tell.0 = 0;
        let counts = if verdict.accepted { &mut accepted } else { &mut refused };
        counts[usize::from(verdict.repaired)] += 1;
        std::mem::forget(tell);
    }
    eprintln!(
        "{name}: {} inputs from seed {start}; with checksums repaired {} accepted, {} refused; \
         without {} accepted, {} refused",
        seeds.end - seeds.start,
        accepted[1],
        refused[1],
        accepted[0],
        refused[0],
    );
    // Enough inputs must pass the checksums, or nothing was tested.
    assert!(accepted[1] > runs / 50, "too few inputs are taken in");
    assert!(refused[0] > 0 && refused[1] > 0);
}

#[test]
fn logs_of_any_bytes_are_read_or_refused() {
    fuzz("log");
}

#[test]
fn manifests_of_any_bytes_are_read_or_refused() {
    fuzz("manifest");
}

#[test]
fn segments_of_any_bytes_are_read_or_refused() {
    fuzz("segment");
}

#[test]
fn indexes_of_any_bytes_are_searched_or_refused() {
    fuzz("graph");
}

#[test]
fn stores_of_any_bytes_are_used_or_refused() {
    fuzz("store");
}

#[test]
fn cursors_of_any_text_are_read_or_refused() {
    fuzz("cursor");
}

#[test]
fn a_forged_body_in_the_log_is_damage_of_the_log() {
    use crate::format::frame::{FrameContext, encode_frame};
    use crate::format::header::FileHeader;
    let (golden, disk) = (Golden::get(), Golden::get().disk());
    let log = golden.logs.last().unwrap();
    let (head, payload) =
        log.frames.iter().find(|(_, payload)| payload.first() == Some(&1)).unwrap();
    let mut op = Op::decode(&mut Cursor::new(payload)).unwrap();
    if let OpKind::Insert { body, .. } = &mut op.kind {
        *body = vec![1, 0, 0xFF, 0, 0, 0];
    }
    op.seq = crate::ids::Seq::MAX;
    let mut payload = Vec::new();
    op.encode(&mut payload);
    let whole = golden.bytes(&log.name);
    let salt = FileHeader::decode(whole).unwrap().salt;
    let mut bytes = whole[..128].to_vec();
    encode_frame(&mut bytes, &FrameContext { salt, file: log.file, offset: 128 }, head, &payload);
    // The length stays: a log that was cut is refused before it is read.
    bytes.resize(whole.len(), 0);
    disk.put(golden.dir, &log.name, bytes);
    let opened =
        crate::store::open_for_writing(std::sync::Arc::new(disk), golden.dir, golden::options());
    match opened.unwrap_err() {
        Error::Corrupt { file, reason, .. } => {
            assert!(file.ends_with(&log.name) && reason.contains("body"), "{file:?}: {reason}");
        }
        error => panic!("{error:?}"),
    }
}

#[test]
fn the_widest_beam_is_no_overflow() {
    let golden = Golden::get();
    let disk = std::sync::Arc::new(golden.disk());
    let store = crate::store::open_for_writing(disk, golden.dir, golden::options()).unwrap();
    let notes = store.get_collection("notes").unwrap();
    let query = golden::vector(1, 6);
    assert_eq!(notes.search(&query).ef(usize::MAX).k(3).run().unwrap().len(), 3);
    let graph = notes.search(&query).mode(crate::SearchMode::Graph).ef(usize::MAX).k(3);
    assert_eq!(graph.run().unwrap().len(), 3);
}
