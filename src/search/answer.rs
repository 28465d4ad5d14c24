//! Owns how the answer of a search is put together: of several queries, by words and vectors,
//! within the bounds of distance and score, after the offset, and in groups. `run` finds the
//! nearest rows to one query, and `words` the best by words.
//!
//! Everything in one answer is of one snapshot and one moment. If k groups match, k are returned
//! (I12).

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use crate::engine::moment::Moment;
use crate::engine::{Engine, refresh};
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::ids::{MemoryId, Seq};
use crate::search::eligible::Eligible;
use crate::search::group::{GroupBy, GroupValue};
use crate::search::hit::{Explanation, Group, Hit, read_fields, score};
use crate::search::request::{Fields, Query, Request};
use crate::search::run::{Ground, Near, run};
use crate::search::words::{BothGround, POOL, Parts, Words};
use crate::segment::RowBuffer;
use crate::snapshot::Place;
use crate::snapshot::state::CollectionState;
use crate::vector::metric::{prepare, restore};

/// The first search for groups asks for this many results per wanted result of a group.
const PER_RESULT: usize = 2;
/// It asks for at least this many, because few cost hardly less.
const LEAST: usize = 32;

/// An answer in the making.
pub(super) struct Answer<'a> {
    engine: &'a Engine,
    core: &'a CollectionState,
    at: &'a Moment,
    request: &'a Request<'a>,
    /// In prepared form.
    queries: Vec<Vec<f32>>,
    words: Option<Words>,
    /// Of rows found by words and vectors.
    parts: HashMap<Place, Parts>,
    /// The memory that is asked by, which is no result.
    left_out: Option<MemoryId>,
    pub(super) told: Explanation,
}

/// The rows of a group.
struct Rough {
    value: GroupValue,
    nearest: Vec<Near>,
    /// True if no other row of the group can be among its nearest.
    is_whole: bool,
}

impl<'a> Answer<'a> {
    /// Checks and prepares the queries.
    pub(super) fn new(
        engine: &'a Engine,
        core: &'a CollectionState,
        at: &'a Moment,
        request: &'a Request<'a>,
    ) -> Result<Self> {
        let spec = core.spec;
        let (first, left_out) = match request.query {
            Query::Vector(query) => (Some(query.to_vec()), None),
            Query::Memory { id, ref namespace } => {
                (Some(vector_of(core, at, (id, namespace.as_deref()))?), Some(id))
            }
            Query::Words => (None, None),
        };
        let mut queries: Vec<Vec<f32>> = first.into_iter().collect();
        queries.extend(request.others.iter().cloned());
        for query in &mut queries {
            prepare(spec.metric, spec.dimension, None, query)?;
        }
        let words = request.text.as_ref().map(|text| Words::new(core, text)).transpose()?;
        let (told, parts) = (Explanation::default(), HashMap::new());
        Ok(Self { engine, core, at, request, queries, words, parts, left_out, told })
    }

    /// Returns the results, nearest first, ties by id.
    pub(super) fn hits(&mut self) -> Result<Vec<Hit>> {
        let Request { k, offset, .. } = *self.request;
        // Without a result, nothing needs to be skipped.
        let wanted = if k == 0 { 0 } else { k + offset };
        let (nearest, _) = self.nearest(&self.request.filter, wanted)?;
        nearest.into_iter().skip(offset).map(|near| self.hit(near)).collect()
    }

    /// Returns the groups, in the order of their nearest results.
    pub(super) fn groups(&mut self) -> Result<Vec<Group>> {
        let Request { k, offset, group: Some((by, most)), .. } = self.request else {
            return Err(Error::internal("groups without an attribute"));
        };
        let (k, offset, most) = (*k, *offset, *most);
        let mut groups = self.rough_groups(by, most, if k == 0 { 0 } else { k + offset })?;
        let mut whole = Vec::new();
        for mut group in groups.drain(..).skip(offset) {
            if !group.is_whole && group.nearest.len() < most {
                let filter = self.request.filter.clone().and(group.value.filter);
                let more = self.nearest(&filter, most)?.0;
                if self.words.is_some() {
                    // Joint scores of two searches cannot be compared. The first one goes before.
                    let known: HashSet<Place> = group.nearest.iter().map(|near| near.2).collect();
                    group.nearest.extend(more.into_iter().filter(|near| !known.contains(&near.2)));
                } else {
                    group.nearest.extend(more);
                    merge(&mut group.nearest);
                }
                group.nearest.truncate(most);
            }
            let hits = group.nearest.into_iter().map(|near| self.hit(near));
            whole.push(Group { value: group.value.value, hits: hits.collect::<Result<_>>()? });
        }
        Ok(whole)
    }

    /// Returns the `wanted` nearest groups, each with its nearest row and some more. As long as
    /// there are too few groups, it searches on among the rows of no group that is known.
    fn rough_groups(&mut self, by: &GroupBy, most: usize, wanted: usize) -> Result<Vec<Rough>> {
        let mut groups: Vec<Rough> = Vec::new();
        // By value; the filters of a text and of a number differ, though their values may not.
        let mut known: HashMap<String, usize> = HashMap::new();
        let mut filter = self.request.filter.clone();
        let mut k = wanted.saturating_mul(most).saturating_mul(PER_RESULT).max(LEAST);
        let mut buffer = RowBuffer::default();
        while groups.len() < wanted {
            let before = groups.len();
            let (nearest, is_all) = self.nearest(&filter, k)?;
            for near in nearest {
                let Some((rows, _, row)) = self.at.snapshot.rows_at(near.2) else { continue };
                let of = rows.attributes(row, &mut buffer)?;
                let Some(value) = by.value(&of) else { continue };
                let at = *known.entry(format!("{:?}", value.filter)).or_insert_with(|| {
                    let nearest = Vec::new();
                    groups.push(Rough { value, nearest, is_whole: is_all });
                    groups.len() - 1
                });
                if let Some(group) = groups.get_mut(at).filter(|group| group.nearest.len() < most) {
                    group.nearest.push(near);
                }
            }
            if is_all {
                break;
            }
            if self.words.is_some() && groups.len() < wanted {
                // Joint scores of two searches cannot be compared, so the next one finds all.
                groups.clear();
                known.clear();
            } else if groups.len() > before {
                let others = groups.iter().map(|group| group.value.filter.clone()).collect();
                filter = self.request.filter.clone().and(Filter::Or(others).not());
            }
            // Rows without the attribute may crowd near the query.
            k = k.saturating_mul(2);
        }
        // A graph may find a nearer row in a later search than in an earlier one.
        groups.sort_by(by_nearest);
        groups.truncate(wanted);
        Ok(groups)
    }

    /// Returns the nearest `k` rows that match, within the bounds of the request, nearest first.
    /// Also returns true if no other row can be a result.
    fn nearest(&mut self, filter: &Filter, k: usize) -> Result<(Vec<Near>, bool)> {
        let (snapshot, request) = (&*self.at.snapshot, self.request);
        let (metric, closure) = (self.core.spec.metric, request.closure.as_deref());
        let eligible = Eligible::new(snapshot, metric, self.at.now, filter, closure)?;
        self.told.fields_from_rows += eligible.fields_read;
        if self.words.is_some() {
            return self.by_words(&eligible, k);
        }
        let mut nearest = self.by_vectors(&eligible, k)?;
        let found = nearest.len();
        nearest.truncate(k);
        let Request { max_distance, min_score, .. } = *request;
        nearest.retain(|near| near.0 <= max_distance && score(metric, near.0) >= min_score);
        // Either there are no more, or the farthest of the `k` is too far.
        let is_all = found < k || nearest.len() < k;
        Ok((nearest, is_all))
    }

    /// Returns at least the `k` nearest eligible rows, or all.
    fn by_vectors(&mut self, eligible: &Eligible<'_>, k: usize) -> Result<Vec<Near>> {
        let (core, snapshot, request) = (self.core, &*self.at.snapshot, self.request);
        let clock = self.engine.time.clock().as_ref();
        let ground = Ground { core, clock, request, snapshot, eligible };
        let wanted = if k == 0 { 0 } else { k.saturating_add(self.left_out.iter().count()) };
        let mut nearest = Vec::new();
        for query in &self.queries {
            let (found, told) = run(ground, query.clone(), wanted)?;
            self.told.add(told);
            nearest.extend(found);
        }
        if self.queries.len() > 1 {
            merge(&mut nearest);
        }
        nearest.retain(|near| Some(near.1) != self.left_out);
        Ok(nearest)
    }

    /// As [`Self::nearest`], by words, and by vectors if there are any.
    fn by_words(&mut self, eligible: &Eligible<'_>, k: usize) -> Result<(Vec<Near>, bool)> {
        let Request { max_distance, min_score, pool, fusion, .. } = *self.request;
        let (least, times) = POOL;
        let pool = pool.unwrap_or(least).max(k.saturating_mul(times));
        let nearest = match (k, self.queries.is_empty()) {
            (0, _) | (_, true) => Vec::new(),
            _ => self.by_vectors(eligible, pool)?,
        };
        let (core, snapshot, now) = (self.core, &*self.at.snapshot, self.at.now);
        let Some(words) = &self.words else {
            return Err(Error::internal("a search by words without words"));
        };
        let (mut found, is_all, told) = if self.queries.is_empty() {
            let (best, told) = words.best(snapshot, eligible, now, k)?;
            let is_all = best.len() < k;
            (best, is_all, told)
        } else {
            let is_all = nearest.len() < pool;
            let (queries, left_out) = (&self.queries[..], self.left_out);
            let on = BothGround { core, snapshot, eligible, now, pool, fusion, queries, left_out };
            let (mut joined, parts, told) = words.join(&on, nearest)?;
            joined.retain(|near| parts.get(&near.2).is_some_and(|p| p.distance <= max_distance));
            self.parts.extend(parts);
            (joined, is_all, told)
        };
        self.told.text = Some(told);
        let is_all = is_all && found.len() <= k;
        found.truncate(k);
        found.retain(|near| -near.0 >= min_score);
        let is_all = is_all || found.len() < k;
        Ok((found, is_all))
    }

    /// Reads the requested fields of a result.
    fn hit(&self, (key, id, place): Near) -> Result<Hit> {
        let (metric, fields) = (self.core.spec.metric, self.request.fields);
        let found = self.at.snapshot.rows_at(place);
        let seq = found.map_or(Ok(Seq::ZERO), |(rows, _, row)| rows.first_seq(row))?.0;
        let memory = match (fields, found) {
            (Fields::None, _) | (_, None) => None,
            (fields, Some((rows, _, row))) => Some(read_fields(metric, rows, row, fields)?),
        };
        let is_read = !self.at.is_held && !self.request.is_peek;
        let is_noted = is_read && self.core.reads.span().is_some();
        if let Some((rows, _, row)) = found.filter(|_| is_noted) {
            refresh::note_read(self.engine, self.core, id, rows.expires_at(row)?);
        }
        let (distance, score, text_score) = match (&self.words, self.parts.get(&place)) {
            (None, _) => (key, score(metric, key), None),
            (Some(_), Some(parts)) => (parts.distance, -key, Some(parts.text)),
            (Some(_), None) => (f32::INFINITY, -key, Some(-key)),
        };
        Ok(Hit { id, seq, distance, score, text_score, memory })
    }
}

/// Returns the vector of a visible memory, as it was inserted.
fn vector_of(
    core: &CollectionState,
    Moment { snapshot, now, .. }: &Moment,
    (id, namespace): (MemoryId, Option<&str>),
) -> Result<Vec<f32>> {
    let none = || Error::NoMemory { collection: core.name().to_owned(), id };
    let place = snapshot.find(id)?.ok_or_else(none)?;
    let (rows, _, row) = snapshot.rows_at(place).ok_or_else(none)?;
    if rows.expires_at(row)? <= *now {
        return Err(none());
    }
    let mut buffer = RowBuffer::default();
    if namespace.is_some() && rows.attributes(row, &mut buffer)?.namespace != namespace {
        return Err(none());
    }
    let found = rows.row(row, &mut buffer)?;
    Ok(restore(core.spec.metric, found.vector, found.norm))
}

/// Keeps each row once, at its smallest distance. Sorts by distance, ties by id.
fn merge(nearest: &mut Vec<Near>) {
    nearest.sort_unstable_by(|a, b| a.2.cmp(&b.2).then(a.0.total_cmp(&b.0)));
    nearest.dedup_by_key(|near| near.2);
    nearest.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
}

/// Compares two groups by their nearest rows.
fn by_nearest(a: &Rough, b: &Rough) -> Ordering {
    match (a.nearest.first(), b.nearest.first()) {
        (Some(a), Some(b)) => a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}
