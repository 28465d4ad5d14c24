//! Owns the classes `Batch` and `Applied`.

use std::sync::{Mutex, PoisonError};

use altiplano::{Applied, Batch, Collection, Filter, Memory, MemoryId, Patch};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::convert::Id;
use crate::filter::FilterLike;
use crate::handles::PyCollection;
use crate::memory::PyMemory;
use crate::patch::{PyPatch, patch_of};
use crate::reader::Source;

/// Several writes that become visible and durable together, or not at all.
///
/// Methods return the batch, so that they can be chained. `into` names another collection of the
/// same store. `Collection.apply` carries the batch out and empties it; a batch that was refused
/// keeps its writes.
#[pyclass(name = "Batch", module = "altiplano", frozen)]
pub(crate) struct PyBatch(Mutex<Held>);

#[derive(Default)]
struct Held {
    writes: Vec<Write>,
    /// How many of the writes are in `bytes`. The others are added when somebody asks.
    counted: usize,
    bytes: usize,
}

enum Write {
    Insert(Py<PyMemory>, Option<Collection>),
    InsertNew(Py<PyMemory>),
    Supersede(MemoryId, Py<PyMemory>),
    Delete(MemoryId, Option<Collection>),
    DeleteWhere(Filter, Option<Collection>),
    Patch(MemoryId, Box<Patch>, Option<Collection>),
    UpdateWhere(Filter, Box<Patch>, Option<Collection>),
}

impl Write {
    /// Adds the write to a batch of the store. `scope` is the namespace of the handle.
    fn add(&self, batch: Batch, scope: Option<&str>) -> Batch {
        let stored = |memory: &Py<PyMemory>| -> Memory { memory.get().to_store(scope) };
        match self {
            Self::Insert(memory, None) => batch.insert(stored(memory)),
            Self::Insert(memory, Some(into)) => batch.insert_into(into, stored(memory)),
            Self::InsertNew(memory) => batch.insert_new(stored(memory)),
            Self::Supersede(old, memory) => batch.supersede(*old, stored(memory)),
            Self::Delete(id, None) => batch.delete(*id),
            Self::Delete(id, Some(from)) => batch.delete_from(from, *id),
            Self::DeleteWhere(filter, None) => batch.delete_where(filter.clone()),
            Self::DeleteWhere(filter, Some(from)) => batch.delete_where_from(from, filter.clone()),
            Self::Patch(id, patch, None) => batch.patch(*id, (**patch).clone()),
            Self::Patch(id, patch, Some(into)) => batch.patch_in(into, *id, (**patch).clone()),
            Self::UpdateWhere(filter, patch, None) => {
                batch.update_where(filter.clone(), (**patch).clone())
            }
            Self::UpdateWhere(filter, patch, Some(into)) => {
                batch.update_where_in(into, filter.clone(), (**patch).clone())
            }
        }
    }
}

impl PyBatch {
    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, write: Write) {
        self.held().writes.push(write);
    }

    /// Returns the batch for the store, and how many writes it has.
    pub(crate) fn to_store(&self, scope: Option<&str>) -> (Batch, usize) {
        let held = self.held();
        let batch = held.writes.iter().fold(Batch::new(), |batch, write| write.add(batch, scope));
        (batch, held.writes.len())
    }

    /// Removes the writes that were carried out.
    pub(crate) fn done(&self, count: usize) {
        let mut held = self.held();
        let count = count.min(held.writes.len());
        held.writes.drain(..count);
        (held.counted, held.bytes) = (0, 0);
    }
}

/// Returns the collection of a handle that `into` names.
fn collection(into: Option<&Bound<'_, PyCollection>>) -> PyResult<Option<Collection>> {
    into.map(|into| match &crate::handles::source(into) {
        Source::Collection(collection) => Ok(collection.clone()),
        _ => Err(PyTypeError::new_err("into is a Collection")),
    })
    .transpose()
}

#[pymethods]
impl PyBatch {
    #[new]
    fn new() -> Self {
        Self(Mutex::default())
    }

    /// Inserts a memory, or replaces the one with its id.
    #[pyo3(signature = (memory, *, into = None))]
    fn insert(
        slf: Py<Self>,
        memory: Py<PyMemory>,
        into: Option<&Bound<'_, PyCollection>>,
    ) -> PyResult<Py<Self>> {
        let into = collection(into)?;
        slf.get().push(Write::Insert(memory, into));
        Ok(slf)
    }

    /// Inserts a memory unless its id is there already.
    fn insert_new(slf: Py<Self>, memory: Py<PyMemory>) -> Py<Self> {
        slf.get().push(Write::InsertNew(memory));
        slf
    }

    /// Deletes the memory with an id.
    #[pyo3(signature = (id, *, into = None))]
    fn delete(slf: Py<Self>, id: Id, into: Option<&Bound<'_, PyCollection>>) -> PyResult<Py<Self>> {
        let into = collection(into)?;
        slf.get().push(Write::Delete(id.0, into));
        Ok(slf)
    }

    /// Deletes the memories that match.
    #[pyo3(signature = (filter, *, into = None))]
    fn delete_where(
        slf: Py<Self>,
        filter: FilterLike,
        into: Option<&Bound<'_, PyCollection>>,
    ) -> PyResult<Py<Self>> {
        let into = collection(into)?;
        slf.get().push(Write::DeleteWhere(filter.0, into));
        Ok(slf)
    }

    /// Changes the memory with an id: by a `Patch`, or by its changes as keyword arguments.
    #[pyo3(signature = (id, patch = None, *, into = None, **changes))]
    fn patch(
        slf: Py<Self>,
        id: Id,
        patch: Option<&PyPatch>,
        into: Option<&Bound<'_, PyCollection>>,
        changes: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<Self>> {
        let (patch, into) = (patch_of(patch, changes)?, collection(into)?);
        slf.get().push(Write::Patch(id.0, Box::new(patch), into));
        Ok(slf)
    }

    /// Changes the memories that match.
    #[pyo3(signature = (filter, patch = None, *, into = None, **changes))]
    fn update_where(
        slf: Py<Self>,
        filter: FilterLike,
        patch: Option<&PyPatch>,
        into: Option<&Bound<'_, PyCollection>>,
        changes: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<Self>> {
        let (patch, into) = (patch_of(patch, changes)?, collection(into)?);
        slf.get().push(Write::UpdateWhere(filter.0, Box::new(patch), into));
        Ok(slf)
    }

    /// Inserts a memory that replaces a fact, and says so in the old one, which stays.
    fn supersede(slf: Py<Self>, old: Id, new: Py<PyMemory>) -> Py<Self> {
        slf.get().push(Write::Supersede(old.0, new));
        slf
    }

    /// Bytes of the batch, an upper bound: at most 256 MiB are allowed.
    #[getter]
    fn nbytes(&self) -> usize {
        let mut held = self.held();
        for at in held.counted..held.writes.len() {
            held.bytes += held.writes[at].add(Batch::new(), None).bytes();
        }
        held.counted = held.writes.len();
        held.bytes
    }

    fn __len__(&self) -> usize {
        self.held().writes.len()
    }

    fn __bool__(&self) -> bool {
        !self.held().writes.is_empty()
    }

    fn __repr__(&self) -> String {
        format!("Batch(writes={})", self.held().writes.len())
    }
}

/// What a batch did, as counts.
#[pyclass(name = "Applied", module = "altiplano", frozen, eq)]
#[derive(PartialEq, Eq)]
pub(crate) struct PyApplied(pub(crate) Applied);

/// Getters for the counts.
macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident = $field:ident),* $(,)?) => {
        #[pymethods]
        impl PyApplied {
            $(
                $(#[$doc])*
                #[getter]
                fn $name(&self) -> u64 {
                    self.0.$field
                }
            )*

            fn __repr__(&self) -> String {
                format!("Applied({})", self.0)
            }
        }
    };
}

counts!(
    /// Memories that were new.
    inserted = inserted,
    /// Memories that replaced one with their id.
    replaced = replaced,
    /// Memories that were deleted.
    deleted = deleted,
    /// Memories that had expired, so nothing was written.
    expired = expired,
    /// Memories that were changed.
    updated = updated,
    /// Changes of memories that are not there.
    missing = missing,
    /// Memories that were there already, so `insert_new` wrote nothing.
    existing = existing,
    /// Changes of memories that have another version by now.
    conflicts = conflicts,
);
