//! Owns the class `Reader`: what a collection, a namespace and the snapshots of both have in common.
//! Every call that works on the store releases the lock of the interpreter.

use altiplano::{
    Collection, CollectionSnapshot, Cursor, Direction, Filter, Memory, MemoryId, NameCount, Order,
    Scope, ScopeSnapshot, Window,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::convert::{Id, items};
use crate::errors::{OrRaise, no_memory};
use crate::filter::FilterLike;
use crate::hit::{PyGroup, PyHit, PyMemoryIterator, PyPage, memories};
use crate::memory::PyMemory;
use crate::search::{Ask, TextLike, fields_of, joined};

/// What can be read from.
#[derive(Clone)]
pub(crate) enum Source {
    Collection(Collection),
    Scope(Scope),
    Snapshot(CollectionSnapshot),
    ScopeSnapshot(ScopeSnapshot),
}

/// Calls a method that all sources have.
macro_rules! on {
    ($source:expr, $handle:ident => $call:expr) => {
        match $source {
            $crate::reader::Source::Collection($handle) => $call,
            $crate::reader::Source::Scope($handle) => $call,
            $crate::reader::Source::Snapshot($handle) => $call,
            $crate::reader::Source::ScopeSnapshot($handle) => $call,
        }
    };
}
pub(crate) use on;

/// What can be read: of a collection, of a namespace of it, or of a snapshot of either.
#[pyclass(name = "Reader", module = "altiplano", frozen, subclass)]
pub(crate) struct PyReader {
    pub(crate) source: Source,
}

impl PyReader {
    fn name(&self) -> String {
        match &self.source {
            Source::Collection(collection) => collection.name().to_owned(),
            Source::Scope(scope) => scope.collection_name().to_owned(),
            Source::Snapshot(snapshot) => snapshot.name().to_owned(),
            Source::ScopeSnapshot(snapshot) => snapshot.collection_name().to_owned(),
        }
    }

    fn find(&self, py: Python<'_>, id: MemoryId) -> PyResult<Option<Memory>> {
        py.detach(|| on!(&self.source, handle => handle.get(id))).or_raise()
    }
}

#[pymethods]
impl PyReader {
    /// Returns the memory with an id, or `None`.
    fn get(&self, py: Python<'_>, id: Id) -> PyResult<Option<PyMemory>> {
        Ok(self.find(py, id.0)?.map(PyMemory::from_store))
    }

    /// Returns the newest memory with a key, or `None`.
    fn get_by_key(&self, py: Python<'_>, key: &str) -> PyResult<Option<PyMemory>> {
        let found = py.detach(|| on!(&self.source, handle => handle.get_by_key(key))).or_raise()?;
        Ok(found.map(PyMemory::from_store))
    }

    /// Returns the memories with some ids, in their order, with `None` for those that are missing.
    fn get_many(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<Vec<Option<PyMemory>>> {
        let ids = items::<Id>(ids)?;
        let found = py.detach(|| -> altiplano::Result<Vec<_>> {
            ids.iter().map(|id| on!(&self.source, handle => handle.get(id.0))).collect()
        });
        Ok(found.or_raise()?.into_iter().map(|found| found.map(PyMemory::from_store)).collect())
    }

    fn __getitem__(&self, py: Python<'_>, id: Id) -> PyResult<PyMemory> {
        self.find(py, id.0)?
            .map(PyMemory::from_store)
            .ok_or_else(|| no_memory(py, &self.name(), id.0))
    }

    fn __contains__(&self, py: Python<'_>, id: Id) -> PyResult<bool> {
        py.detach(|| on!(&self.source, handle => handle.contains(id.0))).or_raise()
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        let len = py.detach(|| on!(&self.source, handle => handle.len())).or_raise()?;
        Ok(usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// A reader is true even if it is empty.
    fn __bool__(&self) -> bool {
        true
    }

    fn __iter__(&self, py: Python<'_>) -> PyMemoryIterator {
        PyMemoryIterator::new(py.detach(|| on!(&self.source, handle => handle.iter())))
    }

    /// Returns an iterator over the memories that match, in no order.
    ///
    /// With `fields="payload"` or less, no byte of a vector is read, which is faster.
    #[pyo3(signature = (filter = None, *, fields = "all"))]
    fn scan(
        &self,
        py: Python<'_>,
        filter: Option<FilterLike>,
        fields: &str,
    ) -> PyResult<PyMemoryIterator> {
        let (filter, fields) = (filter.map_or_else(Filter::all, |f| f.0), fields_of(fields)?);
        let iter = py.detach(|| on!(&self.source, handle => handle.scan(filter).fields(fields)));
        Ok(PyMemoryIterator::new(iter))
    }

    /// Returns the nearest memories, nearest first: `k` of them if `k` match.
    ///
    /// Args:
    ///     query: a vector.
    ///     k: how many to return.
    ///     text: words to look for, alone or beside the vector. The collection needs a text index
    ///         to do it fast.
    ///     near: the id of a memory, in place of `query`. It is not among the results.
    ///     or_near: more vectors: the nearest to any of them count.
    ///     filter: a `Filter` or a dict. `namespace`, `session`, `kind` and `tag` are shortcuts.
    ///     where: a function of a memory that says whether it counts. Slow: prefer a filter.
    ///     offset: results to leave out at the front.
    ///     max_distance, min_score: results beyond are left out.
    ///     target_recall: from 0 to 1, the share of true neighbors to find. Default 0.95.
    ///     ef: the beam width of the graph search, in place of `target_recall`.
    ///     exact: measure every match.
    ///     mode: "auto", "scan" or "graph".
    ///     text_weight: the weight of the words beside the vector, from 0 to 1. Default 0.4.
    ///     reciprocal_rank: join words and vector by ranks instead.
    ///     pool: candidates of each kind before they are joined.
    ///     fields: what a hit brings: "none", "attributes", "payload" or "all" (with vectors).
    ///     peek: do not count as a read.
    #[pyo3(signature = (
        query = None, k = 10, *, text = None, near = None, or_near = None, filter = None,
        namespace = None, session = None, kind = None, tag = None, r#where = None, offset = 0,
        max_distance = None, min_score = None, ef = None, target_recall = None, exact = false,
        mode = "auto", text_weight = None, reciprocal_rank = false, pool = None,
        fields = "payload", peek = false
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn search(
        &self,
        py: Python<'_>,
        query: Option<crate::convert::Vector>,
        k: usize,
        text: Option<TextLike>,
        near: Option<Id>,
        or_near: Option<Bound<'_, PyAny>>,
        filter: Option<FilterLike>,
        namespace: Option<String>,
        session: Option<String>,
        kind: Option<String>,
        tag: Option<String>,
        r#where: Option<Py<PyAny>>,
        offset: usize,
        max_distance: Option<f32>,
        min_score: Option<f32>,
        ef: Option<usize>,
        target_recall: Option<f32>,
        exact: bool,
        mode: &str,
        text_weight: Option<f32>,
        reciprocal_rank: bool,
        pool: Option<usize>,
        fields: &str,
        peek: bool,
    ) -> PyResult<Vec<PyHit>> {
        let names = [namespace, session, kind, tag];
        let mut ask = Ask::new(query, text, near, k)?;
        ask.or_near = or_near.as_ref().map(vectors).transpose()?.unwrap_or_default();
        ask.filter = joined(filter, names);
        ask.offset = offset;
        ask.max_distance = max_distance;
        ask.min_score = min_score;
        ask.accuracy(ef, target_recall, exact, mode)?;
        ask.fusion(text_weight, reciprocal_rank)?;
        ask.pool = pool;
        ask.fields = fields_of(fields)?;
        ask.peek = peek;
        ask.test = r#where;
        ask.run(py, &self.source)
    }

    /// Returns the best values of an attribute, with the best hits of each.
    ///
    /// Args:
    ///     by: "namespace", "session", "kind", "key", or "field:PATH".
    ///     per_group: hits of each value.
    #[pyo3(signature = (
        query = None, k = 10, *, by, per_group = 1, text = None, filter = None, fields = "payload"
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn search_groups(
        &self,
        py: Python<'_>,
        query: Option<crate::convert::Vector>,
        k: usize,
        by: &str,
        per_group: usize,
        text: Option<TextLike>,
        filter: Option<FilterLike>,
        fields: &str,
    ) -> PyResult<Vec<PyGroup>> {
        let mut ask = Ask::new(query, text, None, k)?;
        ask.filter = joined(filter, Default::default());
        ask.fields = fields_of(fields)?;
        ask.run_groups(py, &self.source, by, per_group)
    }

    /// Returns the results of a search, and how it went, as a dict.
    #[pyo3(signature = (
        query = None, k = 10, *, text = None, filter = None, ef = None, target_recall = None,
        exact = false, mode = "auto"
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn explain<'py>(
        &self,
        py: Python<'py>,
        query: Option<crate::convert::Vector>,
        k: usize,
        text: Option<TextLike>,
        filter: Option<FilterLike>,
        ef: Option<usize>,
        target_recall: Option<f32>,
        exact: bool,
        mode: &str,
    ) -> PyResult<(Vec<PyHit>, Bound<'py, PyAny>)> {
        let mut ask = Ask::new(query, text, None, k)?;
        ask.filter = joined(filter, Default::default());
        ask.accuracy(ef, target_recall, exact, mode)?;
        ask.explain(py, &self.source)
    }

    /// Returns one page of the memories that match, in an order.
    ///
    /// Args:
    ///     order: "created", "event_time", "importance" or "key".
    ///     limit: memories of a page.
    ///     after: `next` of the page before.
    #[pyo3(signature = (
        *, filter = None, namespace = None, session = None, kind = None, tag = None,
        order = "created", descending = true, limit = 100, after = None, fields = "payload"
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn list(
        &self,
        py: Python<'_>,
        filter: Option<FilterLike>,
        namespace: Option<String>,
        session: Option<String>,
        kind: Option<String>,
        tag: Option<String>,
        order: &str,
        descending: bool,
        limit: usize,
        after: Option<&str>,
        fields: &str,
    ) -> PyResult<PyPage> {
        let filter = joined(filter, [namespace, session, kind, tag]).unwrap_or_else(Filter::all);
        let (order, fields) = (order_of(order)?, fields_of(fields)?);
        let direction = if descending { Direction::Descending } else { Direction::Ascending };
        let cursor = after.map(crate::convert::word::<Cursor>).transpose()?;
        let page = py.detach(|| {
            on!(&self.source, handle => {
                let list = handle.list().filter(filter).order(order, direction);
                list.limit(limit).after(cursor).fields(fields).run()
            })
        });
        PyPage::new(py, page.or_raise()?)
    }

    /// Returns the newest memories of a session, oldest first: a number of them (`turns`), or as
    /// many as fit into a number of `tokens`.
    #[pyo3(signature = (session, *, turns = None, tokens = None))]
    fn recent(
        &self,
        py: Python<'_>,
        session: String,
        turns: Option<usize>,
        tokens: Option<u64>,
    ) -> PyResult<Vec<Py<PyMemory>>> {
        let window = window(turns, tokens)?;
        let found = py.detach(|| on!(&self.source, handle => handle.recent(session, window)));
        memories(py, found.or_raise()?)
    }

    /// Returns how many memories match.
    #[pyo3(signature = (filter = None))]
    fn count(&self, py: Python<'_>, filter: Option<FilterLike>) -> PyResult<u64> {
        let filter = filter.map_or_else(Filter::all, |filter| filter.0);
        py.detach(|| on!(&self.source, handle => handle.count(filter))).or_raise()
    }

    /// Returns the sessions and how many memories each has; of one namespace, where it is given.
    #[pyo3(signature = (namespace = None))]
    fn sessions<'py>(
        &self,
        py: Python<'py>,
        namespace: Option<&str>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let found = py.detach(|| match &self.source {
            Source::Collection(collection) => Some(collection.sessions(namespace)),
            Source::Snapshot(snapshot) => Some(snapshot.sessions(namespace)),
            Source::Scope(scope) if namespace.is_none() => Some(scope.sessions()),
            Source::ScopeSnapshot(snapshot) if namespace.is_none() => Some(snapshot.sessions()),
            Source::Scope(_) | Source::ScopeSnapshot(_) => None,
        });
        let found = found.ok_or_else(|| {
            PyTypeError::new_err("this handle has one namespace: leave out `namespace`")
        })?;
        counts(py, found.or_raise()?)
    }

    /// Returns the tags and how many memories each has.
    fn tags<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        counts(py, py.detach(|| on!(&self.source, handle => handle.tags())).or_raise()?)
    }

    /// Returns the kinds and how many memories each has.
    fn kinds<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        counts(py, py.detach(|| on!(&self.source, handle => handle.kinds())).or_raise()?)
    }
}

/// Returns counts by name as a dict.
pub(crate) fn counts(py: Python<'_>, names: Vec<NameCount>) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    for count in names {
        dict.set_item(count.name, count.memories)?;
    }
    Ok(dict)
}

fn vectors(values: &Bound<'_, PyAny>) -> PyResult<Vec<Vec<f32>>> {
    let all = items::<crate::convert::Vector>(values)?;
    Ok(all.into_iter().map(|vector| vector.0).collect())
}

fn order_of(word: &str) -> PyResult<Order> {
    match word {
        "created" => Ok(Order::Created),
        "event_time" => Ok(Order::EventTime),
        "importance" => Ok(Order::Importance),
        "key" => Ok(Order::Key),
        _ => Err(PyValueError::new_err(format!(
            "invalid order: {word:?} is none of created, event_time, importance, key"
        ))),
    }
}

/// Reads how much of the end of a session is wanted.
pub(crate) fn window(turns: Option<usize>, tokens: Option<u64>) -> PyResult<Window> {
    match (turns, tokens) {
        (Some(turns), None) => Ok(Window::turns(turns)),
        (None, Some(tokens)) => Ok(Window::tokens(tokens)),
        _ => Err(PyTypeError::new_err("give either turns or tokens")),
    }
}
