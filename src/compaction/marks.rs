//! Owns what jobs say in the manifest of collections that they did not touch or only copied: what
//! their files cover, and which log files they can do without. Marks are only raised, so that one
//! may be made some time before it is committed.

use std::collections::HashMap;

use crate::engine::Engine;
use crate::format::manifest::Manifest;
use crate::ids::{CollectionId, FileId, Seq};
use crate::snapshot::state::CollectionState;

/// A collection, what its files cover, and the first log file that it needs.
pub(super) type Mark = (CollectionId, Seq, FileId);

/// Collections whose every effect is in files, with the log file that is open now: they need none
/// of the older ones.
pub(super) fn idle_marks(engine: &Engine) -> Vec<Mark> {
    let token = engine.log.hold();
    let Some(log) = token.as_ref() else {
        return Vec::new();
    };
    let cores = engine.collections.all().into_iter();
    cores
        .filter(|core| !core.is_in_memory())
        .filter_map(|core| {
            let snapshot = core.snapshot();
            CollectionState::is_idle(&snapshot).then(|| (core.id, snapshot.visible, log.file()))
        })
        .collect()
}

/// Raises what the manifest says of these collections. O(all collections).
pub(super) fn mark_covered(manifest: &mut Manifest, marks: &[Mark]) {
    let marks: HashMap<_, _> = marks.iter().map(|(id, seq, file)| (*id, (*seq, *file))).collect();
    for entry in &mut manifest.collections {
        if let Some((seq, file)) = marks.get(&entry.id) {
            entry.covers_seq = entry.covers_seq.max(*seq);
            entry.log_from = entry.log_from.max(*file);
        }
    }
}
