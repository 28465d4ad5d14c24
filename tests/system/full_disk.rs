//! Owns the proof that a full disk loses nothing, on a small real file system in RAM. It is filled
//! up to any remainder, of bytes or of inodes, at any step of a session (append, seal, compaction,
//! index, manifest, roll, open, close). Errors must be typed and change nothing, and reads must
//! still work. Once there is space again, everything works without a restart (I4).
//!
//! It needs a mount namespace, and reports that it skips where there is none.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test may use files and clocks and print"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use altiplano::{Background, CollectionOptions, Error, Memory, Metric, StoreOptions};

use crate::common::Rng;
use crate::common::size::sized;
use crate::faults::book::Book;
use crate::faults::places::{self, Mount};
use crate::faults::seed;
use crate::faults::session::{self, Go, Session};

const CASES: u64 = 16;
const MOUNT: &str = "size=40m,nr_inodes=400,mode=700";
const BLOCK: u64 = 4096;

/// Takes the space away.
struct Ballast {
    file: PathBuf,
    inodes: PathBuf,
}

impl Ballast {
    fn new(at: &Path) -> Self {
        let inodes = at.join("inodes");
        std::fs::create_dir(&inodes).unwrap();
        Self { file: at.join("ballast"), inodes }
    }

    /// Leaves `free` bytes free.
    fn fill_bytes(&self, free: u64) {
        let mut file = File::create(&self.file).unwrap();
        let block = vec![1; BLOCK as usize];
        let mut len = 0;
        // A short write comes before the error.
        while let Ok(n) = file.write(&block) {
            len += n as u64;
        }
        file.set_len(len.saturating_sub(free)).unwrap();
    }

    /// Leaves `free` inodes free.
    fn fill_inodes(&self, free: u64) {
        let made = (0..).take_while(|n| File::create(self.inodes.join(n.to_string())).is_ok());
        let made = made.count() as u64;
        for n in made.saturating_sub(free)..made {
            std::fs::remove_file(self.inodes.join(n.to_string())).unwrap();
        }
    }

    fn give_back(&self) {
        let _ = std::fs::remove_file(&self.file);
        for entry in std::fs::read_dir(&self.inodes).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    cases: u64,
    acknowledged: u64,
    failed: u64,
    could_not_reopen: u64,
    /// By what failed: a batch, a seal, a compaction, …
    refused: BTreeMap<String, u64>,
}

/// Fills the disk in the middle of a session, and frees the space again.
fn one(at: &Path, case: u64, rng: &mut Rng, tally: &mut Tally) {
    let (store, ballast) = (at.join("full.alt"), Ballast::new(at));
    let mut lines: Vec<String> = Vec::new();
    let mut session = {
        let mut say = |line: &str| lines.push(line.to_owned());
        let mut session = Session::start(&store, seed(), &mut say).expect("an empty disk");
        session.large = case.is_multiple_of(3);
        session
    };
    // Chosen so that the disk fills up before each kind of step.
    let filled_at = 4 + rng.below(24);
    let (free, inodes) = (rng.below(160) * BLOCK / (1 + rng.below(8)), rng.below(5) == 0);
    let what = format!("case {case}: {free} bytes free at step {filled_at}, inodes: {inodes}");
    let mut n = 1;
    let go_on = |session: &mut Session, n: &mut u64, until: u64, lines: &mut Vec<String>| {
        while *n < until {
            let go = session.step(*n, &mut |line: &str| lines.push(line.to_owned()));
            *n += 1;
            if go == Go::GiveUp {
                break;
            }
        }
    };
    go_on(&mut session, &mut n, filled_at, &mut lines);
    let before = lines.len();
    assert!(!lines.iter().any(|l| is_refusal(l)), "{what}: {lines:?}");
    match inodes {
        true => ballast.fill_inodes(free / BLOCK / 16),
        false => ballast.fill_bytes(free),
    }
    go_on(&mut session, &mut n, filled_at + 14, &mut lines);
    for line in lines[before..].iter().filter(|l| is_refusal(l)) {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[2], "DiskFull", "{what}: {line}");
        let what = if words[0] == "fail" { "batch" } else { words[1] };
        *tally.refused.entry(what.to_owned()).or_default() += 1;
    }
    ballast.give_back();
    let after = lines.len();
    if session.store.is_none() {
        // It was closed, and there was no room to open it.
        tally.could_not_reopen += 1;
        drop(session);
        let mut say = |line: &str| lines.push(line.to_owned());
        session = Session::start(&store, seed(), &mut say).expect("there is room again");
    }
    // Without a restart: each step would report its failure.
    go_on(&mut session, &mut n, filled_at + 26, &mut lines);
    assert!(!lines[after..].iter().any(|l| is_refusal(l)), "{what}: {:?}", &lines[after..]);
    drop(session);
    let mut book = Book::new(seed());
    book.enter(&lines);
    book.check(&store, &what, case.is_multiple_of(2));
    tally.cases += 1;
    tally.acknowledged += book.acknowledged;
    tally.failed += book.failed;
}

fn is_refusal(line: &str) -> bool {
    ["fail ", "trouble ", "openfail "].iter().any(|kind| line.starts_with(kind))
}

#[test]
fn a_full_disk_loses_nothing_and_space_is_all_it_takes_to_go_on() {
    if !places::enter_namespace(
        "full_disk::a_full_disk_loses_nothing_and_space_is_all_it_takes_to_go_on",
    ) {
        return;
    }
    let (cases, begun) = (sized("full disks", 4, CASES, 10 * CASES), Instant::now());
    let temp = tempfile::tempdir().unwrap();
    let (mut rng, mut tally) = (Rng(seed() ^ 0xD15C), Tally::default());
    for case in 0..cases {
        match Mount::new(&["-t", "tmpfs", "-o", MOUNT, "tmpfs"], temp.path()) {
            Ok(_mount) => one(temp.path(), case, &mut rng, &mut tally),
            Err(reason) => return eprintln!("skipped: no tmpfs can be mounted: {reason}"),
        }
    }
    eprintln!("{cases} full disks in {:?}, seed {}: {tally:?}", begun.elapsed(), seed());
    if cases >= CASES {
        assert!(tally.failed > cases && tally.acknowledged > cases * 20, "{tally:?}");
        for step in ["batch", "pending", "compact", "scratch"] {
            assert!(tally.refused.contains_key(step), "{step} never failed: {tally:?}");
        }
    }
}

/// An open that finds no room must not leave its half-made log behind. Otherwise each open makes a
/// full disk fuller.
#[test]
fn an_open_that_fails_on_a_full_disk_leaves_nothing_behind() {
    if !places::enter_namespace(
        "full_disk::an_open_that_fails_on_a_full_disk_leaves_nothing_behind",
    ) {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let _mount = match Mount::new(&["-t", "tmpfs", "-o", MOUNT, "tmpfs"], temp.path()) {
        Ok(mount) => mount,
        Err(reason) => return eprintln!("skipped: no tmpfs can be mounted: {reason}"),
    };
    let (store, ballast) = (temp.path().join("full.alt"), Ballast::new(temp.path()));
    let mut lines = Vec::new();
    let mut say = |line: &str| lines.push(line.to_owned());
    let mut session = Session::start(&store, seed(), &mut say).unwrap();
    for n in 1..9 {
        assert!(session.step(n, &mut say) == Go::On);
    }
    drop(session);
    let mut refused = 0;
    ballast.fill_bytes(0);
    let fresh = temp.path().join("fresh.alt");
    for _ in 0..3 {
        let error = session::open(&fresh, Background::Manual, None).unwrap_err();
        assert!(matches!(error, Error::DiskFull { .. }), "{error}");
        assert_eq!(sizes(&fresh).into_keys().collect::<Vec<_>>(), ["LOCK"]);
    }
    ballast.give_back();
    session::open(&fresh, Background::Manual, None).unwrap();
    for free in [0, 1, 2, 8, 20, 40] {
        // With a reserve there would be room.
        let _ = std::fs::remove_file(store.join("RESERVE"));
        ballast.fill_bytes(free * BLOCK);
        let names = sizes(&store);
        for _ in 0..3 {
            match session::open(&store, Background::Manual, None) {
                Ok(_) => break,
                Err(Error::DiskFull { .. }) => refused += 1,
                Err(error) => panic!("{free} blocks free: {error}"),
            }
            assert_eq!(sizes(&store), names, "{free} blocks free");
            // The rows can be read meanwhile.
            let reader = StoreOptions::new().open_read_only(&store).unwrap();
            assert!(!reader.get_collection("notes").unwrap().is_empty().unwrap());
        }
        ballast.give_back();
    }
    assert!(refused >= 3, "{refused}");
    let mut book = Book::new(seed());
    book.enter(&lines);
    book.check(&store, "after full disks", true);
}

/// With a reserve, deletes and the compaction that reclaims their bytes still work when there is no
/// byte left. Inserts wait for space.
#[test]
fn deletes_and_their_compaction_go_on_when_there_is_no_byte_left() {
    if !places::enter_namespace(
        "full_disk::deletes_and_their_compaction_go_on_when_there_is_no_byte_left",
    ) {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    for round in 0..sized("full disks with a reserve", 2u64, 6, 20) {
        let mount = Mount::new(&["-t", "tmpfs", "-o", MOUNT, "tmpfs"], temp.path());
        let Ok(_mount) = mount else {
            return eprintln!("skipped: no tmpfs can be mounted: {:?}", mount.err());
        };
        let (dir, ballast) = (temp.path().join("full.alt"), Ballast::new(temp.path()));
        let store = StoreOptions::new().background(Background::Manual).open(&dir).unwrap();
        let options = CollectionOptions::new(4, Metric::L2).memtable_rows(64);
        let notes = store.collection("notes", options).unwrap();
        let row = |id: u64| Memory::new(id, [id as f32, 1.0, 2.0, 3.0]).text("x".repeat(4000));
        for id in 0..600u64 {
            notes.insert(row(id)).unwrap();
        }
        if round.is_multiple_of(2) {
            while store.run_pending_tasks().unwrap() {}
        }
        if !dir.join("RESERVE").exists() {
            return eprintln!("skipped: this store keeps no reserve");
        }
        ballast.fill_bytes(round * BLOCK / 2);
        let mut next = 600;
        let refused = loop {
            match notes.insert(row(next)) {
                Ok(_) => next += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, Error::DiskFull { .. }), "{refused}");
        for id in (0..600u64).filter(|id| !id.is_multiple_of(10)) {
            notes.delete(id).unwrap_or_else(|error| panic!("round {round}, {id}: {error}"));
        }
        store.compact().unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_eq!(notes.len().unwrap(), next - 540);
        ballast.give_back();
        for id in 0..30u64 {
            notes.insert(row(10_000 + id)).unwrap();
        }
        assert!(store.verify().unwrap().is_clean());
        store.close().unwrap();
        let store = StoreOptions::new().open_read_only(&dir).unwrap();
        assert_eq!(store.get_collection("notes").unwrap().len().unwrap(), next - 510);
    }
}

fn sizes(dir: &Path) -> BTreeMap<String, u64> {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries.map(|e| (e.file_name().into_string().unwrap(), e.metadata().unwrap().len())).collect()
}
