//! Owns the class `Session`: one conversation of an agent.

use std::sync::{Mutex, PoisonError};

use altiplano::agent::Session;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::options::new_memory;
use super::recall::{Asked, PyAnswer, PyRemembered};
use crate::errors::{OrRaise, raise};
use crate::hit::memories;
use crate::memory::PyMemory;

/// One conversation. It is a context manager: leaving it ends the session by its policy.
#[pyclass(name = "Session", module = "altiplano", frozen)]
pub(crate) struct PySession {
    id: String,
    session: Mutex<Option<Session>>,
}

impl PySession {
    pub(crate) fn new(session: Session) -> Self {
        Self { id: session.id().to_owned(), session: Mutex::new(Some(session)) }
    }

    /// Calls the session with the lock of the interpreter released.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&Session) -> altiplano::Result<T> + Send,
    ) -> PyResult<T> {
        let done = py.detach(|| {
            let held = self.session.lock().unwrap_or_else(PoisonError::into_inner);
            held.as_ref().ok_or(altiplano::Error::Closed).and_then(call)
        });
        done.or_raise()
    }
}

impl Drop for PySession {
    fn drop(&mut self) {
        let held = self.session.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // Ending writes, and may wait for threads that wait for the interpreter.
        Python::attach(|py| py.detach(|| drop(held)));
    }
}

#[pymethods]
impl PySession {
    /// The name of the session.
    #[getter]
    fn id(&self) -> String {
        self.id.clone()
    }

    /// Remembers a text of the session. The attributes are those of `Agent.remember`.
    #[pyo3(signature = (text, **attributes))]
    fn remember(
        &self,
        py: Python<'_>,
        text: String,
        attributes: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyRemembered> {
        let memory = new_memory(text, attributes)?;
        self.with(py, |session| session.remember(memory)).map(PyRemembered)
    }

    /// Remembers a note that goes with the session.
    #[pyo3(signature = (text, **attributes))]
    fn scratch(
        &self,
        py: Python<'_>,
        text: String,
        attributes: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyRemembered> {
        let memory = new_memory(text, attributes)?;
        self.with(py, |session| session.scratch(memory)).map(PyRemembered)
    }

    /// Returns the newest memories of the session, oldest first: see `Collection.recent`.
    #[pyo3(signature = (*, turns = None, tokens = None))]
    fn recent(
        &self,
        py: Python<'_>,
        turns: Option<usize>,
        tokens: Option<u64>,
    ) -> PyResult<Vec<Py<PyMemory>>> {
        let window = crate::reader::window(turns, tokens)?;
        memories(py, self.with(py, |session| session.recent(window))?)
    }

    /// Returns what fits a question best, of all sessions: see `Agent.recall`.
    #[pyo3(signature = (question, k = None, **options))]
    fn recall(
        &self,
        py: Python<'_>,
        question: String,
        k: Option<usize>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyAnswer> {
        let asked = Asked::read(k, options)?;
        let answer = self.with(py, |session| asked.configure(session.recall(question)).run())?;
        PyAnswer::new(py, answer)
    }

    /// Ends the session by its policy. Returns how many memories left their tier.
    fn end(&self, py: Python<'_>) -> PyResult<u64> {
        let ended = py.detach(|| {
            let held = self.session.lock().unwrap_or_else(PoisonError::into_inner).take();
            held.map(Session::end)
        });
        ended.ok_or_else(|| raise(altiplano::Error::Closed))?.or_raise()
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exc))]
    fn __exit__(&self, py: Python<'_>, _exc: &Bound<'_, pyo3::types::PyTuple>) -> PyResult<()> {
        let held = py.detach(|| self.session.lock().unwrap_or_else(PoisonError::into_inner).take());
        match held {
            Some(session) => py.detach(|| session.end()).or_raise().map(drop),
            None => Ok(()),
        }
    }

    fn __repr__(&self) -> String {
        format!("Session({:?})", self.id)
    }
}
