//! Owns what an agent answers: `Answer`, `Recalled` and `Remembered`, and the arguments of a recall.

use altiplano::agent::{Answer, Rank, Recall, Recalled, Remembered};
use altiplano::{Filter, Memory};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator};

use super::options::rank;
use crate::filter::FilterLike;
use crate::id::PyMemoryId;
use crate::json;
use crate::memory::{PyMemory, strings};

/// The arguments of a recall, as plain data.
#[derive(Default)]
pub(crate) struct Asked {
    k: Option<usize>,
    filter: Option<Filter>,
    rank: Option<Rank>,
    mmr: Option<f32>,
    token_budget: Option<usize>,
    tiers: Option<Vec<String>>,
    min_relevance: Option<f32>,
    pool: Option<usize>,
    words: Option<bool>,
    truncate: Option<bool>,
    peek: bool,
}

impl Asked {
    pub(crate) fn read(k: Option<usize>, given: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut asked = Self { k, ..Self::default() };
        for (name, value) in given.into_iter().flatten() {
            let name: String = name.extract()?;
            if value.is_none() {
                continue;
            }
            let text = || value.extract::<String>();
            let filter = match name.as_str() {
                "filter" => Some(value.extract::<FilterLike>()?.0),
                "namespace" => Some(Filter::namespace(text()?)),
                "session" => Some(Filter::session(text()?)),
                "kind" => Some(Filter::kind(text()?)),
                _ => None,
            };
            if let Some(filter) = filter {
                asked.filter = Some(match asked.filter {
                    Some(other) => other.and(filter),
                    None => filter,
                });
                continue;
            }
            match name.as_str() {
                "rank" => asked.rank = Some(rank(&text()?)?),
                "mmr" => asked.mmr = Some(value.extract()?),
                "token_budget" => asked.token_budget = Some(value.extract()?),
                "tiers" => asked.tiers = Some(strings(&value, "tiers")?),
                "min_relevance" => asked.min_relevance = Some(value.extract()?),
                "pool" => asked.pool = Some(value.extract()?),
                "words" => asked.words = Some(value.extract()?),
                "truncate" => asked.truncate = Some(value.extract()?),
                "peek" => asked.peek = value.extract()?,
                _ => return Err(PyTypeError::new_err(format!("a recall has no option {name:?}"))),
            }
        }
        Ok(asked)
    }

    pub(crate) fn configure<'a>(self, mut recall: Recall<'a>) -> Recall<'a> {
        macro_rules! set {
            ($($name:ident),*) => {
                $(if let Some(value) = self.$name { recall = recall.$name(value); })*
            };
        }
        set!(k, filter, rank, mmr, token_budget, tiers, min_relevance, pool, words, truncate);
        if self.peek { recall.peek() } else { recall }
    }
}

/// One memory of an answer.
#[pyclass(name = "Recalled", module = "altiplano", frozen)]
pub(crate) struct PyRecalled {
    memory: Py<PyMemory>,
    parts: Recalled,
}

#[pymethods]
impl PyRecalled {
    /// The memory.
    #[getter]
    fn memory(&self, py: Python<'_>) -> Py<PyMemory> {
        self.memory.clone_ref(py)
    }

    /// The text of the memory.
    #[getter]
    fn text(&self) -> String {
        self.parts.text().to_owned()
    }

    /// The id of the memory.
    #[getter]
    fn id(&self) -> PyMemoryId {
        PyMemoryId(self.parts.memory.id)
    }

    /// The tier that it is in.
    #[getter]
    fn tier(&self) -> String {
        self.parts.tier.clone()
    }

    /// The distance from the question.
    #[getter]
    fn distance(&self) -> f32 {
        self.parts.distance
    }

    /// How well it fits, from 0 to 1.
    #[getter]
    fn relevance(&self) -> f32 {
        self.parts.relevance
    }

    /// What the rank made of it.
    #[getter]
    fn score(&self) -> f32 {
        self.parts.score
    }

    /// The parts of the score, by name.
    #[getter]
    fn components<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (name, value) in &self.parts.components {
            dict.set_item(name, value)?;
        }
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        let short: String = self.parts.text().chars().take(60).collect();
        format!("Recalled(score={:.4}, text={short:?})", self.parts.score)
    }
}

/// What an agent recalled: a sequence of `Recalled`, most useful first.
#[pyclass(name = "Answer", module = "altiplano", frozen)]
pub(crate) struct PyAnswer {
    items: Vec<Py<PyRecalled>>,
    answer: Answer,
}

impl PyAnswer {
    pub(crate) fn new(py: Python<'_>, answer: Answer) -> PyResult<Self> {
        let items = answer.items.iter().map(|item| {
            let memory: Memory = item.memory.clone();
            let memory = Py::new(py, PyMemory::from_store(memory))?;
            Py::new(py, PyRecalled { memory, parts: item.clone() })
        });
        Ok(Self { items: items.collect::<PyResult<_>>()?, answer })
    }
}

#[pymethods]
impl PyAnswer {
    /// The memories, most useful first.
    #[getter]
    fn items(&self, py: Python<'_>) -> Vec<Py<PyRecalled>> {
        self.items.iter().map(|item| item.clone_ref(py)).collect()
    }

    /// Tokens of the prompt. 0 without a budget.
    #[getter]
    fn tokens_used(&self) -> usize {
        self.answer.tokens_used
    }

    /// Whether the last text was cut to fit.
    #[getter]
    fn truncated(&self) -> bool {
        self.answer.truncated
    }

    /// What was left out and why, as dicts.
    #[getter]
    fn left_out<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json::report(py, &self.answer.left_out)
    }

    /// How many memories were ranked.
    #[getter]
    fn pool(&self) -> usize {
        self.answer.pool
    }

    /// Whether a tier had more memories than the pool takes.
    #[getter]
    fn pool_exhausted(&self) -> bool {
        self.answer.pool_exhausted
    }

    /// Returns the memories as a text for a prompt.
    fn to_prompt(&self) -> String {
        self.answer.to_prompt()
    }

    fn __len__(&self) -> usize {
        self.items.len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.items(py).into_pyobject(py)?.try_iter()
    }

    fn __getitem__<'py>(
        &self,
        py: Python<'py>,
        index: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.items(py).into_pyobject(py)?.get_item(index)
    }

    fn __repr__(&self) -> String {
        format!("Answer(items={}, tokens_used={})", self.items.len(), self.answer.tokens_used)
    }
}

/// What became of a text.
#[pyclass(name = "Remembered", module = "altiplano", frozen)]
pub(crate) struct PyRemembered(pub(crate) Remembered);

#[pymethods]
impl PyRemembered {
    /// The id of the memory.
    #[getter]
    fn id(&self) -> PyMemoryId {
        PyMemoryId(self.0.id)
    }

    /// The memory that it is a copy of, where copies are looked for.
    #[getter]
    fn duplicate_of(&self) -> Option<PyMemoryId> {
        self.0.duplicate_of.map(PyMemoryId)
    }

    /// Whether there is a new memory.
    #[getter]
    fn is_new(&self) -> bool {
        self.0.is_new
    }

    /// The importance, given or estimated.
    #[getter]
    fn importance(&self) -> f32 {
        self.0.importance
    }

    fn __repr__(&self) -> String {
        let id = self.0.id.to_uuid_string();
        let new = if self.0.is_new { "True" } else { "False" };
        format!("Remembered(id='{id}', is_new={new}, importance={:.2})", self.0.importance)
    }
}
