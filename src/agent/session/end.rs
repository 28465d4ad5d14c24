//! Owns the begin and the end of sessions. An open session is a memory of the state collection, so
//! that the next open of the store can end it if the process died.
//!
//! Invariant: the record of a session goes with or after the last of its memories that have to
//! leave. So an end that was cut short is taken up where it stopped.

use std::collections::BTreeSet;
use std::time::Duration;

use super::policy::EndPolicy;
use crate::agent::core::{Core, NO_VECTOR, OpenTier, lock};
use crate::agent::event::{AgentEvent, Cause};
use crate::agent::moves::{self, Target};
use crate::agent::tier::SCRATCH;
use crate::{Fields, Filter, Memory, MemoryId, Result, Timestamp};

/// The kind of the records of sessions.
const KIND: &str = "session";

fn record_id(session: &str) -> MemoryId {
    MemoryId::from_key_in(KIND, session)
}

/// Begins a session. One that is open already goes on, with this policy.
pub(in crate::agent) fn begin(core: &Core, session: &str, policy: EndPolicy) -> Result<()> {
    let record =
        Memory::new(record_id(session), NO_VECTOR).kind(KIND).session(session).text(policy.name());
    core.state.insert(record)?;
    let now = core.now();
    lock(&core.sessions).insert(session.to_owned(), now);
    Ok(())
}

/// Notes that a session did something, if it is open. A name that nobody opened takes no heap.
pub(in crate::agent) fn touch(core: &Core, session: &str) {
    if let Some(last) = lock(&core.sessions).get_mut(session) {
        *last = core.now();
    }
}

/// Returns the open sessions, with their policies.
pub(in crate::agent) fn open_sessions(core: &Core) -> Result<Vec<(String, EndPolicy)>> {
    let mut open = Vec::new();
    for record in core.state.scan(Filter::kind(KIND)) {
        let record = record?;
        let policy = EndPolicy::of_name(record.text.as_deref());
        open.extend(record.session.map(|session| (session, policy)));
    }
    Ok(open)
}

/// Ends a session. Returns how many memories left their tiers. Does nothing if it is not open.
pub(in crate::agent) fn end(
    core: &Core,
    session: &str,
    policy: EndPolicy,
    by_itself: bool,
) -> Result<u64> {
    lock(&core.sessions).remove(session);
    let mut left = empty_scratch(core, session)?;
    let tier = core.first_tier();
    left += match policy {
        EndPolicy::Keep => 0,
        EndPolicy::Drop => leave(core, tier, session, &Target::Nowhere)?,
        EndPolicy::Demote => {
            let next = core.next_tier();
            match next.name() == tier.name() {
                true => 0,
                false => leave(core, tier, session, &Target::Tier(next))?,
            }
        }
    };
    if core.state.delete(record_id(session))? {
        core.tell(&AgentEvent::SessionEnded { session: session.to_owned(), by_itself });
    }
    Ok(left)
}

/// Forgets the scratch of a session.
fn empty_scratch(core: &Core, session: &str) -> Result<u64> {
    let Some(tier) = core.tiers.iter().find(|tier| tier.name() == SCRATCH) else { return Ok(0) };
    leave(core, tier, session, &Target::Nowhere)
}

fn leave(core: &Core, tier: &OpenTier, session: &str, target: &Target<'_>) -> Result<u64> {
    let filter = Filter::session(session).and(Filter::pinned(false));
    let ids: Result<Vec<MemoryId>> =
        tier.collection().scan(filter).fields(Fields::None).map(|memory| Ok(memory?.id)).collect();
    moves::leave(core, tier, &ids?, target, Cause::SessionEnded)
}

/// Ends the sessions that the process before left open.
pub(in crate::agent) fn end_orphans(core: &Core) -> Result<()> {
    for (session, policy) in open_sessions(core)? {
        end(core, &session, policy, true)?;
    }
    Ok(())
}

/// Ends the sessions that did nothing for too long.
pub(in crate::agent) fn end_idle(core: &Core, timeout: Duration, now: Timestamp) -> Result<()> {
    let idle: BTreeSet<String> = lock(&core.sessions)
        .iter()
        .filter(|(_, last)| now.since(**last) >= timeout)
        .map(|(session, _)| session.clone())
        .collect();
    if idle.is_empty() {
        return Ok(());
    }
    for (session, policy) in open_sessions(core)? {
        if idle.contains(&session) {
            end(core, &session, policy, true)?;
        }
    }
    Ok(())
}

/// Ends a session as its record says. Returns how many memories left their tiers.
pub(in crate::agent) fn end_as_begun(core: &Core, session: &str) -> Result<u64> {
    match core.state.get(record_id(session))? {
        Some(record) => end(core, session, EndPolicy::of_name(record.text.as_deref()), false),
        None => Ok(0),
    }
}
