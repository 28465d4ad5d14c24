//! Owns the acts of workloads that take more than one call of the store, and the check that
//! workloads about such acts do reach them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak, mpsc};

use super::model::{NAMES, vector};
use super::record::{Runner, run};
use super::script::scripted;
use super::seen::{Budget, Seen};
use super::setup::new_disk;
use crate::collection::Collection;
use crate::compaction::{Control, Job, run_index_due};
use crate::index::EfTable;
use crate::stats::RecallStats;
use crate::sync::lock;
use crate::testing::sim;
use crate::{Batch, Error, Memory, SearchMode, Store, sabotage};

impl Runner {
    fn notes(&self) -> Result<Option<Collection>, Error> {
        Ok(self.store()?.get_collection(NAMES[0]))
    }

    /// Searches the graph of the first collection often enough for a recall measurement.
    pub(super) fn ask(&self) -> Result<(), Error> {
        let Some(notes) = self.notes()? else { return Ok(()) };
        for id in 0..20 {
            notes.search(&vector(0, id * 7, 1)).k(10).mode(SearchMode::Graph).run()?;
        }
        Ok(())
    }

    /// Reports a recall measurement by which the graph of the first collection takes a much wider
    /// beam than before.
    pub(super) fn wear(&self) -> Result<(), Error> {
        let Some(notes) = self.notes()? else { return Ok(()) };
        let (core, snapshot) = (&notes.core, notes.core.snapshot());
        let graph = snapshot.indexes.iter().find(|part| part.indexed.index.has_graph());
        if let Some(part) = graph {
            let wide = EfTable::of(&[(32, 0.5), (512, 0.99)]);
            // With the maximum number of queries, so that no further measurement is due.
            let stats = RecallStats { queries: 64, ..RecallStats::default() };
            core.recall.looked(part.indexed.file, wide, stats, notes.engine.time.monotonic());
            *lock(&core.indexes_in_order) = Weak::new();
        }
        Ok(())
    }

    pub(super) fn tighten(&mut self, budget: Budget) -> Result<(), Error> {
        self.budget = Some(budget);
        self.reopen()
    }

    /// Makes a write that exceeds any budget. Nothing of it may ever be found, and work that frees
    /// bytes is due.
    pub(super) fn bulky(&self) -> Result<(), Error> {
        let Some(notes) = self.notes()? else { return Ok(()) };
        let text = "bulk".repeat(9 << 18);
        let bulky = |id| Memory::new(id, vector(0, id, 0)).text(text.as_str());
        match notes.apply((500..502u64).map(bulky).collect::<Batch>()) {
            Err(Error::OverBudget { .. }) => {
                self.seen.refused.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Ok(_) => Err(Error::option("bulky write", "it was taken in")),
            Err(error) => Err(error),
        }
    }

    /// Builds the index of the first collection that is due. Once the build knows its rows, a purge
    /// begins on another thread. The purge moves the rows before the build continues, and ends
    /// after it. If no row is dead, or no build is due, one follows the other.
    pub(super) fn purge_during_a_build(&self) -> Result<(), Error> {
        let store = self.store()?;
        let Some(notes) = self.notes()? else { return Ok(()) };
        let (engine, core) = (&store.engine, &notes.core);
        let has_dead = core.snapshot().segments.iter().any(|s| s.live.dead() > 0);
        // A weak reference, so that the files that the purge replaces are removed at once.
        let before = Arc::downgrade(&core.snapshot());
        let moved = || !Weak::ptr_eq(&before, &Arc::downgrade(&core.snapshot()));
        // The other thread needs the same sabotage switches.
        let (switch, place) = (sabotage::active(), sim::left_out());
        std::thread::scope(|scope| {
            let (begin, begun) = mpsc::channel::<()>();
            let purge = scope.spawn(move || {
                // An error means that there was no build.
                let _ = begun.recv();
                sabotage::with(switch, || sim::leaving_out(place, || store.purge()))
            });
            let asked = AtomicUsize::new(0);
            let stop = || {
                // The second call comes when the build knows its rows.
                if asked.fetch_add(1, Ordering::Relaxed) == 1 && has_dead {
                    let _ = begin.send(());
                    while !moved() && !purge.is_finished() {
                        std::thread::yield_now();
                    }
                    // The purge holds this lock while it moves rows, and then waits for the build.
                    drop(lock(&core.row_job));
                    self.seen.moved.fetch_add(usize::from(moved()), Ordering::Relaxed);
                }
                false
            };
            let control = Control::unpaced(engine, &stop);
            let built = run_index_due(&Job::new(core, &control));
            drop(begin);
            let purged = purge.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            built.and(purged.map(drop))
        })
    }
}

/// Runs a workload without faults. Returns what it reached, and the store at its end.
fn seen(name: &str) -> (Arc<Seen>, Store) {
    let scripts = scripted();
    let script = scripts.iter().find(|s| s.name.starts_with(name)).unwrap();
    let mut runner = Runner::new(new_disk(1));
    run(script, &mut runner).unwrap();
    (runner.seen, runner.store.unwrap())
}

/// If a workload did not reach these, the matrix would inject no fault there.
#[test]
fn scripts_come_by_what_they_are_about() {
    let of = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    let (merged, _) = seen("graph merged");
    assert!(of(&merged.merges) >= 4, "{merged:?}");
    let (degraded, _) = seen("graph degraded");
    assert_eq!(
        (of(&degraded.built), of(&degraded.merges), of(&degraded.looks)),
        (2, 1, 3),
        "{degraded:?}"
    );
    let (purged, _) = seen("purge during a merge");
    assert!(of(&purged.moved) == 2 && of(&purged.merges) >= 1, "{purged:?}");
    // Sealed although it has only nine rows, and rewritten although fewer rows are dead than the
    // limit.
    let (heap, _) = seen("budget of heap");
    assert_eq!((of(&heap.refused), of(&heap.seals)), (2, 2), "{heap:?}");
    let (disk, store) = seen("budget of disk");
    assert_eq!((of(&disk.refused), of(&disk.compactions)), (2, 1), "{disk:?}");
    assert!(store.engine.catalog.log_files() <= 2, "{}", store.engine.catalog.log_files());
    let (resident, store) = seen("budget of resident bytes");
    assert!(of(&resident.merges) >= 1 && of(&resident.compactions) >= 2, "{resident:?}");
    assert!(store.stats().unwrap().open_files > 0);
    let words = |store: &Store| {
        store.stats().unwrap().collections.iter().map(|c| c.word_bytes).sum::<u64>()
    };
    let (indexed, store) = seen("words, ");
    assert!(of(&indexed.seals) >= 2 && words(&store) > 0 || cfg!(not(feature = "text")));
    let (switched, store) = seen("words switched on");
    assert!(of(&switched.compactions) >= 2 && words(&store) == 0, "{switched:?}");
    let (_, store) = seen("log is trimmed without errors");
    assert!(store.engine.catalog.log_files() <= 9, "{}", store.engine.catalog.log_files());
}
