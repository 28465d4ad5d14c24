//! Owns the class `MemoryId`.

use std::hash::{DefaultHasher, Hash, Hasher};

use altiplano::MemoryId;
use pyo3::prelude::*;

use crate::convert::Id;

/// The id of a memory: 128 bits.
///
/// It is made of an integer, a `uuid.UUID`, or a string of either. `int(id)` is the number, and
/// `str(id)` is the UUID.
#[pyclass(name = "MemoryId", module = "altiplano", frozen, eq, ord)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PyMemoryId(pub(crate) MemoryId);

#[pymethods]
impl PyMemoryId {
    #[new]
    fn new(value: Id) -> Self {
        Self(value.0)
    }

    /// Returns a new id: a UUID of version 7, so that later ones are larger.
    #[staticmethod]
    fn unique() -> Self {
        Self(MemoryId::unique())
    }

    /// Returns the id that belongs to a key, and to a namespace where one is given. The same key
    /// gives the same id.
    #[staticmethod]
    #[pyo3(signature = (key, *, namespace = None))]
    fn from_key(key: &str, namespace: Option<&str>) -> Self {
        Self(match namespace {
            Some(namespace) => MemoryId::from_key_in(namespace, key),
            None => MemoryId::from_key(key),
        })
    }

    /// The id as a `uuid.UUID`.
    #[getter]
    fn uuid<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("uuid")?.getattr("UUID")?.call1((self.0.to_uuid_string(),))
    }

    fn __int__(&self) -> u128 {
        self.0.as_u128()
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }

    fn __str__(&self) -> String {
        self.0.to_uuid_string()
    }

    fn __repr__(&self) -> String {
        format!("MemoryId('{}')", self.0.to_uuid_string())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((slf.get_type().into_any(), (slf.get().0.to_uuid_string(),)))
    }
}
