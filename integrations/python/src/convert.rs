//! Owns the values that cross the border: ids, times, durations, vectors and field values.

use std::str::FromStr;
use std::time::Duration;

use altiplano::{FieldValue, MemoryId, Timestamp};
use numpy::{AllowTypeChange, PyArray1, PyArrayLike1, PyArrayLike2};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};

use crate::id::PyMemoryId;

/// Largest time of Python, in milliseconds: the end of the year 9999.
const MAX_MILLIS: i64 = 253_402_300_799_999;
/// Smallest time of Python, in milliseconds: the begin of the year 1.
const MIN_MILLIS: i64 = -62_135_596_800_000;

/// An id as an argument: a `MemoryId`, a number, a UUID, or a string of either.
#[derive(Clone, Copy)]
pub(crate) struct Id(pub(crate) MemoryId);

impl<'py> FromPyObject<'_, 'py> for Id {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(id) = value.cast::<PyMemoryId>() {
            return Ok(Self(id.get().0));
        }
        if let Ok(text) = value.cast::<PyString>() {
            let text = text.to_str()?;
            return text.parse().map(Self).map_err(|error| {
                PyValueError::new_err(format!("{error}; a name of your own is a `key`"))
            });
        }
        if let Ok(number) = value.extract::<u128>() {
            return Ok(Self(MemoryId::from_u128(number)));
        }
        let refused = || {
            let name = value.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string());
            PyTypeError::new_err(format!(
                "an id is a MemoryId, a UUID, a string of one, or an integer from 0 to 2**128 - 1, \
                 not {name}"
            ))
        };
        // A `uuid.UUID`.
        let number = value.getattr("int").map_err(|_| refused())?;
        number.extract().map(|n| Self(MemoryId::from_u128(n))).map_err(|_| refused())
    }
}

/// A `datetime` with a time zone, as an argument.
#[derive(Clone, Copy)]
pub(crate) struct Time(pub(crate) Timestamp);

impl<'py> FromPyObject<'_, 'py> for Time {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let zone = value
            .getattr("tzinfo")
            .map_err(|_| PyTypeError::new_err("a time is a datetime with a time zone"))?;
        if zone.is_none() {
            return Err(PyValueError::new_err(
                "a time needs a time zone, such as datetime.now(timezone.utc)",
            ));
        }
        let py = value.py();
        let since = value.call_method1("__sub__", (calendar(py)?.epoch.bind(py),))?;
        let part = |name| since.getattr(name)?.extract::<i64>();
        let seconds = part("days")? * 86_400 + part("seconds")?;
        let millis = seconds * 1000 + part("microseconds")? / 1000;
        Ok(Self(Timestamp::from_millis(millis)))
    }
}

/// What times are made of. Whole numbers both ways: an f64 loses milliseconds of far years.
struct Calendar {
    /// The begin of 1970, in UTC.
    epoch: Py<PyAny>,
    /// The class `timedelta`.
    span: Py<PyAny>,
}

fn calendar(py: Python<'_>) -> PyResult<&'static Calendar> {
    static CALENDAR: PyOnceLock<Calendar> = PyOnceLock::new();
    CALENDAR.get_or_try_init(py, || {
        let module = py.import("datetime")?;
        let zone = module.getattr("timezone")?.getattr("utc")?;
        let epoch = module.getattr("datetime")?.call_method1("fromtimestamp", (0, zone))?;
        Ok(Calendar { epoch: epoch.unbind(), span: module.getattr("timedelta")?.unbind() })
    })
}

/// Returns a time as a `datetime` in UTC. Times that Python cannot name become its first or last.
pub(crate) fn datetime(py: Python<'_>, at: Timestamp) -> PyResult<Bound<'_, PyAny>> {
    let Calendar { epoch, span } = calendar(py)?;
    let millis = at.as_millis().clamp(MIN_MILLIS, MAX_MILLIS);
    let since = span.bind(py).call1((0, 0, 0, millis))?;
    epoch.bind(py).call_method1("__add__", (since,))
}

/// Returns an optional time as a `datetime` or `None`.
pub(crate) fn maybe_datetime(
    py: Python<'_>,
    at: Option<Timestamp>,
) -> PyResult<Option<Bound<'_, PyAny>>> {
    at.map(|at| datetime(py, at)).transpose()
}

/// A `timedelta`, or seconds, as an argument.
#[derive(Clone, Copy)]
pub(crate) struct Span(pub(crate) Duration);

impl<'py> FromPyObject<'_, 'py> for Span {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let seconds: f64 = match value.getattr("total_seconds") {
            Ok(total) => total.call0()?.extract()?,
            Err(_) => value.extract().map_err(|_| {
                PyTypeError::new_err("a duration is a timedelta, or a number of seconds")
            })?,
        };
        Duration::try_from_secs_f64(seconds)
            .map(Self)
            .map_err(|_| PyValueError::new_err(format!("a duration cannot be {seconds} seconds")))
    }
}

/// Returns a duration as a `timedelta`.
pub(crate) fn timedelta(py: Python<'_>, span: Duration) -> PyResult<Bound<'_, PyAny>> {
    let make = py.import("datetime")?.getattr("timedelta")?;
    let days = (span.as_secs() / 86_400).min(999_999_999);
    make.call1((days, span.as_secs() % 86_400, span.subsec_micros()))
}

/// A vector as an argument: any sequence of numbers, without a copy if it is a float32 array.
pub(crate) struct Vector(pub(crate) Vec<f32>);

impl<'py> FromPyObject<'_, 'py> for Vector {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let array: PyArrayLike1<'py, f32, AllowTypeChange> = value.extract().map_err(|_| {
            PyTypeError::new_err("a vector is a sequence of numbers, or an array of one dimension")
        })?;
        Ok(Self(array.as_array().iter().copied().collect()))
    }
}

/// Several vectors as an argument: a matrix with one row for each.
pub(crate) struct Matrix(pub(crate) Vec<Vec<f32>>);

impl<'py> FromPyObject<'_, 'py> for Matrix {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if value.len().is_ok_and(|rows| rows == 0) {
            return Ok(Self(Vec::new()));
        }
        let array: PyArrayLike2<'py, f32, AllowTypeChange> = value.extract().map_err(|_| {
            PyTypeError::new_err("vectors are an array of two dimensions: rows and numbers")
        })?;
        let rows = array.as_array();
        Ok(Self(rows.rows().into_iter().map(|row| row.iter().copied().collect()).collect()))
    }
}

/// Returns a vector as a new array.
pub(crate) fn array<'py>(py: Python<'py>, vector: &[f32]) -> Bound<'py, PyArray1<f32>> {
    PyArray1::from_slice(py, vector)
}

/// The value of a field as an argument.
pub(crate) struct Value(pub(crate) FieldValue);

impl<'py> FromPyObject<'_, 'py> for Value {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if value.is_none() {
            return Ok(Self(FieldValue::Null));
        }
        // A bool is an int for Python, so it comes first.
        if let Ok(value) = value.cast::<PyBool>() {
            return Ok(Self(FieldValue::Bool(value.is_true())));
        }
        if let Ok(text) = value.cast::<PyString>() {
            return Ok(Self(FieldValue::Text(text.to_str()?.to_owned())));
        }
        if value.cast::<PyInt>().is_ok() {
            return match value.extract::<i64>() {
                Ok(value) => Ok(Self(FieldValue::from(value))),
                Err(_) => value.extract::<u64>().map(|value| Self(FieldValue::from(value))),
            };
        }
        if value.cast::<PyFloat>().is_ok() {
            return Ok(Self(FieldValue::from(value.extract::<f64>()?)));
        }
        if value.hasattr("tzinfo")? {
            return Ok(Self(FieldValue::Time(value.extract::<Time>()?.0)));
        }
        // The scalars of numpy.
        if let Ok(item) = value.call_method0("item")
            && !item.get_type().is(value.get_type())
        {
            return item.extract();
        }
        let name = value.get_type().name()?;
        Err(PyTypeError::new_err(format!(
            "the value of a field is None, a bool, an int, a float, a str or a datetime, not {name}"
        )))
    }
}

/// Parses the word of an option.
pub(crate) fn word<T: FromStr<Err = altiplano::ValueError>>(text: &str) -> PyResult<T> {
    text.parse().map_err(|error| crate::errors::raise(altiplano::Error::from(error)))
}

/// Returns the items of an iterable argument.
pub(crate) fn items<T>(values: &Bound<'_, PyAny>) -> PyResult<Vec<T>>
where
    T: for<'a, 'py> FromPyObject<'a, 'py, Error = PyErr>,
{
    values.try_iter()?.map(|value| value?.extract()).collect()
}
