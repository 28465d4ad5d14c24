//! Several queries, and a search by a stored memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use altiplano::{
    CollectionOptions, Error, Fields, Filter, GroupBy, Hit, ManualClock, Memory, MemoryId, Metric,
};

use super::world::{METRICS, ROWS, everything, in_every_state, query};
use crate::common::{START, with_clock};

/// Returns every hit at its smallest distance, nearest first.
fn fused(lists: Vec<Vec<Hit>>) -> Vec<Hit> {
    let mut nearest: BTreeMap<MemoryId, Hit> = BTreeMap::new();
    for hit in lists.into_iter().flatten() {
        let known = nearest.entry(hit.id).or_insert_with(|| hit.clone());
        if hit.distance < known.distance {
            *known = hit;
        }
    }
    let mut all: Vec<Hit> = nearest.into_values().collect();
    all.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.id.cmp(&b.id)));
    all
}

#[test]
fn the_distance_is_the_smallest_to_any_query() {
    for metric in METRICS {
        in_every_state(metric, |world| {
            let queries: Vec<Vec<f32>> = [1, 4, 4, 8].map(query).into();
            let all = fused(queries.iter().map(|query| everything(&world.notes, query)).collect());
            for k in [0, 1, 10, 300, 5_000] {
                let search = world.notes.search(&queries[0]).or_near(&queries[1]);
                let search = search.or_near(&queries[2]).or_near(&queries[3]).exact();
                let hits = search.k(k).run().unwrap();
                assert_eq!(hits, all[..k.min(ROWS)], "{world}: {k}");
            }
            // By any way, as many come as there are, none twice, nearest first.
            let odd = world.notes.search(&queries[0]).or_near(&queries[3]);
            let odd = odd.filter(Filter::tag("odd")).k(300).run().unwrap();
            world.check(&odd, 300);
            let groups = world.notes.search(&queries[0]).or_near(&queries[3]).exact();
            let hits = groups.k(100).group_by(GroupBy::Namespace, 1).run().unwrap();
            let fused = fused([0, 3].map(|i| everything(&world.notes, &queries[i])).into());
            let mut seen = Vec::new();
            let first_of_each = fused.into_iter().filter(|hit| {
                let name = hit.memory.as_ref().unwrap().namespace.clone();
                let is_new = name.is_some() && !seen.contains(&name);
                seen.push(name);
                is_new
            });
            assert_eq!(hits, first_of_each.collect::<Vec<_>>(), "{world}");
        });
    }
}

#[test]
fn a_memory_finds_others_and_not_itself() {
    for metric in METRICS {
        in_every_state(metric, |world| {
            for id in [0u64, 17, 300, 899] {
                let own = world.notes.get(id).unwrap().unwrap().vector;
                let mut all = everything(&world.notes, &own);
                all.retain(|hit| hit.id != id.into());
                let near = |k| world.notes.near(id).k(k).exact().run().unwrap();
                assert_eq!(near(10), all[..10], "{world}");
                assert_eq!(near(5_000), all, "{world}");
                let some = world.notes.near(id).filter(Filter::tag("even")).exact().k(1_000);
                let even = |hit: &&Hit| hit.id.as_u128().is_multiple_of(2);
                let wanted: Vec<Hit> = all.iter().filter(even).cloned().collect();
                assert_eq!(some.run().unwrap(), wanted, "{world}");
                let page = world.notes.near(id).k(7).offset(3).exact().run().unwrap();
                assert_eq!(page, all[3..10], "{world}");
                // By any way.
                world.check(&world.notes.near(id).k(899).run().unwrap(), 899);
                let groups = world.notes.near(id).k(3).group_by(GroupBy::Session, 2);
                assert!(groups.run().unwrap().iter().all(|hit| hit.id != id.into()));
            }
        });
    }
}

#[test]
fn a_memory_that_is_not_there_finds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let store = with_clock(&clock).open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2)).unwrap();
    let none = |id: u64| match notes.near(id).run() {
        Err(Error::NoMemory { collection, id: of, .. }) => {
            assert_eq!((&*collection, of), ("notes", id.into()));
        }
        other => panic!("{other:?}"),
    };
    none(1);
    notes.insert(Memory::new(1u64, [0.0, 1.0]).ttl(Duration::from_secs(60))).unwrap();
    assert!(notes.near(1u64).run().unwrap().is_empty());
    notes.insert(Memory::new(2u64, [0.0, 1.0])).unwrap();
    assert_eq!(notes.near(1u64).run().unwrap().len(), 1);
    clock.advance(Duration::from_secs(61));
    none(1);
    notes.delete(2u64).unwrap();
    none(2);
}

#[test]
fn every_query_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_clock(&Arc::new(ManualClock::new(START))).open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine)).unwrap();
    let search = || notes.search(&[0.0, 1.0]).fields(Fields::None);
    assert!(search().or_near(&[1.0, 0.0]).run().unwrap().is_empty());
    let wrong = search().or_near(&[1.0]).run();
    assert!(matches!(wrong, Err(Error::Dimension { expected: 2, got: 1, .. })), "{wrong:?}");
    for bad in [[f32::NAN, 1.0], [0.0, 0.0]] {
        let wrong = search().or_near(&[1.0, 0.0]).or_near(&bad).run();
        assert!(matches!(wrong, Err(Error::InvalidVector { .. })), "{wrong:?}");
    }
}
