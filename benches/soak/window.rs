//! Owns the sampling of windows: the figures of the process, the directory and the store's
//! statistics in each. Resident bytes are those added since the moment before the store was opened,
//! so the benchmark's vectors and its model do not count. A figure that is sampled several times in
//! a window is the median. Peaks are the largest samples.

use std::time::{Duration, Instant};

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::shared::{Cost, Reopened, Shared, Told, lock};
use bench_tools::measure::{Rss, allocated_bytes, cpu_seconds, median};

/// The probe's file starts again at this length.
const PROBE_BYTES: u64 = 1 << 20;
const EVERY: Duration = Duration::from_millis(200);
/// The prefix of the names of the store's threads.
const THREADS: &str = "altiplano-";

/// The figures of a window. Times are in microseconds unless the name says otherwise.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    /// Seconds from the start of the run to the end of the window.
    pub(crate) at: f64,
    pub(crate) rss_anon: f64,
    pub(crate) rss_file: f64,
    pub(crate) rss_peak: f64,
    pub(crate) disk: f64,
    pub(crate) disk_peak: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) filtered_p50: f64,
    pub(crate) filtered_p99: f64,
    /// NaN if it was not measured.
    pub(crate) recall: f64,
    pub(crate) cost: Cost,
    pub(crate) queries: usize,
    pub(crate) ops: u64,
    pub(crate) write_p50: f64,
    pub(crate) write_p99: f64,
    pub(crate) write_max: f64,
    /// Processor time of the store's own threads, in seconds.
    pub(crate) cpu_s: f64,
    pub(crate) stats: Stats,
    pub(crate) told: Told,
    pub(crate) steps: u64,
    pub(crate) bursts: u64,
    pub(crate) held: u64,
    pub(crate) reopened: Option<Reopened>,
    /// Longest sync of 4 KiB at the end of a file beside the store: the disk's delay for any
    /// program.
    pub(crate) probe_max: f64,
    /// Largest delay at waking up of a sleeping thread of the benchmark: the delay that other
    /// programs of the machine cause.
    pub(crate) late_max: f64,
}

/// The store's statistics.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stats {
    pub(crate) heap: u64,
    pub(crate) mapped: u64,
    pub(crate) pinned: u64,
    /// Disk bytes without held files, that is, without what readers hold.
    pub(crate) own: u64,
    pub(crate) log: u64,
    pub(crate) live: u64,
    pub(crate) dead: u64,
    pub(crate) expired: u64,
    pub(crate) debt: u64,
    pub(crate) memtable_rows: u64,
    pub(crate) segments: usize,
    pub(crate) indexes: usize,
    pub(crate) graphs: usize,
}

pub(crate) struct Sampler<'a> {
    shared: &'a Shared,
    before: Rss,
    begun: Instant,
    ended: Instant,
    cpu: f64,
    probe: Option<File>,
}

impl<'a> Sampler<'a> {
    pub(crate) fn new(shared: &'a Shared, before: Rss) -> Self {
        let cpu = cpu_seconds(Some(THREADS)).unwrap_or(0.0);
        let now = Instant::now();
        let probe = File::create(shared.dir.with_extension("probe")).ok();
        Self { shared, before, begun: now, ended: now, cpu, probe }
    }

    /// Waits `length` for the end of the next window. A run that stops ends it early.
    pub(crate) fn window(&mut self, length: Duration) -> Result<Window, String> {
        let (mut anon, mut file, mut disk) = (Vec::new(), Vec::new(), Vec::new());
        let (mut peak, mut cpu, mut probe, mut late) = (0, 0.0, Duration::ZERO, Duration::ZERO);
        self.ended += length;
        loop {
            let rss = Rss::now().unwrap_or_default();
            anon.push(rss.anon_bytes.saturating_sub(self.before.anon_bytes) as f64);
            file.push(rss.file_bytes.saturating_sub(self.before.file_bytes) as f64);
            peak = peak.max(rss.total().saturating_sub(self.before.total()));
            disk.push(allocated_bytes(&self.shared.dir).unwrap_or(0) as f64);
            cpu += self.cpu();
            let now = Instant::now();
            if now >= self.ended || self.shared.is_stopping() {
                break;
            }
            let nap = EVERY.min(self.ended - now);
            std::thread::sleep(nap);
            late = late.max(now.elapsed().saturating_sub(nap));
            probe = probe.max(self.probe());
        }
        let told = std::mem::take(&mut *lock(&self.shared.told));
        told.failures.iter().for_each(|reason| self.shared.broke(format!("event: {reason}")));
        let mut window = Window {
            at: self.begun.elapsed().as_secs_f64(),
            rss_anon: median(&anon),
            rss_file: median(&file),
            rss_peak: peak as f64,
            disk: median(&disk),
            disk_peak: disk.iter().copied().fold(0.0, f64::max),
            cpu_s: cpu,
            stats: self.stats()?,
            told,
            probe_max: probe.as_secs_f64() * 1e6,
            late_max: late.as_secs_f64() * 1e6,
            ..Window::default()
        };
        window.take(self.shared);
        Ok(window)
    }

    /// Returns the processor time since the last call. The threads of a store that was closed
    /// meanwhile have ended, and their time since then is lost.
    fn cpu(&mut self) -> f64 {
        let now = cpu_seconds(Some(THREADS)).unwrap_or(0.0);
        let before = std::mem::replace(&mut self.cpu, now);
        if now >= before { now - before } else { now }
    }

    /// Appends as a log does, so that it waits for the same things.
    fn probe(&self) -> Duration {
        let begun = Instant::now();
        let append = |file: &File| {
            let end = file.metadata()?.len() % PROBE_BYTES;
            file.set_len(end)?;
            file.write_all_at(&[0; 4096], end)?;
            file.sync_data()
        };
        match self.probe.as_ref().map(append) {
            Some(Ok(())) => begun.elapsed(),
            _ => Duration::ZERO,
        }
    }

    fn stats(&self) -> Result<Stats, String> {
        let guard = self.shared.read();
        let Some(open) = guard.as_ref() else {
            return Ok(Stats::default());
        };
        let all = open.store.stats().map_err(|e| format!("stats: {e}"))?;
        let mut stats = Stats {
            heap: all.heap_bytes,
            mapped: all.mapped_bytes,
            pinned: all.held_bytes,
            own: all.disk_bytes.saturating_sub(all.held_bytes),
            log: all.log_bytes,
            ..Stats::default()
        };
        for collection in &all.collections {
            stats.live += collection.live_rows;
            stats.dead += collection.dead_rows;
            stats.expired += collection.expired_rows;
            stats.debt += collection.debt_bytes;
            stats.memtable_rows += collection.memtable_rows;
            stats.segments += collection.segments.len();
            stats.indexes += collection.indexes.len();
            stats.graphs += collection.indexes.iter().filter(|index| index.graph).count();
        }
        Ok(stats)
    }
}

impl Window {
    /// Takes the threads' records.
    fn take(&mut self, shared: &Shared) {
        let mut seen = shared.seen();
        let rank = |times: &mut Vec<Duration>, shares: &[f64]| {
            times.sort_unstable();
            let at = |share: &f64| {
                let rank = (share * times.len() as f64).ceil() as usize;
                let time = times.get(rank.saturating_sub(1));
                time.map_or(f64::NAN, |time| time.as_nanos() as f64 / 1e3)
            };
            let ranks: Vec<f64> = shares.iter().map(at).collect();
            times.clear();
            ranks
        };
        self.queries = seen.plain.len() + seen.filtered.len();
        let plain = rank(&mut seen.plain, &[0.5, 0.99, 0.999]);
        let filtered = rank(&mut seen.filtered, &[0.5, 0.99]);
        let writes = rank(&mut seen.writes, &[0.5, 0.99, 1.0]);
        [self.p50, self.p99, self.p999] = [plain[0], plain[1], plain[2]];
        [self.filtered_p50, self.filtered_p99] = [filtered[0], filtered[1]];
        [self.write_p50, self.write_p99, self.write_max] = [writes[0], writes[1], writes[2]];
        self.recall = seen.recall.take().unwrap_or(f64::NAN);
        self.cost = std::mem::take(&mut seen.cost);
        self.ops = std::mem::take(&mut seen.ops);
        self.steps = std::mem::take(&mut seen.steps);
        self.bursts = std::mem::take(&mut seen.bursts);
        self.held = std::mem::take(&mut seen.held);
        self.reopened = seen.reopened.take();
    }

    /// Returns every figure with its name, in the order of the columns.
    pub(crate) fn fields(&self) -> Vec<(&'static str, f64)> {
        let ms = |of: fn(&Reopened) -> Duration| {
            self.reopened.as_ref().map_or(f64::NAN, |r| of(r).as_secs_f64() * 1e3)
        };
        let Stats { heap, mapped, pinned, own, log, live, dead, expired, debt, .. } = self.stats;
        vec![
            ("at_s", self.at),
            ("rss_anon_bytes", self.rss_anon),
            ("rss_file_bytes", self.rss_file),
            ("rss_peak_bytes", self.rss_peak),
            ("disk_bytes", self.disk),
            ("disk_peak_bytes", self.disk_peak),
            ("heap_bytes", heap as f64),
            ("mapped_bytes", mapped as f64),
            ("held_bytes", pinned as f64),
            ("own_disk_bytes", own as f64),
            ("log_bytes", log as f64),
            ("live", live as f64),
            ("dead", dead as f64),
            ("expired", expired as f64),
            ("debt_bytes", debt as f64),
            ("memtable_rows", self.stats.memtable_rows as f64),
            ("segments", self.stats.segments as f64),
            ("indexes", self.stats.indexes as f64),
            ("graphs", self.stats.graphs as f64),
            ("queries", self.queries as f64),
            ("p50_us", self.p50),
            ("p99_us", self.p99),
            ("p999_us", self.p999),
            ("filtered_p50_us", self.filtered_p50),
            ("filtered_p99_us", self.filtered_p99),
            ("recall_at_10", self.recall),
            ("scanned", self.cost.scanned),
            ("evaluations", self.cost.evaluations),
            ("reranked", self.cost.reranked),
            ("ops", self.ops as f64),
            ("write_p50_us", self.write_p50),
            ("write_p99_us", self.write_p99),
            ("write_max_us", self.write_max),
            ("probe_max_us", self.probe_max),
            ("late_max_us", self.late_max),
            ("store_cpu_s", self.cpu_s),
            ("seals", self.told.seals as f64),
            ("compactions", self.told.compactions as f64),
            ("index_builds", self.told.indexes as f64),
            ("merged", self.told.merged as f64),
            ("failures", self.told.failures.len() as f64),
            ("clock_steps", self.steps as f64),
            ("bursts", self.bursts as f64),
            ("snapshots_checked", self.held as f64),
            ("close_ms", ms(|r| r.close)),
            ("open_ms", ms(|r| r.open)),
            ("verify_ms", ms(|r| r.verify)),
        ]
    }
}
