//! Owns the proof by power cuts of real file systems. A writer works on ext4 and XFS in a file. At
//! any moment the file system is shut down with all its unwritten data, or the file is copied while
//! the writer is stopped. Then it is mounted again, which recovers its journal, and everything that
//! was acknowledged must be there (I1, I3, I4, I5, I8).
//!
//! It needs root and loop devices, and reports that it skips where there are none. A copy of a file
//! that is being written is no state that a disk ever had, so the writer is stopped for it.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test may use files and clocks and print"
)]

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::Rng;
use crate::common::size::sized;
use crate::faults::book::Book;
use crate::faults::places::{self, Mount, in_ram};
use crate::faults::process::{Child, lines, works};
use crate::faults::seed;

/// Cuts of each kind per file system.
const CUTS: u64 = 3;

#[derive(Clone, Copy, Debug)]
enum FileSystem {
    Ext4,
    Xfs,
}

impl FileSystem {
    const fn program(self) -> &'static str {
        match self {
            Self::Ext4 => "mkfs.ext4",
            Self::Xfs => "mkfs.xfs",
        }
    }

    fn make(self, image: &Path) {
        let (bytes, arguments): (u64, &[&str]) = match self {
            // Nothing is deferred, so that nobody writes while the writer does not.
            Self::Ext4 => {
                let later = "lazy_itable_init=0,lazy_journal_init=0";
                (64 << 20, &["-q", "-F", "-E", later, "-J", "size=4"])
            }
            Self::Xfs => (320 << 20, &["-q", "-f"]),
        };
        std::fs::File::create(image).unwrap().set_len(bytes).unwrap();
        let made = Command::new(self.program()).args(arguments).arg(image).status().unwrap();
        assert!(made.success(), "{self:?}: {made}");
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) {
    let status = Command::new(program).args(arguments).arg(path).status().unwrap();
    assert!(status.success(), "{program}: {status}");
}

#[derive(Clone, Copy, Debug)]
enum Cut {
    /// The file system drops its unwritten data.
    Shutdown,
    /// The writer is stopped, and the image is copied.
    Copy,
}

#[derive(Debug, Default)]
struct Tally {
    cuts: u64,
    acknowledged: u64,
    in_flight: u64,
    stored_in_flight: u64,
    /// Cuts that took away unsynced data.
    lost: u64,
}

/// Waits until every thread of a process is stopped.
fn wait_until_stopped(pid: u32) {
    let begun = Instant::now();
    loop {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let stopped = |task: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rsplit(')').next().is_some_and(|rest| rest.trim().starts_with('T'))
        };
        if tasks.map(Result::unwrap).all(stopped) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "the writer does not stop");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Copies the image until two copies are equal: then the kernel wrote nothing meanwhile.
fn copy(image: &Path, to: &Path) {
    for _ in 0..50 {
        let status = Command::new("cp").arg("--sparse=always").arg(image).arg(to).status();
        assert!(status.unwrap().success());
        let same = Command::new("cmp").arg("-s").arg(image).arg(to).status().unwrap();
        if same.success() {
            return;
        }
    }
    panic!("the image does not come to rest");
}

fn one(system: FileSystem, cut: Cut, round: u64, rng: &mut Rng, tally: &mut Tally) {
    let temp = in_ram();
    let path = |name: &str| -> PathBuf { temp.path().join(name) };
    let (image, copied, at, report) = (path("image"), path("copied"), path("at"), path("report"));
    std::fs::create_dir(&at).unwrap();
    system.make(&image);
    let store = at.join("cut.alt");
    let mount = Mount::new(&["-o", "loop", image.to_str().unwrap()], &at).expect("the image");
    // The mount point's own directory is durable before the store's is made in it.
    run("sync", &["-f"], &at);
    let child =
        Child { dir: &store, report: report.clone(), first: 1, steps: 10_000, seed: seed() };
    let mut writer = child.command(&[]).stderr(Stdio::piped()).spawn().unwrap();
    let wanted = 1 + rng.below(60);
    let begun = Instant::now();
    while (lines(&report).iter().filter(|l| l.starts_with("ack")).count() as u64) < wanted {
        assert!(begun.elapsed() < Duration::from_secs(60), "the writer does not get on");
        std::thread::sleep(Duration::from_micros(500));
    }
    std::thread::sleep(Duration::from_micros(rng.below(20_000)));
    // Lines from before the cut began are certain. During the cut, a sync may succeed without
    // effect.
    let mut sure = lines(&report);
    let from = match cut {
        Cut::Shutdown => {
            std::fs::write(at.join("unsynced"), vec![7; 256 << 10]).unwrap();
            run("xfs_io", &["-F", "-x", "-c", "shutdown"], &at);
            &image
        }
        Cut::Copy => {
            let pid = writer.id();
            run("kill", &["-STOP"], Path::new(&pid.to_string()));
            wait_until_stopped(pid);
            sure = lines(&report);
            copy(&image, &copied);
            &copied
        }
    };
    let _ = writer.kill();
    let ended = writer.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr);
    // A page of a map that can no longer be read ends a process; the crate's documentation says so.
    let allowed = matches!(ended.status.signal(), Some(7 | 9)) || ended.status.success();
    assert!(allowed, "{:?}: {stderr}", ended.status);
    drop(mount);
    let mut book = Book::new(seed());
    book.enter(&sure);
    book.enter_after_cut(&lines(&report)[sure.len()..]);
    let what = format!("{system:?}, {cut:?}, round {round}");
    let _mount = Mount::new(&["-o", "loop", from.to_str().unwrap()], &at).expect(&what);
    if let Cut::Shutdown = cut {
        // The cut has an effect: unsynced data is gone.
        let unsynced = std::fs::read(at.join("unsynced")).unwrap_or_default();
        tally.lost += u64::from(unsynced.iter().filter(|byte| **byte == 7).count() < 256 << 10);
    }
    book.check(&store, &what, round.is_multiple_of(2));
    tally.cuts += 1;
    tally.acknowledged += book.acknowledged;
    tally.in_flight += book.in_flight;
    tally.stored_in_flight += book.stored_in_flight;
}

fn needs(system: FileSystem, cut: Cut) -> Result<(), String> {
    places::loops()?;
    works(system.program(), &["-V"])?;
    if let Cut::Shutdown = cut {
        works("xfs_io", &["-V"])?;
    }
    let temp = in_ram();
    let (image, at) = (temp.path().join("image"), temp.path().join("at"));
    std::fs::create_dir(&at).unwrap();
    system.make(&image);
    Mount::new(&["-o", "loop", image.to_str().unwrap()], &at).map(drop)
}

fn cuts(test: &str, system: FileSystem) {
    if let Err(reason) = places::loops() {
        return eprintln!("skipped {test}: {reason}");
    }
    if !places::enter_namespace(test) {
        return;
    }
    for cut in [Cut::Shutdown, Cut::Copy] {
        if let Err(reason) = needs(system, cut) {
            eprintln!("skipped {system:?}, {cut:?}: {reason}");
            continue;
        }
        let (rounds, begun) =
            (sized("power cuts of a file system", CUTS, CUTS, 10 * CUTS), Instant::now());
        let (mut rng, mut tally) = (Rng(seed() ^ system as u64), Tally::default());
        for round in 0..rounds {
            one(system, cut, round, &mut rng, &mut tally);
        }
        eprintln!("{system:?}, {cut:?} in {:?}, seed {}: {tally:?}", begun.elapsed(), seed());
        assert!(tally.acknowledged > rounds, "{tally:?}");
        assert!(matches!(cut, Cut::Copy) || tally.lost * 2 > rounds, "{tally:?}");
    }
}

#[test]
fn what_was_acknowledged_survives_a_power_cut_of_ext4() {
    cuts("image_cut::what_was_acknowledged_survives_a_power_cut_of_ext4", FileSystem::Ext4);
}

#[test]
fn what_was_acknowledged_survives_a_power_cut_of_xfs() {
    cuts("image_cut::what_was_acknowledged_survives_a_power_cut_of_xfs", FileSystem::Xfs);
}
