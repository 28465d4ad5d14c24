//! Owns the way back from the archive. `moves` owns the way in.

use super::core::{Core, embed};
use super::event::{AgentEvent, Cause};
use super::moves::FROM;
use super::tidy::with_room;
use crate::{Batch, FieldValue, MemoryId, Result};

/// Brings a memory back into the tier that it was in, with a vector of the present model. Returns
/// false if it is not in the archive.
pub(super) fn restore(core: &Core, id: MemoryId) -> Result<bool> {
    let archive = core.archive.collection();
    let Some(mut memory) = archive.get(id)? else { return Ok(false) };
    let name = match memory.field_value(FROM) {
        Some(FieldValue::Text(name)) => name,
        _ => core.first_tier().name().to_owned(),
    };
    // The tier may be gone since.
    let open = core.tier(&name).unwrap_or_else(|_| core.first_tier());
    let text = memory.text.clone().unwrap_or_default();
    // It was just asked for, so the rules do not take it at once.
    memory.last_used = Some(core.now());
    memory.uses = memory.uses.saturating_add(1);
    let mut memory = memory.remove_field(FROM);
    let is_there = loop {
        let model = core.embedder();
        memory.vector = embed(model.as_ref(), &[&text])?.pop().unwrap_or_default();
        let done = with_room(core, || {
            let _alone = core.moving();
            if !core.is_model(&model) {
                return Ok(None);
            }
            // Another thread may have been faster.
            if !archive.contains(id)? {
                return Ok(Some(false));
            }
            let batch = Batch::new().delete(id).insert_into(&open.collection(), memory.clone());
            archive.apply(batch)?;
            Ok(Some(true))
        })?;
        if let Some(is_there) = done {
            break is_there;
        }
    };
    if is_there {
        core.tell(&AgentEvent::Moved {
            from: core.archive.name().to_owned(),
            to: open.name().to_owned(),
            cause: Cause::Restored,
            ids: vec![id],
        });
    }
    Ok(is_there)
}
