//! Owns the search for memories that say almost the same as a stored one, in its namespace.

use crate::{Collection, Error, Fields, Hit, Memory, Result, Search};

/// How many neighbors are looked at.
pub(super) const NEIGHBORS: usize = 4;

/// Limits a search to the namespace of a memory, if it has one. Without one, hits of any namespace
/// come, and the caller leaves them out by [`is_beside`].
pub(super) fn in_namespace<'a>(search: Search<'a>, memory: &Memory) -> Search<'a> {
    match &memory.namespace {
        Some(name) => search.namespace(name),
        None => search,
    }
}

/// Returns true if a hit is of the same namespace as a memory, or of none as well.
pub(super) fn is_beside(hit: &Hit, memory: &Memory) -> bool {
    hit.memory.as_ref().is_some_and(|found| found.namespace == memory.namespace)
}

/// Returns the memories of the same namespace that are nearest to a stored one, with a cosine of at
/// least `similarity`. None are near to one that went meanwhile.
pub(super) fn neighbors(
    collection: &Collection,
    memory: &Memory,
    similarity: f32,
    fields: Fields,
) -> Result<Vec<Hit>> {
    let search = collection.near(memory.id).k(NEIGHBORS).min_score(similarity).fields(fields);
    let mut hits = around(in_namespace(search, memory))?;
    hits.retain(|hit| is_beside(hit, memory));
    Ok(hits)
}

/// Runs a search around a stored memory. Nothing is near to one that went meanwhile.
pub(super) fn around(search: Search<'_>) -> Result<Vec<Hit>> {
    match search.peek().run() {
        Err(Error::NoMemory { .. }) => Ok(Vec::new()),
        done => done,
    }
}
