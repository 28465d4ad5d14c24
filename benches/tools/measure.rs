//! Owns the measurements of a benchmark's own process: resident memory, processor time, allocated
//! blocks and pinning. Also owns medians, slopes and JSON lines. Not here: the command line
//! (`args`), plots (`plot`) and vectors (`vectors`). It works on Linux; elsewhere the readings are
//! `None`.
#![allow(clippy::disallowed_methods, reason = "looks at the process from outside the store")]

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Resident memory of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rss {
    /// Heap, stacks and other private pages.
    pub anon_bytes: u64,
    /// Pages of mapped files.
    pub file_bytes: u64,
}

impl Rss {
    pub fn now() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/status").ok()?)
    }

    /// Parses the text of `/proc/self/status`.
    pub fn parse(status: &str) -> Option<Self> {
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            kib.checked_mul(1024)
        };
        Some(Self { anon_bytes: bytes("RssAnon:")?, file_bytes: bytes("RssFile:")? })
    }

    pub fn total(self) -> u64 {
        self.anon_bytes + self.file_bytes
    }
}

/// Returns the processor time of the whole process in seconds, ended threads included, in steps of
/// 10 ms. With a `prefix`, returns that of its living threads whose name starts with `prefix`; the
/// system keeps 15 bytes of a name.
pub fn cpu_seconds(prefix: Option<&str>) -> Option<f64> {
    let Some(prefix) = prefix else {
        return stat_seconds(&fs::read_to_string("/proc/self/stat").ok()?);
    };
    let prefix = prefix.get(..15).unwrap_or(prefix);
    let mut sum = 0.0;
    for task in fs::read_dir("/proc/self/task").ok()? {
        let task = task.ok()?.path();
        let Ok(name) = fs::read_to_string(task.join("comm")) else {
            continue; // it ended meanwhile
        };
        if name.starts_with(prefix) {
            sum += task_seconds(&task).unwrap_or(0.0);
        }
    }
    Some(sum)
}

/// Returns the processor time of the calling thread in seconds. It is finer than a tick where the
/// kernel counts nanoseconds. The kernel updates them when a thread yields its core, as this does.
pub fn thread_cpu_seconds() -> Option<f64> {
    std::thread::yield_now();
    task_seconds(Path::new("/proc/thread-self"))
}

/// Returns the processor time of a thread in seconds, from nanoseconds if the kernel counts them.
fn task_seconds(task: &Path) -> Option<f64> {
    let fine = fs::read_to_string(task.join("schedstat")).ok();
    let nanos = fine.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    match nanos {
        Some(nanos) if nanos > 0 => Some(nanos as f64 / 1e9),
        _ => stat_seconds(&fs::read_to_string(task.join("stat")).ok()?),
    }
}

/// Returns the user and system time in a `stat` file of `/proc`, in seconds. The process's name in
/// the text may contain spaces and parentheses.
pub fn stat_seconds(stat: &str) -> Option<f64> {
    const TICKS_PER_SECOND: f64 = 100.0; // fixed in what the kernel shows to processes
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11);
    let mut next = || times.next()?.parse::<u64>().ok();
    Some((next()? + next()?) as f64 / TICKS_PER_SECOND)
}

/// Returns the bytes that the files under `dir` take on the disk: blocks, not lengths. Files that
/// vanish count 0, and so does a store's `RESERVE`, which holds no data.
#[cfg(unix)]
pub fn allocated_bytes(dir: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let (mut sum, mut dirs) = (0, vec![dir.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            match entry.metadata() {
                Ok(_) if entry.file_name() == "RESERVE" => {}
                Ok(metadata) if metadata.is_dir() => dirs.push(entry.path()),
                Ok(metadata) => sum += metadata.blocks() * 512,
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(sum)
}

/// Restarts this program under `taskset -c CORE`, with all its threads, unless it was done before.
///
/// Call it first in `main`: on success it does not return the first time. `false` means that the
/// process may run on any core.
pub fn pin_to_core(core: usize) -> bool {
    const DONE: &str = "ALTIPLANO_BENCH_PINNED";
    if allowed_cores().as_deref() == Some(core.to_string().as_str()) {
        return true;
    }
    if std::env::var_os(DONE).is_none() {
        restart_on(core, DONE);
    }
    false
}

#[cfg(unix)]
fn restart_on(core: usize, done: &str) {
    use std::os::unix::process::CommandExt;
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let mut command = std::process::Command::new("taskset");
    command.arg("-c").arg(core.to_string()).arg(program).args(std::env::args_os().skip(1));
    // `taskset` refuses an unknown core only after it has replaced this process, so a trial comes
    // first.
    let mut trial = std::process::Command::new("taskset");
    let trial = trial.arg("-c").arg(core.to_string()).arg("true");
    let quiet = trial.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    if quiet.status().is_ok_and(|status| status.success()) {
        let _refused: io::Error = command.env(done, "1").exec();
    }
}

#[cfg(not(unix))]
fn restart_on(_core: usize, _done: &str) {}

pub fn allowed_cores() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    Some(list.trim().to_owned())
}

/// Percentiles by nearest rank: each is a measured value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    pub p50: Duration,
    pub p99: Duration,
    pub max: Duration,
}

impl Percentiles {
    /// Returns zeros if there are no samples.
    pub fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        let rank = |share: f64| {
            let rank = (share * samples.len() as f64).ceil() as usize;
            samples.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        };
        Self { p50: rank(0.50), p99: rank(0.99), max: rank(1.0) }
    }
}

/// Returns the middle value, or the mean of the two middle ones; NaN for none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[half],
        _ => (sorted[half - 1] + sorted[half]) / 2.0,
    }
}

/// Returns the change of `values` per step by least squares, and its standard error.
///
/// It is NaN for fewer than two values. The error is infinite for two, where any line fits.
pub fn slope(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    if values.len() < 2 {
        return (f64::NAN, f64::NAN);
    }
    let (mean_x, mean_y) = ((n - 1.0) / 2.0, values.iter().sum::<f64>() / n);
    let points = || values.iter().enumerate().map(|(x, y)| (x as f64 - mean_x, y - mean_y));
    let sxx: f64 = points().map(|(x, _)| x * x).sum();
    let slope = points().map(|(x, y)| x * y).sum::<f64>() / sxx;
    let rest: f64 = points().map(|(x, y)| (y - slope * x).powi(2)).sum();
    let error = if n > 2.0 { (rest / (n - 2.0) / sxx).sqrt() } else { f64::INFINITY };
    (slope, error)
}

/// One JSON object on one line, its keys in the order of the calls.
#[derive(Clone, Debug, Default)]
pub struct Json(String);

impl Json {
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn field(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        quote(&mut self.0, key);
        self.0.push(':');
        match value.into() {
            Value::Text(text) => quote(&mut self.0, &text),
            Value::Plain(text) => self.0.push_str(&text),
        }
        self
    }

    /// Returns the object without a line end.
    pub fn line(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }
}

/// A JSON value. Numbers that JSON cannot hold (NaN, infinite) and `None` become `null`.
#[derive(Clone, Debug)]
pub enum Value {
    Text(String),
    Plain(String),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Plain(if number.is_finite() { number.to_string() } else { "null".to_owned() })
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or_else(|| Self::Plain("null".to_owned()), Into::into)
    }
}

macro_rules! plain {
    ($($type:ty),*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::Plain(value.to_string())
            }
        }
    )*};
}
plain!(bool, u32, u64, usize, i32, i64);

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c < ' ' => write!(out, "\\u{:04x}", u32::from(c)).unwrap_or_default(),
            c => out.push(c),
        }
    }
    out.push('"');
}
