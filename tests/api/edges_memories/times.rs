//! Owns the tests of times before 1970, wherever a memory lies.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use altiplano::{Collection, CollectionOptions, Filter, ManualClock, Metric, Timestamp};

use crate::common::{ids, manual, memory, with_clock};

const YEAR: u64 = 31_557_600;

/// Returns about the beginning of a year.
fn year(year: u64) -> Timestamp {
    let of = |seconds| Duration::from_secs(seconds);
    if year < 1970 {
        (SystemTime::UNIX_EPOCH - of((1970 - year) * YEAR)).into()
    } else {
        (SystemTime::UNIX_EPOCH + of((year - 1970) * YEAR)).into()
    }
}

#[test]
fn events_before_1970_are_told_apart_ordered_and_filtered() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let options = CollectionOptions::new(4, Metric::L2).memtable_rows(64);
    let notes = store.collection("notes", options).unwrap();
    for of in (1900..=2020).step_by(10) {
        notes.insert(memory(of, 4).event_time(year(of)).created_at(year(of))).unwrap();
    }
    notes.insert(memory(1, 4)).unwrap();
    let check = |notes: &Collection| {
        let events = |range| notes.scan(range).map(|m| m.unwrap().id.as_u128() as u64);
        let sorted = |range| {
            let mut ids: Vec<u64> = events(range).collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!(sorted(Filter::event_time(year(1950)..year(1980))), [1950, 1960, 1970]);
        assert_eq!(sorted(Filter::event_time(..year(1920))), [1900, 1910]);
        assert_eq!(sorted(Filter::created(..=year(1920))), [1900, 1910, 1920]);
        assert_eq!(sorted(Filter::event_time(year(1990)..)), [1990, 2000, 2010, 2020]);
        assert_eq!(sorted(Filter::event_time(..)).len(), 13);
        assert_eq!(sorted(Filter::created(year(1960)..year(1970))), [1960]);
        for of in (1900..=2020).step_by(10) {
            let got = notes.get(of).unwrap().unwrap();
            assert_eq!((got.event_time, got.created_at), (Some(year(of)), Some(year(of))));
        }
        assert!(notes.get(1900u64).unwrap().unwrap().event_time < Some(year(1910)));
    };
    check(&notes);
    store.close().unwrap();
    let store = manual().open(&path).unwrap();
    let notes = store.get_collection("notes").unwrap();
    check(&notes);
    notes.compact().unwrap();
    check(&notes);
    assert_eq!(notes.delete_where(Filter::event_time(year(1905)..year(1935))).unwrap(), 3);
    store.close().unwrap();
    let store = manual().open(&path).unwrap();
    let notes = store.get_collection("notes").unwrap();
    let left = [1, 1900, 1940, 1950, 1960, 1970, 1980, 1990, 2000, 2010, 2020];
    assert_eq!(ids(&notes), left);
}

#[test]
fn the_first_and_the_last_moment_are_kept_and_sorted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let notes = store.collection("notes", CollectionOptions::new(4, Metric::L2)).unwrap();
    let millis = [i64::MIN, -1_000_000_000_000, -2, -1, 0, 1, 1_000_000_000_000, i64::MAX];
    for (id, at) in (0u64..).zip(millis) {
        let at = Timestamp::from_millis(at);
        let memory = memory(id, 4).event_time(at).created_at(at).valid(Some(at), Some(at));
        notes.insert(memory).unwrap();
    }
    let check = |notes: &Collection| {
        for (id, at) in (0u64..).zip(millis) {
            let at = Some(Timestamp::from_millis(at));
            let got = notes.get(id).unwrap().unwrap();
            assert_eq!(
                (got.event_time, got.created_at, (got.valid_from, got.valid_to)),
                (at, at, (at, at))
            );
        }
        let earlier = |than| {
            let filter = Filter::event_time(..Timestamp::from_millis(than));
            notes.scan(filter).count()
        };
        let counts = millis.map(earlier);
        assert_eq!(counts, [0, 1, 2, 3, 4, 5, 6, 7]);
    };
    check(&notes);
    notes.compact().unwrap();
    check(&notes);
    store.close().unwrap();
    let store = manual().open(&path).unwrap();
    check(&store.get_collection("notes").unwrap());
    store.verify().unwrap();
}

#[test]
fn lives_end_also_where_the_clock_shows_a_time_before_1970() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let clock = Arc::new(ManualClock::new(year(1960)));
    let store = with_clock(&clock).open(&path).unwrap();
    let options = CollectionOptions::new(4, Metric::L2).memtable_rows(64);
    let notes = store.collection("notes", options).unwrap();
    let second = Duration::from_secs(1);
    notes.insert(memory(1, 4).ttl(second)).unwrap();
    notes.insert(memory(2, 4).ttl(3 * second)).unwrap();
    notes.insert(memory(3, 4)).unwrap();
    assert_eq!(notes.get(3u64).unwrap().unwrap().created_at, Some(year(1960)));
    clock.advance(second);
    assert_eq!(ids(&notes), [2, 3]);
    store.compact().unwrap();
    store.close().unwrap();
    // A clock that is set back makes nothing visible again, as after 1970.
    clock.set_wall(year(1950));
    let store = with_clock(&clock).open(&path).unwrap();
    let notes = store.get_collection("notes").unwrap();
    assert_eq!(store.now(), year(1960) + second);
    assert_eq!(ids(&notes), [2, 3]);
    clock.set_wall(year(1960) + 3 * second);
    assert_eq!(ids(&notes), [3]);
}
