//! Owns the tests of filters: the meaning of each, in a scan, in a search, in a delete, wherever
//! the rows lie.

use altiplano::{Error, Filter, Memory, Metric};

use crate::common::{ids, manual, memory, settle, vector};
use crate::verbs::{DIMENSION, in_every_place, options};

/// Returns a memory with attributes that make every filter match some rows and not others.
fn varied(id: u64) -> Memory {
    let mut memory = memory(id, 8)
        .importance((id % 11) as f32 / 10.0)
        .pinned(id.is_multiple_of(5))
        .created_at(altiplano::Timestamp::from_millis(1000 + id.cast_signed()));
    if id.is_multiple_of(3) {
        memory = memory.namespace(format!("n{}", id % 7));
    }
    if id.is_multiple_of(4) {
        memory = memory.session("s").kind(if id.is_multiple_of(8) { "turn" } else { "summary" });
    }
    if !id.is_multiple_of(6) {
        memory = memory.tag(format!("t{}", id % 3)).tag(format!("u{}", id % 5));
    }
    if id.is_multiple_of(9) {
        memory = memory
            .key(format!("k{id}"))
            .event_time(altiplano::Timestamp::from_millis(id.cast_signed()));
    }
    memory
}

fn at(millis: i64) -> altiplano::Timestamp {
    altiplano::Timestamp::from_millis(millis)
}

/// Returns true if the row with this number matches.
type Means = fn(u64) -> bool;

/// Returns filters with their meanings, written a second time.
fn filters() -> Vec<(Filter, Means)> {
    vec![
        (Filter::All, |_| true),
        (Filter::namespace("n0"), |i| i % 3 == 0 && i % 7 == 0),
        (Filter::namespace("nowhere"), |_| false),
        (Filter::session("s"), |i| i % 4 == 0),
        (Filter::kind("turn"), |i| i % 8 == 0),
        (Filter::tag("t1"), |i| i % 6 != 0 && i % 3 == 1),
        (Filter::tags_any(["t1", "u2"]), |i| i % 6 != 0 && (i % 3 == 1 || i % 5 == 2)),
        (Filter::tags_all(["t1", "u2"]), |i| i % 6 != 0 && i % 3 == 1 && i % 5 == 2),
        (Filter::tags_any(Vec::<String>::new()), |_| false),
        (Filter::tags_all(Vec::<String>::new()), |_| true),
        (Filter::key("k18"), |i| i == 18),
        (Filter::key("k19"), |_| false),
        (Filter::created(at(1010)..at(1020)), |i| (10..20).contains(&i)),
        (Filter::created(at(1010)..=at(1020)), |i| (10..=20).contains(&i)),
        (Filter::created(..at(1010)), |i| i < 10),
        (Filter::created(at(1090)..), |i| i >= 90),
        (Filter::event_time(at(18)..at(36)), |i| i == 18 || i == 27),
        (Filter::event_time(..), |i| i % 9 == 0),
        (Filter::importance_at_least(0.5), |i| i % 11 >= 5),
        (Filter::Pinned(true), |i| i % 5 == 0),
        (Filter::Pinned(false), |i| i % 5 != 0),
        (Filter::ids([3u64, 5, 1000]), |i| i == 3 || i == 5),
        (Filter::ids(Vec::<u64>::new()), |_| false),
        (Filter::And(vec![]), |_| true),
        (Filter::Or(vec![]), |_| false),
        (Filter::session("s").not(), |i| i % 4 != 0),
        (Filter::kind("turn").or(Filter::key("k9")), |i| i % 8 == 0 || i == 9),
        (Filter::session("s").and(Filter::kind("turn").not()), |i| i % 8 == 4),
        (Filter::All.not(), |_| false),
    ]
}

#[test]
fn every_filter_means_the_same_in_ram_in_segments_in_scan_and_in_search() {
    let rows = 150u64;
    in_every_place(
        |notes| {
            notes.apply((0..rows).map(varied).collect()).unwrap();
        },
        |notes| {
            for (filter, means) in filters() {
                let expected: Vec<u64> = (0..rows).filter(|i| means(*i)).collect();
                let mut found: Vec<u64> =
                    notes.scan(filter.clone()).map(|m| m.unwrap().id.as_u128() as u64).collect();
                found.sort_unstable();
                assert_eq!(found, expected, "scan {filter:?}");
                // Exactly the matching rows come back, and as many (I12).
                let query = vector(77, DIMENSION);
                let hits = notes.search(&query).k(1000).filter(filter.clone());
                let mut found: Vec<u64> =
                    hits.run().unwrap().iter().map(|h| h.id.as_u128() as u64).collect();
                found.sort_unstable();
                assert_eq!(found, expected, "search {filter:?}");
            }
        },
    );
}

#[test]
fn delete_where_counts_what_was_visible_and_leaves_later_ones_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", options(Metric::Cosine)).unwrap();
    for (filter, means) in filters() {
        notes.delete_where(Filter::All).unwrap();
        notes.apply((0..100).map(varied).collect()).unwrap();
        settle(&store); // some rows in segments
        notes.apply((100..120).map(varied).collect()).unwrap();
        let (gone, stay): (Vec<u64>, Vec<u64>) = (0..120).partition(|i| means(*i));
        if stay.is_empty() && filter != Filter::All {
            assert!(notes.delete_where(filter).is_err());
            continue;
        }
        let count = notes.delete_where(filter.clone()).unwrap();
        assert_eq!(count, gone.len() as u64, "{filter:?}");
        assert_eq!(ids(&notes), stay, "{filter:?}");
        assert_eq!(notes.delete_where(filter.clone()).unwrap(), 0);
        if let Some(again) = gone.first() {
            notes.insert(varied(*again)).unwrap();
            assert!(notes.contains(*again).unwrap(), "{filter:?}");
        }
    }
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn a_batch_of_searches_answers_as_single_ones_do() {
    in_every_place(
        |notes| {
            notes.apply((0..120).map(varied).collect()).unwrap();
        },
        |notes| {
            let queries: Vec<Vec<f32>> = (500..520).map(|i| vector(i, DIMENSION)).collect();
            let filter = Filter::session("s");
            let answers = notes.search_batch(&queries, |s| s.k(7).filter(filter.clone())).unwrap();
            assert_eq!(answers.len(), queries.len());
            for (query, hits) in queries.iter().zip(answers) {
                let single = notes.search(query).k(7).filter(filter.clone());
                assert_eq!(single.run().unwrap(), hits);
            }
            let none: [[f32; DIMENSION]; 0] = [];
            assert!(notes.search_batch(&none, |s| s).unwrap().is_empty());
            let wrong = [vec![1.0; DIMENSION], vec![1.0; 3]];
            let error = notes.search_batch(&wrong, |s| s).unwrap_err();
            assert!(matches!(error, Error::Dimension { got: 3, .. }));
        },
    );
}
