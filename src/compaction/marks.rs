//! Owns the marks by which a job updates the manifest entries of collections that it did not
//! rewrite: what their files cover, and which log files they no longer need. Marks are only raised,
//! so a mark may be committed some time after it was made.

use std::collections::HashMap;

use crate::engine::Engine;
use crate::format::manifest::Manifest;
use crate::ids::{CollectionId, FileId, Seq};
use crate::snapshot::state::CollectionState;

/// A collection, the newest operation that its files cover, and the first log file that it needs.
pub(super) type Mark = (CollectionId, Seq, FileId);

/// Returns marks for the collections whose every effect is in files. They need no log file older
/// than the open one.
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

/// Raises the manifest entries of these collections. O(all collections).
pub(super) fn mark_covered(manifest: &mut Manifest, marks: &[Mark]) {
    let marks: HashMap<_, _> = marks.iter().map(|(id, seq, file)| (*id, (*seq, *file))).collect();
    for entry in &mut manifest.collections {
        if let Some((seq, file)) = marks.get(&entry.id) {
            entry.covers_seq = entry.covers_seq.max(*seq);
            entry.log_from = entry.log_from.max(*file);
        }
    }
}
