//! Owns the class `Store`. A store that is left open when Python ends is closed then: `lib` registers
//! `close_all` with `atexit`.

mod care;
mod options;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use altiplano::{Background, CollectionOptions, HnswParams, Store, StoreOptions};
use pyo3::prelude::*;
use pyo3::types::PyIterator;

use crate::clock::PyManualClock;
use crate::convert::{Span, word};
use crate::errors::{OrRaise, no_collection, raise};
use crate::handles::{PyCollection, new_collection};
use crate::json;
use crate::writer::durability_of;
use options::{Change, with_index};

/// The stores that are open, for the end of the interpreter.
static OPEN: Mutex<Vec<Weak<Slot>>> = Mutex::new(Vec::new());

/// A store until it is closed.
type Slot = Mutex<Option<Store>>;

/// An open store: a directory of collections.
///
/// It is a context manager: leaving it closes the store. A process opens a store once and shares it
/// among its threads. After a fork, only the parent can write.
///
/// Args:
///     path: the directory. It is made if it is not there.
///     create: whether a store may be made.
///     read_only: open beside a writer in another process; `refresh` moves forward.
///     background: whether threads of the store seal and compact. Without them, call
///         `run_pending_tasks`.
///     heap_budget, disk_budget, resident_budget, compaction_debt_limit, reserve_bytes: bytes.
///     compaction_rate_limit: bytes a second.
///     write_timeout, reclaim_within, snapshot_max_age: a `timedelta` or seconds.
///     io_mode: "mapped" or "pread".
///     max_open_files: files kept open under "pread".
///     seed: makes graphs repeatable.
///     clock: a `ManualClock`, for tests.
///     on_event: a function that is called with each event, as a dict. It must not call the store.
#[pyclass(name = "Store", module = "altiplano", frozen, weakref)]
pub(crate) struct PyStore {
    slot: Arc<Slot>,
    path: PathBuf,
}

impl PyStore {
    /// Returns the handle of a store that will be closed at the end of the interpreter.
    fn register(store: Store) -> Self {
        let path = store.path().to_owned();
        let slot = Arc::new(Mutex::new(Some(store)));
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|slot| slot.strong_count() > 0);
        open.push(Arc::downgrade(&slot));
        Self { slot, path }
    }

    pub(crate) fn store(&self) -> PyResult<Store> {
        let slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        slot.clone().ok_or_else(|| raise(altiplano::Error::Closed))
    }

    /// Calls the store with the lock of the interpreter released.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&Store) -> altiplano::Result<T> + Send,
    ) -> PyResult<T> {
        let store = self.store()?;
        // The last handle may close the store when it is dropped, which waits for threads.
        py.detach(move || call(&store)).or_raise()
    }
}

impl Drop for PyStore {
    fn drop(&mut self) {
        let slot = self.slot.clone();
        // Closing waits for threads, and these may wait for the interpreter.
        Python::attach(|py| py.detach(|| drop(take(&slot))));
    }
}

fn take(slot: &Slot) -> Option<Store> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Closes every open store. Errors cannot be reported any more.
#[pyfunction]
pub(crate) fn close_all(py: Python<'_>) {
    py.detach(|| {
        let open = std::mem::take(&mut *OPEN.lock().unwrap_or_else(PoisonError::into_inner));
        for store in open.iter().filter_map(Weak::upgrade).filter_map(|slot| take(&slot)) {
            let _ = store.close();
        }
    });
}

#[pymethods]
impl PyStore {
    #[new]
    #[pyo3(signature = (
        path, *, create = true, read_only = false, background = true, heap_budget = None,
        disk_budget = None, resident_budget = None, compaction_debt_limit = None,
        compaction_rate_limit = None, write_timeout = None, reclaim_within = None,
        snapshot_max_age = None, io_mode = None, max_open_files = None, reserve_bytes = None,
        seed = None, clock = None, on_event = None
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        create: bool,
        read_only: bool,
        background: bool,
        heap_budget: Option<u64>,
        disk_budget: Option<u64>,
        resident_budget: Option<u64>,
        compaction_debt_limit: Option<u64>,
        compaction_rate_limit: Option<u64>,
        write_timeout: Option<Span>,
        reclaim_within: Option<Span>,
        snapshot_max_age: Option<Span>,
        io_mode: Option<&str>,
        max_open_files: Option<usize>,
        reserve_bytes: Option<u64>,
        seed: Option<u64>,
        clock: Option<&PyManualClock>,
        on_event: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let mut options = StoreOptions::new().create(create);
        if !background {
            options = options.background(Background::Manual);
        }
        macro_rules! set {
            ($($name:ident = $value:expr),* $(,)?) => {
                $(if let Some(value) = $value { options = options.$name(value); })*
            };
        }
        set!(
            heap_budget = heap_budget,
            disk_budget = disk_budget,
            resident_budget = resident_budget,
            compaction_debt_limit = compaction_debt_limit,
            compaction_rate_limit = compaction_rate_limit,
            write_timeout = write_timeout.map(|span| span.0),
            reclaim_within = reclaim_within.map(|span| span.0),
            snapshot_max_age = snapshot_max_age.map(|span| span.0),
            io_mode = io_mode.map(word).transpose()?,
            max_open_files = max_open_files,
            reserve_bytes = reserve_bytes,
            seed = seed,
        );
        if let Some(clock) = clock {
            options = options.clock(clock.0.clone());
        }
        if let Some(listener) = on_event {
            options = options.on_event(move |event| tell(&listener, event));
        }
        let opened = py
            .detach(|| if read_only { options.open_read_only(&path) } else { options.open(&path) });
        let store = opened.or_raise()?;
        Ok(Self::register(store))
    }

    /// The absolute path of the directory.
    #[getter]
    fn path(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// Whether the store was closed by this handle.
    #[getter]
    fn closed(&self) -> bool {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Opens a collection, and makes it if it is not there.
    ///
    /// Dimension, metric, quantization and `in_memory` are fixed when it is made. Other options
    /// change when they are given.
    ///
    /// Args:
    ///     dimension: how many numbers a vector has.
    ///     metric: "cosine", "l2" or "dot".
    ///     embedding_space: the name of the model. Another name is refused from then on.
    ///     quantization: "bits4", "bits2", "bits1", "int8" or "none".
    ///     m, ef_construction, graph_min_rows: how graphs are built.
    ///     durability: "sync", "buffered:50ms", or the delay as a `timedelta`.
    ///     default_ttl: for memories without a lifetime; `None` for none.
    ///     refresh_on_read: a read lets a memory live that long from then on; `None` for not.
    ///     in_memory: keep nothing on disk.
    ///     memtable_rows: rows until a memtable is sealed.
    ///     unique_keys: whether a key may belong to one memory only.
    ///     text_index: index the words of texts: `True`, or a language for stems, such as
    ///         "english". `False` for none.
    #[pyo3(signature = (
        name, dimension, metric = "cosine", *, embedding_space = None, quantization = None,
        m = None, ef_construction = None, graph_min_rows = None, durability = None,
        default_ttl = Change::Unchanged, refresh_on_read = Change::Unchanged, in_memory = false,
        memtable_rows = None, unique_keys = None, text_index = None
    ), text_signature = "($self, name, dimension, metric='cosine', *, embedding_space=None, \
        quantization=None, m=None, ef_construction=None, graph_min_rows=None, durability=None, \
        default_ttl='unchanged', refresh_on_read='unchanged', in_memory=False, \
        memtable_rows=None, unique_keys=None, text_index=None)")]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn collection(
        &self,
        py: Python<'_>,
        name: &str,
        dimension: usize,
        metric: &str,
        embedding_space: Option<String>,
        quantization: Option<&str>,
        m: Option<u16>,
        ef_construction: Option<u16>,
        graph_min_rows: Option<u32>,
        durability: Option<Bound<'_, PyAny>>,
        default_ttl: Change,
        refresh_on_read: Change,
        in_memory: bool,
        memtable_rows: Option<u32>,
        unique_keys: Option<bool>,
        text_index: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyCollection>> {
        let mut options = CollectionOptions::new(dimension, word(metric)?);
        if let Some(name) = embedding_space {
            options = options.embedding_space(name);
        }
        if let Some(quantization) = quantization {
            options = options.quantization(word(quantization)?);
        }
        if m.is_some() || ef_construction.is_some() || graph_min_rows.is_some() {
            let mut hnsw = HnswParams::default();
            hnsw = m.map_or(hnsw, |m| hnsw.m(m));
            hnsw = ef_construction.map_or(hnsw, |ef| hnsw.ef_construction(ef));
            options = options.hnsw(graph_min_rows.map_or(hnsw, |rows| hnsw.min_rows(rows)));
        }
        if let Some(durability) = durability {
            options = options.durability(durability_of(&durability)?);
        }
        options = match default_ttl {
            Change::Unchanged => options,
            Change::None => options.no_default_ttl(),
            Change::Span(span) => options.default_ttl(span.0),
        };
        options = match refresh_on_read {
            Change::Unchanged => options,
            Change::None => options.no_refresh_on_read(),
            Change::Span(span) => options.refresh_on_read(span.0),
        };
        if in_memory {
            options = options.in_memory();
        }
        if let Some(rows) = memtable_rows {
            options = options.memtable_rows(rows);
        }
        if let Some(unique) = unique_keys {
            options = options.unique_keys(unique);
        }
        if let Some(index) = text_index {
            options = with_index(options, &index)?;
        }
        new_collection(py, self.with(py, |store| store.collection(name, options))?)
    }

    /// Returns a collection that is there, or `None`.
    fn get_collection(&self, py: Python<'_>, name: &str) -> PyResult<Option<Py<PyCollection>>> {
        let found = self.store()?.get_collection(name);
        found.map(|collection| new_collection(py, collection)).transpose()
    }

    fn __getitem__(&self, py: Python<'_>, name: &str) -> PyResult<Py<PyCollection>> {
        self.get_collection(py, name)?.ok_or_else(|| no_collection(py, name))
    }

    fn __contains__(&self, name: &str) -> PyResult<bool> {
        Ok(self.store()?.get_collection(name).is_some())
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.collection_names()?.into_pyobject(py)?.try_iter()
    }

    /// Returns the names of the collections.
    fn collection_names(&self) -> PyResult<Vec<String>> {
        Ok(self.store()?.collection_names())
    }

    /// Drops a collection with all its memories. Returns whether it was there.
    fn drop_collection(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        self.with(py, |store| store.drop_collection(name))
    }

    /// Gives a collection another name.
    fn rename_collection(&self, py: Python<'_>, old: &str, new: &str) -> PyResult<()> {
        self.with(py, |store| store.rename_collection(old, new))
    }

    /// Exchanges the names of two collections at one moment.
    fn swap_collections(&self, py: Python<'_>, a: &str, b: &str) -> PyResult<()> {
        self.with(py, |store| store.swap_collections(a, b))
    }

    /// Closes the store for all of its handles. A second call does nothing.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| take(&self.slot).map_or(Ok(()), Store::close)).or_raise()
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exc))]
    fn __exit__(&self, py: Python<'_>, _exc: &Bound<'_, pyo3::types::PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self) -> String {
        let closed = if self.closed() { ", closed" } else { "" };
        format!("Store({:?}{closed})", self.path)
    }
}

/// Hands an event to a function of Python. What it raises is shown as unraisable.
fn tell(listener: &Py<PyAny>, event: &altiplano::Event) {
    // While the interpreter ends, there is nobody to tell.
    let _ = Python::try_attach(|py| {
        let told = json::report(py, event).and_then(|event| listener.call1(py, (event,)));
        if let Err(error) = told {
            error.write_unraisable(py, Some(listener.bind(py)));
        }
    });
}
