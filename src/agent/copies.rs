//! Owns the search for memories that say the same, and for groups of memories about the same thing.
//!
//! Neighbors come from the index: one search for each memory, so no pair is compared in vain.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use super::core::{Core, OpenTier};
use super::near::{NEIGHBORS, around, in_namespace, is_beside, neighbors};
use super::traits::Embedder;
use crate::{Fields, Filter, Hit, Memory, MemoryId, Result};

/// How many neighbors a cluster takes in one step.
const CLUSTER_NEIGHBORS: usize = 64;
/// How near in cosine two embeddings of one text are at least. Models and codes round.
const SAME_TEXT: f32 = 0.999;

/// Two memories that say the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Duplicate {
    /// The older one.
    pub old: MemoryId,
    /// The newer one.
    pub new: MemoryId,
    /// The tier of the newer one.
    pub tier: String,
    /// The cosine between both.
    pub similarity: f32,
    /// True if both have the same text.
    pub is_exact: bool,
}

/// Memories about the same thing.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Cluster {
    /// The tier that they are in.
    pub tier: String,
    /// The memory around which they lie: it is as near to each as was asked for.
    pub center: MemoryId,
    /// All of them with the center, the oldest first.
    pub members: Vec<MemoryId>,
}

/// Returns an older memory of the same namespace that says the same as one that is not stored yet.
/// Looks for none if its vector is of an earlier model.
pub(super) fn of_new(
    core: &Core,
    new: &Memory,
    model: &Arc<dyn Embedder>,
) -> Result<Option<Memory>> {
    let Some(similarity) = core.options.duplicates.similarity else { return Ok(None) };
    let _still = core.still();
    if !core.is_model(model) {
        return Ok(None);
    }
    let mut best: Option<Hit> = None;
    for open in core.tiers.iter().filter(|open| !open.tier.in_memory) {
        let collection = open.collection();
        let search =
            collection.search(&new.vector).k(NEIGHBORS).min_score(similarity.min(SAME_TEXT));
        let hits = in_namespace(search, new).peek().run()?;
        let is_same = |hit: &Hit| {
            (hit.score >= similarity || hit.text() == new.text.as_deref()) && is_beside(hit, new)
        };
        for hit in hits.into_iter().filter(is_same) {
            if best.as_ref().is_none_or(|found| hit.score > found.score) {
                best = Some(hit);
            }
        }
    }
    Ok(best.and_then(|hit| hit.memory))
}

/// Returns the pairs of memories of a tier that say the same: each memory that is not the first of
/// its kind, with the nearest older one.
pub(super) fn all(core: &Core, open: &OpenTier, similarity: f32) -> Result<Vec<Duplicate>> {
    let _still = core.still();
    let collection = open.collection();
    let mut found = Vec::new();
    for memory in collection.scan(Filter::All).fields(Fields::Payload) {
        let memory = memory?;
        let hits = neighbors(&collection, &memory, similarity, Fields::Payload)?;
        if let Some(hit) = hits.iter().find(|hit| Some(hit.seq) < memory.seq()) {
            found.push(Duplicate {
                old: hit.id,
                new: memory.id,
                tier: open.name().to_owned(),
                similarity: hit.score,
                is_exact: hit.text() == memory.text.as_deref(),
            });
        }
    }
    Ok(found)
}

/// Groups memories of a tier that match a filter: each memory in turn, the oldest first, takes
/// those that are near enough and in no group yet. So no chain of small steps joins what is far
/// apart. One search for each memory that no earlier group took.
pub(super) fn clusters(
    core: &Core,
    open: &OpenTier,
    filter: &Filter,
    similarity: f32,
    min_size: usize,
) -> Result<Vec<Cluster>> {
    let _still = core.still();
    let collection = open.collection();
    let mut order = Vec::new();
    for memory in collection.scan(filter.clone()).fields(Fields::None) {
        let memory = memory?;
        order.push((memory.seq(), memory.id));
    }
    order.sort_unstable();
    let (mut taken, mut found) = (BTreeSet::new(), Vec::new());
    for (seq, center) in order {
        if taken.contains(&center) {
            continue;
        }
        let search = collection.near(center).k(CLUSTER_NEIGHBORS).min_score(similarity);
        let hits = around(search.filter(filter.clone()).fields(Fields::None))?;
        let free = hits.iter().filter(|hit| !taken.contains(&hit.id));
        let mut members: Vec<(Option<u64>, MemoryId)> =
            free.map(|hit| (Some(hit.seq), hit.id)).collect();
        members.push((seq, center));
        if members.len() < min_size.max(1) {
            continue;
        }
        members.sort_unstable();
        let members: Vec<MemoryId> = members.into_iter().map(|(_, id)| id).collect();
        taken.extend(members.iter().copied());
        found.push(Cluster { tier: open.name().to_owned(), center, members });
    }
    Ok(found)
}
