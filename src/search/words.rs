//! Owns the part of an answer that goes by words: alone, or together with vectors.
//!
//! Both give rows in the form in which `run` gives them, with their score, negated, in place of the
//! distance, so that `answer` treats all alike.

use std::collections::HashMap;

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::MemoryId;
use crate::options::TextIndex;
use crate::search::eligible::Eligible;
use crate::search::hit::{TextSearch, score as similarity};
use crate::search::run::Near;
use crate::search::text::{Asked, Both, Fusion, TextGround, TextQuery, fuse, score};
use crate::segment::RowBuffer;
use crate::snapshot::state::CollectionState;
use crate::snapshot::{Place, Snapshot};
use crate::vector::codes::Queries;

/// Candidates of either side in a search by both: at least this many, and at least this many times
/// the results.
pub(super) const POOL: (usize, usize) = (100, 4);

/// A query by words, prepared for a collection.
pub(super) struct Words {
    index: TextIndex,
    asked: Asked,
}

/// What is known of a result beside its place in the order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    pub(super) distance: f32,
    pub(super) text: f32,
}

/// What a search by words and vectors runs on.
pub(super) struct BothGround<'a> {
    pub(super) core: &'a CollectionState,
    pub(super) snapshot: &'a Snapshot,
    pub(super) eligible: &'a Eligible<'a>,
    pub(super) now: Timestamp,
    /// Candidates by words.
    pub(super) pool: usize,
    pub(super) fusion: Fusion,
    /// The queries by vectors, prepared.
    pub(super) queries: &'a [Vec<f32>],
    /// The memory that is asked by, which is no result.
    pub(super) left_out: Option<MemoryId>,
}

impl Words {
    /// Refuses a query to a collection without a text index.
    pub(super) fn new(core: &CollectionState, query: &TextQuery) -> Result<Self> {
        let Some(index) = core.options().text_index else {
            let reason = format!(
                "the collection {} has no text index; open it with CollectionOptions::text_index",
                core.name()
            );
            return Err(Error::option("text", reason));
        };
        let asked = Asked::new(query, index.analyzer())?;
        Ok(Self { index, asked })
    }

    const fn ground<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        eligible: &'a Eligible<'a>,
        now: Timestamp,
    ) -> TextGround<'a> {
        let (index, analyzer, asked) = (&self.index, self.index.analyzer(), &self.asked);
        TextGround { snapshot, eligible, now, index, analyzer, asked }
    }

    /// Returns the best `k` rows by words.
    pub(super) fn best(
        &self,
        snapshot: &Snapshot,
        eligible: &Eligible<'_>,
        now: Timestamp,
        k: usize,
    ) -> Result<(Vec<Near>, TextSearch)> {
        let (scored, told) = score(self.ground(snapshot, eligible, now), k, &[])?;
        Ok((scored.best, told))
    }

    /// Joins the nearest rows, which `run` found, with the best by words. Returns all of them, the
    /// best first, with what is known of each.
    pub(super) fn join(
        &self,
        on: &BothGround<'_>,
        nearest: Vec<Near>,
    ) -> Result<(Vec<Near>, HashMap<Place, Parts>, TextSearch)> {
        let places: Vec<Place> = nearest.iter().map(|near| near.2).collect();
        let floor = if places.len() < on.pool { 0.0 } else { f32::INFINITY };
        let ground = self.ground(on.snapshot, on.eligible, on.now);
        let (scored, told) = score(ground, on.pool, &places)?;
        let metric = on.core.spec.metric;
        let mut parts = HashMap::with_capacity(nearest.len() + scored.best.len());
        let (mut all, mut both) = (Vec::new(), Vec::new());
        let mut add = |(distance, id, place): Near, is_near: bool, text: f32| {
            parts.insert(place, Parts { distance, text });
            all.push((id, place));
            both.push(Both { similarity: similarity(metric, distance), is_near, text });
        };
        for (near, text) in nearest.into_iter().zip(scored.of) {
            add(near, true, text);
        }
        let known: std::collections::HashSet<Place> = places.into_iter().collect();
        let queries: Vec<Queries> =
            on.queries.iter().map(|query| Queries::new(metric, query.clone())).collect();
        let mut buffer = RowBuffer::default();
        for (key, id, place) in scored.best {
            if known.contains(&place) || Some(id) == on.left_out {
                continue;
            }
            let Some((rows, _, row)) = on.snapshot.rows_at(place) else { continue };
            let vector = rows.vector(row, &mut buffer)?;
            let distances = queries.iter().map(|query| query.exact().distance(vector));
            add((distances.fold(f32::INFINITY, f32::min), id, place), false, -key);
        }
        let joint = fuse(&both, on.fusion, floor);
        let mut joined: Vec<Near> =
            all.into_iter().zip(joint).map(|((id, place), joint)| (-joint, id, place)).collect();
        joined.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        Ok((joined, parts, told))
    }
}
