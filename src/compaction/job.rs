//! Owns what every job is given: the store, the collection that it is about, and its control.

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

    /// An error if the job should end early.
    pub(super) fn check(&self) -> Result<()> {
        self.control.check(self.core)
    }

    /// Between two pieces of work, of which the last one wrote so many bytes: waits where it must.
    /// An error if the job should end early.
    pub(super) fn step(&self, bytes: u64) -> Result<()> {
        self.control.step(self.core, bytes)
    }
}
