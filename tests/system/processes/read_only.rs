//! Readers beside a writer that compacts, on media and in directories that cannot be written. They
//! take no lock and write nothing, and every answer is that of one moment.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Instant, SystemTime};

use altiplano::{Error, StoreOptions};

use super::other::{Other, ROWS};
use super::setup::{fill, open, wait_for};
use crate::common::size::sized;
use crate::faults::places::{Mount, enter_namespace, in_ram};
use crate::faults::process::{lines, strace_works, works};

const COMPACTIONS: u64 = 200;

/// Returns the number of the last line of a kind.
fn latest(report: &Path, kind: &str) -> u64 {
    let number = |line: &String| line.strip_prefix(kind)?.trim().parse().ok();
    lines(report).iter().rev().find_map(number).unwrap_or(0)
}

/// Returns the generation, which must be the same in all rows.
fn generation(store: &altiplano::Store) -> u64 {
    let notes = store.get_collection("notes").unwrap();
    let rows: Vec<_> = notes.iter().map(Result::unwrap).collect();
    assert_eq!(rows.len() as u64, ROWS);
    let of = |memory: &altiplano::Memory| -> u64 {
        memory.text.as_deref().unwrap().split(' ').nth(1).unwrap().parse().unwrap()
    };
    let generation = of(&rows[0]);
    assert!(rows.iter().all(|row| of(row) == generation), "rows of several moments");
    let hits = notes.search(&[7.0, generation as f32]).k(10).run().unwrap();
    assert_eq!(hits.len(), 10);
    assert_eq!(hits[0].distance, 0.0, "the row itself is the nearest");
    generation
}

#[test]
fn a_reader_beside_a_writer_that_compacts_sees_one_moment_each_time() {
    let compactions = sized("compactions beside a reader", 60, COMPACTIONS, 10 * COMPACTIONS);
    let temp = in_ram();
    let (dir, report) = (temp.path().join("busy.alt"), temp.path().join("report"));
    let begun = Instant::now();
    let mut writer = Other::spawn("generations", &dir, &report, &[]);
    wait_for(&report, "ack 1");
    let (mut opens, mut refreshes, mut moments) = (0, 0, BTreeMap::new());
    while latest(&report, "compacted") < compactions || opens < 40 {
        let before = latest(&report, "ack");
        let store = StoreOptions::new().open_read_only(&dir).unwrap();
        let seen = generation(&store);
        assert!((before..=latest(&report, "try")).contains(&seen), "{before} {seen}");
        *moments.entry(seen).or_insert(0) += 1;
        opens += 1;
        // It stays at its moment until it is refreshed.
        assert_eq!(generation(&store), seen);
        let before = latest(&report, "ack");
        store.refresh().unwrap();
        let later = generation(&store);
        assert!((before..=latest(&report, "try")).contains(&later), "{before} {later}");
        refreshes += 1;
    }
    writer.kill();
    eprintln!(
        "{opens} opens and {refreshes} refreshes during {} compactions in {:?}, {} moments seen",
        latest(&report, "compacted"),
        begun.elapsed(),
        moments.len(),
    );
    assert!(open(&dir).unwrap().verify().unwrap().is_clean());
    assert!(moments.len() > 10);
}

/// Returns names, sizes and times of all files.
fn look(dir: &Path) -> BTreeMap<String, (u64, SystemTime)> {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    let of = |e: std::fs::DirEntry| {
        let metadata = e.metadata().unwrap();
        (e.file_name().into_string().unwrap(), (metadata.len(), metadata.modified().unwrap()))
    };
    entries.map(of).collect()
}

/// Creates stores as a close, a drop and a kill leave them.
fn stores(at: &Path) -> Vec<std::path::PathBuf> {
    let make = |name: &str| {
        let dir = at.join(name);
        let store = open(&dir).unwrap();
        fill(&store, 150, name);
        while store.run_pending_tasks().unwrap() {}
        fill(&store, 20, "again");
        (dir, store)
    };
    let (closed, store) = make("closed.alt");
    store.close().unwrap();
    let (dropped, store) = make("dropped.alt");
    drop(store);
    // As it is while somebody writes, which is also the state after a kill.
    let (from, store) = make("open.alt");
    let killed = at.join("killed.alt");
    std::fs::create_dir(&killed).unwrap();
    for name in look(&from).keys() {
        std::fs::copy(from.join(name), killed.join(name)).unwrap();
    }
    std::fs::write(killed.join("MANIFEST-0000000000000fff.tmp"), b"cut sho").unwrap();
    std::fs::write(killed.join("seg-00000000000000ff"), b"").unwrap();
    drop(store);
    vec![closed, dropped, killed]
}

#[test]
fn a_read_only_medium_can_be_read_and_says_so_to_writers() {
    if !enter_namespace(
        "processes::read_only::a_read_only_medium_can_be_read_and_says_so_to_writers",
    ) {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let (from, at) = (temp.path().join("from"), temp.path().join("at"));
    std::fs::create_dir(&from).unwrap();
    std::fs::create_dir(&at).unwrap();
    let stores = stores(&from);
    let mount = Mount::new(&["--bind", from.to_str().unwrap()], &at);
    let _mount = match mount {
        Ok(mount) => mount,
        Err(reason) => return eprintln!("skipped: no bind mount: {reason}"),
    };
    let remount = Command::new("mount").args(["-o", "remount,ro,bind"]).arg(&at).status();
    if !remount.is_ok_and(|status| status.success()) {
        return eprintln!("skipped: no read-only bind mount");
    }
    for store in &stores {
        let dir = at.join(store.file_name().unwrap());
        let before = look(&dir);
        let reader = StoreOptions::new().open_read_only(&dir).unwrap();
        assert_eq!(reader.get_collection("notes").unwrap().len().unwrap(), 150);
        assert!(reader.verify().unwrap().is_clean());
        reader.refresh().unwrap();
        let error = open(&dir).unwrap_err();
        assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
        assert_eq!(look(&dir), before);
    }
    let error = open(&at.join("new.alt")).unwrap_err();
    assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
    eprintln!("{} stores on a read-only mount", stores.len());
}

/// Returns a command under which permissions count: root becomes another user.
fn as_somebody() -> Result<Vec<&'static str>, String> {
    let id = Command::new("id").arg("-u").output().map_err(|e| e.to_string())?;
    if id.stdout.trim_ascii() != b"0" {
        return Ok(Vec::new());
    }
    let user = vec!["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    works(user[0], &[&user[1..], &["true"]].concat())?;
    let exe = std::env::current_exe().unwrap();
    let exe = exe.to_str().unwrap();
    works(user[0], &[&user[1..], &[exe, "--list"]].concat())?;
    Ok(user)
}

/// A directory that may not be written must refuse a writer with an error that says so. An error
/// about a file that could not be created would mislead.
#[test]
fn a_directory_that_may_only_be_read_can_be_read_and_says_so_to_writers() {
    let user = match as_somebody() {
        Ok(user) => user,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let temp = in_ram();
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        if !user.is_empty() {
            std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
        }
    };
    set(temp.path(), 0o755);
    let mut cases = 0;
    for (n, dir) in stores(temp.path()).iter().enumerate() {
        for file_mode in [0o400, 0o600] {
            for name in look(dir).keys() {
                set(&dir.join(name), file_mode);
            }
            set(dir, 0o500);
            set(temp.path(), 0o777);
            let before = look(dir);
            let report = |what: &str| temp.path().join(format!("{what}-{n}-{file_mode:o}"));
            assert_eq!(Other::run("read", dir, &report("read"), &user), ["read 150"]);
            assert_eq!(
                Other::run("try", dir, &report("try"), &user),
                ["ReadOnly"],
                "{file_mode:o}"
            );
            assert_eq!(look(dir), before);
            // A user who may write it finds it unharmed.
            set(dir, 0o700);
            cases += 2;
        }
        for name in look(dir).keys() {
            set(&dir.join(name), 0o600);
        }
        let report = temp.path().join(format!("writer-{n}"));
        assert_eq!(Other::run("try", dir, &report, &user), ["opened"]);
        cases += 1;
    }
    eprintln!("{cases} opens of directories that may only be read");
}

#[test]
fn a_read_only_open_makes_no_call_that_changes_anything() {
    if let Err(reason) = strace_works() {
        return eprintln!("skipped: {reason}");
    }
    let temp = in_ram();
    let mut calls = 0;
    for (n, dir) in stores(temp.path()).iter().enumerate() {
        let (trace, report) = (temp.path().join("trace"), temp.path().join(format!("report-{n}")));
        let before = look(dir);
        let wrapper = ["strace", "-f", "-y", "-qq", "-o", trace.to_str().unwrap()];
        assert_eq!(Other::run("read", dir, &report, &wrapper), ["read 150"]);
        assert_eq!(look(dir), before);
        let trace = std::fs::read_to_string(&trace).unwrap();
        let about = |line: &&str| line.contains(dir.to_str().unwrap()) && !line.contains("execve");
        for line in trace.lines().filter(about) {
            let call = line.split_whitespace().nth(1).unwrap().split('(').next().unwrap();
            let reads = match call {
                "openat" | "open" => line.contains("O_RDONLY") && !line.contains("O_CREAT"),
                "mmap" => line.contains("PROT_READ,") && !line.contains("PROT_WRITE"),
                _ => [
                    "statx",
                    "fstat",
                    "newfstatat",
                    "stat",
                    "lstat",
                    "lseek",
                    "read",
                    "pread64",
                    "getdents64",
                    "close",
                    "readlink",
                    "access",
                    "fcntl",
                    "munmap",
                    "madvise",
                ]
                .contains(&call),
            };
            assert!(reads, "{line}");
            calls += 1;
        }
    }
    eprintln!("{calls} calls on stores by readers");
    assert!(calls > 30);
}
