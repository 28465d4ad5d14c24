//! Owns how a memory is shown.

use altiplano::{Memory, Timestamp};

use crate::ops::metadata;
use crate::output::Item;

/// Returns a memory as it is shown.
pub(super) fn item(memory: Memory) -> Item {
    let metadata = metadata::shown(&memory);
    let text_of = |at: Timestamp| at.to_string();
    Item {
        id: memory.id.to_uuid_string(),
        created: memory.created_at.map(seconds).map(text_of),
        event_time: memory.event_time.map(text_of),
        expires: memory.expiry().map(text_of),
        superseded_by: memory.superseded_by.map(|id| id.to_uuid_string()),
        text: memory.text.unwrap_or_default(),
        namespace: memory.namespace,
        session: memory.session,
        kind: memory.kind,
        key: memory.key,
        tags: memory.tags,
        importance: rounded(memory.importance),
        pinned: memory.pinned,
        metadata,
        ..Item::default()
    }
}

/// Returns a number with two decimals, which cost fewer tokens than nine.
pub(super) fn rounded(number: f32) -> f64 {
    (f64::from(number) * 100.0).round() / 100.0
}

/// Leaves out what is below a second, which costs tokens and tells nothing.
fn seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis().div_euclid(1_000) * 1_000)
}
