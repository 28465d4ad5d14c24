//! Owns the other processes of these tests. One tries a store, one holds it, one races for it, one
//! reads it, and one writes and compacts generations.

use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use altiplano::{
    Background, Batch, Collection, CollectionOptions, Durability, Memory, Metric, StoreOptions,
};

use super::setup::{fill, open};
use crate::faults::kind;
use crate::faults::process::{lines, report_file, say_to};

const ROLE: &str = "ALTIPLANO_PROCESS_ROLE";
const DIR: &str = "ALTIPLANO_PROCESS_DIR";
const REPORT: &str = "ALTIPLANO_PROCESS_REPORT";
/// Rows per generation.
pub(crate) const ROWS: u64 = 64;

/// Runs the role of this process, if it is another one.
#[allow(clippy::exit, reason = "the child has nothing to say to the harness")]
pub(crate) fn child() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let (dir, report) = (std::env::var_os(DIR).unwrap(), std::env::var_os(REPORT).unwrap());
    let (dir, report) = (Path::new(&dir), report_file(Path::new(&report)));
    let say = |line: &str| say_to(&report, line);
    match role.as_str() {
        "try" => match open(dir) {
            Ok(_store) => say("opened"),
            Err(error) => say(kind(&error)),
        },
        "hold" => {
            let store = open(dir).unwrap();
            fill(&store, 3, "held");
            say("opened");
            std::thread::sleep(Duration::from_secs(600));
        }
        "race" => race(dir, &say),
        "read" => match StoreOptions::new().open_read_only(dir) {
            Ok(store) => {
                say(&format!("read {}", store.get_collection("notes").unwrap().len().unwrap()))
            }
            Err(error) => say(kind(&error)),
        },
        "generations" => generations(dir, &say),
        other => panic!("no role {other}"),
    }
    std::process::exit(0);
}

fn race(dir: &Path, say: &dyn Fn(&str)) {
    for turn in 0..20u64 {
        match open(dir) {
            Ok(store) => {
                say("opened");
                let options = CollectionOptions::new(2, Metric::L2);
                let notes = store.collection("notes", options).unwrap();
                let id = u64::from(std::process::id()) << 32 | turn;
                notes.insert(Memory::new(id, [1.0, 2.0])).unwrap();
                say("closing");
            }
            Err(error) => say(kind(&error)),
        }
    }
}

/// Replaces every row again and again and compacts, so that all files change all the time.
fn generations(dir: &Path, say: &dyn Fn(&str)) {
    let store = StoreOptions::new().background(Background::Manual).open(dir).unwrap();
    let options = CollectionOptions::new(2, Metric::L2).memtable_rows(64);
    let notes: Collection = store.collection("notes", options).unwrap();
    for generation in 1.. {
        let row = |id: u64| {
            Memory::new(id, [id as f32, generation as f32]).text(format!("generation {generation}"))
        };
        let batch = (0..ROWS).fold(Batch::new(), |batch, id| batch.insert(row(id)));
        say(&format!("try {generation}"));
        let buffered = Durability::buffered(Duration::from_secs(1));
        notes.apply_with(batch, buffered).unwrap();
        say(&format!("ack {generation}"));
        store.compact().unwrap();
        say(&format!("compacted {generation}"));
    }
}

/// A running process, killed at the end.
pub(crate) struct Other {
    child: std::process::Child,
}

impl Other {
    pub(crate) fn spawn(role: &str, dir: &Path, report: &Path, wrapper: &[&str]) -> Self {
        let exe = std::env::current_exe().unwrap();
        let mut command = match wrapper {
            [] => Command::new(exe),
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(exe);
                command
            }
        };
        let child = command
            .args(["child", "--exact", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(DIR, dir)
            .env(REPORT, report)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child }
    }

    fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Waits until it has done its part.
    pub(crate) fn join(mut self) {
        let status = self.wait();
        assert!(status.success(), "{status}");
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.wait();
    }

    /// Runs a process to its end. Returns its report.
    pub(crate) fn run(role: &str, dir: &Path, report: &Path, wrapper: &[&str]) -> Vec<String> {
        Self::spawn(role, dir, report, wrapper).join();
        lines(report)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.kill();
    }
}
