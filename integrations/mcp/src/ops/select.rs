//! Owns how conditions become a filter, and which namespaces a call may reach.
//!
//! Invariant: the filter of a confined server never reaches beyond its namespace.

use altiplano::{FieldRef, FieldValue, Filter, Memory, Timestamp};
use serde_json::{Map, Value};

use crate::call::Origin;
use crate::error::ToolError;
use crate::input::Select;
use crate::ops::{metadata, part};
use crate::times;

/// The name that means every namespace.
const EVERY: &str = "*";

/// Returns the namespace that a call means; `None` for all of them.
pub(super) fn namespace(origin: &Origin, given: Option<&str>) -> Result<Option<String>, ToolError> {
    let meant = match given {
        None => origin.namespace.clone(),
        Some(EVERY) => None,
        Some(name) => Some(name.to_owned()),
    };
    check(origin, meant.as_deref())?;
    Ok(meant)
}

/// Returns the namespace that something is written to.
pub(super) fn target(origin: &Origin, given: Option<&str>) -> Result<Option<String>, ToolError> {
    if given == Some(EVERY) {
        return Err(ToolError::argument("namespace", "\"*\" means all; name one to write to"));
    }
    namespace(origin, given)
}

/// Refuses what a confined server may not reach.
fn check(origin: &Origin, meant: Option<&str>) -> Result<(), ToolError> {
    match &origin.namespace {
        Some(own) if origin.is_confined && !meant.is_some_and(|name| is_under(name, own)) => {
            let reason = format!("this server may reach {own:?} only, and what is below it");
            Err(ToolError::argument("namespace", reason))
        }
        _ => Ok(()),
    }
}

fn is_under(name: &str, own: &str) -> bool {
    let own = own.strip_suffix('/').unwrap_or(own);
    name.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns true if the server may reach a memory.
pub(super) fn reaches(origin: &Origin, memory: &Memory) -> bool {
    check(origin, memory.namespace.as_deref()).is_ok()
}

/// Returns the filter of what a server may reach.
pub(super) fn reach(origin: &Origin) -> Filter {
    match &origin.namespace {
        Some(own) if origin.is_confined => Filter::namespace_under(own),
        _ => Filter::All,
    }
}

/// Returns true if nothing but the default namespace is selected.
pub(super) fn is_empty(select: &Select) -> bool {
    let Select { namespace, session, kind, tags, since, until, .. } = select;
    let Select { min_importance, pinned, metadata, .. } = select;
    namespace.as_deref().is_none_or(|name| name == EVERY)
        && session.is_none()
        && kind.is_none()
        && tags.as_ref().is_none_or(Vec::is_empty)
        && since.is_none()
        && until.is_none()
        && min_importance.is_none()
        && pinned.is_none()
        && metadata.as_ref().is_none_or(Map::is_empty)
}

/// Returns the filter of conditions.
pub(super) fn filter(
    origin: &Origin,
    select: &Select,
    now: Timestamp,
) -> Result<Filter, ToolError> {
    let mut filter = match namespace(origin, select.namespace.as_deref())? {
        Some(name) => Filter::namespace_under(name),
        None => Filter::All,
    };
    if let Some(session) = &select.session {
        filter = filter & Filter::session(session);
    }
    if let Some(kind) = &select.kind {
        filter = filter & Filter::kind(kind);
    }
    if let Some(tags) = select.tags.as_ref().filter(|tags| !tags.is_empty()) {
        filter = filter & Filter::tags_all(tags);
    }
    let since =
        select.since.as_deref().map(|text| times::moment("since", text, now)).transpose()?;
    let until =
        select.until.as_deref().map(|text| times::moment("until", text, now)).transpose()?;
    if since.is_some() || until.is_some() {
        let (from, to) = (since.unwrap_or(Timestamp::MIN), until.unwrap_or(Timestamp::MAX));
        if from > to {
            return Err(ToolError::argument("until", "it is before since"));
        }
        filter = filter & Filter::created(from..to);
    }
    if let Some(least) = select.min_importance {
        filter = filter & Filter::importance_at_least(part("min_importance", least)?);
    }
    if let Some(pinned) = select.pinned {
        filter = filter & Filter::pinned(pinned);
    }
    for (path, wanted) in select.metadata.iter().flatten() {
        filter = filter & field(path, wanted)?;
    }
    Ok(filter)
}

/// Returns the filter of a value of the metadata.
fn field(path: &str, wanted: &Value) -> Result<Filter, ToolError> {
    let at = || Filter::field(path);
    match wanted {
        Value::Object(tests) => {
            let mut each = tests.iter().map(|(name, value)| test(path, at(), name, value));
            each.try_fold(Filter::All, |all, one| Ok(all & one?))
        }
        Value::Array(values) => Ok(at().one_of(list(path, values)?)),
        value => Ok(at().eq(one(path, value)?)),
    }
}

fn test(path: &str, at: FieldRef, name: &str, value: &Value) -> Result<Filter, ToolError> {
    let wrong = |reason: &str| Err(ToolError::argument("metadata", format!("{path}: {reason}")));
    Ok(match (name, value) {
        ("in", Value::Array(values)) => at.one_of(list(path, values)?),
        ("not_in", Value::Array(values)) => at.none_of(list(path, values)?),
        ("exists", Value::Bool(true)) => at.exists(),
        ("exists", Value::Bool(false)) => at.not_exists(),
        ("starts_with", Value::String(text)) => at.starts_with(text),
        ("eq", value) => at.eq(one(path, value)?),
        ("ne", value) => at.ne(one(path, value)?),
        ("lt", value) => at.lt(one(path, value)?),
        ("lte", value) => at.le(one(path, value)?),
        ("gt", value) => at.gt(one(path, value)?),
        ("gte", value) => at.ge(one(path, value)?),
        ("contains", value) => at.contains(one(path, value)?),
        ("in" | "not_in", _) => return wrong("in and not_in need a list"),
        ("exists", _) => return wrong("exists needs true or false"),
        ("starts_with", _) => return wrong("starts_with needs a text"),
        _ => {
            let tests = "eq, ne, lt, lte, gt, gte, in, not_in, contains, starts_with, exists";
            return wrong(&format!("there is no test {name:?}; there are {tests}"));
        }
    })
}

fn list(path: &str, values: &[Value]) -> Result<Vec<FieldValue>, ToolError> {
    values.iter().map(|value| one(path, value)).collect()
}

fn one(path: &str, value: &Value) -> Result<FieldValue, ToolError> {
    metadata::scalar(value).ok_or_else(|| {
        let reason = format!("{path}: an object or a list cannot be compared; name a value in it");
        ToolError::argument("metadata", reason)
    })
}
