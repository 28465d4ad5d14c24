//! Owns the tests of writing back what a store gave back, the size of a batch, and the order of what
//! was written in one.

use std::sync::Arc;
use std::time::Duration;

use altiplano::{Batch, CollectionOptions, ManualClock, Metric};

use crate::common::{START, memory, with_clock};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_copy_of_a_store_passes_over_what_expired_on_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let options = || CollectionOptions::new(4, Metric::L2).memtable_rows(64);
    let store = with_clock(&clock).open(dir.path().join("a")).unwrap();
    let from = store.collection("notes", options()).unwrap();
    from.insert(memory(1, 4).ttl(SECOND)).unwrap();
    from.insert(memory(2, 4)).unwrap();
    let all: Batch = from.iter().map(Result::unwrap).collect();
    clock.advance(SECOND);
    let store = with_clock(&clock).open(dir.path().join("b")).unwrap();
    let to = store.collection("notes", options()).unwrap();
    let applied = to.apply(all).unwrap();
    assert_eq!(applied.inserted, 1);
}
