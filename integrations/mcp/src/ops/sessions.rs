//! Owns `list_sessions`.

use std::collections::BTreeMap;

use altiplano::agent::Agent;
use altiplano::{Fields, Filter};

use crate::call::Origin;
use crate::cap;
use crate::error::ToolError;
use crate::input::ListSessions;
use crate::ops::{cap_of, places, select, within};
use crate::output::{SessionItem, Sessions};

const LIMIT: u32 = 50;
const MOST: u32 = 200;

pub(super) fn run(
    agent: &Agent,
    origin: &Origin,
    given: &ListSessions,
) -> Result<Sessions, ToolError> {
    let cap = cap_of(origin, given.max_tokens)? as usize;
    let limit = within("limit", given.limit, LIMIT, MOST)?;
    let namespace = select::namespace(origin, given.namespace.as_deref())?;
    let mut all = BTreeMap::<String, u64>::new();
    for (_, place) in places(agent) {
        for one in place.sessions(namespace.as_deref())? {
            *all.entry(one.name).or_default() += one.memories;
        }
    }
    let after = given.cursor.as_deref();
    let mut rest = all.into_iter().filter(|(name, _)| after.is_none_or(|after| &**name > after));
    let (mut answer, mut used) = (Sessions::default(), 100);
    let mut last = None;
    for (session, memories) in rest.by_ref() {
        let one = SessionItem {
            newest: newest(agent, namespace.as_deref(), &session)?,
            session,
            memories,
        };
        let cost = cap::tokens(&one) + 1;
        if answer.sessions.len() == limit || (used + cost > cap && !answer.sessions.is_empty()) {
            answer.next_cursor = last;
            if answer.sessions.len() < limit {
                answer.note = Some(format!("the page was cut to {cap} tokens"));
            }
            break;
        }
        used += cost;
        last = Some(one.session.clone());
        answer.sessions.push(one);
    }
    Ok(answer)
}

/// Returns when the newest memory of a session was made.
fn newest(
    agent: &Agent,
    namespace: Option<&str>,
    session: &str,
) -> Result<Option<String>, ToolError> {
    let of = namespace.map_or(Filter::All, Filter::namespace);
    let mut newest = None;
    for (_, place) in places(agent) {
        let list = place.list().session(session).filter(of.clone()).fields(Fields::Attributes);
        let page = list.limit(1).run()?;
        newest = newest.max(page.memories.first().and_then(|memory| memory.created_at));
    }
    Ok(newest.map(|at| at.to_string()))
}
