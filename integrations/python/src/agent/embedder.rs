//! Owns the functions of Python that an agent calls: embedders, summarizers, counters, listeners.

use altiplano::Memory;
use altiplano::agent::{
    AgentEvent, BoxError, Embedder, EventListener, HashingEmbedder, Summarizer, TokenCounter,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::convert::Matrix;
use crate::errors::raise;
use crate::json;
use crate::memory::PyMemory;

/// Vectors of the words of a text, without a model: for tests and small programs. The same words
/// give the same vector; it knows no meaning.
#[pyclass(name = "HashingEmbedder", module = "altiplano", frozen)]
pub(crate) struct PyHashingEmbedder(HashingEmbedder);

#[pymethods]
impl PyHashingEmbedder {
    #[new]
    #[pyo3(signature = (dimension = None))]
    fn new(dimension: Option<usize>) -> PyResult<Self> {
        let made = match dimension {
            Some(dimension) => HashingEmbedder::with_dimension(dimension).map_err(raise)?,
            None => HashingEmbedder::new(),
        };
        Ok(Self(made))
    }

    /// The name of this way to embed.
    #[getter]
    fn space(&self) -> String {
        self.0.space().to_owned()
    }

    /// How many numbers a vector has.
    #[getter]
    fn dimension(&self) -> usize {
        self.0.dimension()
    }

    /// Returns the vectors of texts, as a list of lists.
    fn embed(&self, py: Python<'_>, texts: Vec<String>) -> PyResult<Vec<Vec<f32>>> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let made = py.detach(|| self.0.embed(&texts));
        made.map_err(|error| PyValueError::new_err(error.to_string()))
    }
}

/// An embedder of Python.
pub(crate) struct PyEmbedder {
    call: Py<PyAny>,
    space: String,
    dimension: usize,
}

impl PyEmbedder {
    /// Reads an embedder: a function, or an object with `embed` or `embed_documents`.
    pub(crate) fn new(
        object: &Bound<'_, PyAny>,
        space: Option<String>,
        dimension: Option<usize>,
    ) -> PyResult<Self> {
        let method =
            ["embed", "embed_documents"].iter().find_map(|name| object.getattr(*name).ok());
        let call = match method {
            Some(method) => method,
            None if object.is_callable() => object.clone(),
            None => {
                return Err(PyTypeError::new_err(
                    "an embedder is a function from a list of texts to vectors, or an object with \
                     such a method `embed` or `embed_documents`",
                ));
            }
        };
        let attribute = |name: &&str| object.getattr(*name).ok()?.extract::<String>().ok();
        let named = || ["space", "model_name", "model"].iter().find_map(attribute);
        let space = space.or_else(named).ok_or_else(|| {
            PyTypeError::new_err("give the name of the model: space=\"all-MiniLM-L6-v2\"")
        })?;
        let given = dimension.or_else(|| object.getattr("dimension").ok()?.extract().ok());
        let mut made = Self { call: call.unbind(), space, dimension: given.unwrap_or_default() };
        if given.is_none() {
            made.dimension = made.vectors(object.py(), &["dimension"])?.first().map_or(0, Vec::len);
        }
        Ok(made)
    }

    fn vectors(&self, py: Python<'_>, texts: &[&str]) -> PyResult<Vec<Vec<f32>>> {
        let made = self.call.call1(py, (PyList::new(py, texts)?,))?;
        Ok(made.extract::<Matrix>(py)?.0)
    }
}

impl Embedder for PyEmbedder {
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, BoxError> {
        Python::attach(|py| self.vectors(py, texts)).map_err(BoxError::from)
    }

    fn space(&self) -> &str {
        &self.space
    }

    fn dimension(&self) -> usize {
        self.dimension
    }
}

/// A summarizer of Python.
pub(crate) struct Summarize(pub(crate) Py<PyAny>);

impl Summarizer for Summarize {
    fn summarize(
        &self,
        memories: &[Memory],
        carry: Option<&Memory>,
    ) -> Result<Vec<String>, BoxError> {
        let call = |py: Python<'_>| {
            let all = memories.iter().cloned().map(PyMemory::from_store);
            let all: Vec<_> = all.map(|memory| Py::new(py, memory)).collect::<PyResult<_>>()?;
            let carry = carry.cloned().map(PyMemory::from_store);
            self.0.call1(py, (all, carry))?.extract(py)
        };
        Python::attach(call).map_err(BoxError::from)
    }
}

/// A counter of Python. Where it fails, four bytes count as one token.
pub(crate) struct Count(pub(crate) Py<PyAny>);

impl TokenCounter for Count {
    fn count(&self, text: &str) -> usize {
        let count = |py: Python<'_>| match self.0.call1(py, (text,)) {
            Ok(count) => count.extract::<usize>(py),
            Err(error) => Err(error),
        };
        Python::attach(|py| {
            count(py).unwrap_or_else(|error| {
                error.write_unraisable(py, Some(self.0.bind(py)));
                text.len().div_ceil(4)
            })
        })
    }
}

/// A listener of Python. What it raises is shown as unraisable.
pub(crate) struct Listen(pub(crate) Py<PyAny>);

impl EventListener for Listen {
    fn on_event(&self, event: &AgentEvent) {
        // While the interpreter ends, there is nobody to tell.
        let _ = Python::try_attach(|py| {
            let told = json::report(py, event).and_then(|event| self.0.call1(py, (event,)));
            if let Err(error) = told {
                error.write_unraisable(py, Some(self.0.bind(py)));
            }
        });
    }
}
