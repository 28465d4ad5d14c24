//! Owns the tests of writing back what a store returned, of the size of a batch, and of the order
//! of writes in one.

use std::sync::Arc;
use std::time::Duration;

use altiplano::{
    Batch, Collection, CollectionOptions, Error, Fields, Filter, ManualClock, Memory, Metric,
    Outcome, Store,
};

use crate::common::{START, ids, memory, vector, with_clock};

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
    assert_eq!((applied.inserted, applied.expired), (1, 1));
    assert_eq!(ids(&to), [2]);
}

fn open(path: &std::path::Path) -> (Store, Collection, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(START));
    let store = with_clock(&clock).open(path).unwrap();
    let options = CollectionOptions::new(4, Metric::L2).memtable_rows(64);
    let notes = store.collection("notes", options).unwrap();
    (store, notes, clock)
}

#[test]
fn a_memory_that_expired_since_it_was_read_is_reported_and_harms_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes, clock) = open(&dir.path().join("s"));
    notes.insert(memory(1, 4).ttl(SECOND).metadata_json("[1]")).unwrap();
    let read = notes.get(1u64).unwrap().unwrap();
    clock.advance(SECOND);
    assert_eq!(notes.insert(read.clone()).unwrap(), Outcome::Expired);
    assert!(notes.is_empty().unwrap());
    // A newer memory with the same id is not changed, nor is one in the same batch.
    notes.insert(memory(1, 4).text("newer")).unwrap();
    assert_eq!(notes.insert(read.clone().importance(0.9)).unwrap(), Outcome::Expired);
    assert_eq!(notes.get(1u64).unwrap().unwrap().text.as_deref(), Some("newer"));
    let batch = Batch::new().insert(memory(2, 4)).insert(read.clone()).delete(1u64);
    let applied = notes.apply(batch).unwrap();
    assert_eq!((applied.inserted, applied.deleted, applied.expired), (1, 1, 1));
    let batch = Batch::new().insert(memory(1, 4).text("same batch")).insert(read.clone());
    assert_eq!(notes.apply(batch).unwrap().inserted, 1);
    assert_eq!(notes.get(1u64).unwrap().unwrap().text.as_deref(), Some("same batch"));
    // A new lifetime makes it visible again.
    assert_eq!(notes.insert(read.clone().ttl(SECOND)).unwrap(), Outcome::Replaced);
    // A moment that the caller sets must be in the future.
    let past = read.expires_at(START);
    let error = notes.insert(past).unwrap_err();
    assert!(matches!(error, Error::InvalidOption { name: "expires_at", .. }), "{error}");
    let error = notes.insert(memory(3, 4).expires_at(START)).unwrap_err();
    assert!(matches!(error, Error::InvalidOption { name: "expires_at", .. }), "{error}");
}

#[test]
fn a_memory_that_a_hit_or_a_scan_brought_can_be_written_back_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes, clock) = open(&dir.path().join("s"));
    notes.insert(memory(1, 4).ttl(SECOND)).unwrap();
    let query = vector(1, 4);
    let hits = notes.search(&query).fields(Fields::All).run().unwrap();
    let scanned = notes.scan(Filter::All).next().unwrap().unwrap();
    clock.advance(SECOND);
    assert_eq!(notes.insert(hits[0].memory.clone().unwrap()).unwrap(), Outcome::Expired);
    assert_eq!(notes.insert(scanned).unwrap(), Outcome::Expired);
}

fn of_text(bytes: usize) -> impl Fn(u64) -> Memory {
    move |id| memory(id, 4).text("x".repeat(bytes))
}

#[test]
fn a_batch_that_is_too_large_says_by_how_much_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes, _) = open(&dir.path().join("s"));
    let large = of_text(16 << 20);
    let batch: Batch = (0..4).map(&large).collect();
    let bytes = batch.bytes();
    assert!(bytes > Batch::MAX_BYTES);
    let error = notes.apply(batch).unwrap_err();
    let Error::LimitExceeded { got, limit, .. } = error else { panic!("{error}") };
    assert!(limit == Batch::MAX_BYTES as u64 && got > limit && got <= bytes as u64);
    let told = error.to_string();
    let named = [got.to_string(), limit.to_string(), "bytes".into(), "split".into()];
    assert!(named.iter().all(|part| told.contains(part)), "{told}");
    assert!(notes.is_empty().unwrap());
    assert_eq!(notes.apply((0..3).map(large).collect()).unwrap().inserted, 3);
}

#[test]
fn no_batch_within_the_limit_is_refused_for_its_size() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes, _) = open(&dir.path().join("s"));
    // As near below the limit as the upper bound allows.
    let whole: Batch = (0..3).map(of_text(16 << 20)).collect();
    let left = Batch::MAX_BYTES - whole.bytes();
    let spare = Batch::new().insert(of_text(0)(3).text("")).bytes();
    let batch = whole.insert(of_text(left - spare)(3));
    assert_eq!(batch.bytes(), Batch::MAX_BYTES);
    assert_eq!(notes.apply(batch).unwrap().inserted, 4);
    let many: Vec<u64> = (0..1000).collect();
    let deletes = Batch::new().delete(1u64).delete_where(Filter::ids(many));
    assert!((16_000..17_000).contains(&deletes.bytes()));
}

#[test]
fn sizes_are_told_in_what_they_count() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes, _) = open(&dir.path().join("s"));
    let told = |error: Error| error.to_string();
    let deep = (0..40).fold(Filter::All, |inner, _| Filter::Not(Box::new(inner)));
    assert!(told(notes.delete_where(deep).unwrap_err()).contains("33 levels"));
    let tags = (0..300).fold(memory(1, 4), |memory, i| memory.tag(i.to_string()));
    assert!(told(notes.insert(tags).unwrap_err()).contains("300 tags, at most 256"));
    let query = vector(1, 4);
    let error = notes.search(&query).k(usize::MAX).run().unwrap_err();
    assert!(told(error).contains("results, at most 1048576"));
    let long = notes.insert(memory(1, 4).session("x".repeat(2000))).unwrap_err();
    assert!(told(long).contains("the session: 2000 bytes, at most 1024"));
}

#[test]
fn turns_of_one_batch_keep_their_order_for_life() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (store, notes, _) = open(&path);
    // Ids that do not ascend, all in one millisecond.
    let turns: Vec<u64> = (0..100).map(|i| (i * 37 + 11) % 101).collect();
    let query = vector(1, 4);
    notes.apply(turns.iter().map(|id| memory(*id, 4)).collect()).unwrap();
    let check = |notes: &Collection| {
        let mut all: Vec<Memory> = notes.iter().map(Result::unwrap).collect();
        all.sort_by_key(|memory| (memory.created_at, memory.seq()));
        let order: Vec<u64> = all.iter().map(|m| m.id.as_u128() as u64).collect();
        assert_eq!(order, turns);
        let hits = notes.search(&query).k(100).fields(Fields::None).run().unwrap();
        for hit in hits {
            assert_eq!(Some(hit.seq), notes.get(hit.id).unwrap().unwrap().seq());
        }
    };
    let first = |notes: &Collection| notes.get(turns[0]).unwrap().unwrap().seq().unwrap();
    let seq = first(&notes);
    check(&notes);
    store.compact().unwrap();
    check(&notes);
    store.close().unwrap();
    let (store, notes, _) = open(&path);
    check(&notes);
    store.compact().unwrap();
    assert_eq!(first(&notes), seq);
    // Written again, it is the latest.
    let read = notes.get(turns[0]).unwrap().unwrap();
    notes.insert(read.clone()).unwrap();
    assert!(first(&notes) > seq + 99);
    // The content of a memory does not depend on when it was written.
    assert_eq!(notes.get(turns[0]).unwrap().unwrap(), read);
    assert_eq!(memory(1, 4).seq(), None);
}
