//! Owns which moment a read sees: the present, or one that a caller holds.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::engine::Engine;
use crate::engine::held::Held;
use crate::error::Result;
use crate::snapshot::Snapshot;
use crate::snapshot::state::CollectionState;

/// The snapshot and the time of a read.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) snapshot: Arc<Snapshot>,
    /// What has expired by then is not seen.
    pub(crate) now: Timestamp,
    /// True for a moment that is held. Reads of the past prolong no lives.
    pub(crate) is_held: bool,
}

impl Moment {
    /// Returns the present. An error if the store is closed.
    pub(crate) fn present(engine: &Engine, core: &CollectionState) -> Result<Self> {
        engine.dir.check_open()?;
        Ok(Self { snapshot: core.snapshot(), now: engine.time.now(), is_held: false })
    }

    /// Returns a held moment. An error if the store is closed or the moment is too old.
    pub(crate) fn held(engine: &Engine, core: &CollectionState, held: &Held) -> Result<Self> {
        engine.dir.check_open()?;
        let snapshot = held.snapshot(core.id, engine.time.monotonic())?;
        Ok(Self { snapshot, now: held.now(), is_held: true })
    }
}

/// The moment that a query will see when it runs.
#[derive(Clone, Debug)]
pub(crate) enum View<'a> {
    /// The present of then.
    Present,
    /// This moment.
    Moment(Moment),
    /// A moment that a caller holds, if it is not too old by then.
    Held(&'a Held),
}

impl View<'_> {
    /// Returns the moment. An error if the store is closed or a held moment is too old.
    pub(crate) fn moment(&self, engine: &Engine, core: &CollectionState) -> Result<Moment> {
        match self {
            Self::Present => Moment::present(engine, core),
            Self::Moment(moment) => {
                engine.dir.check_open()?;
                Ok(moment.clone())
            }
            Self::Held(held) => Moment::held(engine, core, held),
        }
    }
}
