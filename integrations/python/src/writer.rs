//! Owns the class `Writer`: what a collection and a namespace of it have in common besides reading.

use altiplano::{Batch, Durability, Memory, MemoryId, Outcome};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::batch::{PyApplied, PyBatch};
use crate::convert::{Id, Matrix, Span, Time, items, word};
use crate::errors::OrRaise;
use crate::filter::FilterLike;
use crate::id::PyMemoryId;
use crate::json;
use crate::memory::{PyMemory, lifetime, strings};
use crate::patch::{PyPatch, patch_of};
use crate::reader::{PyReader, Source};

/// What can be changed: a collection, or a namespace of it.
#[pyclass(name = "Writer", module = "altiplano", frozen, subclass, extends = PyReader)]
pub(crate) struct PyWriter;

/// Calls a method that collections and scopes have.
macro_rules! on {
    ($source:expr, $handle:ident => $call:expr) => {
        match $source {
            Source::Collection($handle) => Ok($call),
            Source::Scope($handle) => Ok($call),
            // No snapshot is a writer.
            _ => Err(PyTypeError::new_err("a snapshot cannot be changed")),
        }
    };
}

type Me<'a, 'py> = &'a Bound<'py, PyWriter>;

fn source<'a>(me: Me<'a, '_>) -> &'a Source {
    &me.as_super().get().source
}

/// Returns the namespace of a scope.
fn scope(source: &Source) -> Option<&str> {
    match source {
        Source::Scope(scope) => Some(scope.namespace()),
        _ => None,
    }
}

/// Returns the word of an outcome.
pub(crate) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Inserted => "inserted",
        Outcome::Replaced => "replaced",
        Outcome::Updated => "updated",
        Outcome::Missing => "missing",
        Outcome::Exists => "exists",
        Outcome::Conflict => "conflict",
        Outcome::Expired => "expired",
        // The enum may grow.
        _ => "other",
    }
}

#[pymethods]
impl PyWriter {
    /// Inserts a memory, or replaces the one with its id. Returns "inserted", "replaced", or
    /// "expired" if the memory had expired already.
    fn insert(slf: Me<'_, '_>, memory: &PyMemory) -> PyResult<&'static str> {
        let source = source(slf);
        let memory = memory.to_store(scope(source));
        let done = slf.py().detach(|| on!(source, handle => handle.insert(memory)))?;
        Ok(outcome(done.or_raise()?))
    }

    /// Inserts a memory unless its id is there already: "inserted" or "exists".
    fn insert_new(slf: Me<'_, '_>, memory: &PyMemory) -> PyResult<&'static str> {
        let source = source(slf);
        let memory = memory.to_store(scope(source));
        let done = slf.py().detach(|| on!(source, handle => handle.insert_new(memory)))?;
        Ok(outcome(done.or_raise()?))
    }

    /// Inserts rows as one batch: all of them, or none. Returns their ids.
    ///
    /// Args:
    ///     vectors: an array of shape (rows, dimension).
    ///     ids: one for each row. Without them, ids are made of `keys`, or are new.
    ///     keys, texts, metadatas: one for each row, or `None` in a row without.
    ///     namespace, session, kind, tags, ttl: for all rows.
    ///     durability: "sync", "buffered:50ms", or a `timedelta`, for this batch.
    #[pyo3(signature = (
        vectors, *, ids = None, keys = None, texts = None, metadatas = None, namespace = None,
        session = None, kind = None, tags = None, ttl = None, durability = None
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn add(
        slf: Me<'_, '_>,
        vectors: Matrix,
        ids: Option<&Bound<'_, PyAny>>,
        keys: Option<Vec<Option<String>>>,
        texts: Option<Vec<Option<String>>>,
        metadatas: Option<Vec<Option<Bound<'_, PyAny>>>>,
        namespace: Option<String>,
        session: Option<String>,
        kind: Option<String>,
        tags: Option<&Bound<'_, PyAny>>,
        ttl: Option<Span>,
        durability: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<PyMemoryId>> {
        let source = source(slf);
        let space = scope(source).map(str::to_owned).or_else(|| namespace.clone());
        let mut rows: Vec<Memory> =
            vectors.0.into_iter().map(|vector| Memory::new(0, vector)).collect();
        let ids = ids.map(items::<Id>).transpose()?;
        check(rows.len(), "ids", ids.as_ref().map(Vec::len))?;
        check(rows.len(), "keys", keys.as_ref().map(Vec::len))?;
        check(rows.len(), "texts", texts.as_ref().map(Vec::len))?;
        check(rows.len(), "metadatas", metadatas.as_ref().map(Vec::len))?;
        let tags = tags.map(|tags| strings(tags, "tags")).transpose()?.unwrap_or_default();
        let (mut keys, mut texts) = (keys.unwrap_or_default(), texts.unwrap_or_default());
        for (at, row) in rows.iter_mut().enumerate() {
            row.key = keys.get_mut(at).and_then(Option::take);
            row.text = texts.get_mut(at).and_then(Option::take);
            row.namespace.clone_from(&namespace);
            row.session.clone_from(&session);
            row.kind.clone_from(&kind);
            row.tags.clone_from(&tags);
            row.id = match (&ids, &row.key, &space) {
                (Some(ids), _, _) => ids[at].0,
                (None, Some(key), Some(space)) => MemoryId::from_key_in(space, key),
                (None, Some(key), None) => MemoryId::from_key(key),
                (None, None, _) => MemoryId::unique(),
            };
            if let Some(ttl) = ttl {
                row.lifetime = ttl.0.into();
            }
        }
        if let Some(metadatas) = metadatas {
            for (row, metadata) in rows.iter_mut().zip(metadatas) {
                if let Some(metadata) = metadata {
                    let empty = Memory::new(row.id, []);
                    let taken = std::mem::replace(row, empty);
                    *row = taken.metadata_json(json::write(&metadata)?);
                }
            }
        }
        let made = rows.iter().map(|row| PyMemoryId(row.id)).collect();
        apply(slf, rows.into_iter().collect(), durability)?;
        Ok(made)
    }

    /// Deletes the memory with an id. Returns whether it was there.
    fn delete(slf: Me<'_, '_>, id: Id) -> PyResult<bool> {
        let source = source(slf);
        slf.py().detach(|| on!(source, handle => handle.delete(id.0)))?.or_raise()
    }

    /// Deletes the memories with some ids, as one batch. Returns how many were there.
    fn delete_many(slf: Me<'_, '_>, ids: &Bound<'_, PyAny>) -> PyResult<u64> {
        let ids = items::<Id>(ids)?;
        let batch = ids.into_iter().fold(Batch::new(), |batch, id| batch.delete(id.0));
        Ok(apply(slf, batch, None)?.0.deleted)
    }

    /// Deletes the memories that match. Returns how many there were.
    fn delete_where(slf: Me<'_, '_>, filter: FilterLike) -> PyResult<u64> {
        let source = source(slf);
        slf.py().detach(|| on!(source, handle => handle.delete_where(filter.0)))?.or_raise()
    }

    /// Deletes the memories with a key. Returns how many there were.
    fn delete_by_key(slf: Me<'_, '_>, key: &str) -> PyResult<u64> {
        let source = source(slf);
        slf.py().detach(|| on!(source, handle => handle.delete_by_key(key)))?.or_raise()
    }

    /// Reads a memory, lets a function change it, and writes it. If another write comes between,
    /// the function is called again. An exception of the function changes nothing.
    fn update(slf: Me<'_, '_>, id: Id, change: Py<PyAny>) -> PyResult<&'static str> {
        let source = source(slf);
        let mut fault = None;
        let done = slf.py().detach(|| {
            let by_python = |memory: &mut Memory| {
                let changed = Python::attach(|py| {
                    let object = Py::new(py, PyMemory::from_store(memory.clone()))?;
                    change.call1(py, (object.clone_ref(py),))?;
                    Ok(object.get().to_store(None))
                });
                match changed {
                    Ok(changed) => *memory = changed,
                    Err(error) => {
                        fault = Some(error);
                        // The store refuses another id, and so writes nothing.
                        memory.id = MemoryId::from_u128(!memory.id.as_u128());
                    }
                }
            };
            on!(source, handle => handle.update(id.0, by_python))
        })?;
        match fault {
            Some(error) => Err(error),
            None => Ok(outcome(done.or_raise()?)),
        }
    }

    /// Changes the memory with an id without its vector: by a `Patch`, or by its changes as keyword
    /// arguments. Returns "updated", "missing" or "conflict".
    #[pyo3(signature = (id, patch = None, **changes))]
    fn patch(
        slf: Me<'_, '_>,
        id: Id,
        patch: Option<&PyPatch>,
        changes: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<&'static str> {
        let (source, patch) = (source(slf), patch_of(patch, changes)?);
        let done = slf.py().detach(|| on!(source, handle => handle.patch(id.0, patch)))?;
        Ok(outcome(done.or_raise()?))
    }

    /// Changes the memories that match. Returns how many there were.
    #[pyo3(signature = (filter, patch = None, **changes))]
    fn update_where(
        slf: Me<'_, '_>,
        filter: FilterLike,
        patch: Option<&PyPatch>,
        changes: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<u64> {
        let (source, patch) = (source(slf), patch_of(patch, changes)?);
        slf.py().detach(|| on!(source, handle => handle.update_where(filter.0, patch)))?.or_raise()
    }

    /// Changes the lifetime of a memory. Returns whether it was there. It costs less than 100 bytes,
    /// and no row is written again.
    #[pyo3(signature = (id, *, ttl = None, expires_at = None, never_expires = false))]
    fn touch(
        slf: Me<'_, '_>,
        id: Id,
        ttl: Option<Span>,
        expires_at: Option<Time>,
        never_expires: bool,
    ) -> PyResult<bool> {
        let end = end(ttl, expires_at, never_expires)?;
        let source = source(slf);
        slf.py().detach(|| on!(source, handle => handle.touch(id.0, end)))?.or_raise()
    }

    /// Changes the lifetime of the memories that match. Returns how many there were.
    #[pyo3(signature = (filter, *, ttl = None, expires_at = None, never_expires = false))]
    fn touch_where(
        slf: Me<'_, '_>,
        filter: FilterLike,
        ttl: Option<Span>,
        expires_at: Option<Time>,
        never_expires: bool,
    ) -> PyResult<u64> {
        let end = end(ttl, expires_at, never_expires)?;
        let source = source(slf);
        slf.py().detach(|| on!(source, handle => handle.touch_where(filter.0, end)))?.or_raise()
    }

    /// Inserts a memory that replaces a fact, and says so in the old one, which stays.
    fn supersede(slf: Me<'_, '_>, old: Id, new: &PyMemory) -> PyResult<&'static str> {
        let source = source(slf);
        let new = new.to_store(scope(source));
        let done = slf.py().detach(|| on!(source, handle => handle.supersede(old.0, new)))?;
        Ok(outcome(done.or_raise()?))
    }

    /// Notes that memories were used. The store counts it within a second.
    fn note_uses(slf: Me<'_, '_>, ids: &Bound<'_, PyAny>) -> PyResult<()> {
        let ids = items::<Id>(ids)?;
        let source = source(slf);
        slf.py().detach(|| on!(source, handle => handle.note_uses(ids.into_iter().map(|id| id.0))))
    }

    /// Carries out a batch: all of it, or nothing.
    #[pyo3(signature = (batch, *, durability = None))]
    fn apply(
        slf: Me<'_, '_>,
        batch: &PyBatch,
        durability: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyApplied> {
        let (writes, count) = batch.to_store(scope(source(slf)));
        let applied = apply(slf, writes, durability)?;
        batch.done(count);
        Ok(applied)
    }
}

fn apply(
    me: Me<'_, '_>,
    batch: Batch,
    durability: Option<&Bound<'_, PyAny>>,
) -> PyResult<PyApplied> {
    let source = source(me);
    let level = durability.map(durability_of).transpose()?;
    let done = me.py().detach(|| {
        on!(source, handle => match level {
            Some(level) => handle.apply_with(batch, level),
            None => handle.apply(batch),
        })
    })?;
    Ok(PyApplied(done.or_raise()?))
}

/// Reads a level of durability: its word, or the delay of `buffered`.
pub(crate) fn durability_of(value: &Bound<'_, PyAny>) -> PyResult<Durability> {
    match value.cast::<PyString>() {
        Ok(text) => word(text.to_str()?),
        Err(_) => Ok(Durability::buffered(value.extract::<Span>()?.0)),
    }
}

fn end(
    ttl: Option<Span>,
    expires_at: Option<Time>,
    never_expires: bool,
) -> PyResult<altiplano::Lifetime> {
    lifetime(ttl, expires_at, never_expires)?
        .ok_or_else(|| PyTypeError::new_err("give one of ttl, expires_at and never_expires"))
}

fn check(rows: usize, name: &str, given: Option<usize>) -> PyResult<()> {
    match given {
        Some(given) if given != rows => Err(PyValueError::new_err(format!(
            "there are {rows} vectors and {given} {name}; give one for each vector"
        ))),
        _ => Ok(()),
    }
}
