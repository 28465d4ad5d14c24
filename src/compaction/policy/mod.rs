//! Owns the decisions of compaction: which segments to drop, rewrite or merge, and which indexes to
//! build. Pure: it turns facts and `now` into steps, and touches no file and no lock.
//!
//! Rows and indexes are decided apart (ARCHITECTURE.md, "How compaction decides"). A segment is
//! rewritten for the bytes of its dead rows, an index for the speed and recall of searches.

use crate::clock::Timestamp;
use crate::ids::FileId;
use crate::report::Reason;
use crate::segment::segment_cap;

/// A segment is rewritten when this share of its rows is dead.
const DEAD_SHARE: f64 = 0.15;
/// This many segments under half the cap are merged.
const SMALL_SEGMENTS: usize = 4;
/// Beyond this many, indexes without a graph are merged into one.
const SMALL_INDEXES: usize = 6;
/// A graph is merged with the rows outside it when they reach this share of its live nodes. Until
/// then they are scanned.
const GRAPH_OUTSIDE_SHARE: f64 = 0.20;
/// A graph is also merged when its dead nodes and the rows outside together reach this share of its
/// live nodes.
const GRAPH_CHANGED_SHARE: f64 = 0.40;
/// A graph is rebuilt, not merged, when this share of its nodes is dead: repairing it would cost as
/// much.
const GRAPH_DEAD_SHARE: f64 = 0.35;
/// A graph is kept until the live rows fall below the number that justifies a new graph, divided by
/// this.
const GRAPH_STAYS: u64 = 2;
/// An index without a graph is rewritten when this share of its nodes is dead.
const CODES_DEAD_SHARE: f64 = 0.50;

/// When this many rows have changes beside them, some 5 MiB of heap, segments with many of them are
/// rewritten, so that heap does not grow with the number of rows that were ever used or touched.
const CHANGED_ROWS: u64 = 1 << 16;
/// Then a segment is rewritten when this share of its rows has changes.
const CHANGED_SHARE: f64 = 0.25;

/// The facts about a sealed segment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SegmentFacts {
    pub(crate) file: FileId,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    /// Rows deleted, replaced, or expired by the plausible time.
    pub(crate) dead: u64,
    /// Deadline for reclaiming the bytes of the first dead row, as far as it is known.
    pub(crate) reclaim_by: Option<Timestamp>,
    /// True if its words are not those that the collection wants.
    pub(crate) other_words: bool,
    /// Rows with changes beside them.
    pub(crate) changed: u64,
}

impl SegmentFacts {
    fn changed_share(&self) -> f64 {
        self.changed as f64 / self.rows.max(1) as f64
    }

    fn dead_share(&self) -> f64 {
        self.dead as f64 / self.rows.max(1) as f64
    }

    /// Returns the bytes of its live rows, if all rows are equally large.
    pub(crate) fn live_bytes(&self) -> u64 {
        (self.bytes as f64 * (1.0 - self.dead_share())) as u64
    }
}

/// The facts about an index.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IndexFacts {
    pub(crate) file: FileId,
    pub(crate) nodes: u64,
    pub(crate) live: u64,
    pub(crate) graph: bool,
    /// True if merges have degraded the recall of its graph.
    pub(crate) degraded: bool,
}

impl IndexFacts {
    fn dead_share(&self) -> f64 {
        1.0 - self.live as f64 / self.nodes.max(1) as f64
    }
}

/// How much a plan does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Eagerness {
    /// Only work that is due.
    Due,
    /// Everything that frees a byte, as in an explicit compaction.
    All,
}

/// One rewrite of segments. `drop` removes the inputs without reading them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RowStep {
    pub(crate) inputs: Vec<FileId>,
    pub(crate) reason: Reason,
    pub(crate) drop: bool,
}

/// An index to build, over the live rows of `replaces` and, if `with_uncovered`, of all uncovered
/// segments.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IndexStep {
    pub(crate) replaces: Vec<FileId>,
    pub(crate) with_uncovered: bool,
    pub(crate) graph: bool,
    /// The replaced index whose graph is the base of a merge. `None` to build the graph from
    /// scratch.
    pub(crate) base: Option<FileId>,
    pub(crate) reason: Reason,
}

/// Returns the steps for the rows, the most urgent first. Each step stands alone: after one is
/// carried out, facts and plan are new.
pub(crate) fn plan_rows(
    segments: &[SegmentFacts],
    now: Timestamp,
    eagerness: Eagerness,
) -> Vec<RowStep> {
    let mut steps = Vec::new();
    let mut rest: Vec<&SegmentFacts> = Vec::new();
    for segment in segments {
        if segment.dead >= segment.rows {
            let reason = Reason::DeadShare;
            steps.push(RowStep { inputs: vec![segment.file], reason, drop: true });
        } else {
            rest.push(segment);
        }
    }
    let cap = segment_cap(rest.iter().map(|s| s.live_bytes()).sum());
    // The segment with the largest dead share comes first. Small segments that fit below the cap
    // are rewritten with it.
    rest.sort_by(|a, b| b.dead_share().total_cmp(&a.dead_share()).then(a.file.cmp(&b.file)));
    let mut taken = vec![false; rest.len()];
    for i in 0..rest.len() {
        let Some(reason) = rewrite_reason(rest[i], now, eagerness) else {
            continue;
        };
        if std::mem::replace(&mut taken[i], true) {
            continue;
        }
        let mut inputs = vec![rest[i].file];
        let mut bytes = rest[i].live_bytes();
        for j in i + 1..rest.len() {
            let wanted =
                rewrite_reason(rest[j], now, eagerness).is_some() || rest[j].live_bytes() < cap / 2;
            if !taken[j] && wanted && bytes + rest[j].live_bytes() <= cap {
                taken[j] = true;
                bytes += rest[j].live_bytes();
                inputs.push(rest[j].file);
            }
        }
        steps.push(RowStep { inputs, reason, drop: false });
    }
    // One at a time unless all is asked for: what is due is debt, for which writers may wait.
    let most = if eagerness == Eagerness::All { rest.len() } else { 1 };
    let many_changed = segments.iter().map(|s| s.changed).sum::<u64>() > CHANGED_ROWS;
    let why = |s: &SegmentFacts| match (s.other_words, s.changed_share() >= CHANGED_SHARE) {
        (true, _) => Some(Reason::Words),
        (false, true) if many_changed => Some(Reason::Changes),
        _ => None,
    };
    let others = (0..rest.len()).filter_map(|i| Some((i, why(rest[i])?)));
    let others: Vec<(usize, Reason)> = others.filter(|(i, _)| !taken[*i]).take(most).collect();
    for (i, reason) in others {
        taken[i] = true;
        steps.push(RowStep { inputs: vec![rest[i].file], reason, drop: false });
    }
    let mut small: Vec<&SegmentFacts> = (0..rest.len())
        .filter(|&i| !taken[i] && rest[i].live_bytes() < cap / 2)
        .map(|i| rest[i])
        .collect();
    if small.len() >= SMALL_SEGMENTS || (eagerness == Eagerness::All && small.len() > 1) {
        small.sort_by_key(|s| s.bytes);
        let mut bytes = 0;
        small.retain(|s| {
            bytes += s.live_bytes();
            bytes <= cap
        });
        if small.len() > 1 {
            let inputs = small.iter().map(|s| s.file).collect();
            steps.push(RowStep { inputs, reason: Reason::Small, drop: false });
        }
    }
    steps
}

/// Same as [`plan_rows`], for a full disk: drops first, then one segment at a time, the one with
/// the smallest output first. Every step frees bytes.
pub(crate) fn plan_rows_frugally(
    segments: &[SegmentFacts],
    now: Timestamp,
    eagerness: Eagerness,
) -> Vec<RowStep> {
    let mut sorted: Vec<&SegmentFacts> = segments.iter().collect();
    sorted.sort_by_key(|s| if s.dead >= s.rows { 0 } else { s.live_bytes() + 1 });
    let step = |s: &SegmentFacts| {
        let drop = s.dead >= s.rows;
        let reason = if drop { Some(Reason::DeadShare) } else { rewrite_reason(s, now, eagerness) };
        reason.map(|reason| RowStep { inputs: vec![s.file], reason, drop })
    };
    sorted.into_iter().filter_map(step).collect()
}

fn rewrite_reason(segment: &SegmentFacts, now: Timestamp, eagerness: Eagerness) -> Option<Reason> {
    if segment.dead == 0 {
        return None;
    }
    if eagerness == Eagerness::All || segment.dead_share() >= DEAD_SHARE {
        return Some(Reason::DeadShare);
    }
    let due = segment.reclaim_by.is_some_and(|by| by <= now);
    due.then_some(Reason::Deadline)
}

/// The numbers of live rows between which a collection has a graph.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GraphRows {
    /// From this number on, a graph pays.
    pub(crate) least: u64,
    /// Above this number the heap budget does not allow a build.
    pub(crate) most: u64,
}

/// Returns the next step for the indexes. There is at most one, because each step changes the
/// facts. `uncovered` is the number of live rows in segments that no index covers.
pub(crate) fn plan_index(
    indexes: &[IndexFacts],
    uncovered: u64,
    graphs: GraphRows,
    eagerness: Eagerness,
) -> Option<IndexStep> {
    let live: u64 = indexes.iter().map(|i| i.live).sum::<u64>() + uncovered;
    if live == 0 && indexes.is_empty() {
        return None;
    }
    // A collection whose size varies around the limit must not build a graph each time.
    let stays = indexes.iter().any(|i| i.graph) && live >= graphs.least / GRAPH_STAYS;
    if (live >= graphs.least || stays) && live <= graphs.most {
        plan_graph(indexes, uncovered, live, eagerness)
    } else {
        plan_codes(indexes, uncovered, eagerness)
    }
}

fn plan_codes(indexes: &[IndexFacts], uncovered: u64, eagerness: Eagerness) -> Option<IndexStep> {
    let limit = match eagerness {
        Eagerness::Due => CODES_DEAD_SHARE,
        Eagerness::All => f64::MIN_POSITIVE,
    };
    let mut step = IndexStep {
        replaces: Vec::new(),
        with_uncovered: uncovered > 0,
        graph: false,
        base: None,
        reason: Reason::Uncovered,
    };
    let many = indexes.len() > SMALL_INDEXES;
    if many {
        // All but the largest, which is merged only once the others together have reached its size.
        let largest = indexes.iter().map(|i| i.live).max().unwrap_or(0);
        let rest: u64 = indexes.iter().map(|i| i.live).sum::<u64>() - largest;
        let keep = (rest < largest).then(|| indexes.iter().max_by_key(|i| i.live)).flatten();
        let kept = keep.map(|i| i.file);
        step.replaces = indexes.iter().map(|i| i.file).filter(|f| Some(*f) != kept).collect();
        step.reason = Reason::Small;
        return Some(step);
    }
    step.replaces = indexes.iter().filter(|i| i.dead_share() >= limit).map(|i| i.file).collect();
    if !step.replaces.is_empty() {
        step.reason = Reason::DeadShare;
    }
    (!step.replaces.is_empty() || step.with_uncovered).then_some(step)
}

fn plan_graph(
    indexes: &[IndexFacts],
    uncovered: u64,
    live: u64,
    eagerness: Eagerness,
) -> Option<IndexStep> {
    let all = |base, reason| {
        let replaces = indexes.iter().map(|i| i.file).collect();
        Some(IndexStep { replaces, with_uncovered: uncovered > 0, graph: true, base, reason })
    };
    let graphs = indexes.iter().filter(|i| i.graph);
    let Some(base) = graphs.max_by_key(|i| (i.live, i.file)) else {
        return all(None, Reason::GraphPays);
    };
    if base.degraded {
        return all(None, Reason::RecallDegraded);
    }
    let (dead, outside) = (base.nodes - base.live.min(base.nodes), live - base.live);
    let share = |rows: u64| rows as f64 / base.live.max(1) as f64;
    let due = match eagerness {
        Eagerness::Due => {
            share(outside) >= GRAPH_OUTSIDE_SHARE || share(dead + outside) >= GRAPH_CHANGED_SHARE
        }
        // An explicit compaction leaves no dead node and no row outside the graph.
        Eagerness::All => dead + outside > 0,
    };
    if due {
        let start = base.dead_share() < GRAPH_DEAD_SHARE && outside <= base.live;
        let reason = if dead > outside { Reason::DeadShare } else { Reason::GraphPays };
        return all(start.then_some(base.file), reason);
    }
    let codes: Vec<IndexFacts> = indexes.iter().filter(|i| !i.graph).cloned().collect();
    plan_codes(&codes, uncovered, eagerness)
}

#[cfg(test)]
mod tests;
