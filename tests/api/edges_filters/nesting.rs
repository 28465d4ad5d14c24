//! Joins of one kind are flat. A filter that is too deep is an error, and never overflows the
//! stack.

use altiplano::{Collection, Error, Filter};

use super::{DIM, open};
use crate::common::{ids, memory, settle};

/// More levels than any stack has room for.
const DEEP: usize = 1_000_000;
/// Size of a stack on which a recursion of a few thousand levels ends the process.
const SMALL_STACK: usize = 256 << 10;

fn kinds() -> Vec<Filter> {
    (0..40).map(|i| Filter::kind(format!("k{i}"))).collect()
}

/// Returns the filters joined in every way: from the left, from the right, in pairs, and by hand.
fn folds(
    all: &[Filter],
    join: fn(Filter, Filter) -> Filter,
    list: fn(Vec<Filter>) -> Filter,
) -> Vec<Filter> {
    let left = all.iter().cloned().reduce(join).unwrap();
    let right = all.iter().cloned().rev().reduce(|right, left| join(left, right)).unwrap();
    let mut pairs = all.to_vec();
    while pairs.len() > 1 {
        let pair = |pair: &[Filter]| pair.iter().cloned().reduce(join).unwrap();
        pairs = pairs.chunks(2).map(pair).collect();
    }
    assert_eq!(left, right);
    assert_eq!(left, pairs[0]);
    let by_hand = all.iter().cloned().rev().reduce(|inner, f| list(vec![f, inner])).unwrap();
    let json = serde_json::to_string(&by_hand).unwrap();
    let read: Filter = serde_json::from_str(&json).unwrap();
    assert_eq!(read, left, "flat when it is read");
    vec![left, right, by_hand, read]
}

fn filled(notes: &Collection) {
    notes.apply((0..80).map(|id| memory(id, DIM).kind(format!("k{id}"))).collect()).unwrap();
}

#[test]
fn forty_filters_are_one_level_however_they_are_joined() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (store, notes) = open(&path);
    for filter in folds(&kinds(), Filter::or, Filter::Or) {
        filled(&notes);
        assert_eq!(notes.scan(filter.clone()).count(), 40);
        let hits = notes.search(&[0.0; DIM]).k(100).filter(filter.clone()).run().unwrap();
        assert_eq!(hits.len(), 40);
        assert_eq!(notes.delete_where(filter).unwrap(), 40);
        assert_eq!(ids(&notes), (40..80).collect::<Vec<u64>>());
    }
    filled(&notes);
    let not: Vec<Filter> = kinds().into_iter().map(Filter::not).collect();
    for filter in folds(&not, Filter::and, Filter::And) {
        assert_eq!(notes.scan(filter.clone()).count(), 40);
        // Two levels more than a nesting of forty.
        assert_eq!(notes.delete_where(filter.not().and(Filter::kind("k0"))).unwrap_or(9), 1);
        notes.insert(memory(0, DIM).kind("k0")).unwrap();
    }
    // So many rows that the log needs the filter, because their ids take more bytes.
    notes.apply((100..900).map(|id| memory(id, DIM).kind("k7")).collect()).unwrap();
    settle(&store);
    let nested = kinds().into_iter().reduce(|inner, f| Filter::Or(vec![f, inner])).unwrap();
    assert_eq!(notes.delete_where(nested).unwrap(), 840);
    drop((store, notes));
    let (_store, notes) = open(&path);
    assert_eq!(ids(&notes), (40..80).collect::<Vec<u64>>());
}

#[test]
fn many_filters_are_joined_from_the_right_in_time_and_in_one_list() {
    let join = |all: Filter, n: u64| Filter::ids([n]).or(all);
    let all = (0..100_000u64).fold(Filter::ids([0u64]), join);
    assert!(matches!(&all, Filter::Or(list) if list.len() == 100_001));
}

fn in_a_small_stack(run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(SMALL_STACK).spawn(run).unwrap();
    thread.join().unwrap();
}

#[test]
fn a_million_levels_are_refused_copied_and_dropped_without_the_stack() {
    let dir = tempfile::tempdir().unwrap();
    let (store, notes) = open(&dir.path().join("s"));
    filled(&notes);
    let hands: [fn(Filter) -> Filter; 4] = [
        Filter::not,
        |f| Filter::And(vec![f.not()]),
        |f| Filter::Or(vec![Filter::And(vec![f])]),
        |f| Filter::Or(vec![Filter::Pinned(true).not(), f.not()]),
    ];
    in_a_small_stack(move || {
        for level in hands {
            let deep = (0..DEEP / 2).fold(Filter::kind("k1"), |f, _| level(f));
            let copy = deep.clone();
            assert!(copy == deep);
            assert!(level(copy) != deep);
            assert!(format!("{deep:?} {deep:#?}").len() < 100_000);
            let error = serde_json::to_string(&deep).unwrap_err().to_string();
            assert!(error.contains("nesting"), "{error}");
            let refused = |error| assert!(matches!(error, Error::LimitExceeded { .. }), "{error}");
            refused(notes.search(&[0.0; DIM]).filter(deep.clone()).run().unwrap_err());
            refused(notes.scan(deep.clone()).next().unwrap().unwrap_err());
            refused(notes.delete_where(deep).unwrap_err());
        }
        assert_eq!(notes.len().unwrap(), 80);
    });
    drop(store);
}

#[test]
fn a_million_levels_of_one_kind_are_one_list() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes) = open(&dir.path().join("s"));
    filled(&notes);
    in_a_small_stack(move || {
        let one = (0..DEEP).fold(Filter::kind("k1"), |f, _| Filter::Or(vec![f]));
        assert_eq!(notes.scan(one.clone()).count(), 1);
        assert_eq!(serde_json::to_string(&one).unwrap(), r#"{"Or":[{"Kind":"k1"}]}"#);
        assert_eq!(notes.delete_where(one).unwrap(), 1);
    });
}

#[test]
fn a_filter_that_is_too_deep_where_it_is_read_is_an_error() {
    // The byte of `Not` in a binary format, a million times.
    let config = bincode::config::standard();
    in_a_small_stack(move || {
        let bytes = vec![14u8; DEEP];
        let read = bincode::serde::decode_from_slice::<Filter, _>(&bytes, config);
        assert!(read.unwrap_err().to_string().contains("nested too deeply"));
    });
    let json = |levels| format!("{}\"All\"{}", "{\"Not\":".repeat(levels), "}".repeat(levels));
    assert!(serde_json::from_str::<Filter>(&json(30)).is_ok());
    assert!(serde_json::from_str::<Filter>(&json(DEEP)).is_err());
}
