//! Tests of graphs that are merged from an older one.

use super::*;
use crate::index::NO_NODE;

/// An index over some of all rows. `rows` has for each node the row from which it was made.
struct Generation {
    index: Index,
    rows: Vec<u32>,
    _dir: tempfile::TempDir,
}

fn written(codes: &CodeBuffer, fit: Fit, graph: &BuiltGraph, rows: Vec<u32>) -> Generation {
    let (dir, spec) = (tempfile::tempdir().unwrap(), codes.frame().spec);
    let parts = IndexParts::with_graph(codes, fit, graph);
    let len = write_index(&RealDisk, dir.path(), &header(), &parts).unwrap();
    let index = Index::open(&RealDisk, dir.path(), STORE, FileId(1), len, spec).unwrap();
    index.verify().unwrap();
    Generation { index, rows, _dir: dir }
}

fn built(spec: CodeSpec, all: &[Vec<f32>], rows: Vec<u32>) -> Generation {
    merged(spec, all, None, &[], rows, &params(12)).0
}

/// Returns the next generation, made from `before` if there is one. The rows `gone` are removed and
/// the rows `come` are added. Also returns the number of distances measured.
fn merged(
    spec: CodeSpec,
    all: &[Vec<f32>],
    before: Option<&Generation>,
    gone: &[u32],
    come: Vec<u32>,
    params: &BuildParams<'_>,
) -> (Generation, u64) {
    let (mut rows, mut places) = (Vec::new(), Vec::new());
    for row in before.iter().flat_map(|b| &b.rows) {
        let stays = !gone.contains(row);
        places.push(if stays { rows.len() as u32 } else { NO_NODE });
        rows.extend(stays.then_some(*row));
    }
    rows.extend(come);
    let mut codes = CodeBuffer::new(spec, rows.len());
    rows.iter().for_each(|row| codes.push(&all[*row as usize]));
    let base = before.and_then(|b| b.index.base(places, params.m));
    assert_eq!(base.is_some(), before.is_some());
    let own: Vec<Vec<f32>> = rows.iter().map(|row| all[*row as usize].clone()).collect();
    let (fit, truths) = (fit(&codes, &own), truths(spec.metric, &own));
    let earlier = params.evaluations.load(std::sync::atomic::Ordering::Relaxed);
    let built = BuiltGraph::build(&mut codes, &fit, base.as_ref(), params, &truths);
    let (graph, order) = built.unwrap();
    let later = params.evaluations.load(std::sync::atomic::Ordering::Relaxed);
    let rows = order.iter().map(|i| rows[*i as usize]).collect();
    (written(&codes, fit, &graph, rows), later - earlier)
}

/// Returns how many of the ten nearest of each of these queries a narrow beam finds, in total.
fn found(spec: CodeSpec, all: &[Vec<f32>], queries: &[Vec<f32>], of: &Generation) -> usize {
    let mut scratch = Scratch::default();
    let own: Vec<Vec<f32>> = of.rows.iter().map(|row| all[*row as usize].clone()).collect();
    let mut found = 0;
    for query in queries {
        let query = Query::new(spec, query.clone());
        of.index.search(&query, 30, None, usize::MAX, &mut scratch);
        let got: Vec<u32> = scratch.results().iter().map(|c| c.node).collect();
        found += exact(&own, &query, 10, |_| true).iter().filter(|n| got.contains(n)).count();
    }
    found
}

#[test]
fn a_merged_graph_finds_as_much_as_one_built_anew_for_less() {
    let metrics = [Metric::Cosine, Metric::Dot, Metric::L2];
    for &metric in &metrics[..sized("metrics of merged graphs", 1, 3, 3)] {
        for codes in [Quantization::Int8, Quantization::Bits4] {
            let spec = CodeSpec::new(codes, metric, 24);
            let mut all = vectors(5_050, 24, metric);
            let queries = all.split_off(5_000);
            let params = params(12);
            let mut now = built(spec, &all, (0..2_000).collect());
            let mut cost = 0;
            for generation in 0..5u32 {
                // A fifth of the rows is removed, spread over all.
                let gone: Vec<u32> =
                    now.rows.iter().copied().filter(|r| r % 5 == generation).collect();
                let first = 2_000 + generation * 400;
                let come = (first..first + 400).collect();
                (now, cost) = merged(spec, &all, Some(&now), &gone, come, &params);
            }
            let (anew, cost_anew) = merged(spec, &all, None, &[], now.rows.clone(), &params);
            let (merged, built) =
                (found(spec, &all, &queries, &now), found(spec, &all, &queries, &anew));
            assert!(merged + 10 >= built, "{metric:?} {codes:?}: {merged} and {built} of 500");
            assert!(4 * cost < 3 * cost_anew, "{metric:?} {codes:?}: {cost} and {cost_anew}");
        }
    }
}

#[test]
fn a_graph_stays_whole_when_whole_clusters_go() {
    let spec = CodeSpec::new(Quantization::Int8, Metric::L2, 24);
    let mut all = vectors(3_050, 24, Metric::L2);
    let queries = all.split_off(3_000);
    let before = built(spec, &all, (0..3_000).collect());
    // Clusters are rows modulo 30. Two thirds of them lose all rows, and one of these keeps a
    // single row.
    let gone: Vec<u32> = (0..3_000).filter(|r| r % 30 < 20 && *r != 7).collect();
    let (after, _) = merged(spec, &all, Some(&before), &gone, Vec::new(), &params(12));
    assert_eq!(after.rows.len(), 1_001);
    let anew = built(spec, &all, after.rows.clone());
    let (merged, built) = (found(spec, &all, &queries, &after), found(spec, &all, &queries, &anew));
    assert!(merged + 10 >= built, "{merged} and {built} of 500");
}

#[test]
fn what_is_no_start_is_none() {
    let spec = CodeSpec::new(Quantization::Int8, Metric::L2, 8);
    let all = vectors(200, 8, Metric::L2);
    let before = built(spec, &all, (0..200).collect());
    let whole: Vec<u32> = (0..200).collect();
    assert!(before.index.base(whole.clone(), 12).is_some());
    assert!(before.index.base(whole.clone(), 13).is_none());
    assert!(before.index.base(whole[1..].to_vec(), 12).is_none());
    assert!(before.index.base(vec![NO_NODE; 200], 12).is_none());
    let behind = whole.iter().map(|row| row + 1).collect();
    assert!(before.index.base(behind, 12).is_none());
    // One remaining row is enough.
    let mut one = vec![NO_NODE; 200];
    one[77] = 0;
    let gone: Vec<u32> = before.rows.iter().copied().filter(|r| *r != before.rows[77]).collect();
    let (after, _) = merged(spec, &all, Some(&before), &gone, Vec::new(), &params(12));
    assert_eq!(after.rows, [before.rows[77]]);
}

#[test]
fn a_graph_is_worn_when_its_beam_has_widened() {
    let spec = CodeSpec::new(Quantization::Int8, Metric::L2, 8);
    let all = vectors(300, 8, Metric::L2);
    let mut now = built(spec, &all, (0..300).collect());
    let fresh = now.index.fresh_ef;
    assert!(fresh > 0 && !now.index.degraded());
    // Merges keep the beam width of the first graph.
    now = merged(spec, &all, Some(&now), &[5], vec![], &params(12)).0;
    assert_eq!(now.index.fresh_ef, fresh);
    let ef = 3 * fresh.max(32);
    now.index.ef_table = EfTable::of(&[(32, 0.90), (ef - 1, 0.96), (ef, 0.97)]);
    assert!(now.index.degraded());
    now.index.fresh_ef = 0;
    assert!(!now.index.degraded(), "nothing to compare it with");
    now.index.ef_table = EfTable::default();
    assert!(now.index.degraded(), "nobody knows what it finds");
}
