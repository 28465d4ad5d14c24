//! Owns the class `Agent`: text in, text out, and rules about what stays. `embedder` and `tier` have
//! its options, `recall` what it answers, `session` a conversation, `care` the work on many memories.

mod care;
pub(crate) mod embedder;
pub(crate) mod options;
pub(crate) mod recall;
pub(crate) mod session;
pub(crate) mod tier;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use altiplano::agent::{Agent, Feedback, NewMemory};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::convert::{Id, Span};
use crate::errors::{OrRaise, raise};
use crate::filter::FilterLike;
use crate::handles::{PyCollection, new_collection};
use crate::json;
use crate::memory::PyMemory;
use crate::patch::{PyPatch, patch_of};
use crate::stats;
use crate::store::PyStore;
use embedder::PyEmbedder;
use options::new_memory;
use recall::{PyAnswer, PyRemembered};
use session::PySession;

/// An agent until it is closed. Sessions share it.
pub(crate) type Slot = Arc<Mutex<Option<Agent>>>;

/// The memory of one agent: it embeds texts, remembers them, recalls them, and forgets by rules.
///
/// It is a context manager: leaving it closes the agent and its store.
///
/// Args:
///     store: a directory, or an open `Store`.
///     embedder: a function from a list of texts to an array of shape (texts, dimension), an object
///         with such a method `embed` or `embed_documents`, or a `HashingEmbedder`.
///     space: the name of the model, where the embedder has no attribute `space`, `model_name` or
///         `model`. Vectors of two models are never mixed.
///     dimension: of the vectors. Without it, one text is embedded to see.
///     tiers: a list of `Tier`. Default: a working tier and a long-term tier.
///     disk_budget: bytes of the whole store; needs a directory.
///     rank: "distance", "generative_agents", "multiplicative" or "gated".
///     duplicates: "off", "exact", or a cosine from which two texts are near copies.
///     on_duplicate: "skip" or "link".
///     language: of the texts, for stems of words, such as "english".
///     token_counter: a function from a text to its number of tokens.
///     session_timeout: after which an idle session ends.
///     end_policy: "keep", "demote" or "drop": what the end of a session does to its memories.
///     archive_limit: bytes of the archive.
///     background: whether a thread tidies. Without it, call `tidy`.
///     reembed: whether texts are embedded again after a change of the model.
///     on_event: a function that is called with each event, as a dict.
#[pyclass(name = "Agent", module = "altiplano", frozen)]
pub(crate) struct PyAgent {
    slot: Slot,
}

/// Returns the agent, unless it was closed.
pub(crate) fn agent(slot: &Slot) -> PyResult<Agent> {
    let held = slot.lock().unwrap_or_else(PoisonError::into_inner);
    held.clone().ok_or_else(|| raise(altiplano::Error::Closed))
}

impl PyAgent {
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&Agent) -> altiplano::Result<T> + Send,
    ) -> PyResult<T> {
        let agent = agent(&self.slot)?;
        py.detach(move || call(&agent)).or_raise()
    }
}

impl Drop for PyAgent {
    fn drop(&mut self) {
        let slot = self.slot.clone();
        // The last handle waits for threads, and these may wait for the interpreter.
        Python::attach(|py| py.detach(|| drop(slot.lock().map(|mut held| held.take()))));
    }
}

/// Where an agent lives.
#[derive(FromPyObject)]
enum Place {
    #[pyo3(transparent)]
    Open(Py<PyStore>),
    #[pyo3(transparent)]
    Path(PathBuf),
}

#[pymethods]
impl PyAgent {
    #[new]
    #[pyo3(signature = (store, embedder, *, space = None, dimension = None, **options))]
    fn new(
        py: Python<'_>,
        store: Place,
        embedder: &Bound<'_, PyAny>,
        space: Option<String>,
        dimension: Option<usize>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let embedder = PyEmbedder::new(embedder, space, dimension)?;
        let options = options::read(embedder, options)?;
        let opened = match store {
            Place::Path(path) => py.detach(|| options.open(path)),
            Place::Open(store) => {
                let store = store.get().store()?;
                py.detach(|| options.open_in(&store))
            }
        };
        Ok(Self { slot: Arc::new(Mutex::new(Some(opened.or_raise()?))) })
    }

    /// Remembers a text. Returns what became of it.
    ///
    /// Args:
    ///     namespace, session, kind, tags, key, group: names, as in `Memory`. Memories of a group
    ///         are recalled together.
    ///     importance: from 0 to 1. Without it, it is estimated.
    ///     pinned: never forgotten by rules.
    ///     event_time, created_at, ttl: times.
    ///     tokens: of the text.
    ///     fields: metadata by paths, such as `{"source": "mail"}`.
    ///     tier: the name of the tier. Default: the first one.
    ///     vector: of the text, where it is known already.
    #[pyo3(signature = (text, **attributes))]
    fn remember(
        &self,
        py: Python<'_>,
        text: String,
        attributes: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyRemembered> {
        let memory = new_memory(text, attributes)?;
        self.with(py, |agent| agent.remember(memory)).map(PyRemembered)
    }

    /// Remembers several texts as one batch. Each is a text, or a dict with `text` and the
    /// attributes of `remember`.
    fn remember_all(
        &self,
        py: Python<'_>,
        memories: &Bound<'_, PyAny>,
    ) -> PyResult<Vec<PyRemembered>> {
        let all: Vec<NewMemory> = memories
            .try_iter()?
            .map(|item| options::new_memory_of(&item?))
            .collect::<PyResult<_>>()?;
        let done = self.with(py, |agent| agent.remember_all(all))?;
        Ok(done.into_iter().map(PyRemembered).collect())
    }

    /// Returns what fits a question best. See `recall_options` in the class `Answer`.
    ///
    /// Args:
    ///     k: memories at most.
    ///     filter, namespace, session, kind: which memories.
    ///     token_budget: tokens that the prompt may have.
    ///     rank: as in `Agent`.
    ///     mmr: from 0 to 1, how much the fit counts against variety.
    ///     tiers: names of the tiers to search.
    ///     min_relevance: cosine from which a memory counts.
    ///     pool: candidates of each tier.
    ///     words: whether words count beside the vector. Default `True`.
    ///     truncate: whether the last text may be cut to fit the budget.
    ///     peek: do not count as a use.
    #[pyo3(signature = (question, k = None, **options))]
    fn recall(
        &self,
        py: Python<'_>,
        question: String,
        k: Option<usize>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyAnswer> {
        let asked = recall::Asked::read(k, options)?;
        let answer = self.with(py, |agent| asked.configure(agent.recall(question)).run())?;
        PyAnswer::new(py, answer)
    }

    /// Returns the memory with an id from whatever tier it is in, or `None`.
    fn get(&self, py: Python<'_>, id: Id) -> PyResult<Option<PyMemory>> {
        Ok(self.with(py, |agent| agent.get(id.0))?.map(PyMemory::from_store))
    }

    /// Forgets a memory. Returns whether it was there.
    fn forget(&self, py: Python<'_>, id: Id) -> PyResult<bool> {
        self.with(py, |agent| agent.forget(id.0))
    }

    /// Forgets the memories that match, in all tiers. Returns how many there were.
    fn forget_where(&self, py: Python<'_>, filter: FilterLike) -> PyResult<u64> {
        self.with(py, |agent| agent.forget_where(filter.0))
    }

    /// Changes a memory: by a `Patch`, or by its changes as keyword arguments.
    #[pyo3(signature = (id, patch = None, **changes))]
    fn patch(
        &self,
        py: Python<'_>,
        id: Id,
        patch: Option<&PyPatch>,
        changes: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<&'static str> {
        let patch = patch_of(patch, changes)?;
        self.with(py, |agent| agent.patch(id.0, patch)).map(crate::writer::outcome)
    }

    /// Gives a memory another text, and embeds it.
    fn rewrite(&self, py: Python<'_>, id: Id, text: &str) -> PyResult<&'static str> {
        self.with(py, |agent| agent.rewrite(id.0, text)).map(crate::writer::outcome)
    }

    /// Remembers a fact that replaces an older one. The old one stays, and says by which.
    #[pyo3(signature = (old, text, **attributes))]
    fn supersede(
        &self,
        py: Python<'_>,
        old: Id,
        text: String,
        attributes: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyRemembered> {
        let new = new_memory(text, attributes)?;
        self.with(py, |agent| agent.supersede(old.0, new)).map(PyRemembered)
    }

    /// Notes whether a memory helped: it becomes more or less important. Returns its importance, or
    /// `None` if it is not there.
    fn reinforce(&self, py: Python<'_>, id: Id, worked: bool) -> PyResult<Option<f32>> {
        let feedback = if worked { Feedback::Worked } else { Feedback::Failed };
        self.with(py, |agent| agent.reinforce(id.0, feedback))
    }

    /// Begins or continues a session. It is a context manager: leaving it ends the session.
    ///
    /// Args:
    ///     end_policy: "keep", "demote" or "drop". Default: that of the agent.
    #[pyo3(signature = (id, *, end_policy = None))]
    fn session(&self, py: Python<'_>, id: String, end_policy: Option<&str>) -> PyResult<PySession> {
        let policy = end_policy.map(options::end_policy).transpose()?;
        let session = self.with(py, |agent| match policy {
            Some(policy) => agent.session_with(id, policy),
            None => agent.session(id),
        })?;
        Ok(PySession::new(session))
    }

    /// Returns the sessions that were begun and not ended, with their policies.
    fn open_sessions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let open = self.with(py, Agent::open_sessions)?;
        let dict = PyDict::new(py);
        for (name, policy) in open {
            dict.set_item(name, options::policy_name(policy))?;
        }
        Ok(dict)
    }

    /// Returns what the rules would forget now, and why, as a dict. Nothing is changed.
    fn plan<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json::report(py, &self.with(py, Agent::plan)?)
    }

    /// Forgets by the rules now. Returns how many memories left their tiers.
    fn tidy(&self, py: Python<'_>) -> PyResult<u64> {
        self.with(py, Agent::tidy)
    }

    /// Moves a memory to a tier. Returns whether it was there.
    fn move_to(&self, py: Python<'_>, id: Id, tier: &str) -> PyResult<bool> {
        self.with(py, |agent| agent.move_to(id.0, tier))
    }

    /// Moves a memory to the archive, where no recall finds it.
    fn archive(&self, py: Python<'_>, id: Id) -> PyResult<bool> {
        self.with(py, |agent| agent.archive(id.0))
    }

    /// Brings a memory back from the archive.
    fn restore(&self, py: Python<'_>, id: Id) -> PyResult<bool> {
        self.with(py, |agent| agent.restore(id.0))
    }

    /// Returns numbers about the agent and its tiers.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        stats::new(py, &self.with(py, Agent::stats)?)
    }

    /// Returns the collection of a tier.
    fn collection(&self, py: Python<'_>, tier: &str) -> PyResult<Py<PyCollection>> {
        let collection = self.with(py, |agent| agent.collection(tier))?;
        new_collection(py, collection)
    }

    /// Waits until there is nothing to tidy, at most for `timeout`.
    #[pyo3(
        signature = (timeout = Span(std::time::Duration::from_secs(60))),
        text_signature = "($self, timeout=60.0)"
    )]
    fn wait_idle(&self, py: Python<'_>, timeout: Span) -> PyResult<bool> {
        self.with(py, |agent| agent.wait_idle(timeout.0))
    }

    /// Closes the agent. A store that it opened is closed as well. A second call does nothing.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| {
            let taken = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
            taken.map_or(Ok(()), Agent::close)
        })
        .or_raise()
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exc))]
    fn __exit__(&self, py: Python<'_>, _exc: &Bound<'_, pyo3::types::PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self) -> String {
        match agent(&self.slot) {
            Ok(agent) => format!("Agent({:?})", agent.store().path()),
            Err(_) => "Agent(closed)".to_owned(),
        }
    }
}

/// Returns the error for a word that an argument does not know.
fn unknown(name: &str, word: &str, known: &str) -> PyErr {
    PyValueError::new_err(format!("invalid {name}: {word:?} is none of {known}"))
}
