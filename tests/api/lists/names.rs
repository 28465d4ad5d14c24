//! Counts of names are those of the visible memories, wherever the rows are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use altiplano::{Batch, Collection, Filter, ManualClock, Memory, NameCount, Store, StoreOptions};

use super::world::{DIMENSION, options, random};
use crate::common::{Rng, START, settle, vector, with_clock};

/// Counts names of visible memories one by one.
fn tally(
    notes: &Collection,
    filter: Filter,
    names: impl Fn(&Memory) -> Vec<String>,
) -> Vec<(String, u64)> {
    let mut counts = BTreeMap::new();
    for memory in notes.scan(filter) {
        names(&memory.unwrap()).into_iter().for_each(|name| *counts.entry(name).or_default() += 1);
    }
    counts.into_iter().collect()
}

fn plain(counts: Vec<NameCount>) -> Vec<(String, u64)> {
    counts.into_iter().map(|count| (count.name, count.memories)).collect()
}

/// Returns the name cut after so many labels below `scope`; nothing if it is elsewhere.
fn cut(name: &str, scope: &str, depth: usize) -> Vec<String> {
    let labels: Vec<&str> = name.split('/').collect();
    let of_scope: Vec<&str> = scope.split('/').filter(|label| !label.is_empty()).collect();
    if !labels.starts_with(&of_scope) {
        return Vec::new();
    }
    let kept = labels.len().min(of_scope.len().saturating_add(depth));
    vec![labels[..kept].join("/")]
}

fn check(notes: &Collection) {
    let all = Filter::All;
    let of = |name: &Option<String>| name.iter().cloned().collect::<Vec<_>>();
    let wanted = tally(notes, all.clone(), |memory| memory.tags.clone());
    assert_eq!(plain(notes.tags().unwrap()), wanted);
    let wanted = tally(notes, all.clone(), |memory| of(&memory.kind));
    assert_eq!(plain(notes.kinds().unwrap()), wanted);
    let wanted = tally(notes, all.clone(), |memory| of(&memory.session));
    assert_eq!(plain(notes.sessions(None).unwrap()), wanted);
    for namespace in ["u:1", "u:1/chat", "rare", "nobody"] {
        let wanted = tally(notes, Filter::namespace(namespace), |memory| of(&memory.session));
        assert_eq!(plain(notes.sessions(namespace).unwrap()), wanted, "{namespace}");
    }
    for scope in ["", "u:1", "u:1/", "u:1/chat", "u:2", "u:", "nobody"] {
        for depth in [1, 2, 3, usize::MAX] {
            let wanted = tally(notes, all.clone(), |memory| {
                of(&memory.namespace).iter().flat_map(|name| cut(name, scope, depth)).collect()
            });
            let got = plain(notes.namespaces(scope, depth).unwrap());
            assert_eq!(got, wanted, "{scope:?}, {depth}");
        }
    }
    let total = tally(notes, all.clone(), |memory| {
        of(&memory.namespace).iter().map(|_| String::new()).collect()
    });
    assert_eq!(plain(notes.namespaces("", 0).unwrap()), total);
    for filter in [all, Filter::tag("t0") & !Filter::kind("turn"), Filter::session("nobody")] {
        let wanted = notes.scan(filter.clone()).count() as u64;
        assert_eq!(notes.count(filter).unwrap(), wanted);
    }
}

/// Fills a collection, so that some namespaces are rare in their segments.
fn fill(notes: &Collection) {
    let mut rng = Rng(17);
    notes.apply((0..900).map(|id| random(&mut rng, id)).collect::<Batch>()).unwrap();
    let rare = (2_000..2_003u64).map(|id| {
        let memory = Memory::new(id, vector(id, DIMENSION)).namespace("rare");
        memory.session(format!("of {}", id % 2)).tag("rare")
    });
    notes.apply(rare.collect::<Batch>()).unwrap();
}

#[test]
fn names_are_counted_in_ram_sealed_compacted_and_reopened() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let open = || -> (Store, Collection) {
        let options_of_store: StoreOptions = with_clock(&clock);
        let store = options_of_store.open(dir.path().join("s")).unwrap();
        let notes = store.collection("notes", options()).unwrap();
        (store, notes)
    };
    let (store, notes) = open();
    check(&notes);
    fill(&notes);
    check(&notes);
    settle(&store);
    check(&notes);
    notes.compact().unwrap();
    check(&notes);
    // Deleted, expired and new memories, beside sealed ones.
    notes.delete_where(Filter::tag("t2") | Filter::ids(0..50u64)).unwrap();
    check(&notes);
    clock.advance(Duration::from_secs(300));
    check(&notes);
    let mut rng = Rng(18);
    notes.apply((100..200).map(|id| random(&mut rng, id)).collect::<Batch>()).unwrap();
    check(&notes);
    drop(notes);
    store.close().unwrap();
    let (_store, notes) = open();
    check(&notes);
    notes.delete_where(Filter::All).unwrap();
    check(&notes);
    assert_eq!(notes.tags().unwrap(), []);
}
