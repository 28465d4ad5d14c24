//! Owns the way from the error enum to Python's exceptions, which `altiplano/errors.py` defines: one
//! class for each variant, with its fields as attributes.

use altiplano::{Error, MemoryId};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::convert::timedelta;
use crate::id::PyMemoryId;

/// Returns the exception that mirrors an error.
pub(crate) fn raise(error: Error) -> PyErr {
    Python::attach(|py| match build(py, &error) {
        Ok(exception) => {
            let raised = PyErr::from_value(exception);
            if let Error::Callback { source, .. } = &error
                && let Some(cause) = source.downcast_ref::<PyErr>()
            {
                raised.set_cause(py, Some(cause.clone_ref(py)));
            }
            raised
        }
        // The package is broken, or Python ends: the text is what is left.
        Err(_) => PyRuntimeError::new_err(error.to_string()),
    })
}

/// Turns the result of a call into that of a Python function.
pub(crate) trait OrRaise<T> {
    /// Returns the value, or the exception that mirrors the error.
    fn or_raise(self) -> PyResult<T>;
}

impl<T> OrRaise<T> for Result<T, Error> {
    fn or_raise(self) -> PyResult<T> {
        self.map_err(raise)
    }
}

/// What the messages name, and what Python calls it. Longer names come first.
const NAMES: [(&str, &str); 12] = [
    ("StoreOptions::open_read_only", "open(path, read_only=True)"),
    ("clone that `Store`", "share that Store"),
    ("StoreOptions::repair", "Store.repair"),
    ("Store::open", "altiplano.open"),
    ("fs::create_dir_all", "os.makedirs"),
    ("fields(Fields::All)", "fields=\"all\""),
    ("CollectionOptions::text_index", "Store.collection(..., text_index=True)"),
    ("Memory::metadata_json", "Memory(metadata=...)"),
    ("call Search::group_by before run_groups", "use search_groups"),
    ("Collection::contains", "`id in collection`"),
    ("Filter::All", "Filter.all()"),
    ("::", "."),
];

/// Returns the message with the names of Python.
fn in_python(message: &str) -> String {
    NAMES.iter().fold(message.to_owned(), |text, (from, to)| text.replace(from, to))
}

fn build<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    let class = class_of(py, error, &fields)?;
    exception(class, &in_python(&error.to_string()), &fields)
}

/// Returns a new exception of a class of `altiplano.errors`, with these attributes.
fn exception<'py>(
    class: &str,
    text: &str,
    fields: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let module = fields.py().import("altiplano.errors")?;
    let exception = module.getattr(class)?.call1((text,))?;
    for (name, value) in fields {
        exception.setattr(name.extract::<String>()?.as_str(), value)?;
    }
    Ok(exception)
}

/// Returns the error for an id that is not in a collection.
pub(crate) fn no_memory(py: Python<'_>, collection: &str, id: MemoryId) -> PyErr {
    let text = format!("collection {collection:?} has no memory {}", id.to_uuid_string());
    let fields = PyDict::new(py);
    fields
        .set_item("collection", collection)
        .and_then(|()| fields.set_item("id", PyMemoryId(id)))
        .and_then(|()| exception("NoMemoryError", &text, &fields))
        .map_or_else(|error| error, PyErr::from_value)
}

/// Returns the error for a collection that is not in a store.
pub(crate) fn no_collection(py: Python<'_>, name: &str) -> PyErr {
    let text = format!("there is no collection {name:?}; Store.collection makes one");
    let fields = PyDict::new(py);
    fields
        .set_item("name", name)
        .and_then(|()| exception("NoCollectionError", &text, &fields))
        .map_or_else(|error| error, PyErr::from_value)
}

/// Sets the fields of an exception, and returns the name of its class.
macro_rules! set {
    ($fields:ident, $class:literal $(, $name:literal = $value:expr)*) => {{
        $($fields.set_item($name, $value.into_bound_py_any($fields.py())?)?;)*
        $class
    }};
}

/// Returns the name of the class, and sets the fields.
fn class_of<'py>(
    py: Python<'py>,
    error: &Error,
    fields: &Bound<'py, PyDict>,
) -> PyResult<&'static str> {
    Ok(match error {
        Error::Io { op, path, source, .. } => {
            set!(
                fields,
                "IoError",
                "op" = op,
                "path" = path.as_os_str(),
                "code" = source.raw_os_error()
            )
        }
        Error::Corrupt { file, offset, reason, .. } => {
            set!(
                fields,
                "CorruptError",
                "path" = file.as_os_str(),
                "offset" = offset,
                "reason" = reason
            )
        }
        Error::Locked { path, .. } => set!(fields, "LockedError", "path" = path.as_os_str()),
        Error::ReadOnly { path, .. } => set!(fields, "ReadOnlyError", "path" = path.as_os_str()),
        Error::NotFound { path, .. } => set!(fields, "NotFoundError", "path" = path.as_os_str()),
        Error::NotAStore { path, found, .. } => {
            set!(fields, "NotAStoreError", "path" = path.as_os_str(), "found" = found)
        }
        Error::DiskFull { path, .. } => set!(fields, "DiskFullError", "path" = path.as_os_str()),
        Error::OverBudget { budget, needed, limit, free, .. } => set!(
            fields,
            "OverBudgetError",
            "budget" = budget.to_string(),
            "needed" = needed,
            "limit" = limit,
            "free" = free
        ),
        Error::CommitUnknown { seq, .. } => set!(fields, "CommitUnknownError", "seq" = seq),
        Error::Poisoned { reason, .. } => set!(fields, "PoisonedError", "reason" = reason),
        Error::Forked { opened_by, process, .. } => {
            set!(fields, "ForkedError", "opened_by" = opened_by, "process" = process)
        }
        Error::UnsupportedFormat { file, found, supported, .. } => set!(
            fields,
            "UnsupportedFormatError",
            "path" = file.as_os_str(),
            "found" = found,
            "supported" = supported
        ),
        other => about_values(py, other, fields)?,
    })
}

/// Like [`class_of`], for errors about what was given or asked for.
fn about_values<'py>(
    py: Python<'py>,
    error: &Error,
    fields: &Bound<'py, PyDict>,
) -> PyResult<&'static str> {
    Ok(match error {
        Error::Dimension { expected, got, .. } => {
            set!(fields, "DimensionError", "expected" = expected, "got" = got)
        }
        Error::InvalidVector { id, reason, .. } => {
            set!(fields, "InvalidVectorError", "id" = id.map(PyMemoryId), "reason" = reason)
        }
        Error::NoMemory { collection, id, .. } => {
            set!(fields, "NoMemoryError", "collection" = collection, "id" = PyMemoryId(*id))
        }
        Error::NoCollection { name, .. } => set!(fields, "NoCollectionError", "name" = name),
        Error::NameTaken { name, .. } => set!(fields, "NameTakenError", "name" = name),
        Error::InvalidOption { name, reason, .. } => {
            set!(fields, "InvalidOptionError", "name" = name, "reason" = reason)
        }
        Error::EmbeddingSpace { expected, got, .. } => {
            set!(fields, "EmbeddingSpaceError", "expected" = expected, "got" = got)
        }
        Error::LimitExceeded { what, got, unit, limit, .. } => set!(
            fields,
            "LimitExceededError",
            "what" = what,
            "got" = got,
            "unit" = unit,
            "limit" = limit
        ),
        Error::Metadata { reason, .. } => set!(fields, "MetadataError", "reason" = reason),
        Error::IdTaken { id, .. } => set!(fields, "IdTakenError", "id" = PyMemoryId(*id)),
        Error::KeyTaken { key, id, .. } => {
            set!(fields, "KeyTakenError", "key" = key, "id" = PyMemoryId(*id))
        }
        Error::SnapshotExpired { age, limit, .. } => set!(
            fields,
            "SnapshotExpiredError",
            "age" = timedelta(py, *age)?,
            "limit" = timedelta(py, *limit)?
        ),
        Error::Closed => "ClosedError",
        Error::Callback { part, .. } => set!(fields, "CallbackError", "part" = part),
        Error::Internal { .. } => "InternalError",
        // The enum may grow.
        _ => "Error",
    })
}
