//! Owns the class `Memory`: how it is made, compared and shown. `attributes` has its attributes.

mod attributes;

use std::sync::Mutex;

use altiplano::{Lifetime, Memory, MemoryId};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::convert::{Id, Span, Time, Vector, items};
use crate::json;

/// One memory: a vector and its attributes.
///
/// Without `id`, the id is made of `key` (and of `namespace`) where there is one, so that the same
/// key replaces the same memory. Otherwise it is new and unique.
///
/// Args:
///     vector: numbers; an array of float32 is the fastest. Hits come without one unless the search
///         asks for `fields="all"`: it is empty then.
///     id: an integer, a UUID, or a string of either.
///     key: a name of your own, at most 1,024 bytes.
///     text: the text.
///     data: bytes beside the text.
///     metadata: what JSON can hold, as a dict. Filters find its fields.
///     namespace: a user, an agent, a project.
///     session: a conversation or a run.
///     kind: `turn`, `summary`, or what you like.
///     tags: at most 256 strings.
///     importance: from 0 to 1.
///     pinned: exempt from default lifetimes.
///     created_at, event_time, valid_from, valid_to: datetimes with a time zone.
///     ttl: a `timedelta` or seconds until the memory expires.
///     expires_at: when it expires.
///     never_expires: exempt from the default lifetime of the collection.
///     superseded_by: the id of the memory that replaced this fact.
///     derived_from: ids of the memories that this one was made from.
///     tokens: tokens of the text, as your model counts them.
#[pyclass(name = "Memory", module = "altiplano", frozen)]
pub(crate) struct PyMemory {
    inner: Mutex<Held>,
}

struct Held {
    memory: Memory,
    /// Whether the id was made of the key, and follows it.
    keyed: bool,
}

impl PyMemory {
    /// Returns the class for a memory that the store returned.
    pub(crate) fn from_store(memory: Memory) -> Self {
        Self { inner: Mutex::new(Held { memory, keyed: false }) }
    }

    /// Returns a copy of the memory. Where `scope` is a namespace, an id made of a key becomes the
    /// one of that namespace.
    pub(crate) fn to_store(&self, scope: Option<&str>) -> Memory {
        let held = self.held();
        let mut memory = held.memory.clone();
        if let (true, Some(scope), Some(key)) = (held.keyed, scope, &memory.key) {
            memory.id = MemoryId::from_key_in(scope, key);
        }
        memory
    }

    /// Takes the memory out, after a function of the caller has changed it.
    pub(crate) fn read<T>(&self, f: impl FnOnce(&Memory) -> T) -> T {
        f(&self.held().memory)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        // A panic cannot leave a memory half changed.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn change(&self, f: impl FnOnce(Memory) -> Memory) {
        let mut held = self.held();
        let empty = Memory::new(held.memory.id, []);
        let taken = std::mem::replace(&mut held.memory, empty);
        held.memory = f(taken);
        if held.keyed {
            let memory = &mut held.memory;
            memory.id = match (&memory.namespace, &memory.key) {
                (Some(namespace), Some(key)) => MemoryId::from_key_in(namespace, key),
                (None, Some(key)) => MemoryId::from_key(key),
                (_, None) => memory.id,
            };
        }
    }
}

#[pymethods]
impl PyMemory {
    #[new]
    #[pyo3(signature = (
        vector, *, id = None, key = None, text = None, data = None, metadata = None,
        namespace = None, session = None, kind = None, tags = None, importance = 0.5,
        pinned = false, created_at = None, event_time = None, valid_from = None, valid_to = None,
        ttl = None, expires_at = None, never_expires = false, superseded_by = None,
        derived_from = None, tokens = None
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn new(
        vector: Vector,
        id: Option<Id>,
        key: Option<String>,
        text: Option<String>,
        data: Option<Vec<u8>>,
        metadata: Option<Bound<'_, PyAny>>,
        namespace: Option<String>,
        session: Option<String>,
        kind: Option<String>,
        tags: Option<Bound<'_, PyAny>>,
        importance: f32,
        pinned: bool,
        created_at: Option<Time>,
        event_time: Option<Time>,
        valid_from: Option<Time>,
        valid_to: Option<Time>,
        ttl: Option<Span>,
        expires_at: Option<Time>,
        never_expires: bool,
        superseded_by: Option<Id>,
        derived_from: Option<Bound<'_, PyAny>>,
        tokens: Option<u32>,
    ) -> PyResult<Self> {
        let keyed = id.is_none() && key.is_some();
        let own = || MemoryId::unique();
        let id = id.map_or_else(
            || match (&namespace, &key) {
                (Some(namespace), Some(key)) => MemoryId::from_key_in(namespace, key),
                (None, Some(key)) => MemoryId::from_key(key),
                (_, None) => own(),
            },
            |id| id.0,
        );
        let mut memory = Memory::new(id, vector.0);
        memory.key = key;
        memory.text = text;
        memory.bytes = data;
        memory.namespace = namespace;
        memory.session = session;
        memory.kind = kind;
        memory.importance = importance;
        memory.pinned = pinned;
        memory.created_at = created_at.map(|at| at.0);
        memory.event_time = event_time.map(|at| at.0);
        memory.valid_from = valid_from.map(|at| at.0);
        memory.valid_to = valid_to.map(|at| at.0);
        memory.superseded_by = superseded_by.map(|id| id.0);
        memory.tokens = tokens;
        if let Some(tags) = tags {
            memory = memory.tags(strings(&tags, "tags")?);
        }
        if let Some(ids) = derived_from {
            memory.derived_from = items::<Id>(&ids)?.into_iter().map(|id| id.0).collect();
        }
        if let Some(metadata) = metadata {
            memory = memory.metadata_json(json::write(&metadata)?);
        }
        memory.lifetime = lifetime(ttl, expires_at, never_expires)?.unwrap_or_default();
        Ok(Self { inner: Mutex::new(Held { memory, keyed }) })
    }

    /// Returns everything but the sequence number as a dict that JSON can hold.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let json = serde_json::to_string(&self.held().memory)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        json::read(py, &json)
    }

    /// Returns the memory that `to_dict` wrote.
    #[staticmethod]
    fn from_dict(value: Bound<'_, PyAny>) -> PyResult<Self> {
        let json = json::write(&value)?;
        let memory = serde_json::from_str(&json)
            .map_err(|error| PyValueError::new_err(format!("this is no memory: {error}")))?;
        Ok(Self::from_store(memory))
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        let Ok(other) = other.cast::<Self>() else { return false };
        // Never two locks at once: two threads could compare in opposite directions.
        let other = other.get().to_store(None);
        self.held().memory == other
    }

    fn __repr__(&self) -> String {
        let held = self.held();
        let memory = &held.memory;
        let mut out = format!("Memory(id='{}'", memory.id.to_uuid_string());
        let texts = [
            ("key", &memory.key),
            ("namespace", &memory.namespace),
            ("session", &memory.session),
            ("kind", &memory.kind),
            ("text", &memory.text),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                let mut short: String = value.chars().take(60).collect();
                if short.len() < value.len() {
                    short.push('…');
                }
                out.push_str(&format!(", {name}={short:?}"));
            }
        }
        match memory.vector.len() {
            0 => out.push(')'),
            n => out.push_str(&format!(", dimension={n})")),
        }
        out
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyDict>,))> {
        let from = slf.get_type().getattr("from_dict")?;
        let dict = slf.get().to_dict(slf.py())?.cast_into::<PyDict>()?;
        Ok((from, (dict,)))
    }
}

/// Returns the lifetime that at most one of the arguments names.
pub(crate) fn lifetime(
    ttl: Option<Span>,
    expires_at: Option<Time>,
    never_expires: bool,
) -> PyResult<Option<Lifetime>> {
    match (ttl, expires_at, never_expires) {
        (None, None, false) => Ok(None),
        (Some(ttl), None, false) => Ok(Some(Lifetime::Ttl(ttl.0))),
        (None, Some(at), false) => Ok(Some(Lifetime::Until(at.0))),
        (None, None, true) => Ok(Some(Lifetime::Forever)),
        _ => Err(PyValueError::new_err("give one of ttl, expires_at and never_expires")),
    }
}

/// Returns the strings of an iterable. A single string is refused: it would become its letters.
pub(crate) fn strings(values: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<String>> {
    if values.is_instance_of::<pyo3::types::PyString>() {
        return Err(PyValueError::new_err(format!("{name} are a list of strings, not one string")));
    }
    values.try_iter()?.map(|value| value?.extract()).collect()
}
