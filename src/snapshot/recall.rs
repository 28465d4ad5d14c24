//! Owns the recall monitor of a graph: a sample of users' queries, the recall of each beam on them,
//! and whether the graph has degraded. `compaction::index::recall` measures.
//!
//! The `ef` table of a new graph is measured with queries derived from its own rows
//! (`index::calibrate`). The monitor uses real queries. The more it has, the more beams are judged
//! by them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::ids::FileId;
use crate::index::EfTable;
use crate::stats::RecallStats;
use crate::sync::{Mutex, Published, lock};

/// Number of queries kept: the newest of those sampled.
const SAMPLE_SIZE: usize = 64;
/// Minimum sample. With 160 neighbors, 0.02 is one standard deviation at a recall of 0.95.
const MIN_SAMPLE: usize = 16;
/// One graph search in this many is sampled. The first [`MIN_SAMPLE`] searches are all sampled.
const SAMPLE_EVERY: u32 = 16;
/// Recall is measured again after this time if there were new queries. It is also measured again
/// when the sample has doubled.
const CHECK_INTERVAL: Duration = Duration::from_secs(600);

/// The recall monitor of one collection's graph.
#[derive(Debug)]
pub(crate) struct RecallMonitor {
    searches: AtomicU32,
    sampled: Mutex<Sampled>,
    measured: Published<Option<Measured>>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Sampled {
    queries: Vec<Vec<f32>>,
    next: usize,
    /// Queries sampled since the last measurement.
    new: usize,
}

/// The `ef` table of one graph, measured with sampled queries.
#[derive(Debug)]
struct Measured {
    file: FileId,
    table: EfTable,
}

#[derive(Debug, Default)]
struct Known {
    /// The graph that was built last since the open, and whether it was merged.
    built: Option<(FileId, bool)>,
    /// The default beam of the last rebuilt graph, as measured with sampled queries.
    fresh_ef: Option<usize>,
    /// When recall was last measured, in monotonic time.
    looked_at: Duration,
    /// The number of queries in the last measurement.
    looked_with: usize,
    stats: Option<RecallStats>,
    worn: Option<FileId>,
}

impl Default for RecallMonitor {
    fn default() -> Self {
        Self {
            searches: AtomicU32::new(0),
            sampled: Mutex::default(),
            measured: Published::new(None),
            known: Mutex::default(),
        }
    }
}

impl RecallMonitor {
    /// Samples a query of a graph search, in stored form, if it is its turn.
    pub(crate) fn sample(&self, query: &[f32]) {
        let number = self.searches.fetch_add(1, Ordering::Relaxed);
        if number >= MIN_SAMPLE as u32 && !number.is_multiple_of(SAMPLE_EVERY) {
            return;
        }
        let mut sampled = lock(&self.sampled);
        let Sampled { queries, next, new } = &mut *sampled;
        match queries.get_mut(*next) {
            Some(old) => old.copy_from_slice(query),
            None => queries.push(query.to_vec()),
        }
        *next = (*next + 1) % SAMPLE_SIZE;
        *new += 1;
    }

    /// Returns what `read` takes from the measured `ef` table of this graph, or `None` if it was
    /// not measured.
    pub(crate) fn table<T>(&self, file: FileId, read: impl Fn(&EfTable) -> T) -> Option<T> {
        let measured = self.measured.load();
        measured.as_ref().as_ref().filter(|m| m.file == file).map(|m| read(&m.table))
    }

    /// Notes that a graph was built or merged.
    pub(crate) fn note_built(&self, file: FileId, merged: bool) {
        lock(&self.known).built = Some((file, merged));
    }

    /// Returns the queries to measure this graph with, if a measurement is due.
    pub(crate) fn due(&self, file: FileId, now: Duration) -> Option<Vec<Vec<f32>>> {
        let mut sampled = lock(&self.sampled);
        let known = lock(&self.known);
        let many = sampled.queries.len() >= 2 * known.looked_with;
        let long = now.saturating_sub(known.looked_at) >= CHECK_INTERVAL;
        let again = (long || many) && sampled.new > 0;
        let is_new = self.table(file, |_| ()).is_none();
        if sampled.queries.len() < MIN_SAMPLE || !(is_new || again) {
            return None;
        }
        sampled.new = 0;
        Some(sampled.queries.clone())
    }

    /// Takes the result of a measurement. Returns the statistics to report.
    pub(crate) fn looked(
        &self,
        file: FileId,
        table: EfTable,
        stats: RecallStats,
        now: Duration,
    ) -> RecallStats {
        let ef = table.default_ef();
        let mut known = lock(&self.known);
        let merged = known.built == Some((file, true));
        if known.built == Some((file, false)) {
            known.fresh_ef = Some(ef);
        }
        let worn =
            merged && known.fresh_ef.is_some_and(|fresh| table.is_worn(fresh, stats.queries));
        known.worn = worn.then_some(file);
        (known.looked_at, known.looked_with) = (now, stats.queries);
        let stats = RecallStats { ef, degraded: worn, ..stats };
        known.stats = Some(stats.clone());
        drop(known);
        self.measured.store(Some(Measured { file, table }));
        stats
    }

    /// Returns true if merges have degraded this graph so much that it should be rebuilt.
    pub(crate) fn is_worn(&self, file: FileId) -> bool {
        lock(&self.known).worn == Some(file)
    }

    /// Returns the result of the last measurement.
    pub(crate) fn stats(&self) -> Option<RecallStats> {
        lock(&self.known).stats.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn asked(monitor: &RecallMonitor, queries: usize) {
        (0..queries).for_each(|i| monitor.sample(&[i as f32]));
    }

    fn look(
        monitor: &RecallMonitor,
        file: u64,
        beams: &[(u32, f32)],
        now: Duration,
    ) -> RecallStats {
        let stats =
            RecallStats { queries: lock(&monitor.sampled).queries.len(), ..Default::default() };
        monitor.looked(FileId(file), EfTable::of(beams), stats, now)
    }

    #[test]
    fn a_graph_is_looked_at_when_it_is_new_and_now_and_then() {
        let monitor = RecallMonitor::default();
        let due = |file, now| monitor.due(FileId(file), now).map(|queries| queries.len());
        asked(&monitor, MIN_SAMPLE - 1);
        assert_eq!(due(1, MINUTE), None, "too few queries");
        asked(&monitor, 1);
        assert_eq!(due(1, MINUTE), Some(MIN_SAMPLE));
        look(&monitor, 1, &[(32, 0.97)], MINUTE);
        assert_eq!(due(1, 20 * MINUTE), None, "no new queries");
        asked(&monitor, 200);
        assert_eq!(due(1, 10 * MINUTE), None, "too soon");
        asked(&monitor, 800);
        assert_eq!(due(1, 2 * MINUTE), Some(SAMPLE_SIZE), "more than twice as many");
        look(&monitor, 1, &[(32, 0.97)], 2 * MINUTE);
        asked(&monitor, 1000);
        assert_eq!(due(1, 10 * MINUTE), None, "there are never more");
        assert_eq!(due(2, 10 * MINUTE), Some(SAMPLE_SIZE), "another graph");
        assert_eq!(due(1, 12 * MINUTE), None, "they were looked at with the other one");
        asked(&monitor, 16);
        assert_eq!(due(1, 12 * MINUTE), Some(SAMPLE_SIZE));
        let ef = |file| monitor.table(FileId(file), |table| table.ef_for(0.9, 10)).flatten();
        assert_eq!((ef(1), ef(2)), (Some(32), None));
    }

    #[test]
    fn a_merged_graph_that_takes_a_much_wider_beam_than_a_fresh_one_is_worn() {
        let monitor = RecallMonitor::default();
        asked(&monitor, SAMPLE_SIZE * SAMPLE_EVERY as usize);
        let wide = [(32, 0.85), (64, 0.90), (128, 0.99)];
        monitor.note_built(FileId(1), true);
        assert!(!look(&monitor, 1, &wide, MINUTE).degraded, "nothing to compare it with");
        monitor.note_built(FileId(2), false);
        assert!(!look(&monitor, 2, &[(32, 0.90), (64, 0.97)], MINUTE).degraded);
        monitor.note_built(FileId(3), true);
        assert!(!look(&monitor, 3, &[(32, 0.90), (64, 0.96), (80, 0.98)], MINUTE).degraded);
        monitor.note_built(FileId(4), true);
        let stats = look(&monitor, 4, &wide, MINUTE);
        assert!(stats.degraded && monitor.is_worn(FileId(4)) && !monitor.is_worn(FileId(3)));
        assert_eq!(monitor.stats(), Some(stats));
        // The beam is as wide, but the loss of recall with the fresh beam is within the chance of
        // 64 queries. A rebuild would be needless.
        monitor.note_built(FileId(6), true);
        let stats = look(&monitor, 6, &[(32, 0.90), (64, 0.94), (128, 0.99)], MINUTE);
        assert!(stats.ef > 93 && !stats.degraded, "{stats:?}");
        // A rebuilt graph takes as wide a beam, because these queries need it.
        monitor.note_built(FileId(5), false);
        assert!(!look(&monitor, 5, &wide, MINUTE).degraded);
    }
}
