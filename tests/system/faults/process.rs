//! Owns the processes that faults hit. A child runs a session and reports to a file with `writev`,
//! which nothing else uses, so that no fault hits the report. It starts under a wrapper (`strace`,
//! `fiu-run`, a shell). Its report and its trace are parsed here.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IoSlice, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use super::session::{Go, Session};

const DIR: &str = "ALTIPLANO_FAULT_DIR";
const REPORT: &str = "ALTIPLANO_FAULT_REPORT";
const FIRST: &str = "ALTIPLANO_FAULT_FIRST";
const STEPS: &str = "ALTIPLANO_FAULT_STEPS";
const SEED: &str = "ALTIPLANO_FAULT_SEED";

/// Opens the report. A fault may hit this call as well.
pub(crate) fn report_file(path: &Path) -> File {
    let open = || File::options().append(true).create(true).open(path).ok();
    (0..100).find_map(|_| open()).expect("a report")
}

/// Writes a line with one call.
pub(crate) fn say_to(mut file: &File, line: &str) {
    let line = format!("{line}\n");
    let written = file.write_vectored(&[IoSlice::new(line.as_bytes())]);
    assert_eq!(written.ok(), Some(line.len()), "the report cannot be written");
}

/// Makes calls that have no other purpose. `strace` counts calls by thread, and the loader and the
/// harness make a few of them. A fault for the n-th call of this thread must not hit theirs.
fn run_up() -> Vec<Vec<u8>> {
    for _ in 0..60 {
        let null = File::options().read(true).write(true).open("/dev/null");
        let _ = null.map(|mut null| {
            let _ = null.write(&[0]);
            std::os::unix::fs::FileExt::read_at(&null, &mut [0; 8], 0)
        });
    }
    // Large blocks are mapped one by one as long as none is freed.
    (0..60).map(|_| vec![1; 256 << 10]).collect()
}

/// Runs the child, if this process is one.
#[allow(clippy::exit, reason = "the harness must not print under a fault")]
pub(crate) fn child() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let number = |name| std::env::var(name).unwrap().parse::<u64>().unwrap();
    let _kept = run_up();
    let report = report_file(Path::new(&std::env::var_os(REPORT).unwrap()));
    let mut say = |line: &str| say_to(&report, line);
    let (first, steps) = (number(FIRST), number(STEPS));
    say("at start");
    let session = Session::start(Path::new(&dir), number(SEED), &mut say);
    let go = session.map_or(Go::GiveUp, |mut session| {
        let go = (first..first + steps)
            .find(|n| session.step(*n, &mut say) == Go::GiveUp)
            .map_or(Go::On, |_| Go::GiveUp);
        say("at drop");
        go
    });
    say(if go == Go::On { "end" } else { "gaveup" });
    std::process::exit(0);
}

/// A child to run.
pub(crate) struct Child<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) report: PathBuf,
    pub(crate) first: u64,
    pub(crate) steps: u64,
    pub(crate) seed: u64,
}

/// How a child ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) lines: Vec<String>,
    pub(crate) stderr: String,
}

impl Ended {
    /// Checks that a fault was an error, and not the end of the process.
    pub(crate) fn lived(&self, what: &str) {
        let last = self.lines.last().map(String::as_str);
        let ended = matches!(last, Some("end" | "gaveup"));
        assert!(self.status.success() && ended, "{what}: {self:?}");
    }
}

impl Child<'_> {
    /// Returns the command line under a wrapper, which is a program and its arguments.
    pub(crate) fn command(&self, wrapper: &[&str]) -> Command {
        let exe = std::env::current_exe().unwrap();
        let mut command = match wrapper {
            [] => Command::new(&exe),
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&exe);
                command
            }
        };
        command
            .args(["child", "--exact", "--nocapture", "--test-threads=1"])
            // The loader looks for each library in each directory of it, and there in one for each
            // level of the processor. Those are more opens than the run-up makes.
            .env_remove("LD_LIBRARY_PATH")
            .env(DIR, self.dir)
            .env(REPORT, &self.report)
            .env(FIRST, self.first.to_string())
            .env(STEPS, self.steps.to_string())
            .env(SEED, self.seed.to_string())
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    pub(crate) fn run(&self, wrapper: &[&str]) -> Ended {
        let _ = std::fs::remove_file(&self.report);
        let output = self.command(wrapper).stderr(Stdio::piped()).output().unwrap();
        Ended {
            status: output.status,
            lines: lines(&self.report),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Returns the whole lines of a report.
pub(crate) fn lines(report: &Path) -> Vec<String> {
    let bytes = std::fs::read(report).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    text[..whole].lines().map(str::to_owned).collect()
}

/// Returns the reason why a program does not work here, if it does not.
pub(crate) fn works(program: &str, arguments: &[&str]) -> Result<(), String> {
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{program} does not work here ({status})")),
        Err(error) => Err(format!("there is no {program} ({error})")),
    }
}

pub(crate) fn strace_works() -> Result<(), String> {
    let inject = "inject=getpid:error=EIO";
    works("strace", &["-f", "-o", "/dev/null", "-e", "trace=openat", "-e", inject, "true"])
}

/// One call of the writing thread: its name, and its number among calls of that name, as `strace`
/// counts them.
pub(crate) type Call = (String, u64);

/// Returns the writing thread's calls by point of the protocol, from the first that names the
/// store.
pub(crate) fn by_point(trace: &str, store: &Path) -> BTreeMap<String, Vec<Call>> {
    let named = |line: &&str| line.contains(store.to_str().unwrap());
    let writer = trace.lines().find(named).and_then(|l| l.split(' ').next());
    let (mut seen, mut begun) = (BTreeMap::<String, u64>::new(), false);
    let mut points: BTreeMap<String, Vec<Call>> = BTreeMap::new();
    for line in trace.lines().filter(|l| l.split(' ').next() == writer) {
        begun |= named(&line);
        let call = line.split_whitespace().nth(1).and_then(|c| c.split_once('('));
        let (Some((call, _)), Some(point)) = (call, point(line, store)) else {
            continue;
        };
        let n = seen.entry(call.to_owned()).or_default();
        *n += 1;
        if begun {
            points.entry(point).or_default().push((call.to_owned(), *n));
        }
    }
    points
}

/// Returns the point of this round. Every point has its turn, and the log's more often, since most
/// calls are there.
pub(crate) fn turn(points: &[(String, Vec<Call>)], round: usize) -> &(String, Vec<Call>) {
    let of_log = |(name, _): &&(String, Vec<Call>)| {
        ["fdatasync log", "write log", "writev report"].contains(&name.as_str())
    };
    let log: Vec<_> = points.iter().filter(of_log).collect();
    match round % 4 {
        3 if !log.is_empty() => log[round / 4 % log.len()],
        _ => &points[(round - round / 4) % points.len()],
    }
}

/// Returns a point of the protocol: the kind of file of a traced call, and the call.
pub(crate) fn point(line: &str, store: &Path) -> Option<String> {
    let call = line.split_whitespace().nth(1)?.split_once('(')?.0;
    let Some((_, rest)) = line.split_once(store.to_str()?) else {
        let report = line.contains("report");
        return Some(format!("{call} {}", if report { "report" } else { "elsewhere" }));
    };
    let name = &rest[..rest.find(['>', '"']).unwrap_or(rest.len())];
    let class = name.trim_start_matches('/').split('-').next().unwrap_or_default();
    let class = match class {
        "" => "directory",
        "MANIFEST" if name.ends_with(".tmp") => "MANIFEST.tmp",
        class => class,
    };
    let how = if line.contains("O_EXCL") { " (new)" } else { "" };
    Some(format!("{call} {class}{how}"))
}
