//! Owns a thread that samples the process and the store's directory every 10 ms. The samples show
//! whether the store was working in the background at a given moment. The thread's own cost, a few
//! hundred microseconds of one core per sample, is part of the figures.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bench_tools::measure::{Rss, allocated_bytes, cpu_seconds};

/// The prefix of the names of the store's threads.
pub(crate) const THREADS: &str = "altiplano-";
const EVERY: Duration = Duration::from_millis(10);
/// The store is working if its threads take this share of one core between two samples.
const WORKING: f64 = 0.1;

/// The figures of one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Instant,
    pub(crate) disk: u64,
    pub(crate) rss: Rss,
    /// Processor time of the store's threads so far, in seconds.
    pub(crate) cpu: f64,
}

impl Sample {
    pub(crate) fn now(dir: &Path) -> Self {
        Self {
            at: Instant::now(),
            disk: allocated_bytes(dir).unwrap_or(0),
            rss: Rss::now().unwrap_or_default(),
            cpu: cpu_seconds(Some(THREADS)).unwrap_or(0.0),
        }
    }
}

/// The sampling thread, which ends when this is dropped.
pub(crate) struct Watch {
    dir: PathBuf,
    samples: Arc<Mutex<Vec<Sample>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(crate) fn start(dir: &Path) -> Self {
        let samples: Arc<Mutex<Vec<Sample>>> = Arc::default();
        let stop: Arc<AtomicBool> = Arc::default();
        let (own, ended, path) = (Arc::clone(&samples), Arc::clone(&stop), dir.to_owned());
        let body = move || {
            while !ended.load(Ordering::Relaxed) {
                let sample = Sample::now(&path);
                own.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
                std::thread::sleep(EVERY);
            }
        };
        let thread = std::thread::Builder::new().name("churn-watch".into()).spawn(body);
        Self { dir: dir.to_owned(), samples, stop, thread: thread.ok() }
    }

    /// Returns the samples since the last call. The first is of that moment, the last of now.
    pub(crate) fn take(&self) -> Vec<Sample> {
        let last = Sample::now(&self.dir);
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push(last);
        std::mem::replace(&mut samples, vec![last])
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Returns true if the store's threads worked at any time from `start` to `end`.
///
/// Their processor time between two samples shows it, so the precision is about 10 ms. Work during
/// which all of them wait for the disk does not show.
pub(crate) fn was_working(samples: &[Sample], start: Instant, end: Instant) -> bool {
    samples.windows(2).any(|pair| {
        let span = pair[1].at.saturating_duration_since(pair[0].at);
        let used = pair[1].cpu - pair[0].cpu;
        pair[0].at <= end && start <= pair[1].at && used > WORKING * span.as_secs_f64()
    })
}
