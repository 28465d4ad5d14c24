//! Owns how a search finds its candidates: first in memtables, then in each index by the path that
//! `choose` chose. The best by code are then measured exactly. All sources share one bound. All
//! rows are measured exactly instead if there are few, or if the codes leave too many in doubt.
//!
//! If k eligible memories exist, k are returned (I12): a graph that finds too few is followed by a
//! scan. An answer contains only data read from checked bytes.

mod measure;

use crate::clock::Clock;
use crate::error::Result;
use crate::ids::MemoryId;
use crate::index::{Accept, Candidate, Scratch};
use crate::search::choose::{Chosen, Plan, Planner};
use crate::search::eligible::Eligible;
use crate::search::hit::{AccessPath, AccessReason, Explanation, PartSearch};
use crate::search::request::{Request, SearchMode};
use crate::search::shortlist::Shortlist;
use crate::segment::Rows;
use crate::snapshot::state::CollectionState;
use crate::snapshot::{IndexPart, Place, Snapshot};
use crate::sync::lock;
use crate::vector::codes::Queries;

/// Number of codes measured in one call.
const BATCH: usize = 64;

/// From this share of eligible nodes on, a graph is first searched without the filter.
const SHARE_OF_MOST: f64 = 0.6;

/// Up to this many eligible rows, all are measured exactly.
const FEW_ROWS: u64 = 256;

/// The search by code is given up, and all rows are measured, if it leaves too many rows in doubt.
/// These are more than a quarter of the eligible rows (one in `IN_DOUBT.0`), more than `IN_DOUBT.1`
/// rows, and more than twice `k`.
const IN_DOUBT: (usize, usize) = (4, 1024);

/// Least width of a beam behind a crowd of rows that are not eligible: this factor times k, plus
/// this constant.
const CROWD: (usize, usize) = (16, 160);

/// A row near the query, with its exact distance and its id.
pub(super) type Near = (f32, MemoryId, Place);

/// What a search runs on.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) core: &'a CollectionState,
    pub(super) clock: &'a dyn Clock,
    pub(super) request: &'a Request<'a>,
    pub(super) snapshot: &'a Snapshot,
    pub(super) eligible: &'a Eligible<'a>,
}

/// One search in progress.
struct Run<'a> {
    core: &'a CollectionState,
    clock: &'a dyn Clock,
    request: &'a Request<'a>,
    snapshot: &'a Snapshot,
    queries: Queries,
    eligible: &'a Eligible<'a>,
    k: usize,
    top: Shortlist,
    told: Explanation,
}

/// Returns the `k` nearest of the eligible rows to a query in prepared form, nearest first, ties by
/// id, and what was done to find them.
pub(super) fn run(
    ground: Ground<'_>,
    query: Vec<f32>,
    k: usize,
) -> Result<(Vec<Near>, Explanation)> {
    let Ground { core, clock, request, snapshot, eligible } = ground;
    let total = eligible.total();
    let told = Explanation { eligible_rows: total, ..Explanation::default() };
    // A huge `k` costs no more than the number of rows.
    let k = k.min(usize::try_from(total).unwrap_or(usize::MAX));
    if k == 0 {
        return Ok((Vec::new(), told));
    }
    let queries = Queries::new(core.spec.metric, query);
    let top = shortlist(k, total);
    let mut run = Run { core, clock, request, snapshot, queries, eligible, k, top, told };
    let nearest = run.nearest()?;
    if run.told.graphs > 0 {
        core.recall.sample(run.queries.exact().vector());
    }
    Ok((nearest, run.told))
}

fn shortlist(k: usize, total: u64) -> Shortlist {
    let (share, least) = IN_DOUBT;
    let total = usize::try_from(total).unwrap_or(usize::MAX);
    Shortlist::new(k, (total / share).max(least).max(k.saturating_mul(2)))
}

impl<'a> Run<'a> {
    /// Returns the nearest rows by exact distance.
    fn nearest(&mut self) -> Result<Vec<Near>> {
        let (request, eligible_rows) = (self.request, self.told.eligible_rows);
        if request.exact {
            self.note_all_rows(AccessReason::AskedFor);
            return self.exact();
        }
        let few = eligible_rows <= FEW_ROWS && request.mode == SearchMode::Auto;
        let choice = self.choice();
        let parts = &self.snapshot.indexes;
        let chosen: Vec<Chosen> = parts.iter().map(|part| choice.of(part)).collect();
        let by_rows = |chosen: &Chosen| chosen.plan == Plan::Rows;
        let all_by_rows = !chosen.is_empty() && chosen.iter().all(by_rows);
        if few || all_by_rows {
            self.note_all_rows(if few { AccessReason::FewRows } else { AccessReason::Cheapest });
            return self.exact();
        }
        self.by_code(chosen)
    }

    /// Returns the inputs of the choice of access paths.
    fn choice(&self) -> Planner<'_> {
        Planner {
            request: self.request,
            monitor: &self.core.recall,
            eligible: self.eligible,
            eligible_rows: self.told.eligible_rows,
            clock: self.clock,
            k: self.k,
        }
    }

    fn note_all_rows(&mut self, reason: AccessReason) {
        let rows = self.told.eligible_rows;
        let part = PartSearch { index: None, rows, path: AccessPath::Rows, reason, recall: 1.0 };
        self.told.parts = vec![part];
    }

    /// Finds the nearest by code and measures the best of them exactly.
    fn by_code(&mut self, chosen: Vec<Chosen>) -> Result<Vec<Near>> {
        self.candidates(chosen)?;
        self.eligible.check()?;
        if self.top.is_over() {
            self.note_all_rows(AccessReason::CodesTooCoarse);
            self.told.fallbacks += 1;
            return self.exact();
        }
        let nearest = self.rerank()?;
        if nearest.len() < self.k && self.is_damaged() {
            self.told.fallbacks += 1;
            return self.exact();
        }
        Ok(nearest)
    }

    /// Fills `top` with the rows that may be among the nearest.
    fn candidates(&mut self, chosen: Vec<Chosen>) -> Result<()> {
        self.scan_memtables();
        self.measure_uncovered()?;
        // The largest index first: it lowers the bound for the others.
        let mut order: Vec<(&IndexPart, Chosen)> =
            self.snapshot.indexes.iter().zip(chosen).collect();
        order.sort_by_key(|(part, _)| std::cmp::Reverse(part.indexed.index.nodes()));
        let mut scratch = lock(&self.core.scratch).pop().unwrap_or_default();
        for (part, chosen) in order {
            self.part(part, chosen, &mut scratch)?;
        }
        lock(&self.core.scratch).push(scratch);
        // `k` is at most the number of eligible rows; a closure may leave fewer.
        if self.top.len() < self.k && self.told.graphs > 0 && !self.top.is_over() {
            // The beams met too few eligible rows: scan all rows. The shortlist starts empty,
            // because no row may take two places.
            self.told.fallbacks += 1;
            self.top = shortlist(self.k, self.told.eligible_rows);
            self.scan_memtables();
            self.measure_uncovered()?;
            self.snapshot.indexes.iter().for_each(|part| self.scan(part));
        }
        Ok(())
    }

    /// Searches the rows of an index by the chosen plan.
    fn part(&mut self, part: &IndexPart, chosen: Chosen, scratch: &mut Scratch) -> Result<()> {
        let Chosen { mut plan, mut reason, mut recall, .. } = chosen;
        if let Plan::Graph { ef, limit } = plan
            && !self.graph(part, ef, limit, scratch)
        {
            self.told.fallbacks += 1;
            let other = self.choice().without_graph(part);
            (plan, recall, reason) = (other.plan, other.recall, AccessReason::GraphGaveUp);
        }
        match plan {
            Plan::Graph { .. } => {}
            Plan::Matches => self.matches(part),
            Plan::Scan => self.scan(part),
            Plan::Rows => {
                for segment in part.slots.iter().flatten() {
                    self.measure_rows(*segment, Some(part))?;
                }
            }
        }
        let (index, rows) = (Some(part.indexed.file.0), self.eligible.matches(part));
        self.told.parts.push(PartSearch { index, rows, path: plan.way(), reason, recall });
        Ok(())
    }

    fn scan_memtables(&mut self) {
        let (top, eligible) = (&mut self.top, self.eligible);
        for (part, memtable) in (0u32..).zip(&self.snapshot.memtables) {
            self.told.scanned += u64::from(memtable.rows.rows());
            memtable.rows.scan(&mut self.queries, top.upper(), |distance, error, row| {
                let place = Place::Memtable(part, row);
                match distance - error < top.upper() && eligible.accept(place) {
                    true => top.offer(distance, error, place),
                    false => top.upper(),
                }
            });
        }
    }

    /// Measures the codes of the matching rows.
    fn matches(&mut self, part: &IndexPart) {
        let index = &part.indexed.index;
        let query = self.queries.coded(index.frame());
        let (error, codes) = (query.error(index.fit()), index.codes());
        let most = error * index.fit().longest;
        let (top, eligible) = (&mut self.top, self.eligible);
        let (mut rows, mut nodes) = (Vec::new(), Vec::new());
        let (mut near, mut distances) = (Vec::new(), Vec::new());
        let slots = (0u32..).zip(part.slots.iter());
        for (slot, segment) in slots.filter_map(|(slot, at)| Some((slot, (*at)?))) {
            let node_of = part.indexed.locator.nodes_of(slot);
            let mut all = eligible.rows(eligible.part_of_segment(segment));
            loop {
                rows.clear();
                nodes.clear();
                for (row, node) in all.by_ref().filter_map(|row| Some((row, node_of(row)?))) {
                    rows.push(row);
                    nodes.push(node);
                    if rows.len() == BATCH {
                        break;
                    }
                }
                if rows.is_empty() {
                    break;
                }
                self.told.evaluations += rows.len() as u64;
                near.clear();
                near.extend_from_slice(&nodes);
                index.nearer(query, top.upper() + most, &mut near, &mut distances);
                // The remaining nodes keep their order.
                let mut candidates = rows.iter().zip(&nodes);
                for (node, &distance) in near.iter().zip(&distances) {
                    let Some((&row, _)) = candidates.find(|(_, other)| *other == node) else {
                        break;
                    };
                    let (place, error) =
                        (Place::Segment(segment, row), error * codes.length(*node));
                    if distance - error < top.upper() && eligible.accept(place) {
                        top.offer(distance, error, place);
                    }
                }
            }
        }
    }

    fn scan(&mut self, part: &IndexPart) {
        self.told.scanned += u64::from(part.indexed.index.nodes());
        let index = &part.indexed.index;
        let query = self.queries.coded(index.frame());
        let (error, codes) = (query.error(index.fit()), index.codes());
        let most = error * index.fit().longest;
        let (top, eligible) = (&mut self.top, self.eligible);
        index.scan(query, top.upper() + most, |Candidate { distance, node }| {
            offer(top, eligible, part, (distance, error * codes.length(node)), node) + most
        });
    }

    /// Searches the graph of an index. Returns false if it gave up because a scan costs less.
    fn graph(&mut self, part: &IndexPart, ef: usize, limit: usize, scratch: &mut Scratch) -> bool {
        let eligible = self.eligible;
        let index = &part.indexed.index;
        let query = self.queries.coded(index.frame());
        let mut accept =
            |node| part.places(node).any(|(s, r)| eligible.accept(Place::Segment(s, r)));
        let mut search = |ef, accept: Option<&mut Accept<'_>>, scratch: &mut Scratch| {
            let info = index.search(query, ef, accept, limit, scratch);
            self.told.evaluations += info.evaluations as u64;
            self.told.hops += info.hops as u64;
            !info.capped
        };
        // If most nodes are eligible, a wider beam without the filter costs less than asking about
        // each node it meets. Results that are not eligible are dropped afterwards.
        let share = eligible.share(part);
        let (wide, mut ef) = ((ef as f64 / share).ceil() as usize, ef);
        let mut found = share >= SHARE_OF_MOST;
        if found {
            if !search(wide, None, scratch) {
                return false;
            }
            let results = scratch.results();
            let enough = |among: usize, wanted: usize| {
                let nearest = results.iter().take(among);
                nearest.filter(|c| accept(c.node)).count() >= wanted - wanted / 8
            };
            let k = self.k.min(ef);
            found = results.len() < wide
                || eligible.all_of(part)
                || (enough(wide, ef) && enough((1.5 * k as f64 / share) as usize, k));
            // Too few remain: the nodes that are not eligible crowd near the query, and the nearest
            // eligible ones lie behind them. Beam widths were measured on the very nearest rows.
            // Farther out, graph and codes are less accurate, so the beam must be wider.
            let (times, more) = CROWD;
            ef = ef.saturating_add(ef / 2).max(k.saturating_mul(times).saturating_add(more));
        }
        if !found && !search(ef, Some(&mut accept), scratch) {
            return false;
        }
        self.told.graphs += 1;
        let (error, codes) = (query.error(index.fit()), index.codes());
        let most = error * index.fit().longest;
        for &Candidate { distance, node } in scratch.results() {
            if distance >= self.top.upper() + most {
                break;
            }
            let error = error * codes.length(node);
            offer(&mut self.top, eligible, part, (distance, error), node);
        }
        true
    }

    /// Returns true if an index that took part is damaged: rows may be missing from it. Otherwise
    /// fewer than k results mean that a closure rejected the others.
    fn is_damaged(&self) -> bool {
        let indexes = &self.snapshot.indexes;
        indexes.iter().any(|part| part.indexed.check().is_err())
    }
}

/// Offers every eligible row of a node, at `distance` with an error of at most `error`. Returns the
/// new bound.
fn offer(
    top: &mut Shortlist,
    eligible: &Eligible<'_>,
    part: &IndexPart,
    (distance, error): (f32, f32),
    node: u32,
) -> f32 {
    for (segment, row) in part.places(node) {
        let place = Place::Segment(segment, row);
        if distance - error < top.upper() && eligible.accept(place) {
            top.offer(distance, error, place);
        }
    }
    top.upper()
}
