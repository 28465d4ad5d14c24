//! Owns the proof that an acknowledged write was synced first (I4): a child process writes under
//! `strace`, and the trace is checked. The disk's part of a sync is not shown here. Without
//! `strace` the tests report that they skip, and pass.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test may use files and print"
)]

mod trace;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use altiplano::{Background, CollectionOptions, Filter, Memory, Metric, StoreOptions};
use trace::{Call, Trace};

const DIR: &str = "ALTIPLANO_SYSCALLS_DIR";
const INSERTS: u64 = 150;
const CALLS: &str = "trace=openat,write,writev,pwrite64,fdatasync,fsync,\
                     ?rename,?renameat,?renameat2,?unlink,?unlinkat";

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("the parent reads");
}

/// The child, which acknowledges by a write to file 1. It does nothing in any other process. It
/// runs on one thread, so that the order of calls is the order of the code.
pub(crate) fn child() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    // The harness has printed the beginning of a line.
    say("");
    let options = StoreOptions::new().background(Background::Manual);
    let store = options.open(&dir).unwrap();
    let options = CollectionOptions::new(2, Metric::L2).memtable_rows(64);
    let notes = store.collection("notes", options).unwrap();
    say("ack 0");
    for n in 1..=INSERTS {
        // Every third write replaces an older one, so that there is something to compact.
        let id = if n % 3 == 0 { n / 2 } else { n };
        let memory = Memory::new(id, [n as f32, 1.0]).namespace(format!("user:{}", n % 7));
        notes.insert(memory).unwrap();
        say(&format!("ack {n}"));
    }
    while store.run_pending_tasks().unwrap() {}
    notes.delete_where(Filter::namespace("user:3")).unwrap();
    store.compact().unwrap();
    store.close().unwrap();
}

/// Returns the trace of a child, or the reason why there is none.
fn traced(dir: &Path) -> Result<Trace, String> {
    let probe = Command::new("strace")
        .args(["-o", "/dev/null", "-e", CALLS, "true"])
        .stderr(Stdio::null())
        .status();
    match probe {
        Ok(status) if status.success() => {}
        Ok(status) => return Err(format!("strace cannot trace here ({status})")),
        Err(error) => return Err(format!("there is no strace ({error})")),
    }
    let (out, store) = (dir.join("trace"), dir.join("traced.alt"));
    let status = Command::new("strace")
        .args(["-f", "-y", "-e", CALLS, "-o"])
        .arg(&out)
        .arg(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIR, &store)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "the child failed: {status}");
    let text = std::fs::read_to_string(&out).unwrap();
    Ok(Trace::parse(&text, &store))
}

#[test]
fn every_acknowledgement_follows_a_sync_that_began_after_the_write_i4() {
    let temp = tempfile::tempdir().unwrap();
    let trace = match traced(temp.path()) {
        Ok(trace) => trace,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let acks: Vec<&Call> = trace.calls().filter(|c| c.acknowledges().is_some()).collect();
    assert_eq!(acks.len() as u64, INSERTS + 1);
    for pair in acks.windows(2) {
        let between = |c: &&Call| c.begun > pair[0].ended && c.ended < pair[1].begun;
        let frame = trace
            .calls()
            .filter(between)
            .rfind(|c| c.writes("log-"))
            .unwrap_or_else(|| panic!("nothing was logged before {:?}", pair[1]));
        let synced =
            trace.calls().filter(between).any(|c| c.syncs(&frame.file) && c.begun > frame.ended);
        assert!(synced, "{:?} was acknowledged before a sync", pair[1]);
    }
}

#[test]
fn what_a_manifest_names_is_durable_before_it_and_nothing_is_removed_before_it_is() {
    let temp = tempfile::tempdir().unwrap();
    let trace = match traced(temp.path()) {
        Ok(trace) => trace,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let (mut commits, mut data_files) = (0, 0);
    for rename in trace.calls().filter(|c| c.is("rename")) {
        assert!(rename.file.starts_with("MANIFEST-"));
        if !rename.file.ends_with(".tmp") {
            // The previous manifest is put aside once the new one is durable, which is shown below.
            continue;
        }
        commits += 1;
        let before = |c: &&Call| c.ended < rename.begun;
        // The manifest, and every file written before it: first the content, then the name.
        for created in trace.calls().filter(before).filter(|c| c.creates()) {
            let of = |c: &&Call| c.file == created.file;
            let mut written = trace.calls().filter(before).filter(of);
            let written = written.rfind(|c| c.writes(""));
            let written = written.map_or(created.ended, |c| c.ended);
            let mut later = trace.calls().filter(before);
            let synced = later.any(|c| c.syncs(&created.file) && c.begun > written);
            assert!(synced, "{} is not durable at {rename:?}", created.file);
            let ballast = created.file == "RESERVE";
            if created.file != rename.file && !created.file.starts_with("MANIFEST-") && !ballast {
                data_files += 1;
                let mut later = trace.calls().filter(before);
                let named = later.any(|c| c.syncs("") && c.begun > created.ended);
                assert!(named, "the name of {} is not durable at {rename:?}", created.file);
            }
        }
        let mut after = trace.calls().filter(|c| c.begun > rename.ended);
        let next = after.find(|c| c.syncs("") || c.is("unlink") || c.is("rename"));
        assert!(next.is_some_and(|c| c.syncs("")), "after {rename:?}: {next:?}");
    }
    let removed = trace.calls().filter(|c| c.is("unlink")).count();
    assert!(commits > 4 && data_files > 10 && removed > 4, "{commits} {data_files} {removed}");
}
