//! Owns `Facts`: what the rules look at of one memory. Pure.

use super::rules::{Retention, Rule, Verdict};
use crate::agent::group::Group;
use crate::agent::signals::Signals;
use crate::{Memory, MemoryId, Timestamp};

/// Bytes of a row beside its vector, text and metadata, about.
const ROW_BYTES: u64 = 96;

/// What the rules say of one memory.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Facts {
    pub(super) id: MemoryId,
    pub(super) bytes: u64,
    /// What it is worth.
    pub(super) worth: f32,
    /// The rule by which it leaves, if it does so whatever else there is.
    pub(super) rule: Option<Rule>,
    /// No rule lets it go.
    pub(super) stays: bool,
    /// It stays, or it matters too much for the rules of age and window.
    pub(super) is_exempt: bool,
    /// Its session and its group, if it has a group.
    pub(super) group: Option<Group>,
}

/// Returns how many bytes a memory takes, about: its vector, its text and its other fields. What
/// was not read does not count, unless the store tells.
pub(super) fn bytes_of(memory: &Memory) -> u64 {
    if let Some(bytes) = memory.stored_bytes() {
        return bytes;
    }
    let text = memory.text.as_ref().map_or(0, String::len);
    let bytes = memory.bytes.as_ref().map_or(0, Vec::len);
    let metadata = memory.metadata_as_json().map_or(0, str::len);
    ROW_BYTES + (memory.vector.len() * size_of::<f32>() + text + bytes + metadata) as u64
}

impl Facts {
    pub(super) fn of(memory: &Memory, rules: &Retention, now: Timestamp) -> Self {
        let verdict = match &rules.policy {
            Some(policy) if !memory.pinned => policy.verdict(memory, now),
            _ => Verdict::Undecided,
        };
        let important = rules.important.is_some_and(|least| memory.importance >= least);
        let made = memory.created_at.unwrap_or(Timestamp::EPOCH);
        let unused = Signals::of(memory, now).since_use.unwrap_or_default();
        let by_age = rules.max_age.is_some_and(|limit| now.since(made) > limit);
        let idle = rules.max_idle.is_some_and(|limit| unused > limit);
        let rule = match verdict {
            Verdict::Keep => None,
            Verdict::Leave => Some(Rule::Policy),
            _ if important => None,
            _ if by_age => Some(Rule::Age),
            _ if idle => Some(Rule::Idle),
            _ => None,
        };
        let worth = match (verdict, rules.score) {
            (Verdict::Worth(worth), _) if worth.is_finite() => worth,
            (_, Some(score)) => score.of(memory, now),
            // The older, the less; per byte makes no sense of a time.
            _ => -(now.since(made).as_secs_f32()),
        };
        let stays = memory.pinned || verdict == Verdict::Keep;
        let (id, bytes, group) = (memory.id, bytes_of(memory), Group::of(memory));
        let (rule, is_exempt) = (rule.filter(|_| !stays), stays || important);
        Self { id, bytes, worth, rule, stays, is_exempt, group }
    }

    /// Returns by what memories are ordered if bytes are short, the smallest first.
    pub(super) fn worth_per_byte(&self) -> f32 {
        // A negative worth is an age.
        if self.worth < 0.0 { self.worth } else { self.worth / self.bytes.max(1) as f32 }
    }
}
