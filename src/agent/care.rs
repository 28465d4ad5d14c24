//! Owns what a handle does about many memories at once: rules, tiers, the archive, summaries,
//! duplicates, and another model.

use std::sync::Arc;

use super::consolidate::{self, ConsolidateOptions, Consolidated};
use super::copies::{self, Cluster, Duplicate};
use super::event::Cause;
use super::handle::Agent;
use super::moves::{self, Target};
use super::reembed::{self, Reembedded};
use super::retention::ForgetPlan;
use super::traits::{Embedder, Summarizer};
use super::{archive, tidy};
use crate::{Filter, MemoryId, Result};

impl Agent {
    /// Returns what the rules would do now: which memories leave, by which rule, what they are
    /// worth and how many bytes they take. Changes nothing. O(memories) of the tiers that have
    /// rules.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) if a row is damaged.
    pub fn plan(&self) -> Result<ForgetPlan> {
        tidy::plan(self.core())
    }

    /// Carries the rules out now. Returns how many memories left their tiers. The background does
    /// the same when a 64th of the memories is new, at least 256, and every minute.
    ///
    /// # Errors
    ///
    /// The errors of [`Collection::apply`](crate::Collection::apply) and of the archive's sink.
    pub fn tidy(&self) -> Result<u64> {
        tidy::tidy(self.core())
    }

    /// Moves a memory to another tier, in one step: it is never in both and never in none. Its
    /// lifetime stays, except that one which the old tier gave it by default ends. Returns false if
    /// it is in no tier.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`](crate::Error::InvalidOption) for a tier that does not exist.
    pub fn move_to(&self, id: impl Into<MemoryId>, tier: &str) -> Result<bool> {
        moves::move_one(self.core(), id.into(), self.core().tier(tier)?)
    }

    /// Puts a memory into the archive, where no recall finds it. Returns false if it is in no tier,
    /// or pinned.
    ///
    /// # Errors
    ///
    /// [`Error::Callback`](crate::Error::Callback) if the sink of the archive failed.
    pub fn archive(&self, id: impl Into<MemoryId>) -> Result<bool> {
        let (core, id) = (self.core(), id.into());
        let found = {
            let _still = core.still();
            core.find(id)?.map(|(open, _)| open)
        };
        let Some(open) = found else { return Ok(false) };
        Ok(moves::leave(core, open, &[id], &Target::Archive, Cause::Asked)? > 0)
    }

    /// Brings a memory back from the archive into the tier that it was in, with a vector of the
    /// present model. Returns false if it is not in the archive.
    ///
    /// # Errors
    ///
    /// As [`Agent::remember`].
    pub fn restore(&self, id: impl Into<MemoryId>) -> Result<bool> {
        archive::restore(self.core(), id.into())
    }

    /// Makes a few summaries of the memories that match, in one transaction: the summaries are
    /// written and the sources leave, or nothing happens. Each summary names its sources. A memory
    /// that is pinned or a summary itself is no source. A [group](crate::agent::NewMemory::group)
    /// of which some match is taken as a whole, or left as a whole if one of it is pinned.
    ///
    /// The newest summary that matches is given to the summarizer, to go on from. It stays.
    ///
    /// # Errors
    ///
    /// [`Error::Callback`](crate::Error::Callback) if the summarizer, the embedder or the sink
    /// failed, and those of [`Agent::remember`].
    pub fn consolidate(
        &self,
        filter: Filter,
        summarizer: &dyn Summarizer,
        options: &ConsolidateOptions,
    ) -> Result<Consolidated> {
        consolidate::consolidate(self.core(), &filter, summarizer, options)
    }

    /// Groups the memories of a tier that are about the same thing: each memory in turn, the oldest
    /// first, takes those with a cosine of at least `similarity` that are in no group yet. Groups
    /// of less than `min_size` are left out. One search for each memory that no group took.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`](crate::Error::InvalidOption) for a tier that does not exist, and
    /// those of [`Search::run`](crate::Search::run).
    pub fn clusters(
        &self,
        tier: &str,
        filter: Filter,
        similarity: f32,
        min_size: usize,
    ) -> Result<Vec<Cluster>> {
        copies::clusters(self.core(), self.core().tier(tier)?, &filter, similarity, min_size)
    }

    /// Returns the pairs of memories of a tier and a namespace that say the same, by a cosine of at
    /// least `similarity`. Changes nothing. One search for each memory.
    ///
    /// # Errors
    ///
    /// As [`Agent::clusters`].
    pub fn duplicates(&self, tier: &str, similarity: f32) -> Result<Vec<Duplicate>> {
        copies::all(self.core(), self.core().tier(tier)?, similarity)
    }

    /// Changes to another model: all memories are embedded anew, while the agent is in use by the
    /// old model. At the end it changes over in one step. A call that was cut short is taken up by
    /// the next for the same model. Meanwhile the memories take twice the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Callback`](crate::Error::Callback) if the embedder failed; the agent goes on with
    /// the old model.
    pub fn reembed(&self, embedder: impl Embedder + 'static) -> Result<Reembedded> {
        reembed::reembed(self.core(), Arc::new(embedder))
    }
}
