//! Owns the classes of the handles: `Collection`, `Scope`, and the snapshots.

use altiplano::{Collection, CollectionSnapshot, Scope, ScopeSnapshot, StoreSnapshot};
use numpy::{PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::{PyClass, PyClassInitializer};

use crate::convert::{Id, Matrix, datetime, items, timedelta};
use crate::errors::{OrRaise, raise};
use crate::filter::FilterLike;
use crate::hit::PyHit;
use crate::json;
use crate::reader::{PyReader, Source, counts};
use crate::search::{Ask, fields_of, joined};
use crate::stats;
use crate::writer::PyWriter;

/// One set of memories of one model. Safe under threads.
#[pyclass(name = "Collection", module = "altiplano", frozen, extends = PyWriter)]
pub(crate) struct PyCollection;

/// One namespace of a collection. Nothing outside of it can be read or changed.
#[pyclass(name = "Scope", module = "altiplano", frozen, extends = PyWriter)]
pub(crate) struct PyScope;

/// A collection at one moment.
#[pyclass(name = "CollectionSnapshot", module = "altiplano", frozen, extends = PyReader)]
pub(crate) struct PyCollectionSnapshot;

/// One namespace of a collection at one moment.
#[pyclass(name = "ScopeSnapshot", module = "altiplano", frozen, extends = PyReader)]
pub(crate) struct PyScopeSnapshot;

/// Returns what a handle reads from.
pub(crate) fn source(me: &Bound<'_, PyCollection>) -> Source {
    me.as_super().as_super().get().source.clone()
}

/// Returns a new handle of a collection.
pub(crate) fn new_collection(py: Python<'_>, collection: Collection) -> PyResult<Py<PyCollection>> {
    writer(py, Source::Collection(collection), PyCollection)
}

fn writer<T>(py: Python<'_>, source: Source, class: T) -> PyResult<Py<T>>
where
    T: PyClass<BaseType = PyWriter>,
{
    let reader = PyClassInitializer::from(PyReader { source });
    Py::new(py, reader.add_subclass(PyWriter).add_subclass(class))
}

fn reader<T>(py: Python<'_>, source: Source, class: T) -> PyResult<Py<T>>
where
    T: PyClass<BaseType = PyReader>,
{
    Py::new(py, PyClassInitializer::from(PyReader { source }).add_subclass(class))
}

/// Returns the collection of a handle.
pub(crate) fn of_collection<'a>(me: &'a Bound<'_, PyCollection>) -> PyResult<&'a Collection> {
    match &me.as_super().as_super().get().source {
        Source::Collection(collection) => Ok(collection),
        _ => Err(raise(altiplano::Error::Closed)),
    }
}

fn of_scope<'a>(me: &'a Bound<'_, PyScope>) -> PyResult<&'a Scope> {
    match &me.as_super().as_super().get().source {
        Source::Scope(scope) => Ok(scope),
        _ => Err(raise(altiplano::Error::Closed)),
    }
}

fn of_snapshot<'a>(me: &'a Bound<'_, PyCollectionSnapshot>) -> PyResult<&'a CollectionSnapshot> {
    match &me.as_super().get().source {
        Source::Snapshot(snapshot) => Ok(snapshot),
        _ => Err(raise(altiplano::Error::Closed)),
    }
}

fn of_scope_snapshot<'a>(me: &'a Bound<'_, PyScopeSnapshot>) -> PyResult<&'a ScopeSnapshot> {
    match &me.as_super().get().source {
        Source::ScopeSnapshot(snapshot) => Ok(snapshot),
        _ => Err(raise(altiplano::Error::Closed)),
    }
}

#[pymethods]
impl PyCollection {
    /// The name of the collection, now.
    #[getter]
    fn name(slf: &Bound<'_, Self>) -> PyResult<String> {
        Ok(of_collection(slf)?.name().to_owned())
    }

    /// The settings in force, as a dict.
    #[getter]
    fn settings<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let settings = of_collection(slf)?.settings();
        let dict = json::report(slf.py(), &settings)?;
        // As the arguments name them.
        dict.set_item("metric", settings.metric.to_string())?;
        dict.set_item("quantization", settings.quantization.to_string())?;
        dict.set_item("durability", settings.durability.to_string())?;
        Ok(dict)
    }

    /// How many numbers a vector has.
    #[getter]
    fn dimension(slf: &Bound<'_, Self>) -> PyResult<usize> {
        Ok(of_collection(slf)?.settings().dimension)
    }

    /// Returns the handle of one namespace.
    fn scope(slf: &Bound<'_, Self>, namespace: String) -> PyResult<Py<PyScope>> {
        let scope = of_collection(slf)?.scope(namespace);
        writer(slf.py(), Source::Scope(scope), PyScope)
    }

    /// Returns the collection at this moment. It is let go of after an hour, by default.
    fn snapshot(slf: &Bound<'_, Self>) -> PyResult<Py<PyCollectionSnapshot>> {
        let collection = of_collection(slf)?;
        let snapshot = slf.py().detach(|| collection.snapshot()).or_raise()?;
        reader(slf.py(), Source::Snapshot(snapshot), PyCollectionSnapshot)
    }

    /// Returns the namespaces below `prefix`, cut at `depth` labels, and how many memories each has.
    #[pyo3(signature = (prefix = "", depth = 1))]
    fn namespaces<'py>(
        slf: &Bound<'py, Self>,
        prefix: &str,
        depth: usize,
    ) -> PyResult<Bound<'py, PyDict>> {
        let collection = of_collection(slf)?;
        let found = slf.py().detach(|| collection.namespaces(prefix, depth));
        counts(slf.py(), found.or_raise()?)
    }

    /// Answers several queries at once, on all cores. `queries` is an array of shape
    /// (queries, dimension).
    #[pyo3(signature = (
        queries, k = 10, *, filter = None, ef = None, target_recall = None, exact = false,
        mode = "auto", fields = "payload"
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn search_batch(
        slf: &Bound<'_, Self>,
        queries: Matrix,
        k: usize,
        filter: Option<FilterLike>,
        ef: Option<usize>,
        target_recall: Option<f32>,
        exact: bool,
        mode: &str,
        fields: &str,
    ) -> PyResult<Vec<Vec<PyHit>>> {
        let mut ask = Ask::of_many(k);
        ask.filter = joined(filter, Default::default());
        ask.accuracy(ef, target_recall, exact, mode)?;
        ask.fields = fields_of(fields)?;
        let collection = of_collection(slf)?;
        let found =
            slf.py().detach(|| collection.search_batch(&queries.0, |search| ask.configure(search)));
        found.or_raise()?.into_iter().map(|hits| PyHit::all(slf.py(), hits)).collect()
    }

    /// Returns the vectors of some ids as an array of shape (ids, dimension). The row of an id that
    /// is not there is NaN.
    fn vectors<'py>(
        slf: &Bound<'py, Self>,
        ids: &Bound<'_, PyAny>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let ids = items::<Id>(ids)?;
        let collection = of_collection(slf)?;
        let dimension = collection.settings().dimension;
        let all = slf.py().detach(|| -> altiplano::Result<Vec<f32>> {
            let mut all = Vec::with_capacity(ids.len().saturating_mul(dimension));
            for id in &ids {
                match collection.get(id.0)? {
                    Some(memory) => all.extend(memory.vector),
                    None => all.resize(all.len() + dimension, f32::NAN),
                }
            }
            Ok(all)
        });
        numpy::PyArray1::from_vec(slf.py(), all.or_raise()?).reshape([ids.len(), dimension])
    }

    /// Returns numbers about the collection.
    fn stats<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let collection = of_collection(slf)?;
        let found = slf.py().detach(|| collection.stats()).or_raise()?;
        stats::new(slf.py(), &found)
    }

    /// Returns what a compaction would do, as a dict.
    fn plan<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let collection = of_collection(slf)?;
        json::report(slf.py(), &slf.py().detach(|| collection.plan()).or_raise()?)
    }

    /// Compacts the collection now, and returns what was done, as a dict.
    fn compact<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let collection = of_collection(slf)?;
        json::report(slf.py(), &slf.py().detach(|| collection.compact()).or_raise()?)
    }

    /// Removes every byte of memories that are dead by now from the disk, and returns a receipt.
    fn purge<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let collection = of_collection(slf)?;
        json::report(slf.py(), &slf.py().detach(|| collection.purge()).or_raise()?)
    }

    /// Waits until every write so far survives a power cut.
    fn sync(slf: &Bound<'_, Self>) -> PyResult<()> {
        let collection = of_collection(slf)?;
        slf.py().detach(|| collection.sync()).or_raise()
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let collection = of_collection(slf)?;
        let settings = collection.settings();
        Ok(format!(
            "Collection({:?}, dimension={}, metric='{}')",
            collection.name(),
            settings.dimension,
            settings.metric
        ))
    }
}

#[pymethods]
impl PyScope {
    /// The namespace.
    #[getter]
    fn namespace(slf: &Bound<'_, Self>) -> PyResult<String> {
        Ok(of_scope(slf)?.namespace().to_owned())
    }

    /// The name of the collection.
    #[getter]
    fn collection_name(slf: &Bound<'_, Self>) -> PyResult<String> {
        Ok(of_scope(slf)?.collection_name().to_owned())
    }

    /// Returns the namespace at this moment.
    fn snapshot(slf: &Bound<'_, Self>) -> PyResult<Py<PyScopeSnapshot>> {
        let scope = of_scope(slf)?;
        let snapshot = slf.py().detach(|| scope.snapshot()).or_raise()?;
        reader(slf.py(), Source::ScopeSnapshot(snapshot), PyScopeSnapshot)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let scope = of_scope(slf)?;
        Ok(format!("Scope({:?} of {:?})", scope.namespace(), scope.collection_name()))
    }
}

#[pymethods]
impl PyCollectionSnapshot {
    /// The name of the collection.
    #[getter]
    fn name(slf: &Bound<'_, Self>) -> PyResult<String> {
        Ok(of_snapshot(slf)?.name().to_owned())
    }

    /// The moment.
    #[getter]
    fn time<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        datetime(slf.py(), of_snapshot(slf)?.time())
    }

    /// How long ago the moment was.
    #[getter]
    fn age<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        timedelta(slf.py(), of_snapshot(slf)?.age())
    }

    /// Returns one namespace at the same moment.
    fn scope(slf: &Bound<'_, Self>, namespace: String) -> PyResult<Py<PyScopeSnapshot>> {
        let snapshot = of_snapshot(slf)?.scope(namespace);
        reader(slf.py(), Source::ScopeSnapshot(snapshot), PyScopeSnapshot)
    }

    /// Returns the namespaces below `prefix`, cut at `depth` labels, and how many memories each has.
    #[pyo3(signature = (prefix = "", depth = 1))]
    fn namespaces<'py>(
        slf: &Bound<'py, Self>,
        prefix: &str,
        depth: usize,
    ) -> PyResult<Bound<'py, PyDict>> {
        let snapshot = of_snapshot(slf)?;
        let found = slf.py().detach(|| snapshot.namespaces(prefix, depth));
        counts(slf.py(), found.or_raise()?)
    }
}

#[pymethods]
impl PyScopeSnapshot {
    /// The namespace.
    #[getter]
    fn namespace(slf: &Bound<'_, Self>) -> PyResult<String> {
        Ok(of_scope_snapshot(slf)?.namespace().to_owned())
    }

    /// The name of the collection.
    #[getter]
    fn collection_name(slf: &Bound<'_, Self>) -> PyResult<String> {
        Ok(of_scope_snapshot(slf)?.collection_name().to_owned())
    }

    /// The moment.
    #[getter]
    fn time<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        datetime(slf.py(), of_scope_snapshot(slf)?.time())
    }

    /// How long ago the moment was.
    #[getter]
    fn age<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        timedelta(slf.py(), of_scope_snapshot(slf)?.age())
    }
}

/// A store at one moment: all of its collections together.
#[pyclass(name = "StoreSnapshot", module = "altiplano", frozen)]
pub(crate) struct PyStoreSnapshot(pub(crate) StoreSnapshot);

#[pymethods]
impl PyStoreSnapshot {
    /// The moment.
    #[getter]
    fn time<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        datetime(py, self.0.time())
    }

    /// How long ago the moment was.
    #[getter]
    fn age<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        timedelta(py, self.0.age())
    }

    /// Returns a collection at the moment, or `None`.
    fn collection(&self, py: Python<'_>, name: &str) -> PyResult<Option<Py<PyCollectionSnapshot>>> {
        let found = self.0.collection(name);
        found
            .map(|snapshot| reader(py, Source::Snapshot(snapshot), PyCollectionSnapshot))
            .transpose()
    }

    /// Returns the names of the collections at the moment.
    fn collection_names(&self) -> Vec<String> {
        self.0.collection_names()
    }
}
