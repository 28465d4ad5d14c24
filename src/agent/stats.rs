//! Owns `AgentStats`: what an agent holds. Plain data, and how it is counted.

use std::fmt;

use serde::Serialize;

use super::core::{Core, OpenTier};
use super::session::open_sessions;
use crate::Result;

/// What an agent holds and what it costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AgentStats {
    /// The tiers, in their order, and the archive at the end.
    pub tiers: Vec<TierStats>,
    /// Number of open sessions.
    pub open_sessions: usize,
    /// Bytes of every file: see [`StoreStats::disk_bytes`](crate::StoreStats::disk_bytes).
    pub disk_bytes: u64,
    /// Heap bytes: see [`StoreStats::heap_bytes`](crate::StoreStats::heap_bytes).
    pub heap_bytes: u64,
    /// The most bytes that the files may take, if there is a limit.
    pub disk_budget: Option<u64>,
}

/// What a tier holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TierStats {
    /// The name.
    pub name: String,
    /// Memories that can be read.
    pub memories: u64,
    /// Bytes of their vectors, texts and metadata.
    pub bytes: u64,
    /// True if nothing bounds what the tier keeps: neither its rules nor a lifetime nor the disk
    /// budget. It grows as long as memories come in.
    pub is_unbounded: bool,
}

impl fmt::Display for AgentStats {
    /// One line, and one for each tier.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memories: u64 = self.tiers.iter().map(|tier| tier.memories).sum();
        write!(f, "{memories} memories, {} open sessions; ", self.open_sessions)?;
        write!(f, "disk {} bytes, heap {} bytes", self.disk_bytes, self.heap_bytes)?;
        for tier in &self.tiers {
            write!(f, "\n{}: {} memories, {} bytes", tier.name, tier.memories, tier.bytes)?;
            if tier.is_unbounded {
                f.write_str(", nothing bounds it")?;
            }
        }
        Ok(())
    }
}

/// Counts what an agent holds.
pub(super) fn stats(core: &Core) -> Result<AgentStats> {
    let store = core.store.stats()?;
    let one = |open: &OpenTier| -> Result<TierStats> {
        let found = store.collections.iter().find(|found| found.name == open.name());
        let tier = &open.tier;
        let gives_way = core.options.disk_budget.is_some() && tier.retention.has_score();
        Ok(TierStats {
            name: open.name().to_owned(),
            memories: open.collection().len()?,
            bytes: found.map_or(0, |found| found.live_bytes),
            is_unbounded: tier.retention.is_unbounded() && tier.default_ttl.is_none() && !gives_way,
        })
    };
    let tiers: Result<Vec<TierStats>> = core.tiers.iter().chain([&core.archive]).map(one).collect();
    Ok(AgentStats {
        tiers: tiers?,
        open_sessions: open_sessions(core)?.len(),
        disk_bytes: store.disk_bytes,
        heap_bytes: store.heap_bytes,
        disk_budget: core.options.disk_budget,
    })
}
