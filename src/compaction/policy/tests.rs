//! Owns the tests of the decisions: facts in, steps out.

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000_000_000);

fn segment(file: u64, rows: u64, dead: u64) -> SegmentFacts {
    let reclaim_by = (dead > 0).then(|| NOW + std::time::Duration::from_millis(1));
    SegmentFacts {
        file: FileId(file),
        bytes: rows * 1_600,
        rows,
        dead,
        reclaim_by,
        other_words: false,
        changed: 0,
    }
}

fn index(file: u64, nodes: u64, live: u64, graph: bool) -> IndexFacts {
    IndexFacts { file: FileId(file), nodes, live, graph, degraded: false }
}

const fn graphs(least: u64) -> GraphRows {
    GraphRows { least, most: u64::MAX }
}

#[test]
fn a_wholly_dead_segment_is_dropped_without_reading() {
    let steps = plan_rows(&[segment(1, 100, 100), segment(2, 100, 0)], NOW, Eagerness::Due);
    assert_eq!(steps.len(), 1);
    assert!(steps[0].drop);
    assert_eq!(steps[0].inputs, [FileId(1)]);
}

#[test]
fn on_a_full_disk_the_dead_go_first_and_then_the_smallest_output_alone() {
    let facts = [
        segment(1, 10_000, 4_000),
        segment(2, 10_000, 9_000),
        segment(3, 10_000, 0),
        segment(4, 10_000, 10_000),
        segment(5, 10_000, 1),
        segment(6, 10, 0),
    ];
    let order = |eagerness| -> Vec<(Vec<FileId>, bool)> {
        let steps = plan_rows_frugally(&facts, NOW, eagerness).into_iter();
        steps.map(|s| (s.inputs, s.drop)).collect()
    };
    let step = |file, drop| (vec![FileId(file)], drop);
    let due = [step(4, true), step(2, false), step(1, false)];
    assert_eq!(order(Eagerness::Due), due);
    assert_eq!(order(Eagerness::All)[3..], [step(5, false)]);
}

#[test]
fn dead_rows_below_the_limit_wait_but_not_longer_than_the_deadline() {
    let mut facts = vec![segment(1, 10_000, 500)];
    assert_eq!(plan_rows(&facts, NOW, Eagerness::Due), []);
    facts[0].reclaim_by = Some(NOW);
    assert_eq!(plan_rows(&facts, NOW, Eagerness::Due)[0].reason, Reason::Deadline);
}

#[test]
fn an_explicit_compaction_takes_every_segment_with_a_dead_row() {
    let facts = [segment(1, 10_000, 1), segment(2, 10_000, 0), segment(3, 10_000, 1)];
    let inputs: Vec<FileId> =
        plan_rows(&facts, NOW, Eagerness::All).into_iter().flat_map(|s| s.inputs).collect();
    assert_eq!(inputs, [FileId(1), FileId(3)]);
}

#[test]
fn the_worst_segment_comes_first_and_outputs_stay_below_the_cap() {
    let facts: Vec<SegmentFacts> = (0..20).map(|i| segment(i, 2_600, 400 + i * 10)).collect();
    let steps = plan_rows(&facts, NOW, Eagerness::Due);
    assert_eq!(steps[0].inputs[0], FileId(19));
    let live = facts.iter().map(SegmentFacts::live_bytes).sum();
    for step in &steps {
        let bytes: u64 = facts
            .iter()
            .filter(|f| step.inputs.contains(&f.file))
            .map(SegmentFacts::live_bytes)
            .sum();
        assert!(bytes <= segment_cap(live));
    }
    let mut inputs: Vec<FileId> = steps.into_iter().flat_map(|s| s.inputs).collect();
    let count = inputs.len();
    inputs.sort();
    inputs.dedup();
    assert_eq!(inputs.len(), count, "a segment is in two steps");
}

#[test]
fn small_segments_are_merged_once_there_are_some() {
    let few: Vec<SegmentFacts> = (0..3).map(|i| segment(i, 300, 0)).collect();
    assert_eq!(plan_rows(&few, NOW, Eagerness::Due), []);
    let some: Vec<SegmentFacts> = (0..4).map(|i| segment(i, 300, 0)).collect();
    let steps = plan_rows(&some, NOW, Eagerness::Due);
    assert_eq!(steps[0].reason, Reason::Small);
    assert_eq!(steps[0].inputs.len(), 4);
}

#[test]
fn a_plan_comes_to_rest() {
    // Each step has one output with all rows live, so nothing more is due.
    let facts = [segment(1, 2_500, 0), segment(2, 2_500, 0), segment(3, 400, 0)];
    assert_eq!(plan_rows(&facts, NOW, Eagerness::Due), []);
}

#[test]
fn few_rows_get_no_graph() {
    assert_eq!(
        plan_index(&[index(1, 4_000, 4_000, false)], 0, graphs(20_000), Eagerness::Due),
        None
    );
    let step = plan_index(&[], 4_000, graphs(20_000), Eagerness::Due).unwrap();
    assert!(!step.graph && step.with_uncovered);
}

#[test]
fn many_rows_get_one_and_a_dead_share_rebuilds_it() {
    let codes = [index(1, 15_000, 15_000, false), index(2, 15_000, 15_000, false)];
    let step = plan_index(&codes, 0, graphs(20_000), Eagerness::Due).unwrap();
    assert!(step.graph);
    assert_eq!(step.replaces.len(), 2);
    assert_eq!(step.base, None);
    let aged = [index(3, 30_000, 19_000, true), index(4, 4_000, 4_000, false)];
    let step = plan_index(&aged, 0, graphs(20_000), Eagerness::Due).unwrap();
    assert_eq!((step.reason, step.base), (Reason::DeadShare, None));
    assert_eq!(step.replaces.len(), 2);
    let fresh = [index(3, 30_000, 29_000, true), index(4, 4_000, 4_000, false)];
    assert_eq!(plan_index(&fresh, 0, graphs(20_000), Eagerness::Due), None);
}

#[test]
fn a_graph_is_merged_with_what_came_and_went_and_built_anew_when_it_is_worn() {
    let plan = |facts: &[IndexFacts]| plan_index(facts, 0, graphs(20_000), Eagerness::Due);
    // Rows outside reach a fifth of the live nodes, or they and the dead nodes reach two fifths.
    let turned = |live, new| [index(1, 30_000, live, true), index(2, new, new, false)];
    assert_eq!(plan(&turned(30_000, 5_999)), None);
    let step = plan(&turned(30_000, 6_000)).unwrap();
    assert_eq!((step.base, step.reason), (Some(FileId(1)), Reason::GraphPays));
    assert!(step.graph && step.replaces.len() == 2);
    assert_eq!(plan(&turned(24_000, 3_599)), None);
    let step = plan(&turned(24_000, 3_600)).unwrap();
    assert_eq!((step.base, step.reason), (Some(FileId(1)), Reason::DeadShare));
    // Of several graphs, the largest is the base.
    let two = [index(1, 9_000, 9_000, true), index(2, 21_000, 21_000, true)];
    assert_eq!(plan(&two).unwrap().base, Some(FileId(2)));
    // More rows are outside than inside: the graph is no base for a merge.
    let grown = [index(1, 9_000, 9_000, true), index(2, 11_000, 11_000, false)];
    assert_eq!(plan(&grown).unwrap().base, None);
    let degraded = [IndexFacts { degraded: true, ..index(1, 30_000, 30_000, true) }];
    let step = plan(&degraded).unwrap();
    assert_eq!((step.base, step.reason), (None, Reason::RecallDegraded));
}

#[test]
fn a_collection_about_the_limit_keeps_its_graph() {
    // Without hysteresis, each crossing of the limit would build a graph, and the next one would
    // discard it.
    let changed = |live, new| [index(1, live, live, true), index(2, new, new, false)];
    let plan = |facts: &[IndexFacts]| plan_index(facts, 0, graphs(20_000), Eagerness::Due);
    let step = plan(&changed(15_000, 4_900)).unwrap();
    assert_eq!((step.graph, step.base), (true, Some(FileId(1))));
    let step = plan(&changed(8_334, 1_667)).unwrap();
    assert!(step.graph, "10,001 rows");
    let few = [index(1, 15_000, 7_400, true), index(2, 1_667, 1_667, false)];
    let step = plan(&few).unwrap();
    assert_eq!((step.graph, step.replaces), (false, vec![FileId(1)]));
    assert_eq!(plan(&[index(2, 19_999, 19_999, false)]), None, "none is built below it");
}

#[test]
fn a_graph_that_there_is_no_heap_to_build_is_none() {
    let most = GraphRows { least: 100, most: 1_000 };
    let plan = |facts: &[IndexFacts]| plan_index(facts, 0, most, Eagerness::Due);
    assert!(plan(&[index(1, 1_000, 1_000, false)]).unwrap().graph);
    assert_eq!(plan(&[index(1, 1_001, 1_001, false)]), None);
    // An existing index serves until half of it is dead. Rows outside it are scanned.
    assert_eq!(plan(&[index(1, 900, 900, true), index(2, 300, 300, false)]), None);
    let step = plan(&[index(1, 1_900, 900, true), index(2, 300, 300, false)]).unwrap();
    assert_eq!((step.graph, step.replaces), (false, vec![FileId(1)]));
}

#[test]
fn indexes_without_a_graph_do_not_pile_up() {
    let many: Vec<IndexFacts> = (0..7).map(|i| index(i, 1_000, 1_000, false)).collect();
    let step = plan_index(&many, 0, graphs(20_000), Eagerness::Due).unwrap();
    assert_eq!(step.reason, Reason::Small);
    assert_eq!(step.replaces.len(), 7);
}

#[test]
fn an_explicit_compaction_left_dead_nodes_in_every_graph_but_the_largest() {
    let facts = [index(1, 1_000, 1_000, true), index(2, 300, 299, true), index(3, 9, 9, false)];
    let step = plan_index(&facts, 0, graphs(100), Eagerness::All).unwrap();
    assert_eq!(step.replaces, [FileId(1), FileId(2), FileId(3)]);
    assert!(step.graph && step.base == Some(FileId(1)));
    let after = [index(4, 1_308, 1_308, true)];
    assert_eq!(plan_index(&after, 0, graphs(100), Eagerness::All), None);
}

#[test]
fn segments_with_other_words_are_rewritten_one_at_a_time_after_the_dead() {
    let mut facts: Vec<SegmentFacts> = (1..=6).map(|file| segment(file, 10_000, 0)).collect();
    facts.push(segment(7, 10_000, 5_000));
    for other in [1, 3, 6] {
        facts[other].other_words = true;
    }
    let steps = |facts: &[SegmentFacts], eagerness| -> Vec<(Vec<u64>, Reason)> {
        let steps = plan_rows(facts, NOW, eagerness).into_iter();
        steps.map(|s| (s.inputs.iter().map(|f| f.0).collect(), s.reason)).collect()
    };
    let due = [(vec![7], Reason::DeadShare), (vec![2], Reason::Words)];
    assert_eq!(steps(&facts, Eagerness::Due), due);
    let all = steps(&facts, Eagerness::All);
    assert_eq!(all[..2], due);
    assert_eq!(all[2..], [(vec![4], Reason::Words)]);
    assert_eq!(plan_rows_frugally(&facts[..6], NOW, Eagerness::All), [], "it frees nothing");
    // It comes before the merge of small segments.
    let mut facts: Vec<SegmentFacts> = (1..=9).map(|file| segment(file, 10, 0)).collect();
    facts[8].other_words = true;
    let steps = steps(&facts, Eagerness::Due);
    assert_eq!((steps[0].clone(), steps[1].1), ((vec![9], Reason::Words), Reason::Small));
}

#[test]
fn segments_with_many_changes_are_rewritten_once_there_are_many_in_all() {
    let changed = |share: [u64; 4]| -> Vec<SegmentFacts> {
        let one = |(file, percent): (u64, u64)| {
            let mut facts = segment(file, 100_000, 0);
            facts.changed = 1000 * percent;
            facts
        };
        (1..).zip(share).map(one).collect()
    };
    let steps = |facts: &[SegmentFacts]| -> Vec<(Vec<u64>, Reason)> {
        let steps = plan_rows(facts, NOW, Eagerness::Due).into_iter();
        steps.map(|s| (s.inputs.iter().map(|f| f.0).collect(), s.reason)).collect()
    };
    assert_eq!(steps(&changed([50, 10, 5, 0])), [], "65,000 are not many");
    assert_eq!(steps(&changed([50, 10, 6, 0])), [(vec![1], Reason::Changes)]);
    assert_eq!(steps(&changed([24, 24, 24, 24])), [], "each has few");
    let all = plan_rows(&changed([30, 30, 30, 0]), NOW, Eagerness::All);
    assert_eq!(all.iter().filter(|step| step.reason == Reason::Changes).count(), 3);
}
