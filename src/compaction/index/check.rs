//! Owns the check of indexes that were opened from files: once per index, in the background, and
//! before anything is built from it.

use std::sync::Arc;

use crate::engine::Engine;
use crate::error::Result;
use crate::event::Event;
use crate::snapshot::Snapshot;
use crate::snapshot::open::drop_coverage;
use crate::snapshot::state::CollectionState;
use crate::sync::lock;

/// Checks the indexes that were opened and not checked since. Takes damaged ones out of use: their
/// rows are scanned until a new index covers them.
pub(in crate::compaction) fn check_indexes(engine: &Engine, core: &CollectionState) -> Result<()> {
    let mut damaged = Vec::new();
    for part in &core.snapshot().indexes {
        if let Err(error) = part.indexed.check() {
            damaged.push((Arc::clone(&part.indexed), error));
        }
    }
    if damaged.is_empty() {
        return Ok(());
    }
    let structure = lock(&core.structure);
    let token = engine.log.hold();
    let mut next = Snapshot::clone(&core.snapshot());
    for (indexed, _) in &damaged {
        next.indexes.retain(|i| !Arc::ptr_eq(&i.indexed, indexed));
        drop_coverage(&mut next, indexed.locator.segments().to_vec());
    }
    next.relink();
    core.publish(next);
    drop(token);
    drop(structure);
    for (_, error) in damaged {
        let (collection, reason) = (core.name().to_owned(), error.to_string());
        engine.events.emit(&Event::IndexDamaged { collection, reason });
    }
    Ok(())
}
