//! Owns the proof that a store has one writer and any number of readers, in any processes (I6). It
//! covers locks, stale and replaced ones, directories exchanged under an open store, and readers
//! beside a writer that compacts. It also covers media and users that may only read, and who may
//! read the files. A case that cannot run here reports that it skips.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test may use files and clocks and print"
)]

pub(crate) mod other;
mod read_only;
mod replaced;
mod setup;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use altiplano::{Error, StoreOptions};

use crate::faults::book::Book;
use crate::faults::places::in_ram;
use crate::faults::process::{Child, lines};
use crate::faults::seed;
use other::Other;
use setup::{fill, open, rounds, wait_for};

#[test]
fn a_second_writer_is_refused_in_this_process_and_in_another() {
    let temp = in_ram();
    let dir = temp.path().join("locked.alt");
    let mut cases = 0;
    for round in 0..rounds() {
        let store = open(&dir).unwrap();
        fill(&store, 3, "mine");
        // By any name of the directory.
        for alias in ["locked.alt", "./locked.alt", "../{}/locked.alt"] {
            let parent = temp.path().file_name().unwrap().to_str().unwrap();
            let alias = temp.path().join(alias.replace("{}", parent));
            assert!(matches!(open(&alias), Err(Error::Locked { .. })));
            cases += 1;
        }
        let reader = StoreOptions::new().open_read_only(&dir).unwrap();
        assert_eq!(reader.get_collection("notes").unwrap().len().unwrap(), 3);
        let report = temp.path().join(format!("report-{round}"));
        assert_eq!(Other::run("try", &dir, &report, &[]), ["Locked"]);
        match round % 2 {
            0 => store.close().unwrap(),
            _ => drop(store),
        }
        let second = temp.path().join(format!("second-{round}"));
        assert_eq!(Other::run("try", &dir, &second, &[]), ["opened"]);
        cases += 2;
    }
    eprintln!("{cases} cases of a second writer");
}

#[test]
fn the_lock_of_a_killed_process_is_free_at_once() {
    let temp = in_ram();
    let dir = temp.path().join("killed.alt");
    for round in 0..rounds() {
        let report = temp.path().join(format!("report-{round}"));
        let mut holder = Other::spawn("hold", &dir, &report, &[]);
        wait_for(&report, "opened");
        assert!(matches!(open(&dir), Err(Error::Locked { .. })));
        let reader = StoreOptions::new().open_read_only(&dir).unwrap();
        holder.kill();
        let store = open(&dir).unwrap();
        assert!(store.verify().unwrap().is_clean());
        drop((store, reader));
    }
    eprintln!("{} locks of killed processes", rounds());
}

#[test]
fn of_processes_that_race_for_a_store_one_has_it_at_a_time() {
    let temp = in_ram();
    let dir = temp.path().join("raced.alt");
    let (mut held, mut refused) = (0, 0);
    for round in 0..rounds().div_ceil(3) {
        let report = temp.path().join(format!("report-{round}"));
        let racers: Vec<Other> = (0..4).map(|_| Other::spawn("race", &dir, &report, &[])).collect();
        racers.into_iter().for_each(Other::join);
        let mut open = false;
        for line in lines(&report) {
            match line.as_str() {
                "opened" => {
                    assert!(!open, "two writers at a time: {:?}", lines(&report));
                    (open, held) = (true, held + 1);
                }
                "closing" => open = false,
                "Locked" => refused += 1,
                other => panic!("{other}: {:?}", lines(&report)),
            }
        }
    }
    let store = open(&dir).unwrap();
    // Each process that held the lock wrote one row under an id of its own.
    assert_eq!(store.get_collection("notes").unwrap().len().unwrap(), held);
    assert!(held > 0 && store.verify().unwrap().is_clean());
    eprintln!("raced: {held} had the store, {refused} were refused");
}

/// A process that is being started holds copies of all descriptors for a moment. They must not keep
/// a store locked that was closed meanwhile.
#[test]
fn a_store_that_was_closed_while_processes_are_started_is_free() {
    let temp = in_ram();
    let dir = temp.path().join("closed.alt");
    let done = AtomicBool::new(false);
    let (mut opens, mut started) = (0, 0);
    std::thread::scope(|scope| {
        let starter = scope.spawn(|| {
            let mut started = 0u64;
            while !done.load(Ordering::Relaxed) {
                assert!(Command::new("true").status().unwrap().success());
                started += 1;
            }
            started
        });
        let refused = (0..rounds() * 40).find_map(|_| {
            opens += 1;
            open(&dir).err()
        });
        done.store(true, Ordering::Relaxed);
        started = starter.join().unwrap();
        assert!(refused.is_none(), "{refused:?} at open {opens}");
    });
    eprintln!("{opens} opens while {started} processes were started");
}

#[test]
fn what_is_in_a_stale_lock_file_does_not_matter() {
    let temp = in_ram();
    let mut cases = 0;
    for (name, content) in
        [("empty", Vec::new()), ("junk", vec![0xFF; 1 << 20]), ("pid", b"1\nlocalhost\n".to_vec())]
    {
        let dir = temp.path().join(name);
        let store = open(&dir).unwrap();
        fill(&store, 3, "mine");
        drop(store);
        std::fs::write(dir.join("LOCK"), &content).unwrap();
        let store = open(&dir).unwrap();
        assert_eq!(store.get_collection("notes").unwrap().len().unwrap(), 3);
        assert!(matches!(open(&dir), Err(Error::Locked { .. })));
        drop(store);
        // Never removed, never written.
        assert_eq!(std::fs::read(dir.join("LOCK")).unwrap(), content);
        std::fs::remove_file(dir.join("LOCK")).unwrap();
        assert_eq!(open(&dir).unwrap().get_collection("notes").unwrap().len().unwrap(), 3);
        std::fs::remove_file(dir.join("LOCK")).unwrap();
        std::fs::create_dir(dir.join("LOCK")).unwrap();
        assert!(matches!(open(&dir), Err(Error::Io { .. })));
        assert!(StoreOptions::new().open_read_only(&dir).is_ok());
        cases += 4;
    }
    eprintln!("{cases} stale lock files");
}

#[test]
fn only_the_owner_may_look_whatever_the_umask() {
    let temp = in_ram();
    let mut files = 0;
    for umask in ["000", "022", "027", "077", "002"] {
        let (dir, report) = (temp.path().join(umask), temp.path().join(format!("report-{umask}")));
        let child = Child { dir: &dir, report, first: 1, steps: 12, seed: seed() };
        let script = format!("umask {umask}; exec \"$0\" \"$@\"");
        let ended = child.run(&["sh", "-c", &script]);
        ended.lived(umask);
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&dir), 0o700, "umask {umask}");
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{} under umask {umask}", path.display());
            files += 1;
        }
        let mut book = Book::new(seed());
        book.enter(&ended.lines);
        book.check(&dir, umask, true);
    }
    eprintln!("{files} files under 5 umasks");
    assert!(files > 20);
}
