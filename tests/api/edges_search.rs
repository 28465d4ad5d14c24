//! Edges of a search: the moment that it sees, the access path that it takes, and its report of
//! both.

use crate::common::{START, vector, with_clock};
use std::sync::Arc;

use altiplano::{
    AccessPath, AccessReason, Batch, Collection, CollectionOptions, Fields, Filter, HnswParams,
    ManualClock, Memory, Metric, Quantization, SearchMode, Store,
};

const DIMENSION: usize = 64;

/// Returns a collection with a graph as bad as the options allow, over vectors without any
/// structure.
fn with_a_bad_graph(store: &Store, rows: u64) -> Collection {
    let hnsw = HnswParams::default().min_rows(500).m(4).ef_construction(4);
    let options = CollectionOptions::new(DIMENSION, Metric::L2).hnsw(hnsw).memtable_rows(512);
    let notes = store.collection("notes", options).unwrap();
    for ids in (0..rows).collect::<Vec<u64>>().chunks(256) {
        let batch = ids.iter().map(|id| Memory::new(*id, vector(*id, DIMENSION)));
        notes.apply(batch.collect::<Batch>()).unwrap();
    }
    notes.compact().unwrap();
    notes
}

/// A search that was prepared before a delete must not return the deleted memory.
#[test]
fn a_search_sees_what_there_is_when_it_is_run() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2)).unwrap();
    notes.insert(Memory::new(1u64, [0.0, 1.0])).unwrap();
    let (before, exact) = (notes.search(&[0.0, 1.0]), notes.search(&[0.0, 1.0]).exact());
    notes.delete(1u64).unwrap();
    notes.insert(Memory::new(2u64, [5.0, 5.0])).unwrap();
    for search in [before, exact] {
        let hits = search.run().unwrap();
        assert_eq!(hits.iter().map(|hit| hit.id).collect::<Vec<_>>(), [2u64.into()]);
    }
}

/// A graph whose measured recall is 0.21 must not serve a target of 0.95. While the clock stands
/// still, costs are assumed and not measured, so the same access path is the cheapest on every
/// machine.
#[test]
fn a_graph_serves_no_target_that_it_was_not_measured_to_reach() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let store = with_clock(&clock).open(dir.path().join("s")).unwrap();
    let notes = with_a_bad_graph(&store, 3_000);
    let stats = store.stats().unwrap().collections.remove(0);
    let graph = stats.indexes.iter().find(|index| index.graph).unwrap();
    let reached = |target: f32| graph.beams.iter().any(|beam| beam.recall >= target);
    assert!(!graph.beams.is_empty() && graph.code_recall > 0.98, "{graph:?}");
    let mut ways = Vec::new();
    for target in [0.5, 0.8, 0.9, 0.95, 0.99, 1.0] {
        let (mut found, mut wanted) = (0, 0);
        for seed in 0..60 {
            let query = vector(1_000_000 + seed, DIMENSION);
            let truth = notes.search(&query).exact().fields(Fields::None).run().unwrap();
            let search = notes.search(&query).target_recall(target).fields(Fields::None);
            let (hits, told) = search.explain().unwrap();
            let reach = truth.last().unwrap().distance;
            found += hits.iter().filter(|hit| hit.distance <= reach).count();
            wanted += truth.len();
            let [part] = told.parts[..] else { panic!("{told:?}") };
            let promised = part.path != AccessPath::Graph || part.recall >= target;
            assert!(promised && part.rows == 3_000, "{target}: {part:?}");
            if !reached(target) {
                assert_eq!(part.reason, AccessReason::GraphMissesTarget, "{target}: {part:?}");
            }
            ways.push(part.path);
        }
        let recall = found as f32 / wanted as f32;
        assert!(recall >= target - 0.06, "{target}: {recall}");
    }
    assert!(ways.contains(&AccessPath::Graph) && ways.contains(&AccessPath::Codes), "{ways:?}");
}

#[test]
fn an_explanation_says_which_way_was_taken_and_why() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("s")).unwrap();
    let notes = with_a_bad_graph(&store, 1_000);
    let query = vector(7, DIMENSION);
    let told = |path| {
        let (hits, told) = notes.search(&query).mode(path).explain().unwrap();
        assert_eq!((hits[0].id, hits.len()), (7u64.into(), 10));
        let [part] = told.parts[..] else { panic!("{told:?}") };
        (part.path, part.reason)
    };
    assert_eq!(told(SearchMode::Graph), (AccessPath::Graph, AccessReason::AskedFor));
    assert_eq!(told(SearchMode::Scan), (AccessPath::Codes, AccessReason::AskedFor));
    let part = |search: altiplano::Search<'_>| search.explain().unwrap().1.parts[0];
    let exact = part(notes.search(&query).exact());
    assert_eq!((exact.path, exact.reason), (AccessPath::Rows, AccessReason::AskedFor));
    assert_eq!((exact.index, exact.recall), (None, 1.0));
    let few = part(notes.search(&query).filter(Filter::ids(0..100u64)));
    assert_eq!((few.path, few.reason, few.rows), (AccessPath::Rows, AccessReason::FewRows, 100));
}

/// Codes of few dimensions save nothing, and hardly distinguish the rows.
#[test]
fn codes_are_those_that_fit_the_rows() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("s")).unwrap();
    let codes_of = |name: &str, dimension: usize, shape: &dyn Fn(usize, f32) -> f32| {
        let options =
            CollectionOptions::new(dimension, Metric::L2).quantization(Quantization::Bits4);
        let notes = store.collection(name, options).unwrap();
        let row = |id: u64| {
            let v = vector(id, dimension);
            let v: Vec<f32> = v.iter().enumerate().map(|(i, x)| shape(i, *x)).collect();
            Memory::new(id, v)
        };
        notes.apply((0..400).map(row).collect::<Batch>()).unwrap();
        notes.compact().unwrap();
        let stats = store.stats().unwrap();
        let stats = stats.collections.iter().find(|stats| stats.name == name).unwrap();
        let [index] = &stats.indexes[..] else { panic!("{stats:?}") };
        (index.quantization.unwrap(), index.centred)
    };
    assert_eq!(codes_of("usual", 96, &|_, x| x), (Quantization::Bits4, false));
    assert_eq!(codes_of("far", 96, &|_, x| 100.0 + x), (Quantization::Bits4, true));
    assert_eq!(
        codes_of("city", 2, &|i, x| [48.85, 2.35][i] + 0.1 * x),
        (Quantization::None, false)
    );
    // If a product is mostly that of the rows' center, its codes distinguish nothing.
    let options = CollectionOptions::new(96, Metric::Dot).quantization(Quantization::Bits4);
    let notes = store.collection("products", options).unwrap();
    let row = |id: u64| vector(id, 96).iter().map(|x| 1000.0 + x).collect::<Vec<f32>>();
    notes.apply((0..400u64).map(|id| Memory::new(id, row(id))).collect::<Batch>()).unwrap();
    notes.compact().unwrap();
    let stats = store.stats().unwrap();
    let products = stats.collections.iter().find(|stats| stats.name == "products").unwrap();
    assert_eq!(products.indexes[0].quantization, Some(Quantization::None));
}
