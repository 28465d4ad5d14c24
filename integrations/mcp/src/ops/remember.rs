//! Owns `remember`. A call that is tried again finds the memory that the first attempt wrote, by
//! the name of the call in its metadata, and writes nothing twice.

use altiplano::agent::{Agent, NewMemory};
use altiplano::{Filter, Memory};

use crate::call::{Call, Origin};
use crate::error::{ToolError, no_memory};
use crate::input::Remember;
use crate::ops::item::rounded;
use crate::ops::{metadata, part, places, read_id, select};
use crate::output::Remembered;
use crate::times;

pub(super) fn run(agent: &Agent, call: &Call, given: &Remember) -> Result<Remembered, ToolError> {
    if given.text.trim().is_empty() {
        return Err(ToolError::argument("text", "it is empty; write what is to be remembered"));
    }
    let new = metadata::marked(attributes(agent, &call.origin, given)?, call.write);
    let (new, lists) =
        metadata::of_new(new, given.metadata.as_ref().unwrap_or(&Default::default()))?;
    let old = given.supersedes.as_deref().map(|id| read_id("supersedes", id)).transpose()?;
    if let Some(id) = old
        && !agent.get(id)?.is_some_and(|memory| select::reaches(&call.origin, &memory))
    {
        return Err(ToolError::argument("supersedes", no_memory(&id.to_uuid_string())));
    }
    let mut answer = match written_before(agent, call)? {
        Some(memory) => Remembered {
            id: memory.id.to_uuid_string(),
            importance: rounded(memory.importance),
            ..Remembered::default()
        },
        None => {
            let done = match old {
                Some(old) => agent.supersede(old, new)?,
                None => agent.remember(new)?,
            };
            Remembered {
                id: done.id.to_uuid_string(),
                importance: rounded(done.importance),
                duplicate_of: done.duplicate_of.map(|id| id.to_uuid_string()),
                ..Remembered::default()
            }
        }
    };
    let id = read_id("id", &answer.id)?;
    if let Some(lists) = lists {
        agent.patch(id, lists)?;
    }
    if given.ttl.is_some() {
        let end = agent.get(id)?.and_then(|memory| memory.expiry());
        answer.expires = end.map(|at| at.to_string());
    }
    Ok(answer)
}

/// Returns the memory that an earlier attempt of the same call wrote.
fn written_before(agent: &Agent, call: &Call) -> Result<Option<Memory>, ToolError> {
    if !call.is_retry {
        return Ok(None);
    }
    let mark = Filter::field(metadata::WRITE).eq(call.write.to_uuid_string());
    for (_, place) in places(agent) {
        let mut page = place.list().filter(mark.clone()).limit(1).run()?;
        if let Some(memory) = page.memories.pop() {
            return Ok(Some(memory));
        }
    }
    Ok(None)
}

fn attributes(agent: &Agent, origin: &Origin, given: &Remember) -> Result<NewMemory, ToolError> {
    let mut new = NewMemory::new(given.text.trim());
    if let Some(name) = select::target(origin, given.namespace.as_deref())? {
        new = new.namespace(name);
    }
    if let Some(session) = &given.session {
        new = new.session(session);
    }
    if let Some(kind) = &given.kind {
        new = new.kind(kind);
    }
    new = given.tags.iter().flatten().fold(new, NewMemory::tag);
    if let Some(importance) = given.importance {
        new = new.importance(part("importance", importance)?);
    }
    match given.ttl.as_deref() {
        Some("never") | None => {}
        Some(ttl) => new = new.ttl(times::span("ttl", ttl)?),
    }
    if let Some(key) = &given.key {
        new = new.key(key);
    }
    if let Some(at) = &given.event_time {
        new = new.event_time(times::moment("event_time", at, agent.store().now())?);
    }
    Ok(new.pinned(given.pinned.unwrap_or_default()))
}
