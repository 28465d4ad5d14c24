//! Owns the keyword arguments of `Agent` and of `remember`.

use altiplano::agent::{AgentOptions, Duplicates, EndPolicy, NewMemory, Rank};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::embedder::{Count, Listen, PyEmbedder};
use super::tier::PyTier;
use super::unknown;
use crate::convert::{Span, Time, Value, Vector, word};
use crate::memory::strings;

/// Returns the options of an agent.
pub(crate) fn read(
    embedder: PyEmbedder,
    given: Option<&Bound<'_, PyDict>>,
) -> PyResult<AgentOptions> {
    let mut options = AgentOptions::new(embedder);
    let (mut duplicates, mut on_duplicate) = (None, None);
    for (name, value) in given.into_iter().flatten() {
        let name: String = name.extract()?;
        if value.is_none() {
            continue;
        }
        options = match name.as_str() {
            "tiers" => {
                let tiers = value.try_iter()?.map(|tier| {
                    let tier = tier?;
                    let tier = tier.cast::<PyTier>()?;
                    Ok(tier.get().0.clone())
                });
                options.tiers(tiers.collect::<PyResult<Vec<_>>>()?)
            }
            "disk_budget" => options.disk_budget(value.extract()?),
            "rank" => options.rank(rank(value.extract::<String>()?.as_str())?),
            "language" => options.language(word(value.extract::<String>()?.as_str())?),
            "token_counter" => options.token_counter(Count(value.unbind())),
            "session_timeout" => options.session_timeout(value.extract::<Span>()?.0),
            "end_policy" => options.end_policy(end_policy(&value.extract::<String>()?)?),
            "archive_limit" => options.archive_limit(value.extract()?),
            "background" => options.background(value.extract()?),
            "reembed" => options.reembed(value.extract()?),
            "track_uses" => options.track_uses(value.extract()?),
            "on_event" => options.on_event(Listen(value.unbind())),
            "duplicates" => {
                duplicates = Some(value);
                options
            }
            "on_duplicate" => {
                on_duplicate = Some(value.extract::<String>()?);
                options
            }
            _ => return Err(PyTypeError::new_err(format!("an agent has no option {name:?}"))),
        };
    }
    match duplicates {
        Some(rule) => Ok(options.duplicates(duplicates_of(&rule, on_duplicate.as_deref())?)),
        None if on_duplicate.is_some() => {
            Err(PyTypeError::new_err("on_duplicate needs duplicates: \"exact\" or a cosine"))
        }
        None => Ok(options),
    }
}

fn duplicates_of(rule: &Bound<'_, PyAny>, then: Option<&str>) -> PyResult<Duplicates> {
    let rule = match rule.cast::<PyString>() {
        Ok(text) => match text.to_str()? {
            "off" => Duplicates::off(),
            "exact" => Duplicates::exact(),
            other => return Err(unknown("duplicates", other, "off, exact, or a number")),
        },
        Err(_) => Duplicates::near(rule.extract()?),
    };
    match then {
        None => Ok(rule),
        Some("skip") => Ok(rule.skip()),
        Some("link") => Ok(rule.link()),
        Some(other) => Err(unknown("on_duplicate", other, "skip, link")),
    }
}

/// Reads the word of a rank.
pub(crate) fn rank(word: &str) -> PyResult<Rank> {
    match word {
        "distance" => Ok(Rank::distance()),
        "generative_agents" => Ok(Rank::generative_agents().into()),
        "multiplicative" => Ok(Rank::multiplicative().into()),
        "gated" => Ok(Rank::gated().into()),
        _ => Err(unknown("rank", word, "distance, generative_agents, multiplicative, gated")),
    }
}

/// Reads the word of what the end of a session does.
pub(crate) fn end_policy(word: &str) -> PyResult<EndPolicy> {
    match word {
        "keep" => Ok(EndPolicy::Keep),
        "demote" => Ok(EndPolicy::Demote),
        "drop" => Ok(EndPolicy::Drop),
        _ => Err(unknown("end_policy", word, "keep, demote, drop")),
    }
}

/// Returns the word of what the end of a session does.
pub(crate) fn policy_name(policy: EndPolicy) -> &'static str {
    match policy {
        EndPolicy::Keep => "keep",
        EndPolicy::Demote => "demote",
        EndPolicy::Drop => "drop",
        // The enum may grow.
        _ => "other",
    }
}

/// Reads one of the memories of `remember_all`: a text, or a dict.
pub(crate) fn new_memory_of(item: &Bound<'_, PyAny>) -> PyResult<NewMemory> {
    if let Ok(text) = item.cast::<PyString>() {
        return new_memory(text.to_str()?.to_owned(), None);
    }
    let dict = item.cast::<PyDict>().map_err(|_| {
        PyTypeError::new_err("a memory is a text, or a dict with `text` and attributes")
    })?;
    let dict = dict.copy()?;
    let text =
        dict.get_item("text")?.ok_or_else(|| PyTypeError::new_err("a memory needs a `text`"))?;
    dict.del_item("text")?;
    new_memory(text.extract()?, Some(&dict))
}

/// Returns a text with its attributes.
pub(crate) fn new_memory(text: String, given: Option<&Bound<'_, PyDict>>) -> PyResult<NewMemory> {
    let mut memory = NewMemory::new(text);
    for (name, value) in given.into_iter().flatten() {
        let name: String = name.extract()?;
        if value.is_none() {
            continue;
        }
        memory = match name.as_str() {
            "namespace" => memory.namespace(value.extract::<String>()?),
            "session" => memory.session(value.extract::<String>()?),
            "kind" => memory.kind(value.extract::<String>()?),
            "tags" => strings(&value, "tags")?.into_iter().fold(memory, NewMemory::tag),
            "key" => memory.key(value.extract::<String>()?),
            "group" => memory.group(value.extract::<String>()?),
            "importance" => memory.importance(value.extract()?),
            "pinned" => memory.pinned(value.extract()?),
            "event_time" => memory.event_time(value.extract::<Time>()?.0),
            "created_at" => memory.created_at(value.extract::<Time>()?.0),
            "ttl" => memory.ttl(value.extract::<Span>()?.0),
            "tokens" => memory.tokens(value.extract()?),
            "tier" => memory.tier(value.extract::<String>()?),
            "vector" => memory.vector(value.extract::<Vector>()?.0),
            "fields" => fields(memory, &value)?,
            _ => return Err(PyTypeError::new_err(format!("a memory has no attribute {name:?}"))),
        };
    }
    Ok(memory)
}

fn fields(mut memory: NewMemory, value: &Bound<'_, PyAny>) -> PyResult<NewMemory> {
    let dict = value
        .cast::<PyDict>()
        .map_err(|_| PyTypeError::new_err("fields are a dict of paths and values"))?;
    for (path, value) in dict {
        memory = memory.field(path.extract::<String>()?, value.extract::<Value>()?.0);
    }
    Ok(memory)
}
