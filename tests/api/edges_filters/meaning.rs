//! A filter that cannot be meant is refused. One that matches every memory deletes only if it says
//! so.

use altiplano::{Batch, Collection, Error, Filter, Memory};

use super::{DIM, at, open};
use crate::common::{ids, memory, settle};

fn with_ten(run: impl FnOnce(&Collection)) {
    let dir = tempfile::tempdir().unwrap();
    let (store, notes) = open(&dir.path().join("s"));
    let of = |id| memory(id, DIM).namespace("a").tag("t").importance(0.5);
    notes.apply((0..5).map(of).collect()).unwrap();
    settle(&store);
    store.compact().unwrap();
    notes.apply((5..10).map(of).collect()).unwrap();
    run(&notes);
    assert_eq!(ids(&notes), (0..10).collect::<Vec<u64>>());
}

/// Returns the filter in different combinations.
fn dressed(filter: &Filter) -> Vec<Filter> {
    let other = || Filter::namespace("a");
    let inside = [
        filter.clone(),
        filter.clone().not(),
        filter.clone().and(other()),
        other().or(filter.clone()),
        filter.clone().not().or(other()).and(Filter::tag("t")),
    ];
    inside.into()
}

#[test]
fn ranges_that_cannot_be_meant_are_refused_by_every_verb() {
    let nan = f32::NAN;
    let bad = [
        (Filter::importance_at_least(nan), "importance"),
        (Filter::importance(0.0..=nan), "importance"),
        (Filter::importance(0.9..=0.1), "importance"),
        (Filter::importance_at_least(1.5), "importance"),
        (Filter::created(at(20)..at(10)), "created"),
        (Filter::event_time(at(20)..at(19)), "event_time"),
    ];
    with_ten(|notes| {
        for (filter, option) in bad {
            for filter in dressed(&filter) {
                let refused = |error: Error| {
                    let named =
                        matches!(error, Error::InvalidOption { name, .. } if name == option);
                    assert!(named, "{filter:?}: {error}");
                };
                let query = [0.0; DIM];
                refused(notes.search(&query).filter(filter.clone()).run().unwrap_err());
                refused(notes.search(&query).filter(filter.clone()).explain().unwrap_err());
                let many = notes.search_batch(&[query], |s| s.filter(filter.clone()));
                refused(many.unwrap_err());
                let mut scan = notes.scan(filter.clone());
                refused(scan.next().unwrap().unwrap_err());
                assert!(scan.next().is_none(), "one error, and the end");
                refused(notes.delete_where(filter.clone()).unwrap_err());
                let batch = Batch::new().insert(Memory::new(77u64, [0.0; DIM]));
                refused(notes.apply(batch.delete_where(filter.clone())).unwrap_err());
            }
        }
    });
}

/// Every form of a Rust range means what it means in Rust.
#[test]
fn a_range_of_importance_takes_and_leaves_its_ends_as_rust_does() {
    use std::ops::Bound::{Excluded, Included};
    use std::ops::RangeBounds as _;
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes) = open(&dir.path().join("s"));
    let importances = [0.0, 0.2, 0.3, 0.3_f32.next_down(), 0.5, 1.0];
    for (id, importance) in (0u64..).zip(importances) {
        notes.insert(memory(id, DIM).importance(importance)).unwrap();
    }
    let check = |range: (std::ops::Bound<f32>, std::ops::Bound<f32>), filter: Filter| {
        let wanted = importances.iter().filter(|i| range.contains(i)).count();
        assert_eq!(notes.scan(filter).count(), wanted, "{range:?}");
    };
    let open = std::ops::Bound::Unbounded;
    check((Included(0.3), open), Filter::importance(0.3..));
    check((open, Excluded(0.3)), Filter::importance(..0.3));
    check((open, Included(0.3)), Filter::importance(..=0.3));
    check((Included(0.2), Excluded(0.5)), Filter::importance(0.2..0.5));
    check((Included(0.2), Included(0.5)), Filter::importance(0.2..=0.5));
    check((Excluded(0.3), open), Filter::importance((Excluded(0.3), open)));
    check((open, Excluded(0.0)), Filter::importance((open, Excluded(0.0))));
    check((open, open), Filter::importance(..));
}

#[test]
fn an_empty_range_is_no_mistake_and_holds_for_nothing() {
    with_ten(|notes| {
        for empty in [
            Filter::importance(0.5..0.5),
            Filter::importance(0.0..0.0),
            Filter::created(at(10)..at(10)),
            Filter::event_time(at(10)..at(10)),
            Filter::tags_any(Vec::<String>::new()),
            Filter::ids(Vec::<u64>::new()),
        ] {
            assert_eq!(notes.scan(empty.clone()).count(), 0);
            assert_eq!(notes.scan(empty.clone().not()).count(), 10);
            assert_eq!(notes.delete_where(empty).unwrap(), 0);
        }
    });
}

#[test]
fn a_filter_that_holds_for_every_memory_deletes_nothing_unless_it_is_all() {
    let none = || Filter::ids(Vec::<u64>::new());
    let name = || Filter::namespace("a");
    let always = [
        Filter::tags_all(Vec::<String>::new()),
        Filter::tags_any(Vec::<String>::new()).not(),
        Filter::And(vec![]),
        Filter::Or(vec![]).not(),
        Filter::And(vec![Filter::All]),
        Filter::All.not().not(),
        Filter::All.or(name()),
        none().not(),
        none().and(name()).not(),
        Filter::Or(vec![name(), Filter::And(vec![Filter::tags_all(Vec::<String>::new())])]),
        Filter::importance_at_least(0.0),
        Filter::created(..),
        Filter::created(at(5)..at(5)).not(),
        Filter::created(..at(5)).or(Filter::created(at(5)..)),
        name().or(name().not()),
        Filter::Pinned(true).or(Filter::Pinned(false)),
    ];
    with_ten(|notes| {
        for filter in &always {
            assert_eq!(notes.scan(filter.clone()).count(), 10, "{filter:?}");
            let hits = notes.search(&[0.0; DIM]).k(20).filter(filter.clone()).run().unwrap();
            assert_eq!(hits.len(), 10, "{filter:?}");
            let batch = Batch::new().insert(Memory::new(77u64, [0.0; DIM]));
            for error in [
                notes.delete_where(filter.clone()).unwrap_err(),
                notes.apply(batch.delete_where(filter.clone())).unwrap_err(),
            ] {
                assert!(matches!(error, Error::InvalidOption { .. }), "{filter:?}: {error}");
                assert!(error.to_string().contains("Filter::All"), "the way out: {error}");
            }
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes) = open(&dir.path().join("s"));
    for filter in [Filter::All, Filter::All.and(Filter::All)] {
        notes.apply((0..10).map(|id| memory(id, DIM)).collect()).unwrap();
        assert_eq!(notes.delete_where(filter).unwrap(), 10);
        assert!(notes.is_empty().unwrap());
    }
}
