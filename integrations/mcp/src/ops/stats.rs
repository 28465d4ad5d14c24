//! Owns `stats`.

use std::collections::BTreeMap;

use altiplano::agent::Agent;
use altiplano::{Filter, NameCount};

use crate::call::Origin;
use crate::error::ToolError;
use crate::ops::places;
use crate::output::{Count, Statistics};

/// How many names of each kind are shown.
const NAMES: usize = 20;

/// Names, and how many memories have each.
type Counts = BTreeMap<String, u64>;

pub(super) fn run(agent: &Agent, origin: &Origin) -> Result<Statistics, ToolError> {
    let own = origin.namespace.as_deref().filter(|_| origin.is_confined);
    let seen = origin.namespace.as_deref().map_or(Filter::All, Filter::namespace_under);
    let (mut namespaces, mut kinds, mut tags) = (Counts::new(), Counts::new(), Counts::new());
    let (mut sessions, mut memories) = (Counts::new(), 0);
    for (_, place) in places(agent) {
        memories += place.count(seen.clone())?;
        add(&mut namespaces, place.namespaces(own.unwrap_or_default(), usize::MAX)?);
        add(&mut sessions, place.sessions(own)?);
        // Names of others are not told to a confined server.
        if own.is_none() {
            add(&mut kinds, place.kinds()?);
            add(&mut tags, place.tags()?);
        }
    }
    let space = agent.collection("working")?.settings().embedding_space;
    Ok(Statistics {
        memories,
        namespaces: most(namespaces),
        kinds: most(kinds),
        tags: most(tags),
        sessions: sessions.len() as u64,
        disk_bytes: agent.store().stats()?.disk_bytes,
        embedder: space.unwrap_or_default(),
        store: agent.store().path().display().to_string(),
        owner_process: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

fn add(counts: &mut Counts, names: Vec<NameCount>) {
    for one in names {
        *counts.entry(one.name).or_default() += one.memories;
    }
}

/// Returns the names with the most memories.
fn most(counts: Counts) -> Vec<Count> {
    let mut all: Vec<Count> =
        counts.into_iter().map(|(name, memories)| Count { name, memories }).collect();
    all.sort_by_key(|one| std::cmp::Reverse(one.memories));
    all.truncate(NAMES);
    all
}
