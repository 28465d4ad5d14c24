//! Owns the search for memories that say the same, and for groups of memories about the same thing.
//!
//! Neighbors come from the index: one search for each memory, so no pair is compared in vain.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use super::core::{Core, OpenTier};
use super::traits::Embedder;
use crate::{Error, Fields, Filter, Hit, Memory, MemoryId, Result};

/// How many neighbors are looked at for duplicates.
const NEIGHBORS: usize = 4;
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
            let namespace = hit.memory.as_ref().map(|memory| &memory.namespace);
            (hit.score >= similarity || hit.text() == new.text.as_deref())
                && namespace == Some(&new.namespace)
        };
        for hit in hits.into_iter().filter(is_same) {
            if best.as_ref().is_none_or(|found| hit.score > found.score) {
                best = Some(hit);
            }
        }
    }
    Ok(best.and_then(|hit| hit.memory))
}

fn in_namespace<'a>(search: crate::Search<'a>, memory: &Memory) -> crate::Search<'a> {
    match &memory.namespace {
        Some(name) => search.namespace(name),
        None => search,
    }
}

/// Returns the pairs of memories of a tier that say the same: each memory that is not the first of
/// its kind, with the nearest older one.
pub(super) fn all(core: &Core, open: &OpenTier, similarity: f32) -> Result<Vec<Duplicate>> {
    let _still = core.still();
    let collection = open.collection();
    let mut found = Vec::new();
    for memory in collection.scan(Filter::All).fields(Fields::Payload) {
        let memory = memory?;
        let search = collection.near(memory.id).k(NEIGHBORS).min_score(similarity);
        let hits = neighbors(in_namespace(search, &memory).peek())?;
        let is_older = |hit: &&Hit| {
            let other = hit.memory.as_ref();
            other.is_some_and(|other| other.namespace == memory.namespace)
                && Some(hit.seq) < memory.seq()
        };
        if let Some(hit) = hits.iter().find(is_older) {
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

/// Runs a search around a memory; nothing is near to one that went meanwhile.
fn neighbors(search: crate::Search<'_>) -> Result<Vec<Hit>> {
    match search.run() {
        Err(Error::NoMemory { .. }) => Ok(Vec::new()),
        done => done,
    }
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
    let place =
        |id: MemoryId, hits: &[Hit]| hits.iter().find(|hit| hit.id == id).map(|hit| hit.seq);
    let (mut taken, mut found) = (BTreeSet::new(), Vec::new());
    for (seq, center) in order {
        if taken.contains(&center) {
            continue;
        }
        let search = collection.near(center).k(CLUSTER_NEIGHBORS).min_score(similarity);
        let hits = neighbors(search.filter(filter.clone()).fields(Fields::None).peek())?;
        let free = hits.iter().map(|hit| hit.id).filter(|id| !taken.contains(id));
        let mut members: Vec<(Option<u64>, MemoryId)> =
            free.map(|id| (place(id, &hits), id)).collect();
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
