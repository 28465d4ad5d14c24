//! Owns a search as plain data, between the arguments of Python and the builder of the store.

use std::sync::{Mutex, PoisonError};

use altiplano::{Fields, Filter, Fusion, GroupBy, MemoryId, Search, SearchMode, TextQuery};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::convert::{Id, Vector};
use crate::errors::OrRaise;
use crate::filter::FilterLike;
use crate::hit::{PyGroup, PyHit};
use crate::json;
use crate::memory::{PyMemory, strings};
use crate::reader::{Source, on};

/// Words, phrases and prefixes to look for.
///
/// Args:
///     words: any of them counts, unless `all_words` is set.
///     phrases: words that must follow each other.
///     prefixes: beginnings of words.
#[pyclass(name = "TextQuery", module = "altiplano", frozen)]
#[derive(Clone)]
pub(crate) struct PyTextQuery(TextQuery);

#[pymethods]
impl PyTextQuery {
    #[new]
    #[pyo3(signature = (words = "", *, phrases = None, prefixes = None, all_words = false))]
    fn new(
        words: &str,
        phrases: Option<Bound<'_, PyAny>>,
        prefixes: Option<Bound<'_, PyAny>>,
        all_words: bool,
    ) -> PyResult<Self> {
        let list = |values: Option<Bound<'_, PyAny>>, name| {
            values.map_or_else(|| Ok(Vec::new()), |values| strings(&values, name))
        };
        let query = TextQuery::new(words);
        let query = list(phrases, "phrases")?.into_iter().fold(query, TextQuery::phrase);
        let query = list(prefixes, "prefixes")?.into_iter().fold(query, TextQuery::prefix);
        Ok(Self(if all_words { query.all_words() } else { query }))
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }
}

/// Words as an argument: a string, or a `TextQuery`.
pub(crate) struct TextLike(TextQuery);

impl<'py> FromPyObject<'_, 'py> for TextLike {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(query) = value.cast::<PyTextQuery>() {
            return Ok(Self(query.get().0.clone()));
        }
        let words = value
            .cast::<PyString>()
            .map_err(|_| PyTypeError::new_err("text is a str or a TextQuery"))?;
        Ok(Self(TextQuery::new(words.to_str()?)))
    }
}

/// A search, as plain data.
pub(crate) struct Ask {
    query: Option<Vec<f32>>,
    text: Option<TextQuery>,
    near: Option<MemoryId>,
    k: usize,
    pub(crate) or_near: Vec<Vec<f32>>,
    pub(crate) filter: Option<Filter>,
    pub(crate) offset: usize,
    pub(crate) max_distance: Option<f32>,
    pub(crate) min_score: Option<f32>,
    ef: Option<usize>,
    target_recall: Option<f32>,
    exact: bool,
    mode: SearchMode,
    fusion: Option<Fusion>,
    pub(crate) pool: Option<usize>,
    pub(crate) fields: Fields,
    pub(crate) peek: bool,
    pub(crate) test: Option<Py<PyAny>>,
}

impl Ask {
    pub(crate) fn new(
        query: Option<Vector>,
        text: Option<TextLike>,
        near: Option<Id>,
        k: usize,
    ) -> PyResult<Self> {
        if query.is_some() && near.is_some() {
            return Err(PyTypeError::new_err("give a query or near, not both"));
        }
        if query.is_none() && near.is_none() && text.is_none() {
            return Err(PyTypeError::new_err("a search needs a query, text or near"));
        }
        Ok(Self {
            query: query.map(|query| query.0),
            text: text.map(|text| text.0),
            near: near.map(|id| id.0),
            ..Self::of_many(k)
        })
    }

    /// Returns a search without a query, for many of them.
    pub(crate) fn of_many(k: usize) -> Self {
        Self {
            query: None,
            text: None,
            near: None,
            k,
            or_near: Vec::new(),
            filter: None,
            offset: 0,
            max_distance: None,
            min_score: None,
            ef: None,
            target_recall: None,
            exact: false,
            mode: SearchMode::Auto,
            fusion: None,
            pool: None,
            fields: Fields::Payload,
            peek: false,
            test: None,
        }
    }

    /// Sets how many of the true neighbors are wanted, and how they are found.
    pub(crate) fn accuracy(
        &mut self,
        ef: Option<usize>,
        target_recall: Option<f32>,
        exact: bool,
        mode: &str,
    ) -> PyResult<()> {
        self.mode = match mode {
            "auto" => SearchMode::Auto,
            "scan" => SearchMode::Scan,
            "graph" => SearchMode::Graph,
            _ => {
                let text = format!("invalid mode: {mode:?} is none of auto, scan, graph");
                return Err(PyValueError::new_err(text));
            }
        };
        (self.ef, self.target_recall, self.exact) = (ef, target_recall, exact);
        Ok(())
    }

    /// Sets how words and vector are joined.
    pub(crate) fn fusion(
        &mut self,
        text_weight: Option<f32>,
        reciprocal_rank: bool,
    ) -> PyResult<()> {
        self.fusion = match (text_weight, reciprocal_rank) {
            (Some(_), true) => {
                return Err(PyTypeError::new_err("give text_weight or reciprocal_rank, not both"));
            }
            (Some(weight), false) => Some(Fusion::weighted(weight)),
            (None, true) => Some(Fusion::reciprocal_rank()),
            (None, false) => None,
        };
        Ok(())
    }

    /// Applies everything but the query.
    pub(crate) fn configure<'a>(&self, mut search: Search<'a>) -> Search<'a> {
        search = search.k(self.k).offset(self.offset).fields(self.fields).mode(self.mode);
        for vector in &self.or_near {
            search = search.or_near(vector);
        }
        if let Some(filter) = &self.filter {
            search = search.filter(filter.clone());
        }
        if let Some(distance) = self.max_distance {
            search = search.max_distance(distance);
        }
        if let Some(score) = self.min_score {
            search = search.min_score(score);
        }
        if let Some(ef) = self.ef {
            search = search.ef(ef);
        }
        if let Some(recall) = self.target_recall {
            search = search.target_recall(recall);
        }
        if self.exact {
            search = search.exact();
        }
        if let Some(fusion) = self.fusion {
            search = search.fusion(fusion);
        }
        if let Some(pool) = self.pool {
            search = search.pool(pool);
        }
        if self.peek { search.peek() } else { search }
    }

    /// Returns the search on a source.
    fn search<'a>(&'a self, source: &'a Source) -> Search<'a> {
        let search = match (&self.query, self.near, &self.text) {
            (Some(query), _, _) => on!(source, handle => handle.search(query)),
            (None, Some(id), _) => on!(source, handle => handle.near(id)),
            (None, None, Some(text)) => {
                let text = text.clone();
                return self.configure(on!(source, handle => handle.search_text(text)));
            }
            // `new` refuses it; an empty query is refused again by the search.
            (None, None, None) => on!(source, handle => handle.search(&[])),
        };
        let search = match &self.text {
            Some(text) => search.text(text.clone()),
            None => search,
        };
        self.configure(search)
    }

    pub(crate) fn run(self, py: Python<'_>, source: &Source) -> PyResult<Vec<PyHit>> {
        let fault = Mutex::new(None);
        let found = py.detach(|| match &self.test {
            None => self.search(source).run(),
            Some(test) => {
                self.search(source).filter_fn(|memory| passes(test, memory, &fault)).run()
            }
        });
        if let Some(error) = fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        PyHit::all(py, found.or_raise()?)
    }

    pub(crate) fn run_groups(
        self,
        py: Python<'_>,
        source: &Source,
        by: &str,
        per_group: usize,
    ) -> PyResult<Vec<PyGroup>> {
        let by = match (by, by.strip_prefix("field:")) {
            ("namespace", _) => GroupBy::Namespace,
            ("session", _) => GroupBy::Session,
            ("kind", _) => GroupBy::Kind,
            ("key", _) => GroupBy::Key,
            (_, Some(path)) => GroupBy::Field(path.to_owned()),
            _ => {
                return Err(PyValueError::new_err(format!(
                    "invalid by: {by:?} is none of namespace, session, kind, key, field:PATH"
                )));
            }
        };
        let found = py.detach(|| self.search(source).group_by(by, per_group).run_groups());
        found.or_raise()?.into_iter().map(|group| PyGroup::new(py, group)).collect()
    }

    pub(crate) fn explain<'py>(
        self,
        py: Python<'py>,
        source: &Source,
    ) -> PyResult<(Vec<PyHit>, Bound<'py, PyAny>)> {
        let (found, how) = py.detach(|| self.search(source).explain()).or_raise()?;
        Ok((PyHit::all(py, found)?, json::report(py, &how)?))
    }
}

/// Asks a function of Python about a memory. Its first exception is kept, and ends the matches.
fn passes(test: &Py<PyAny>, memory: &altiplano::Memory, fault: &Mutex<Option<PyErr>>) -> bool {
    // No lock is held while Python runs: another thread could wait for it with the interpreter.
    let held = || fault.lock().unwrap_or_else(PoisonError::into_inner);
    if held().is_some() {
        return false;
    }
    let answer = Python::attach(|py| {
        let memory = PyMemory::from_store(memory.clone());
        test.call1(py, (memory,))?.is_truthy(py)
    });
    answer.unwrap_or_else(|error| {
        held().get_or_insert(error);
        false
    })
}

/// Joins a filter with the shortcuts namespace, session, kind and tag.
pub(crate) fn joined(filter: Option<FilterLike>, names: [Option<String>; 4]) -> Option<Filter> {
    let [namespace, session, kind, tag] = names;
    let parts = [
        filter.map(|filter| filter.0),
        namespace.map(Filter::namespace),
        session.map(Filter::session),
        kind.map(Filter::kind),
        tag.map(Filter::tag),
    ];
    parts.into_iter().flatten().reduce(Filter::and)
}

/// Reads the word of `fields`.
pub(crate) fn fields_of(word: &str) -> PyResult<Fields> {
    match word {
        "none" => Ok(Fields::None),
        "attributes" => Ok(Fields::Attributes),
        "payload" => Ok(Fields::Payload),
        "all" => Ok(Fields::All),
        _ => Err(PyValueError::new_err(format!(
            "invalid fields: {word:?} is none of none, attributes, payload, all"
        ))),
    }
}
