//! Owns the tests of races that were found once, each named after its race, as far as one schedule
//! shows it. `loom_models` and `shuttle_schedules` run all schedules.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak, mpsc};
use std::time::Duration;

use super::{State, open, read, recovered, scratch};
use crate::compaction::{Control, Job, run_index_due, run_rows_due};
use crate::disk::RealDisk;
use crate::store::open::open_for_writing;
use crate::sync::lock;
use crate::{
    Background, Batch, Clock, CollectionOptions, Durability, Error, Event, Memory, Metric, Store,
    StoreOptions, Timestamp,
};

#[test]
fn a_buffered_write_that_is_due_sooner_than_an_earlier_one_wakes_the_worker() {
    let temp = scratch();
    let store = open(Arc::new(RealDisk), &temp.path().join("a.alt")).unwrap();
    let [notes, _] = super::collections(&store).unwrap();
    let write = |id: u64, seconds: u64| {
        let max_delay = Duration::from_secs(seconds);
        let batch = Batch::new().insert(super::memory(id, "a"));
        notes.apply_with(batch, Durability::Buffered { max_delay }).unwrap();
        store.engine.background.wakeups().log.take_notification()
    };
    assert!(write(1, 3600));
    // The worker sleeps for an hour now.
    assert!(write(2, 1), "the sync would have come an hour late");
    assert!(!write(3, 60));
}

/// A clock that panics once on request, as a user's clock may.
#[derive(Debug, Default)]
struct FragileClock {
    broken: AtomicBool,
}

impl Clock for FragileClock {
    fn wall(&self) -> Timestamp {
        if self.broken.swap(false, Ordering::SeqCst) {
            resume_unwind(Box::new("planted"));
        }
        Timestamp::from_millis(1_700_000_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

#[test]
fn after_a_panic_with_the_commit_token_in_hand_followers_get_an_answer_and_writes_stop_i10() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let clock = Arc::new(FragileClock::default());
    let options = StoreOptions::new().background(Background::Manual).clock(clock.clone());
    let store = open_for_writing(Arc::new(RealDisk), &dir, options).unwrap();
    let [notes, facts] = super::collections(&store).unwrap();
    notes.insert(super::memory(1, "a")).unwrap();
    let before = read(&store);

    let token = store.engine.log.hold();
    let results: Vec<_> = std::thread::scope(|scope| {
        // Deletes, since an insert asks for the time before it queues.
        let writers: Vec<_> = (0..2)
            .map(|n| {
                let facts = facts.clone();
                let writer =
                    scope.spawn(move || catch_unwind(AssertUnwindSafe(|| facts.delete(1u64))));
                while store.engine.committer.waiting() <= n {
                    std::thread::yield_now();
                }
                writer
            })
            .collect();
        clock.broken.store(true, Ordering::SeqCst);
        drop(token);
        writers.into_iter().map(|w| w.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|r| r.is_err()).count(), 1, "one of them led");
    let follower = results.into_iter().find_map(Result::ok).unwrap();
    assert!(matches!(follower, Err(Error::CommitUnknown { .. })), "{follower:?}");

    assert!(matches!(notes.delete(1u64), Err(Error::Poisoned { .. })));
    assert!(matches!(store.sync(), Err(Error::Poisoned { .. })));
    assert_eq!(read(&store), before);
    assert!(store.close().is_err());
    let expected: State = before;
    assert_eq!(recovered(&dir), expected);
}

#[test]
fn a_listener_may_ask_for_the_collection_that_it_is_told_of() {
    let temp = scratch();
    let shared: Arc<OnceLock<Weak<Store>>> = Arc::default();
    let (inner, asked) = (Arc::clone(&shared), Arc::new(AtomicBool::new(false)));
    let told = Arc::clone(&asked);
    let listener = move |event: &Event| {
        if let Event::RetentionUnset { collection } = event {
            let store = inner.get().and_then(Weak::upgrade).unwrap();
            assert!(store.get_collection(collection).is_some());
            told.store(true, Ordering::SeqCst);
        }
    };
    let options = StoreOptions::new().background(Background::Manual).on_event(listener);
    let store = Arc::new(options.open(temp.path().join("a.alt")).unwrap());
    shared.set(Arc::downgrade(&store)).unwrap();
    let notes = store.collection("notes", CollectionOptions::new(1, Metric::L2)).unwrap();
    notes.insert(Memory::new(1u64, [1.0])).unwrap();
    assert!(asked.load(Ordering::SeqCst));
}

/// Regression: a rewrite noted its relocations before it published its outputs. A build that began
/// in between recorded no relocation and saw the old segments. The rows were in no index of a
/// segment that another index covers.
#[test]
fn a_build_that_begins_while_a_rewrite_is_published_hears_where_the_rows_went_i11() {
    let temp = scratch();
    let store = open(Arc::new(RealDisk), &temp.path().join("a.alt")).unwrap();
    let [notes, _] = super::collections(&store).unwrap();
    for ids in [0..64, 64..128] {
        notes.apply(ids.map(|id| super::memory(id, "a")).collect::<Batch>()).unwrap();
        while store.run_pending_tasks().unwrap() {}
    }
    let before = notes.stats().unwrap();
    assert_eq!((before.segments.len(), before.indexes.len()), (2, 2));
    // The rewrite takes both segments, the build only the first index.
    notes.apply((0..40u64).fold(Batch::new(), Batch::delete)).unwrap();
    let (snapshot, generation) =
        (notes.core.snapshot(), store.engine.catalog.manifest().generation);

    // The rewrite needs this lock only to publish: it stops with the commit token in hand.
    let tables = lock(&notes.core.tables);
    std::thread::scope(|scope| {
        let rewrite = scope.spawn(|| {
            let control = Control::unpaced(&store.engine, &|| false);
            run_rows_due(&Job::new(&notes.core, &control))
        });
        let committed = || store.engine.catalog.manifest().generation > generation;
        while !(committed() && store.engine.log.is_held()) {
            assert!(!rewrite.is_finished(), "it publishes without the tables");
            std::thread::yield_now();
        }
        assert!(Arc::ptr_eq(&snapshot, &notes.core.snapshot()), "it has published");
        let (asked, knows_its_rows) = mpsc::channel();
        let build = scope.spawn(|| {
            let cancelled = move || asked.send(()).is_err();
            let control = Control::unpaced(&store.engine, &cancelled);
            run_index_due(&Job::new(&notes.core, &control))
        });
        // The build checks for its end twice: before it loads its snapshot, and when it has
        // gathered its rows.
        (0..2).for_each(|_| knows_its_rows.recv().unwrap());
        drop(tables);
        assert!(rewrite.join().unwrap().unwrap());
        assert!(build.join().unwrap().unwrap());
    });

    let verified = store.verify().unwrap();
    assert!(verified.is_clean(), "{:?}", verified.problems);
    assert_eq!(notes.search(&[50.0, 1.0]).k(88).run().unwrap().len(), 88);
    let after = notes.stats().unwrap();
    assert_eq!((after.segments.len(), after.live_rows, after.dead_rows), (1, 88, 0));
    assert_eq!(after.indexes.len(), 2);
    assert!(after.indexes.iter().all(|new| before.indexes[0].file != new.file), "{after:?}");
}
