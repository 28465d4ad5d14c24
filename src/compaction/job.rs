//! Owns the context of a job: the store, the collection, and its control.

use crate::compaction::control::Control;
use crate::engine::Engine;
use crate::error::Result;
use crate::snapshot::state::CollectionState;

/// A job for one collection.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(super) engine: &'a Engine,
    pub(super) core: &'a CollectionState,
    pub(super) control: &'a Control<'a>,
}

impl<'a> Job<'a> {
    pub(crate) const fn new(core: &'a CollectionState, control: &'a Control<'a>) -> Self {
        Self { engine: control.engine(), core, control }
    }

    /// Returns an error if the job must end early.
    pub(super) fn check(&self) -> Result<()> {
        self.control.check(self.core)
    }

    /// Called between two pieces of work, the last of which wrote `bytes`. Waits as long as the job
    /// must. An error if the job must end early.
    pub(super) fn step(&self, bytes: u64) -> Result<()> {
        self.control.step(self.core, bytes)
    }
}
