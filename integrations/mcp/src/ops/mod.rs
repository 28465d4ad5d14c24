//! Owns how a call is carried out on an open agent. Synchronous: callers give it a thread.

mod forget;
mod item;
mod list;
mod metadata;
mod recall;
mod remember;
mod select;
mod sessions;
mod stats;
mod update;

#[cfg(test)]
mod tests;

use altiplano::agent::Agent;
use altiplano::{Collection, MemoryId};
use serde::Serialize;
use serde_json::Value;

use crate::call::{Call, Op, Origin};
use crate::cap;
use crate::error::ToolError;

/// The names of the tiers that memories are in, the archive included.
const PLACES: [&str; 4] = ["working", "long-term", "scratch", "archive"];

/// Carries out a call. Returns the answer as JSON.
///
/// # Errors
///
/// What keeps the call from being carried out, for the model to read.
pub fn run(agent: &Agent, call: &Call) -> Result<Value, ToolError> {
    match &call.op {
        Op::Remember(given) => answer(remember::run(agent, call, given)?),
        Op::Recall(given) => answer(recall::run(agent, &call.origin, given)?),
        Op::Forget(given) => answer(forget::run(agent, call, given)?),
        Op::Update(given) => answer(update::run(agent, &call.origin, given)?),
        Op::ListMemories(given) => answer(list::run(agent, &call.origin, given)?),
        Op::ListSessions(given) => answer(sessions::run(agent, &call.origin, given)?),
        Op::Stats(_) => answer(stats::run(agent, &call.origin)?),
    }
}

fn answer(value: impl Serialize) -> Result<Value, ToolError> {
    serde_json::to_value(value).map_err(|error| ToolError::new(format!("no JSON: {error}")))
}

/// Returns the collections that memories are in. Those that the store does not have are left out.
fn places(agent: &Agent) -> Vec<(&'static str, Collection)> {
    let open = |name: &'static str| Some((name, agent.store().get_collection(name)?));
    PLACES.iter().filter_map(|name| open(name)).collect()
}

fn read_id(name: &str, text: &str) -> Result<MemoryId, ToolError> {
    text.trim().parse().map_err(|_| {
        let way_out = "recall and list_memories return ids";
        ToolError::argument(name, format!("{text:?} is not an id; {way_out}"))
    })
}

fn cap_of(origin: &Origin, given: Option<u32>) -> Result<u32, ToolError> {
    given.map_or(Ok(origin.max_tokens), cap::check)
}

/// Returns a number that must lie in a range, or its default.
fn within(name: &str, given: Option<u32>, default: u32, most: u32) -> Result<usize, ToolError> {
    match given.unwrap_or(default) {
        number if (1..=most).contains(&number) => Ok(number as usize),
        number => Err(ToolError::argument(name, format!("{number} is not between 1 and {most}"))),
    }
}

/// Checks a part of a whole.
fn part(name: &str, given: f32) -> Result<f32, ToolError> {
    if (0.0..=1.0).contains(&given) {
        return Ok(given);
    }
    Err(ToolError::argument(name, format!("{given} is not between 0 and 1")))
}
