//! Owns `update`. What is checked comes before what is written, so a refused call changes nothing.

use altiplano::agent::Agent;
use altiplano::{Memory, MemoryId, Outcome, Patch};

use crate::call::Origin;
use crate::cap;
use crate::error::{ToolError, no_memory};
use crate::input::Update;
use crate::ops::item::item;
use crate::ops::{metadata, part, read_id, select};
use crate::output::Updated;
use crate::times;

pub(super) fn run(agent: &Agent, origin: &Origin, given: &Update) -> Result<Updated, ToolError> {
    let id = read_id("id", &given.id)?;
    if given.text.as_ref().is_some_and(|text| text.trim().is_empty()) {
        return Err(ToolError::argument("text", "it is empty; use forget to remove a memory"));
    }
    if given.text.as_ref().is_some_and(|text| text.len() > Memory::MAX_CONTENT_BYTES) {
        return Err(ToolError::argument("text", "it has more than 16 MiB; remember it in parts"));
    }
    let patch = patch(agent, origin, given)?;
    if patch == Patch::new() && given.text.is_none() {
        return Err(ToolError::new("say what to change: text, tags, metadata, importance, …"));
    }
    read(agent, origin, id)?;
    if patch != Patch::new() {
        check(id, agent.patch(id, patch)?)?;
    }
    if let Some(text) = &given.text {
        check(id, agent.rewrite(id, text.trim())?)?;
    }
    let mut items = vec![item(read(agent, origin, id)?)];
    cap::fit(&mut items, origin.max_tokens, 0);
    Ok(Updated { memory: items.pop().unwrap_or_default() })
}

/// Returns a memory that the server may reach.
fn read(agent: &Agent, origin: &Origin, id: MemoryId) -> Result<Memory, ToolError> {
    let found = agent.get(id)?.filter(|memory| select::reaches(origin, memory));
    found.ok_or_else(|| ToolError::new(no_memory(&id.to_uuid_string())))
}

fn check(id: MemoryId, outcome: Outcome) -> Result<(), ToolError> {
    match outcome {
        Outcome::Missing | Outcome::Expired => Err(ToolError::new(no_memory(&id.to_uuid_string()))),
        _ => Ok(()),
    }
}

fn patch(agent: &Agent, origin: &Origin, given: &Update) -> Result<Patch, ToolError> {
    let mut patch = Patch::new();
    if let Some(name) = given.namespace.as_deref()
        && let Some(name) = select::target(origin, Some(name))?
    {
        patch = patch.namespace(name);
    }
    if let Some(session) = &given.session {
        patch = patch.session(session);
    }
    if let Some(kind) = &given.kind {
        patch = patch.kind(kind);
    }
    if let Some(tags) = &given.tags {
        patch = patch.tags(tags);
    }
    patch = given.add_tags.iter().flatten().fold(patch, Patch::tag);
    patch = given.remove_tags.iter().flatten().fold(patch, Patch::remove_tag);
    if let Some(object) = &given.metadata {
        patch = metadata::of_patch(patch, object)?;
    }
    if let Some(importance) = given.importance {
        patch = patch.importance(part("importance", importance)?);
    }
    patch = match given.ttl.as_deref() {
        Some("never") => patch.never_expires(),
        Some(ttl) => patch.ttl(times::span("ttl", ttl)?),
        None => patch,
    };
    if let Some(pinned) = given.pinned {
        patch = patch.pinned(pinned);
    }
    if let Some(at) = &given.event_time {
        patch = patch.event_time(times::moment("event_time", at, agent.store().now())?);
    }
    Ok(patch)
}
