//! Owns the class `Patch`: what an update changes.

use altiplano::{FieldValue, Patch};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::convert::{Id, Span, Time, Value};
use crate::json;
use crate::memory::strings;

/// What an update changes. Arguments that are not given change nothing.
///
/// Args:
///     text, session, kind, namespace: the new value, or `None` to remove it.
///     tags: all tags. `add_tags` and `remove_tags` change some.
///     importance, pinned, tokens, event_time: the new value.
///     valid: from and until when the fact holds.
///     superseded_by: the id of the memory that replaced this fact, or `None`.
///     metadata: all metadata. `fields` sets some by their paths, `remove_fields` removes some.
///     ttl, expires_at, never_expires: one of them, the new lifetime.
///     if_version: change nothing if the memory has another version by now.
///
/// Changes of importance, pin and lifetime are written beside the row and cost less than 100 bytes.
#[pyclass(name = "Patch", module = "altiplano", frozen, eq)]
#[derive(Clone, PartialEq)]
pub(crate) struct PyPatch(pub(crate) Patch);

#[pymethods]
impl PyPatch {
    #[new]
    #[pyo3(signature = (**changes))]
    fn new(changes: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut patch = Patch::new();
        for (name, value) in changes.into_iter().flatten() {
            patch = change(patch, name.extract::<String>()?.as_str(), &value)?;
        }
        Ok(Self(patch))
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }
}

/// Returns the patch of a call that takes a patch, or its changes as keyword arguments.
pub(crate) fn patch_of(
    patch: Option<&PyPatch>,
    changes: Option<&Bound<'_, PyDict>>,
) -> PyResult<Patch> {
    let given = changes.is_some_and(|changes| !changes.is_empty());
    match patch {
        Some(_) if given => {
            Err(PyTypeError::new_err("give a Patch, or its changes as keyword arguments"))
        }
        Some(patch) => Ok(patch.0.clone()),
        None if given => Ok(PyPatch::new(changes)?.0),
        None => Err(PyTypeError::new_err("nothing to change: give a Patch, or keyword arguments")),
    }
}

fn change(patch: Patch, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Patch> {
    let text = || value.extract::<Option<String>>();
    Ok(match name {
        "text" => match text()? {
            Some(text) => patch.text(text),
            None => patch.remove_text(),
        },
        "session" => match text()? {
            Some(name) => patch.session(name),
            None => patch.remove_session(),
        },
        "kind" => match text()? {
            Some(name) => patch.kind(name),
            None => patch.remove_kind(),
        },
        "namespace" => match text()? {
            Some(name) => patch.namespace(name),
            None => patch.remove_namespace(),
        },
        "tags" => patch.tags(strings(value, "tags")?),
        "add_tags" => strings(value, "tags")?.into_iter().fold(patch, Patch::tag),
        "remove_tags" => strings(value, "tags")?.into_iter().fold(patch, Patch::remove_tag),
        "importance" => patch.importance(value.extract()?),
        "pinned" => patch.pinned(value.extract()?),
        "tokens" => patch.tokens(value.extract()?),
        "event_time" => patch.event_time(value.extract::<Time>()?.0),
        "valid" => {
            let (from, to): (Option<Time>, Option<Time>) = value.extract()?;
            patch.valid(from.map(|at| at.0), to.map(|at| at.0))
        }
        "superseded_by" => match value.extract::<Option<Id>>()? {
            Some(id) => patch.superseded_by(id.0),
            None => patch.not_superseded(),
        },
        "metadata" => patch.metadata_json(json::write(value)?),
        "fields" => fields(patch, value)?,
        "remove_fields" => strings(value, "paths")?.into_iter().fold(patch, Patch::remove_field),
        "ttl" => patch.ttl(value.extract::<Span>()?.0),
        "expires_at" => patch.expires_at(value.extract::<Time>()?.0),
        "never_expires" if value.extract()? => patch.never_expires(),
        "never_expires" => patch,
        "if_version" => patch.if_version(value.extract()?),
        _ => return Err(PyTypeError::new_err(format!("a patch has no argument {name:?}"))),
    })
}

fn fields(mut patch: Patch, value: &Bound<'_, PyAny>) -> PyResult<Patch> {
    let dict = value
        .cast::<PyDict>()
        .map_err(|_| PyValueError::new_err("fields are a dict of paths and values"))?;
    for (path, value) in dict {
        let path: String = path.extract()?;
        let is_list = value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>();
        patch = if is_list {
            let values = value.try_iter()?.map(|value| Ok(value?.extract::<Value>()?.0));
            patch.field_list(path, values.collect::<PyResult<Vec<FieldValue>>>()?)
        } else {
            patch.field(path, value.extract::<Value>()?.0)
        };
    }
    Ok(patch)
}
