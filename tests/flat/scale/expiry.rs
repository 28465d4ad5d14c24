//! Expiry of whole segments and of parts of them.

use std::sync::Arc;
use std::time::Duration;

use altiplano::{Batch, CollectionOptions, ManualClock, Metric};

use super::commits;
use crate::common::{START, bytes_of, ids, memory, settle, vector, with_clock};

const DIM: usize = 4;
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn segments_that_expired_whole_are_dropped_together_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let clock = Arc::new(ManualClock::new(START));
    let store = with_clock(&clock).open(&path).unwrap();
    let all = store.collection("all", CollectionOptions::new(DIM, Metric::L2)).unwrap();
    // Large enough that they are not merged: one segment per hour.
    let text = "x".repeat(2_500);
    for hour in 0..5u64 {
        let of =
            |id| memory(id, DIM).text(text.clone()).expires_at(START + HOUR * (hour as u32 + 1));
        for first in (hour * 1_000..(hour + 1) * 1_000).step_by(250) {
            all.apply((first..first + 250).map(of).collect::<Batch>()).unwrap();
        }
        all.compact().unwrap();
    }
    let segments =
        |store: &altiplano::Store| store.stats().unwrap().collections[0].segments.clone();
    assert_eq!(segments(&store).len(), 5);
    clock.advance(HOUR * 3);
    // The background does not know of the expiry yet.
    drop(all);
    store.close().unwrap();
    let store = with_clock(&clock).open(&path).unwrap();
    let all = store.get_collection("all").unwrap();
    let expired: Vec<u64> = segments(&store).iter().map(|s| s.expired_rows).collect();
    assert_eq!(expired, [1_000, 1_000, 1_000, 0, 0]);
    let (before, bytes) = (commits(&path), bytes_of(&path, "seg-"));
    let drops = all.plan().unwrap().steps.len();
    assert!(drops >= 3);
    settle(&store);
    assert_eq!(commits(&path), before + 1, "one commit for all three");
    assert_eq!(segments(&store).len(), 2);
    assert!(bytes_of(&path, "seg-") < bytes / 2);
    let report = store.stats().unwrap().collections[0].last_compaction.clone().unwrap();
    assert_eq!((report.dropped, report.rewritten, report.written), (3, 0, 0));
    assert_eq!(report.rows_reclaimed, 3_000);
    assert_eq!(ids(&all), (3_000..5_000).collect::<Vec<u64>>());
    clock.advance(HOUR * 3);
    settle(&store);
    assert_eq!((bytes_of(&path, "seg-"), all.len().unwrap()), (0, 0));
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn counts_and_answers_are_right_while_rows_expire_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let clock = Arc::new(ManualClock::new(START));
    let mut store = with_clock(&clock).open(&path).unwrap();
    let options = CollectionOptions::new(DIM, Metric::L2).memtable_rows(2_048);
    let mut all = store.collection("all", options).unwrap();
    let expiry = |id: u64| (!id.is_multiple_of(4)).then(|| 1 + id * 7_919 % 5_000);
    let of = |id: u64| match expiry(id) {
        Some(seconds) => memory(id, DIM).ttl(Duration::from_secs(seconds)),
        None => memory(id, DIM),
    };
    for first in (0..6_500).step_by(500) {
        all.apply((first..first + 500).map(of).collect::<Batch>()).unwrap();
        // Without `settle`: nothing is compacted, so the expired rows stay where they are.
    }
    store.run_pending_tasks().unwrap();
    let deleted = |id: u64| id % 13 == 5;
    for id in (0..6_500u64).filter(|id| deleted(*id)) {
        all.delete(id).unwrap();
    }
    let mut now = 0;
    for (n, step) in
        [1u64, 1, 1, 97, 400, 0, 1, 500, 1_500, 2, 2_000, 600, 10_000].into_iter().enumerate()
    {
        now += step;
        clock.advance(Duration::from_secs(step));
        if n == 6 {
            drop(all);
            store.close().unwrap();
            store = with_clock(&clock).open(&path).unwrap();
            all = store.get_collection("all").unwrap();
        }
        let visible = |id: &u64| expiry(*id).is_none_or(|at| at > now) && !deleted(*id);
        let wanted: Vec<u64> = (0..6_500).filter(visible).collect();
        assert_eq!(all.len().unwrap(), wanted.len() as u64, "after {now} s");
        assert_eq!(ids(&all), wanted, "after {now} s");
        let stats = &store.stats().unwrap().collections[0];
        let (rows, expired): (u64, u64) = stats
            .segments
            .iter()
            .fold((0, 0), |(r, e), s| (r + s.rows - s.dead_rows, e + s.expired_rows));
        assert!(rows > 0 && expired <= rows, "after {now} s");
        assert_eq!(stats.live_rows, wanted.len() as u64, "after {now} s");
        let id = wanted[wanted.len() / 2];
        let hits = all.search(&vector(id, DIM)).k(1).run().unwrap();
        assert_eq!(hits[0].id, id.into(), "after {now} s");
    }
}
