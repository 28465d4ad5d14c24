//! Tests of the module above.

mod merge;

use std::sync::Arc;

use super::hnsw::builder::BuildGraph;
use super::*;
use crate::disk::RealDisk;
use crate::format::header::{FileHeader, FileKind, StoreId};
use crate::ids::FileId;
use crate::options::{GraphBuilder, Metric, Quantization};
use crate::testing::Uniform;
use crate::testing::size::sized;
use crate::vector::codes::{CodeBuffer, CodeRows, CodeSpec, Fit, Query};
use crate::vector::metric::prepare;

const STORE: StoreId = StoreId([1; 16]);

/// Clustered vectors in stored form, with norms from about 0.1 to 10 under dot.
fn vectors(n: usize, dimension: usize, metric: Metric) -> Vec<Vec<f32>> {
    let mut random = Uniform(7);
    let centers: Vec<Vec<f32>> =
        (0..30).map(|_| (0..dimension).map(|_| random.next()).collect()).collect();
    (0..n)
        .map(|i| {
            let center = &centers[i % centers.len()];
            let size = if metric == Metric::Dot { 0.1 + 9.9 * (i % 97) as f32 / 96.0 } else { 1.0 };
            let mut v: Vec<f32> = center.iter().map(|c| (c + 0.8 * random.next()) * size).collect();
            prepare(metric, dimension, None, &mut v).unwrap();
            v
        })
        .collect()
}

fn params(m: usize) -> BuildParams<'static> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    BuildParams {
        m,
        builder: GraphBuilder::BuiltIn,
        ef_construction: 100,
        pool: Arc::new(pool),
        checkpoint: &|| Ok(()),
        evaluations: Arc::default(),
    }
}

fn header() -> FileHeader {
    FileHeader { kind: FileKind::Index, store: STORE, file: FileId(1), salt: [0; 16] }
}

/// Returns the probes that calibration needs, with their true neighbors.
fn truths(metric: Metric, rows: &[Vec<f32>]) -> Vec<Truth<u32>> {
    let probes = probes(rows.len() as u32, false, |row| Some((row, rows[row as usize].clone())));
    let mut search = TruthSearch::new(metric, probes);
    (0u32..).zip(rows).for_each(|(row, vector)| search.offer(row, vector));
    search.finish()
}

/// Returns the error of these codes of these rows.
fn fit(codes: &CodeBuffer, rows: &[Vec<f32>]) -> Fit {
    Fit::measured(codes, rows, rows.len() as u64)
}

/// Builds, writes and opens an index. Also returns the row of each node.
fn index(dir: &std::path::Path, spec: CodeSpec, rows: &[Vec<f32>]) -> (Index, Vec<u32>) {
    built_by(GraphBuilder::BuiltIn, dir, spec, rows)
}

/// Like [`index`], with a given builder.
fn built_by(
    builder: GraphBuilder,
    dir: &std::path::Path,
    spec: CodeSpec,
    rows: &[Vec<f32>],
) -> (Index, Vec<u32>) {
    let mut codes = CodeBuffer::new(spec, rows.len());
    rows.iter().for_each(|row| codes.push(row));
    let params = BuildParams { builder, ..params(12) };
    let (fit, truths) = (fit(&codes, rows), truths(spec.metric, rows));
    let built = BuiltGraph::build(&mut codes, &fit, None, &params, &truths);
    let (graph, order) = built.unwrap();
    let parts = IndexParts::with_graph(&codes, fit, &graph);
    let len = write_index(&RealDisk, dir, &header(), &parts).unwrap();
    let index = Index::open(&RealDisk, dir, STORE, FileId(1), len, spec).unwrap();
    index.verify().unwrap();
    (index, order.to_vec())
}

fn exact(rows: &[Vec<f32>], query: &Query, k: usize, accept: impl Fn(u32) -> bool) -> Vec<u32> {
    let mut top = TopK::new(k);
    for (i, row) in (0u32..).zip(rows) {
        if accept(i) {
            top.offer(query.exact(row), i);
        }
    }
    top.into_sorted().into_iter().map(|(_, i)| i).collect()
}

#[test]
fn a_stored_graph_finds_the_nearest_in_every_metric() {
    let metrics = [Metric::Cosine, Metric::Dot, Metric::L2];
    for &metric in &metrics[..sized("metrics of stored graphs", 1, 3, 3)] {
        for (codes, builder) in [
            (Quantization::Int8, GraphBuilder::BuiltIn),
            (Quantization::None, GraphBuilder::BuiltIn),
            (Quantization::Int8, GraphBuilder::HnswRs),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let spec = CodeSpec::new(codes, metric, 24);
            let mut rows = vectors(2_050, 24, metric);
            let queries = rows.split_off(2_000);
            let (index, order) = built_by(builder, dir.path(), spec, &rows);
            let mut scratch = Scratch::default();
            let mut found = 0;
            for query in &queries {
                let query = Query::new(spec, query.clone());
                index.search(&query, 100, None, usize::MAX, &mut scratch);
                let got: Vec<u32> =
                    scratch.results().iter().take(20).map(|c| order[c.node as usize]).collect();
                found +=
                    exact(&rows, &query, 10, |_| true).iter().filter(|i| got.contains(i)).count();
            }
            assert!(found >= 485, "{metric:?} {codes:?} {builder:?}: {found} of 500");
        }
    }
}

#[test]
fn the_same_rows_give_the_same_graph() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let spec = CodeSpec::new(Quantization::Int8, Metric::Cosine, 16);
    let rows = vectors(600, 16, Metric::Cosine);
    let orders = dirs.each_ref().map(|dir| index(dir.path(), spec, &rows).1);
    assert_eq!(orders[0], orders[1]);
}

#[test]
fn rejected_nodes_take_no_place_and_are_asked_about_once() {
    let dir = tempfile::tempdir().unwrap();
    let spec = CodeSpec::new(Quantization::Int8, Metric::L2, 16);
    let rows = vectors(1_000, 16, Metric::L2);
    let (index, _) = index(dir.path(), spec, &rows);
    let query = Query::new(spec, rows[3].clone());
    let mut asked = std::collections::HashSet::new();
    let mut accept = |node: u32| {
        assert!(asked.insert(node), "asked twice about {node}");
        node.is_multiple_of(50)
    };
    let mut scratch = Scratch::default();
    index.search(&query, 10, Some(&mut accept), usize::MAX, &mut scratch);
    assert_eq!(scratch.results().len(), 10);
    assert!(scratch.results().iter().all(|c| c.node.is_multiple_of(50)));
    let info = index.search(&query, 10, Some(&mut |_| false), 100, &mut scratch);
    assert!(info.capped && scratch.results().is_empty());
}

#[test]
fn a_scan_and_the_ef_table_agree_with_exact_search() {
    let dir = tempfile::tempdir().unwrap();
    let spec = CodeSpec::new(Quantization::Int8, Metric::Cosine, 32);
    let rows = vectors(1_500, 32, Metric::Cosine);
    let (index, order) = index(dir.path(), spec, &rows);
    assert!(index.has_graph() && index.ef_table().ef_for(0.95, 10) >= Some(10));
    let query = Query::new(spec, rows[11].clone());
    let mut top = TopK::new(36);
    index.scan(&query, top.bound(), |c| top.offer(c.distance, order[c.node as usize]));
    let got: Vec<u32> = top.into_sorted().into_iter().map(|(_, row)| row).collect();
    assert!(exact(&rows, &query, 10, |_| true).iter().all(|row| got.contains(row)));
}

#[test]
fn one_node_two_nodes_and_nodes_at_equal_distances_work() {
    let spec = CodeSpec::new(Quantization::None, Metric::L2, 4);
    let corners: Vec<Vec<f32>> =
        (0..4).map(|i| (0..4).map(|j| f32::from(i == j)).collect()).collect();
    for n in 1..=4 {
        let dir = tempfile::tempdir().unwrap();
        let (index, _) = index(dir.path(), spec, &corners[..n]);
        let mut scratch = Scratch::default();
        let query = Query::new(spec, vec![0.0; 4]);
        index.search(&query, 10, None, usize::MAX, &mut scratch);
        assert_eq!(scratch.results().len(), n);
    }
}

/// Islands of five nodes, each fully connected. With `upper`, an upper level joins them.
fn islands(upper: bool) {
    use hnsw::graph::{FlatGraph, FlatLevel};
    let spec = CodeSpec::new(Quantization::None, Metric::L2, 1);
    let rows: Vec<Vec<f32>> = (0..60).map(|i| vec![i as f32]).collect();
    let mut codes = CodeBuffer::new(spec, 60);
    rows.iter().for_each(|row| codes.push(row));
    struct Islands(bool);
    impl BuildGraph for Islands {
        fn name(&self) -> &'static str {
            "islands"
        }
        fn build(
            &self,
            codes: &CodeRows<'_>,
            params: &BuildParams<'_>,
        ) -> crate::Result<FlatGraph> {
            let mut level = FlatLevel { offsets: vec![0].into(), ..FlatLevel::default() };
            for node in 0..codes.len() as u32 {
                let first = node / 5 * 5;
                level.neighbors.extend((first..first + 5).filter(|n| *n != node));
                level.offsets.push(level.neighbors.len() as u32);
            }
            let (nodes, m) = (codes.len() as u32, params.m as u32);
            let mut levels = vec![level];
            if self.0 {
                let ends = vec![0, nodes / 2];
                let (offsets, neighbors) = (vec![0, 1, 2].into(), vec![nodes / 2, 0].into());
                levels.push(FlatLevel { nodes: ends, offsets, neighbors });
            }
            Ok(FlatGraph { levels, entry: 0, nodes, m })
        }
    }
    let built = hnsw::build::build_graph(&Islands(upper), &codes.rows(), None, &params(2));
    assert_eq!(built.unwrap().order.len(), 60);
}

#[test]
fn unreachable_nodes_are_spliced_in_within_the_caps() {
    islands(false);
}

/// Regression: an upper level led the search for a host into an island. Its nodes were spliced into
/// each other and stayed unreachable, and the build panicked.
#[test]
fn unreachable_nodes_are_not_spliced_into_each_other() {
    islands(true);
}

/// Returns an index without a graph.
fn scanned(dir: &std::path::Path, codes: &CodeBuffer, rows: &[Vec<f32>]) -> Index {
    let fit = fit(codes, rows);
    let (frame, codes) = (codes.frame(), codes.rows());
    let parts = IndexParts::scanned(frame, fit, codes.len() as u32, |node| codes.row(node));
    let len = write_index(&RealDisk, dir, &header(), &parts).unwrap();
    Index::open(&RealDisk, dir, STORE, FileId(1), len, codes.spec).unwrap()
}

#[test]
fn an_index_without_a_graph_is_scanned_by_signs_side_by_side() {
    for (metric, rows) in [(Metric::Cosine, 1), (Metric::L2, 700), (Metric::Dot, 2_000)] {
        let dir = tempfile::tempdir().unwrap();
        let spec = CodeSpec::new(Quantization::Bits4, metric, 96);
        let mut rows = vectors(rows + 20, 96, metric);
        let queries = rows.split_off(rows.len() - 20);
        let mut codes = CodeBuffer::new(spec, rows.len());
        rows.iter().for_each(|row| codes.push(row));
        let index = scanned(dir.path(), &codes, &rows);
        index.verify().unwrap();
        assert!(!index.has_graph() && index.signs().is_some());
        for query in queries {
            let query = Query::new(spec, query);
            let (mut top, mut by_rows) = (TopK::new(30), TopK::new(30));
            index.scan(&query, top.bound(), |c| top.offer(c.distance, c.node));
            let mut bound = by_rows.bound();
            let mut scan = Scan::new(&query, index.fit().look);
            scan.run(&codes.rows(), None, 0, &mut bound, |c| by_rows.offer(c.distance, c.node));
            let (found, expected) = (top.into_sorted(), by_rows.into_sorted());
            let missed = expected.iter().filter(|row| !found.contains(row)).count();
            // Three standard deviations miss one in 700 at the bound, and fewer before it.
            assert!(missed <= 1 && found.len() == expected.len(), "{metric:?}: {missed}");
        }
    }
}

#[test]
fn no_flipped_bit_of_an_index_file_makes_it_panic() {
    let spec = CodeSpec::new(Quantization::Int8, Metric::L2, 4);
    let rows = vectors(40, 4, Metric::L2);
    let dir = tempfile::tempdir().unwrap();
    flip_bits(dir.path(), index(dir.path(), spec, &rows).0, &rows, 1);
    let mut codes = CodeBuffer::new(CodeSpec::new(Quantization::Bits4, Metric::L2, 4), rows.len());
    rows.iter().for_each(|row| codes.push(row));
    let dir = tempfile::tempdir().unwrap();
    flip_bits(dir.path(), scanned(dir.path(), &codes, &rows), &rows, 7);
}

/// Flips a bit in every `step`-th byte.
fn flip_bits(dir: &std::path::Path, index: Index, rows: &[Vec<f32>], step: usize) {
    let (len, spec) = (index.len(), index.codes().spec);
    drop(index);
    let path = dir.join("idx-0000000000000001");
    let bytes = std::fs::read(&path).unwrap();
    let query = Query::new(spec, rows[0].clone());
    let mut scratch = Scratch::default();
    for i in (0..bytes.len()).step_by(step) {
        let mut damaged = bytes.clone();
        damaged[i] ^= 1 << (i % 8);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, &damaged).unwrap();
        if let Ok(index) = Index::open(&RealDisk, dir, STORE, FileId(1), len, spec) {
            index.search(&query, 10, None, usize::MAX, &mut scratch);
            let mut top = TopK::new(5);
            index.scan(&query, top.bound(), |c| top.offer(c.distance, c.node));
            let padding = bytes[i] == 0 && index.verify().is_ok();
            assert!(padding || index.verify().is_err(), "byte {i} is covered by nothing");
        }
    }
}

/// A graph of three nodes on two levels with these arrays.
fn damaged(upper: Vec<u32>, lower: Vec<u32>, m: u32) -> hnsw::graph::FlatGraph {
    let level = |nodes: Vec<u32>, offsets: Vec<u32>, neighbors: Vec<u32>| hnsw::graph::FlatLevel {
        nodes,
        offsets: offsets.into(),
        neighbors: neighbors.into(),
    };
    let len = upper.len() as u32;
    let levels = vec![
        level(Vec::new(), vec![0, lower.len() as u32, 0, lower.len() as u32], lower),
        level(vec![0], vec![0, len], upper),
    ];
    hnsw::graph::FlatGraph { levels, entry: 0, nodes: 3, m }
}

#[test]
fn a_degree_that_overflows_when_doubled_is_refused() {
    let graph = damaged(vec![0], vec![1, 2], u32::MAX);
    assert!(graph.view().validate().is_err());
}

#[test]
fn a_damaged_graph_leads_to_no_node_that_is_not_there_and_no_list_is_longer_than_any_may_be() {
    let spec = CodeSpec::new(Quantization::None, Metric::L2, 2);
    let mut codes = CodeBuffer::new(spec, 3);
    (1..4).for_each(|i| codes.push(&[i as f32 * 100.0, 0.0]));
    // A missing code would have distance zero, nearer than anything.
    let graph = damaged(vec![77, u32::MAX], vec![1, 2, 99], 4);
    let query = Query::new(spec, vec![1.0, 0.0]);
    let mut scratch = Scratch::default();
    let mut accept = |node: u32| {
        assert!(node < 3, "node {node}");
        true
    };
    let (view, rows) = (graph.view(), codes.rows());
    hnsw::search::search(&view, &query.over(&rows), 10, Some(&mut accept), 1000, &mut scratch);
    assert_eq!(scratch.results().len(), 3);
    let long = damaged(vec![0], vec![1; 100_000], 4);
    assert!(long.view().levels[0].neighbors(0).is_empty());
}

#[test]
fn a_graph_whose_levels_do_not_fit_together_is_refused() {
    use hnsw::graph::{FlatGraph, FlatLevel};
    let level = |nodes: &[u32], lists: &[&[u32]]| {
        let mut level = FlatLevel { nodes: nodes.to_vec(), ..FlatLevel::default() };
        level.offsets.push(0);
        for list in lists {
            level.neighbors.extend_from_slice(list);
            level.offsets.push(level.neighbors.len() as u32);
        }
        level
    };
    let whole = FlatGraph {
        levels: vec![
            level(&[], &[&[1, 2], &[0, 2], &[0, 1]]),
            level(&[0, 2], &[&[2], &[0]]),
            level(&[2], &[&[]]),
        ],
        entry: 2,
        nodes: 3,
        m: 4,
    };
    assert_eq!(whole.view().validate(), Ok(()));
    type Damage = (&'static str, fn(&mut FlatGraph));
    let damages: [Damage; 12] = [
        ("the entry point is on no upper level", |g| g.entry = 1),
        ("the entry point is not on the highest level", |g| g.entry = 0),
        ("no such entry point", |g| g.entry = 3),
        ("a level without nodes", |g| {
            g.levels[2] = FlatLevel { offsets: vec![0].into(), ..FlatLevel::default() }
        }),
        ("the lowest level lists its nodes", |g| g.levels[0].nodes = vec![0, 1, 2]),
        ("a node is missing below", |g| g.levels[1].nodes = vec![0, 1]),
        ("a neighbor is on no level", |g| g.levels[0].neighbors[0] = 3),
        ("a neighbor is not on this level", |g| g.levels[1].neighbors[0] = 1),
        ("a node is its own neighbor", |g| g.levels[0].neighbors[0] = 0),
        ("a neighbor comes twice", |g| g.levels[0].neighbors[0] = 2),
        ("more neighbors than the cap", |g| g.m = 0),
        ("a node cannot be reached", |g| {
            g.levels[0] = FlatLevel {
                nodes: Vec::new(),
                offsets: vec![0, 0, 1, 2].into(),
                neighbors: vec![0, 0].into(),
            };
        }),
    ];
    for (what, damage) in damages {
        let mut graph = whole.clone();
        damage(&mut graph);
        assert!(graph.view().validate().is_err(), "{what}");
    }
    // A degree limit from damaged bytes must not overflow.
    let mut graph = whole;
    graph.m = u32::MAX;
    assert_eq!(graph.view().validate(), Ok(()));
}
