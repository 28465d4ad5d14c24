//! Owns the question which collections need nothing of the log's older files, and says so in the
//! manifest: with that, files of the log can go that only collections at rest had still named.

use crate::collection::core::Core;
use crate::collection::engine::Engine;
use crate::format::manifest::Manifest;
use crate::ids::{CollectionId, FileId, Seq};

/// Collections whose every effect is in files, with the log file that is open now: they need none
/// of the older ones.
pub(super) fn idle_marks(engine: &Engine) -> Vec<(CollectionId, Seq, FileId)> {
    let token = engine.committer.hold();
    let Some(log) = token.as_ref() else {
        return Vec::new();
    };
    let cores = engine.cores().into_iter();
    cores
        .filter(|core| !core.options().volatile)
        .filter_map(|core| {
            let snapshot = core.snapshot();
            Core::is_idle(&snapshot).then(|| (core.id, snapshot.visible, log.file()))
        })
        .collect()
}

pub(super) fn mark_idle(manifest: &mut Manifest, idle: &[(CollectionId, Seq, FileId)]) {
    for (id, seq, file) in idle {
        if let Some(entry) = manifest.collection_mut(*id) {
            entry.covers_seq = entry.covers_seq.max(*seq);
            entry.log_from = entry.log_from.max(*file);
        }
    }
}
