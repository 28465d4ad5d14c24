//! Owns the test of an idle store's cost: no thread of its own, little disk, little RAM. It is
//! counted in a process of its own, in which nothing else runs.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "this test looks at directories past the store, and says what it counted"
)]

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use crate::common::memory;
use altiplano::{CollectionOptions, Metric, Store, StoreOptions};

/// The name of the test below.
const TEST: &str = "idle_stores::a_thousand_idle_stores_share_their_threads_and_cost_little";
const DIR: &str = "ALTIPLANO_IDLE_DIR";
const STORES: u64 = 1_000;
const DIMENSION: usize = 16;
/// Limit for this process, with the harness: the main thread and that of the test.
const MOST_THREADS: u64 = 8;
const MOST_DISK: u64 = 200 << 10;
const MOST_RSS: u64 = 100 << 10;

/// Returns a number of `/proc/self/status`; sizes are in KiB.
fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
}

fn disk_bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().metadata().unwrap().blocks() * 512).sum()
}

/// Opens a store with a collection, a memory and a listener.
fn open(path: &Path) -> Store {
    let store = StoreOptions::new().on_event(|_| {}).open(path).unwrap();
    let notes = store.collection("notes", CollectionOptions::new(DIMENSION, Metric::L2)).unwrap();
    notes.insert(memory(1, DIMENSION)).unwrap();
    store
}

/// Waits for threads without work to end, and fails if they stay.
fn threads_come_down_to(most: u64) {
    let (_never, nothing) = std::sync::mpsc::channel::<()>();
    for _ in 0..3_000 {
        if status("Threads") <= most {
            return;
        }
        let _ = nothing.recv_timeout(std::time::Duration::from_millis(10));
    }
    panic!("{} threads, not {most}", status("Threads"));
}

/// The process with the stores: this test once more.
fn child(dir: &Path) {
    let alone = status("Threads");
    // The one-time costs of the first store are not those of the others.
    let first = open(&dir.join("first"));
    let before = status("VmRSS");
    let stores: Vec<Store> = (0..STORES).map(|n| open(&dir.join(n.to_string()))).collect();
    threads_come_down_to(MOST_THREADS);
    let rss = (status("VmRSS").saturating_sub(before)) * 1024 / STORES;
    let disk = (0..STORES).map(|n| disk_bytes(&dir.join(n.to_string()))).max().unwrap();
    eprintln!("{} threads, {rss} bytes of RSS and {disk} of disk a store", status("Threads"));
    assert!(rss <= MOST_RSS, "{rss} bytes of RSS a store");
    assert!(disk <= MOST_DISK, "{disk} bytes of disk a store");
    // They are open, and the last one that closes ends the threads.
    for store in &stores {
        assert_eq!(store.get_collection("notes").unwrap().len().unwrap(), 1);
    }
    drop(stores);
    drop(first);
    threads_come_down_to(alone);
}

#[test]
fn a_thousand_idle_stores_share_their_threads_and_cost_little() {
    if let Some(dir) = std::env::var_os(DIR) {
        return child(Path::new(&dir));
    }
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    // Each store keeps a lock and a log open.
    let script = "ulimit -n \"$(ulimit -Hn)\"; exec \"$0\" \"$@\"";
    let child = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture", "--test-threads=1"])
        .env(DIR, dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}\n{}", String::from_utf8_lossy(&child.stdout));
    eprint!("{said}");
}
