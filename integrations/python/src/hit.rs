//! Owns what reads return: `Hit`, `Group`, `Page` and the iterator over memories.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use altiplano::{Group, Hit, Iter, Memory, Page};
use pyo3::prelude::*;
use pyo3::types::PyIterator;

use crate::errors::OrRaise;
use crate::id::PyMemoryId;
use crate::memory::PyMemory;

/// One result of a search.
#[pyclass(name = "Hit", module = "altiplano", frozen)]
pub(crate) struct PyHit {
    id: PyMemoryId,
    seq: u64,
    distance: f32,
    score: f32,
    text_score: Option<f32>,
    memory: Option<Py<PyMemory>>,
}

impl PyHit {
    pub(crate) fn new(py: Python<'_>, hit: Hit) -> PyResult<Self> {
        let memory = hit.memory.map(|memory| Py::new(py, PyMemory::from_store(memory)));
        Ok(Self {
            id: PyMemoryId(hit.id),
            seq: hit.seq,
            distance: hit.distance,
            score: hit.score,
            text_score: hit.text_score,
            memory: memory.transpose()?,
        })
    }

    pub(crate) fn all(py: Python<'_>, hits: Vec<Hit>) -> PyResult<Vec<Self>> {
        hits.into_iter().map(|hit| Self::new(py, hit)).collect()
    }
}

#[pymethods]
impl PyHit {
    /// The id of the memory.
    #[getter]
    fn id(&self) -> PyMemoryId {
        self.id
    }

    /// The place of the memory in the order of writing.
    #[getter]
    fn seq(&self) -> u64 {
        self.seq
    }

    /// The distance from the query: smaller is nearer.
    #[getter]
    fn distance(&self) -> f32 {
        self.distance
    }

    /// The score: larger is nearer. Under cosine it is the cosine.
    #[getter]
    fn score(&self) -> f32 {
        self.score
    }

    /// The score of the words, where the search had some.
    #[getter]
    fn text_score(&self) -> Option<f32> {
        self.text_score
    }

    /// The memory, unless the search asked for no fields.
    #[getter]
    fn memory(&self, py: Python<'_>) -> Option<Py<PyMemory>> {
        self.memory.as_ref().map(|memory| memory.clone_ref(py))
    }

    /// The text of the memory.
    #[getter]
    fn text(&self) -> Option<String> {
        self.memory.as_ref()?.get().read(|memory| memory.text.clone())
    }

    /// The key of the memory.
    #[getter]
    fn key(&self) -> Option<String> {
        self.memory.as_ref()?.get().read(|memory| memory.key.clone())
    }

    /// The metadata of the memory, as a new dict.
    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(memory) = &self.memory else { return Ok(None) };
        let json = memory.get().read(|memory| memory.metadata_as_json().map(str::to_owned));
        json.map(|json| crate::json::read(py, &json)).transpose()
    }

    fn __repr__(&self) -> String {
        let text = self.text().map(|text| {
            let short: String = text.chars().take(60).collect();
            format!(", text={short:?}")
        });
        let id = self.id.0.to_uuid_string();
        format!("Hit(id='{id}', score={:.4}{})", self.score, text.unwrap_or_default())
    }
}

/// The hits of one value of an attribute.
#[pyclass(name = "Group", module = "altiplano", frozen)]
pub(crate) struct PyGroup {
    value: String,
    hits: Vec<Py<PyHit>>,
}

impl PyGroup {
    pub(crate) fn new(py: Python<'_>, group: Group) -> PyResult<Self> {
        let hits = group.hits.into_iter().map(|hit| Py::new(py, PyHit::new(py, hit)?));
        Ok(Self { value: group.value, hits: hits.collect::<PyResult<_>>()? })
    }
}

#[pymethods]
impl PyGroup {
    /// The value that the hits share.
    #[getter]
    fn value(&self) -> String {
        self.value.clone()
    }

    /// The hits, nearest first.
    #[getter]
    fn hits(&self, py: Python<'_>) -> Vec<Py<PyHit>> {
        self.hits.iter().map(|hit| hit.clone_ref(py)).collect()
    }

    fn __repr__(&self) -> String {
        format!("Group(value={:?}, hits={})", self.value, self.hits.len())
    }
}

/// One page of a list.
#[pyclass(name = "Page", module = "altiplano", frozen)]
pub(crate) struct PyPage {
    memories: Vec<Py<PyMemory>>,
    next: Option<String>,
}

impl PyPage {
    pub(crate) fn new(py: Python<'_>, page: Page) -> PyResult<Self> {
        let next = page.next.map(|cursor| cursor.to_string());
        Ok(Self { memories: memories(py, page.memories)?, next })
    }
}

/// Returns memories as objects of Python.
pub(crate) fn memories(py: Python<'_>, list: Vec<Memory>) -> PyResult<Vec<Py<PyMemory>>> {
    list.into_iter().map(|memory| Py::new(py, PyMemory::from_store(memory))).collect()
}

#[pymethods]
impl PyPage {
    /// The memories of the page.
    #[getter]
    fn memories(&self, py: Python<'_>) -> Vec<Py<PyMemory>> {
        self.memories.iter().map(|memory| memory.clone_ref(py)).collect()
    }

    /// Where the next page begins: `list(after=page.next)`. `None` after the last page.
    #[getter]
    fn next(&self) -> Option<String> {
        self.next.clone()
    }

    fn __len__(&self) -> usize {
        self.memories.len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.memories(py).into_pyobject(py)?.try_iter()
    }

    fn __repr__(&self) -> String {
        let next = self.next.as_ref().map_or("None".to_owned(), |next| format!("'{next}'"));
        format!("Page(memories={}, next={next})", self.memories.len())
    }
}

/// Memories that are read ahead while the lock of the interpreter is released.
const AHEAD: usize = 64;

/// Memories of one moment, one after the other. It holds files of that moment: let go of it soon.
#[pyclass(name = "MemoryIterator", module = "altiplano", frozen)]
pub(crate) struct PyMemoryIterator(Mutex<Ahead>);

struct Ahead {
    iter: Iter,
    read: VecDeque<altiplano::Result<Memory>>,
}

impl PyMemoryIterator {
    pub(crate) fn new(iter: Iter) -> Self {
        Self(Mutex::new(Ahead { iter, read: VecDeque::new() }))
    }
}

#[pymethods]
impl PyMemoryIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<PyMemory>> {
        let next = py.detach(|| {
            let mut ahead = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if ahead.read.is_empty() {
                let more: Vec<_> = ahead.iter.by_ref().take(AHEAD).collect();
                ahead.read.extend(more);
            }
            ahead.read.pop_front()
        });
        Ok(next.transpose().or_raise()?.map(PyMemory::from_store))
    }
}
