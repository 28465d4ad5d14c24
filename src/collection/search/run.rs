//! Owns how a search finds its candidates: memtables by scan, then each index in the way that `ways` chose,
//! then the best by code measured exactly. Where few rows match, all of them are measured exactly instead.
//! All sources share one bound.
//!
//! If k eligible memories exist, k come back (I12): a graph that did not find enough is followed by
//! a scan. What an answer contains was read from checked bytes.

use std::collections::HashSet;

use crate::collection::eligible::Eligible;
use crate::collection::search::shortlist::Shortlist;
use crate::collection::search::ways::{Choice, Way};
use crate::collection::search::{Explanation, Fields, Hit, Search, read_memory, score};
use crate::collection::snapshot::{IndexPart, Place};
use crate::error::Result;
use crate::ids::{MemoryId, Seq};
use crate::index::{Accept, Candidate, Scratch, TopK};
use crate::segment::{RowBuffer, Rows};
use crate::vector::codes::Query;
use crate::vector::metric::prepare;
use crate::worker::lock;

/// Codes that are measured in one call.
const AT_ONCE: usize = 64;

/// How many rows ahead of the one that is measured are asked for.
const ROWS_AHEAD: usize = 3;

/// Share of the nodes from which on most are eligible.
const SHARE_OF_MOST: f64 = 0.6;

/// One search under way.
struct Run<'a> {
    search: &'a Search<'a>,
    query: Query,
    eligible: Eligible<'a>,
    top: Shortlist,
    told: Explanation,
}

/// Carries out a search.
pub(super) fn run(search: &Search<'_>) -> Result<(Vec<Hit>, Explanation)> {
    let core = &search.collection.core;
    let spec = core.spec;
    let mut vector = search.query.to_vec();
    prepare(spec.metric, spec.dimension, None, &mut vector)?;
    let now = search.collection.engine.now();
    let closure = search.closure.as_deref();
    let eligible = Eligible::new(&search.snapshot, spec.metric, now, &search.filter, closure)?;
    let total = eligible.total();
    let told = Explanation { eligible_rows: total, ..Explanation::default() };
    // A huge k costs no more than the rows there are.
    let k = search.k.min(usize::try_from(total).unwrap_or(usize::MAX));
    if k == 0 {
        return Ok((Vec::new(), told));
    }
    let query = Query::new(spec, vector);
    let top = Shortlist::new(query.code_error(), k, spec.rerank_depth(k));
    let mut run = Run { search, query, eligible, top, told };
    let ways = if search.exact { None } else { run.choice().ways(k) };
    let nearest = match ways {
        Some(ways) => run.by_code(k, ways)?,
        None => run.exact(k)?,
    };
    if run.told.graphs > 0 {
        core.canary.sample(run.query.vector());
    }
    let hits = run.hits(nearest)?;
    Ok((hits, run.told))
}

impl<'a> Run<'a> {
    fn shortlist(&self, k: usize) -> Shortlist {
        let places = self.search.collection.core.spec.rerank_depth(k);
        Shortlist::new(self.query.code_error(), k, places)
    }

    /// What the choice between ways to search looks at.
    fn choice(&self) -> Choice<'_> {
        let (search, collection) = (self.search, self.search.collection);
        Choice {
            search,
            eligible: &self.eligible,
            eligible_rows: self.told.eligible_rows,
            costs: collection.core.costs(collection.engine.clock.as_ref()),
        }
    }

    /// Finds the nearest by code and measures the best of them exactly.
    fn by_code(&mut self, k: usize, ways: Vec<Way>) -> Result<Vec<(f32, MemoryId, Place)>> {
        self.candidates(k, ways)?;
        self.eligible.check()?;
        let nearest = self.rerank(k)?;
        if nearest.len() < k && self.is_damaged() {
            self.told.fallbacks += 1;
            return self.exact(k);
        }
        Ok(nearest)
    }

    /// Fills `top` with the nearest by code.
    fn candidates(&mut self, k: usize, ways: Vec<Way>) -> Result<()> {
        let snapshot = &self.search.snapshot;
        self.scan_memtables();
        self.measure_uncovered()?;
        // The largest index first: it makes the bound small for the others.
        let mut order: Vec<(&IndexPart, Way)> = snapshot.indexes.iter().zip(ways).collect();
        order.sort_by_key(|(part, _)| std::cmp::Reverse(part.indexed.index.nodes()));
        let core = &self.search.collection.core;
        let mut scratch = lock(&core.scratch).pop().unwrap_or_default();
        for (part, way) in order {
            match way {
                Way::Graph { ef, limit } => {
                    if !self.graph(part, ef, limit, &mut scratch) {
                        self.told.fallbacks += 1;
                        self.without_graph(part);
                    }
                }
                Way::Matches => self.matches(part),
                Way::Scan => self.scan(part),
            }
        }
        lock(&core.scratch).push(scratch);
        // `k` is at most the number of eligible rows; a closure may leave fewer.
        if self.top.len() < k && self.told.graphs > 0 {
            // The beams met too few: look at all rows, from the start, since no row may take two
            // places.
            self.told.fallbacks += 1;
            self.top = self.shortlist(k);
            self.scan_memtables();
            self.measure_uncovered()?;
            snapshot.indexes.iter().for_each(|part| self.scan(part));
        }
        Ok(())
    }

    fn scan_memtables(&mut self) {
        let (top, eligible) = (&mut self.top, &self.eligible);
        for (part, memtable) in (0u32..).zip(&self.search.snapshot.memtables) {
            self.told.scanned += u64::from(memtable.rows.rows());
            memtable.rows.scan(&self.query, top.bound(), |Candidate { distance, node }| {
                let place = Place::Memtable(part, node);
                if eligible.accept(place) { top.offer(distance, place) } else { top.bound() }
            });
        }
    }

    fn without_graph(&mut self, part: &IndexPart) {
        match self.choice().without_graph(part).0 {
            Way::Matches => self.matches(part),
            _ => self.scan(part),
        }
    }

    /// Measures the codes of the rows that match.
    fn matches(&mut self, part: &IndexPart) {
        let (top, eligible) = (&mut self.top, &self.eligible);
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
                    if rows.len() == AT_ONCE {
                        break;
                    }
                }
                if rows.is_empty() {
                    break;
                }
                self.told.evaluations += rows.len() as u64;
                near.clear();
                near.extend_from_slice(&nodes);
                part.indexed.index.nearer(&self.query, top.bound(), &mut near, &mut distances);
                // What is left of the nodes is in their order.
                let mut candidates = rows.iter().zip(&nodes);
                for (node, &distance) in near.iter().zip(&distances) {
                    let Some((&row, _)) = candidates.find(|(_, other)| *other == node) else {
                        break;
                    };
                    let place = Place::Segment(segment, row);
                    if distance < top.bound() && eligible.accept(place) {
                        top.offer(distance, place);
                    }
                }
            }
        }
    }

    /// Segments that no index covers have no codes: their rows are measured exactly.
    fn measure_uncovered(&mut self) -> Result<()> {
        for (at, segment) in (0u32..).zip(&self.search.snapshot.segments) {
            if !segment.covered {
                self.measure_rows(at)?;
            }
        }
        Ok(())
    }

    fn measure_rows(&mut self, segment: u32) -> Result<()> {
        let snapshot = &self.search.snapshot;
        let Some(part) = snapshot.segments.get(segment as usize) else {
            return Ok(());
        };
        let mut buffer = RowBuffer::default();
        for row in self.eligible.rows(self.eligible.part_of_segment(segment)) {
            let distance = self.query.exact(part.sealed.segment.vector(row, &mut buffer)?);
            self.told.reranked += 1;
            let place = Place::Segment(segment, row);
            if distance < self.top.bound() && self.eligible.accept(place) {
                self.top.offer(distance, place);
            }
        }
        Ok(())
    }

    fn scan(&mut self, part: &IndexPart) {
        self.told.scanned += u64::from(part.indexed.index.nodes());
        let (top, eligible) = (&mut self.top, &self.eligible);
        part.indexed.index.scan(&self.query, top.bound(), |Candidate { distance, node }| {
            offer(top, eligible, part, distance, node)
        });
    }

    /// Searches the graph of an index; false if it gave up because a scan costs less.
    fn graph(&mut self, part: &IndexPart, ef: usize, limit: usize, scratch: &mut Scratch) -> bool {
        let eligible = &self.eligible;
        let index = &part.indexed.index;
        let mut accept =
            |node| part.places(node).any(|(s, r)| eligible.accept(Place::Segment(s, r)));
        let mut search = |ef, accept: Option<&mut Accept<'_>>, scratch: &mut Scratch| {
            let info = index.search(&self.query, ef, accept, limit, scratch);
            self.told.evaluations += info.evaluations as u64;
            self.told.hops += info.hops as u64;
            !info.capped
        };
        // Where most nodes are eligible, it costs less to look for some more and to leave the others
        // out afterwards than to ask about each that is met.
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
            let k = self.search.k.min(ef);
            found = results.len() < wide
                || eligible.all_of(part)
                || (enough(wide, ef) && enough((1.5 * k as f64 / share) as usize, k));
            // Otherwise those that are not eligible lie together near the query, and the nearest that are,
            // in the crowd behind them. Beams were measured on the very nearest; there, graph and codes
            // tell less well which they are.
            let spec = self.search.collection.core.spec;
            ef = ef.saturating_add(ef / 2).max(spec.rerank_depth(k));
        }
        if !found && !search(ef, Some(&mut accept), scratch) {
            return false;
        }
        self.told.graphs += 1;
        for Candidate { distance, node } in scratch.results() {
            if *distance >= self.top.bound() {
                break;
            }
            offer(&mut self.top, eligible, part, *distance, *node);
        }
        true
    }

    /// Whether an index that took part is damaged: then rows may be missing from it. Otherwise fewer
    /// than k means that a closure turned the others down.
    fn is_damaged(&self) -> bool {
        let indexes = &self.search.snapshot.indexes;
        indexes.iter().any(|part| part.indexed.check().is_err())
    }

    /// Measures the candidates exactly and keeps the nearest `k`. They come nearest by code first, and
    /// the walk ends where the next one's code is so far behind that its row cannot be among them.
    fn rerank(&mut self, k: usize) -> Result<Vec<(f32, MemoryId, Place)>> {
        let empty = self.shortlist(0);
        let candidates = std::mem::replace(&mut self.top, empty).into_sorted();
        let error = self.query.code_error();
        // A damaged locator may name a row twice; no row takes two places in an answer (I6).
        let mut seen = HashSet::with_capacity(k.min(candidates.len()) + 16);
        let mut nearest: TopK<(MemoryId, Place)> = TopK::new(k);
        let mut buffer = RowBuffer::default();
        let snapshot = &self.search.snapshot;
        // Of those measured so far: the longest rows come first under dot.
        let mut longest = 0.0f32;
        for (at, &(distance, place)) in candidates.iter().enumerate() {
            if distance - error.at(distance, longest) > nearest.bound() {
                break;
            }
            if let Some((_, ahead)) = candidates.get(at + ROWS_AHEAD)
                && let Some((rows, _, row)) = snapshot.rows_at(*ahead)
            {
                rows.prefetch(row);
            }
            let Some((rows, _, row)) = snapshot.rows_at(place).filter(|_| seen.insert(place))
            else {
                continue;
            };
            self.told.reranked += 1;
            let vector = rows.vector(row, &mut buffer)?;
            longest = longest.max(self.query.length(vector));
            nearest.offer(self.query.exact(vector), (rows.id(row)?, place));
        }
        Ok(nearest.into_sorted().into_iter().map(|(d, (id, place))| (d, id, place)).collect())
    }

    /// Measures every eligible row exactly.
    fn exact(&mut self, k: usize) -> Result<Vec<(f32, MemoryId, Place)>> {
        let mut nearest: TopK<(MemoryId, Place)> = TopK::new(k);
        let mut buffer = RowBuffer::default();
        let snapshot = &self.search.snapshot;
        for (part, (rows, _)) in snapshot.parts().enumerate() {
            for row in self.eligible.rows(part) {
                let distance = self.query.exact(rows.vector(row, &mut buffer)?);
                self.told.reranked += 1;
                let place = snapshot.place(part, row);
                if distance < nearest.bound() && self.eligible.accept(place) {
                    nearest.offer(distance, (rows.id(row)?, place));
                }
            }
        }
        self.eligible.check()?;
        Ok(nearest.into_sorted().into_iter().map(|(d, (id, place))| (d, id, place)).collect())
    }

    /// Reads what was asked for of the results.
    fn hits(&self, nearest: Vec<(f32, MemoryId, Place)>) -> Result<Vec<Hit>> {
        let metric = self.search.collection.core.spec.metric;
        let mut hits = Vec::with_capacity(nearest.len());
        for (distance, id, place) in nearest {
            let found = self.search.snapshot.rows_at(place);
            let seq = found.map_or(Ok(Seq::ZERO), |(rows, _, row)| rows.seq(row))?.0;
            let memory = match (self.search.fields, found) {
                (Fields::None, _) | (_, None) => None,
                (fields, Some((rows, _, row))) => {
                    Some(read_memory(metric, rows, row, fields == Fields::WithVector)?)
                }
            };
            hits.push(Hit { id, seq, distance, score: score(metric, distance), memory });
        }
        Ok(hits)
    }
}

/// Offers every eligible row of a node.
fn offer(
    top: &mut Shortlist,
    eligible: &Eligible<'_>,
    part: &IndexPart,
    distance: f32,
    node: u32,
) -> f32 {
    for (segment, row) in part.places(node) {
        let place = Place::Segment(segment, row);
        if distance < top.bound() && eligible.accept(place) {
            top.offer(distance, place);
        }
    }
    top.bound()
}
