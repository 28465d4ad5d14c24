//! Owns `forget`.

use altiplano::agent::Agent;
use altiplano::{Filter, MemoryId};

use crate::call::Call;
use crate::cap;
use crate::error::ToolError;
use crate::input::Forget;
use crate::ops::item::item;
use crate::ops::{places, read_id, select};
use crate::output::{Forgotten, Item};

/// How many memories a dry run shows.
const SHOWN: usize = 20;
/// Most ids of a call.
const MOST: usize = 1_000;

pub(super) fn run(agent: &Agent, call: &Call, given: &Forget) -> Result<Forgotten, ToolError> {
    let dry_run = given.dry_run.unwrap_or_default();
    let (filter, missing) = match given.ids.as_deref() {
        Some(ids) if !ids.is_empty() => by_ids(agent, call, given, ids)?,
        _ if select::is_empty(&given.select) => {
            return Err(ToolError::new(
                "say what to forget: ids, or at least one of namespace, session, kind, tags, \
                 since, until, min_importance, pinned, metadata",
            ));
        }
        _ => {
            let now = agent.store().now();
            (select::filter(&call.origin, &given.select, now)?, Vec::new())
        }
    };
    if dry_run {
        return shown(agent, call, &filter, missing);
    }
    let forgotten = agent.forget_where(filter)?;
    let note = call.is_retry.then(|| {
        "the process that had the store open ended during the call, so the call was made again: \
         what the first attempt forgot is not counted"
            .to_owned()
    });
    Ok(Forgotten { forgotten, missing, note, ..Forgotten::default() })
}

/// Returns the filter of ids, and those that are not there.
fn by_ids(
    agent: &Agent,
    call: &Call,
    given: &Forget,
    ids: &[String],
) -> Result<(Filter, Vec<String>), ToolError> {
    if !select::is_empty(&given.select) {
        return Err(ToolError::argument("ids", "give either ids or conditions, not both"));
    }
    if ids.len() > MOST {
        let reason = format!("there are {}, at most {MOST} are allowed", ids.len());
        return Err(ToolError::argument("ids", reason));
    }
    let (mut found, mut missing) = (Vec::<MemoryId>::new(), Vec::new());
    for text in ids {
        let id = read_id("ids", text)?;
        match agent.get(id)? {
            Some(memory) if select::reaches(&call.origin, &memory) => found.push(id),
            _ => missing.push(id.to_uuid_string()),
        }
    }
    Ok((Filter::ids(found) & select::reach(&call.origin), missing))
}

/// Counts what would be forgotten, and shows some of it.
fn shown(
    agent: &Agent,
    call: &Call,
    filter: &Filter,
    missing: Vec<String>,
) -> Result<Forgotten, ToolError> {
    let (mut forgotten, mut memories) = (0, Vec::<Item>::new());
    for (_, place) in places(agent) {
        forgotten += place.count(filter.clone())?;
        let left = SHOWN.saturating_sub(memories.len());
        let page = place.list().filter(filter.clone()).limit(left).run()?;
        memories.extend(page.into_iter().map(item));
    }
    let extra = cap::tokens(&missing);
    cap::fit(&mut memories, call.origin.max_tokens, extra);
    let note = Some("nothing was forgotten: call again without dry_run".to_owned());
    Ok(Forgotten { forgotten, dry_run: true, missing, memories, note })
}
