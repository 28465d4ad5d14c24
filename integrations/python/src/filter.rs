//! Owns the classes `Filter` and `FieldRef`, and filters written as dicts.

use std::ops::Bound as Edge;

use altiplano::{FieldRef, FieldValue, Filter, Timestamp};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pyclass::CompareOp;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::convert::{Id, Time, Value, items};
use crate::memory::strings;

/// Which memories. Filters are combined with `&`, `|` and `~`.
#[pyclass(name = "Filter", module = "altiplano", frozen, eq)]
#[derive(Clone, PartialEq)]
pub(crate) struct PyFilter(pub(crate) Filter);

/// A filter as an argument: a `Filter`, or a dict.
pub(crate) struct FilterLike(pub(crate) Filter);

impl<'py> FromPyObject<'_, 'py> for FilterLike {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(filter) = value.cast::<PyFilter>() {
            return Ok(Self(filter.get().0.clone()));
        }
        if value.is_instance_of::<PyFieldRef>() {
            return Err(PyTypeError::new_err(
                "a field is no filter yet: compare it, as in field(\"year\") > 2000",
            ));
        }
        let dict = value.cast::<PyDict>().map_err(|_| {
            PyTypeError::new_err("a filter is a Filter, or a dict of fields and values")
        })?;
        from_dict(&dict, MAX_DEPTH).map(Self)
    }
}

/// Deepest nesting of a filter in a dict.
const MAX_DEPTH: usize = 100;

#[pymethods]
impl PyFilter {
    /// Every memory.
    #[staticmethod]
    fn all() -> Self {
        Self(Filter::all())
    }

    /// Memories of a namespace.
    #[staticmethod]
    fn namespace(name: String) -> Self {
        Self(Filter::namespace(name))
    }

    /// Memories of a namespace and of those below it: `a` has `a/b` and `a/b/c` below it.
    #[staticmethod]
    fn namespace_under(name: String) -> Self {
        Self(Filter::namespace_under(name))
    }

    /// Memories of a session.
    #[staticmethod]
    fn session(name: String) -> Self {
        Self(Filter::session(name))
    }

    /// Memories that have a session.
    #[staticmethod]
    fn has_session() -> Self {
        Self(Filter::has_session())
    }

    /// Memories of a kind.
    #[staticmethod]
    fn kind(name: String) -> Self {
        Self(Filter::kind(name))
    }

    /// Memories with a tag.
    #[staticmethod]
    fn tag(name: String) -> Self {
        Self(Filter::tag(name))
    }

    /// Memories with at least one of the tags.
    #[staticmethod]
    fn tags_any(names: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(Filter::tags_any(strings(names, "tags")?)))
    }

    /// Memories with all of the tags.
    #[staticmethod]
    fn tags_all(names: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(Filter::tags_all(strings(names, "tags")?)))
    }

    /// Memories with a key.
    #[staticmethod]
    fn key(key: String) -> Self {
        Self(Filter::key(key))
    }

    /// Memories with one of the ids.
    #[staticmethod]
    fn ids(ids: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(Filter::ids(items::<Id>(ids)?.into_iter().map(|id| id.0))))
    }

    /// Memories made from `since` on and before `until`.
    #[staticmethod]
    #[pyo3(signature = (since = None, until = None))]
    fn created(since: Option<Time>, until: Option<Time>) -> Self {
        Self(Filter::created(times(since, until)))
    }

    /// Memories of things that happened from `since` on and before `until`.
    #[staticmethod]
    #[pyo3(signature = (since = None, until = None))]
    fn event_time(since: Option<Time>, until: Option<Time>) -> Self {
        Self(Filter::event_time(times(since, until)))
    }

    /// Memories that expire from `since` on and before `until`.
    #[staticmethod]
    #[pyo3(signature = (since = None, until = None))]
    fn expires(since: Option<Time>, until: Option<Time>) -> Self {
        Self(Filter::expires(times(since, until)))
    }

    /// Facts that hold at a time.
    #[staticmethod]
    fn valid_at(at: Time) -> Self {
        Self(Filter::valid_at(at.0))
    }

    /// Memories whose importance is from `min` to `max`, both included.
    #[staticmethod]
    #[pyo3(signature = (min = None, max = None))]
    fn importance(min: Option<f32>, max: Option<f32>) -> Self {
        Self(Filter::importance((closed(min), closed(max))))
    }

    /// Memories whose number of tokens is from `min` to `max`, both included.
    #[staticmethod]
    #[pyo3(signature = (min = None, max = None))]
    fn tokens(min: Option<u32>, max: Option<u32>) -> Self {
        Self(Filter::tokens((closed(min), closed(max))))
    }

    /// Memories that are pinned, or that are not.
    #[staticmethod]
    #[pyo3(signature = (pinned = true))]
    fn pinned(pinned: bool) -> Self {
        Self(Filter::pinned(pinned))
    }

    /// Memories that another one has replaced, or that none has.
    #[staticmethod]
    #[pyo3(signature = (superseded = true))]
    fn superseded(superseded: bool) -> Self {
        Self(Filter::superseded(superseded))
    }

    /// Memories that were made from this one.
    #[staticmethod]
    fn derived_from(id: Id) -> Self {
        Self(Filter::derived_from(id.0))
    }

    /// A field of the metadata, to compare.
    #[staticmethod]
    fn field(path: String) -> PyFieldRef {
        field(path)
    }

    /// Reads a filter on metadata from a dict, as in
    /// `{"topic": "tea", "year": {"$gte": 2000}, "$or": [{...}, {...}]}`.
    ///
    /// Keys are paths of fields. Values are compared, or are a dict of operators: `$eq`, `$ne`,
    /// `$lt`, `$lte`, `$gt`, `$gte`, `$in`, `$nin`, `$exists`, `$contains` and `$starts_with`.
    /// `$and` and `$or` take a list of dicts, `$not` takes one.
    #[staticmethod]
    fn from_dict(value: FilterLike) -> Self {
        Self(value.0)
    }

    fn __and__(&self, other: FilterLike) -> Self {
        Self(self.0.clone().and(other.0))
    }

    fn __rand__(&self, other: FilterLike) -> Self {
        Self(other.0.and(self.0.clone()))
    }

    fn __or__(&self, other: FilterLike) -> Self {
        Self(self.0.clone().or(other.0))
    }

    fn __ror__(&self, other: FilterLike) -> Self {
        Self(other.0.or(self.0.clone()))
    }

    fn __invert__(&self) -> Self {
        Self(self.0.clone().not())
    }

    fn __bool__(&self) -> PyResult<bool> {
        Err(PyTypeError::new_err("a filter has no truth: use & | ~ instead of and, or, not"))
    }

    fn __repr__(&self) -> String {
        format!("Filter({:?})", self.0)
    }
}

/// A field of the metadata, by its path. Comparisons make filters: `field("year") > 2000`.
#[pyclass(name = "FieldRef", module = "altiplano", frozen)]
pub(crate) struct PyFieldRef(String);

impl PyFieldRef {
    fn field(&self) -> FieldRef {
        Filter::field(self.0.clone())
    }
}

/// Returns a field of the metadata, by its path: `field("author.name") == "Ada"`.
#[pyfunction]
pub(crate) fn field(path: String) -> PyFieldRef {
    PyFieldRef(path)
}

#[pymethods]
impl PyFieldRef {
    fn __richcmp__(&self, value: Value, op: CompareOp) -> PyFilter {
        let (field, value) = (self.field(), value.0);
        PyFilter(match op {
            CompareOp::Eq => field.eq(value),
            CompareOp::Ne => field.ne(value),
            CompareOp::Lt => field.lt(value),
            CompareOp::Le => field.le(value),
            CompareOp::Gt => field.gt(value),
            CompareOp::Ge => field.ge(value),
        })
    }

    /// Values from `low` to `high`, both included.
    fn between(&self, low: Value, high: Value) -> PyFilter {
        PyFilter(self.field().between(low.0, high.0))
    }

    /// One of the values.
    fn one_of(&self, values: &Bound<'_, PyAny>) -> PyResult<PyFilter> {
        Ok(PyFilter(self.field().one_of(all(values)?)))
    }

    /// None of the values. A memory without the field does not match.
    fn none_of(&self, values: &Bound<'_, PyAny>) -> PyResult<PyFilter> {
        Ok(PyFilter(self.field().none_of(all(values)?)))
    }

    /// The field is there.
    fn exists(&self) -> PyFilter {
        PyFilter(self.field().exists())
    }

    /// The field is not there.
    fn not_exists(&self) -> PyFilter {
        PyFilter(self.field().not_exists())
    }

    /// The field is there, and null.
    fn is_null(&self) -> PyFilter {
        PyFilter(self.field().is_null())
    }

    /// A list that has the value.
    fn contains(&self, value: Value) -> PyFilter {
        PyFilter(self.field().contains(value.0))
    }

    /// A text that starts with the given one.
    fn starts_with(&self, text: String) -> PyFilter {
        PyFilter(self.field().starts_with(text))
    }

    fn __repr__(&self) -> String {
        format!("field({:?})", self.0)
    }
}

fn times(since: Option<Time>, until: Option<Time>) -> (Edge<Timestamp>, Edge<Timestamp>) {
    let since = since.map_or(Edge::Unbounded, |at| Edge::Included(at.0));
    (since, until.map_or(Edge::Unbounded, |at| Edge::Excluded(at.0)))
}

fn closed<T>(edge: Option<T>) -> Edge<T> {
    edge.map_or(Edge::Unbounded, Edge::Included)
}

fn all(values: &Bound<'_, PyAny>) -> PyResult<Vec<FieldValue>> {
    if values.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err("values are a list, not one string"));
    }
    Ok(items::<Value>(values)?.into_iter().map(|value| value.0).collect())
}

fn from_dict(dict: &Bound<'_, PyDict>, depth: usize) -> PyResult<Filter> {
    if depth == 0 {
        return Err(PyValueError::new_err("a filter is nested too deep"));
    }
    let mut whole = Filter::all();
    for (key, value) in dict {
        let key = key
            .extract::<String>()
            .map_err(|_| PyTypeError::new_err(format!("a key of a filter is a str, not {key}")))?;
        let part = match key.as_str() {
            "$and" => list(&value, &key, depth)?.into_iter().fold(Filter::all(), Filter::and),
            "$or" => {
                let mut parts = list(&value, &key, depth)?.into_iter();
                let first = parts.next().ok_or_else(|| {
                    PyValueError::new_err("$or needs at least one filter in its list")
                })?;
                parts.fold(first, Filter::or)
            }
            "$not" => nested(&value, &key, depth)?.not(),
            operator if operator.starts_with('$') => return Err(unknown(operator)),
            path => of_field(path, &value, depth)?,
        };
        whole = whole.and(part);
    }
    Ok(whole)
}

fn list(value: &Bound<'_, PyAny>, key: &str, depth: usize) -> PyResult<Vec<Filter>> {
    if !value.is_instance_of::<PyList>() && !value.is_instance_of::<PyTuple>() {
        return Err(PyTypeError::new_err(format!("{key} takes a list of filters")));
    }
    value.try_iter()?.map(|part| nested(&part?, key, depth)).collect()
}

fn nested(value: &Bound<'_, PyAny>, key: &str, depth: usize) -> PyResult<Filter> {
    if let Ok(filter) = value.cast::<PyFilter>() {
        return Ok(filter.get().0.clone());
    }
    let dict = value.cast::<PyDict>().map_err(|_| {
        PyTypeError::new_err(format!("{key} takes filters: dicts, or Filter objects"))
    })?;
    from_dict(dict, depth - 1)
}

fn of_field(path: &str, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Filter> {
    if depth == 0 {
        return Err(PyValueError::new_err("a filter is nested too deep"));
    }
    let field = || Filter::field(path);
    let Ok(tests) = value.cast::<PyDict>() else {
        return Ok(field().eq(value.extract::<Value>()?.0));
    };
    let mut whole = Filter::all();
    for (operator, value) in tests {
        let operator: String = operator.extract()?;
        let one = || value.extract::<Value>().map(|value| value.0);
        let part = match operator.as_str() {
            "$eq" => field().eq(one()?),
            "$ne" => field().ne(one()?),
            "$lt" => field().lt(one()?),
            "$lte" => field().le(one()?),
            "$gt" => field().gt(one()?),
            "$gte" => field().ge(one()?),
            "$in" => field().one_of(all(&value)?),
            "$nin" => field().none_of(all(&value)?),
            "$exists" if value.extract()? => field().exists(),
            "$exists" => field().not_exists(),
            "$contains" => field().contains(one()?),
            "$starts_with" => field().starts_with(value.extract::<String>()?),
            "$not" => of_field(path, &value, depth - 1)?.not(),
            other => return Err(unknown(other)),
        };
        whole = whole.and(part);
    }
    Ok(whole)
}

fn unknown(operator: &str) -> PyErr {
    PyValueError::new_err(format!(
        "{operator:?} is no operator: there are $eq, $ne, $lt, $lte, $gt, $gte, $in, $nin, \
         $exists, $contains, $starts_with, $and, $or and $not"
    ))
}
