//! Owns the way between Python's values and JSON: metadata in both directions, reports out. The
//! order of the keys is kept.

use std::fmt;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, Serialize};

/// Deepest nesting of metadata. The store has a limit of its own; this one bounds the recursion.
const MAX_DEPTH: usize = 100;

/// Returns a dict as the text of a JSON object.
pub(crate) fn write(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let mut out = String::new();
    write_value(value, &mut out, MAX_DEPTH)?;
    Ok(out)
}

fn write_value(value: &Bound<'_, PyAny>, out: &mut String, depth: usize) -> PyResult<()> {
    if depth == 0 {
        return Err(PyValueError::new_err("metadata is nested too deep"));
    }
    if value.is_none() {
        out.push_str("null");
    } else if let Ok(value) = value.cast::<PyBool>() {
        out.push_str(if value.is_true() { "true" } else { "false" });
    } else if let Ok(text) = value.cast::<PyString>() {
        push(out, &text.to_str()?)?;
    } else if value.cast::<PyInt>().is_ok() {
        let fits = value.extract::<i64>().is_ok() || value.extract::<u64>().is_ok();
        if !fits {
            return Err(PyValueError::new_err("an integer of metadata needs more than 64 bits"));
        }
        out.push_str(value.call_method0("__int__")?.str()?.to_str()?);
    } else if value.cast::<PyFloat>().is_ok() {
        let number: f64 = value.extract()?;
        if !number.is_finite() {
            let text = format!("metadata cannot hold the number {number}; use None or a string");
            return Err(PyValueError::new_err(text));
        }
        push(out, &number)?;
    } else if let Ok(dict) = value.cast::<PyDict>() {
        write_dict(dict, out, depth)?;
    } else if value.cast::<PyList>().is_ok() || value.cast::<PyTuple>().is_ok() {
        out.push('[');
        for (at, item) in value.try_iter()?.enumerate() {
            if at > 0 {
                out.push(',');
            }
            write_value(&item?, out, depth - 1)?;
        }
        out.push(']');
    } else {
        write_other(value, out, depth)?;
    }
    Ok(())
}

/// Writes what is none of Python's own types: scalars and arrays of numpy, and other mappings.
fn write_other(value: &Bound<'_, PyAny>, out: &mut String, depth: usize) -> PyResult<()> {
    if let Ok(plain) = value.call_method0("tolist") {
        return write_value(&plain, out, depth - 1);
    }
    if value.hasattr("keys")? && value.hasattr("__getitem__")? {
        let dict = value.py().get_type::<PyDict>().call1((value,))?;
        return write_value(&dict, out, depth - 1);
    }
    let name = value.get_type().name()?;
    Err(PyTypeError::new_err(format!(
        "metadata holds what JSON does: dict, list, str, int, float, bool and None, not {name}"
    )))
}

fn write_dict(dict: &Bound<'_, PyDict>, out: &mut String, depth: usize) -> PyResult<()> {
    out.push('{');
    for (at, (key, value)) in dict.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        let key = key
            .cast::<PyString>()
            .map_err(|_| PyTypeError::new_err(format!("a key of metadata is a str, not {key}")))?;
        push(out, &key.to_str()?)?;
        out.push(':');
        write_value(&value, out, depth - 1)?;
    }
    out.push('}');
    Ok(())
}

fn push<T: Serialize>(out: &mut String, value: &T) -> PyResult<()> {
    let text = serde_json::to_string(value);
    out.push_str(&text.map_err(|error| PyValueError::new_err(error.to_string()))?);
    Ok(())
}

/// Returns the text of a JSON value as Python's values.
pub(crate) fn read<'py>(py: Python<'py>, json: &str) -> PyResult<Bound<'py, PyAny>> {
    let mut reader = serde_json::Deserializer::from_str(json);
    Build { py, plain: false }.deserialize(&mut reader).map_err(|error| fault(error.to_string()))
}

/// Returns a report as Python's values. A duration becomes a float of seconds.
pub(crate) fn report<'py>(py: Python<'py>, value: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    let json = serde_json::to_string(value).map_err(|error| fault(error.to_string()))?;
    let mut reader = serde_json::Deserializer::from_str(&json);
    Build { py, plain: true }.deserialize(&mut reader).map_err(|error| fault(error.to_string()))
}

fn fault(reason: String) -> PyErr {
    PyValueError::new_err(reason)
}

/// Builds Python's values while it reads.
#[derive(Clone, Copy)]
struct Build<'py> {
    py: Python<'py>,
    /// Whether durations become numbers.
    plain: bool,
}

impl<'de, 'py> DeserializeSeed<'de> for Build<'py> {
    type Value = Bound<'py, PyAny>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de, 'py> Visitor<'de> for Build<'py> {
    type Value = Bound<'py, PyAny>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(self.py.None().into_bound(self.py))
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(PyBool::new(self.py, value).to_owned().into_any())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(PyInt::new(self.py, value).into_any())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(PyInt::new(self.py, value).into_any())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(PyFloat::new(self.py, value).into_any())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(PyString::new(self.py, value).into_any())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let list = PyList::empty(self.py);
        while let Some(item) = items.next_element_seed(self)? {
            list.append(item).map_err(A::Error::custom)?;
        }
        Ok(list.into_any())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let dict = PyDict::new(self.py);
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self)?;
            dict.set_item(key, value).map_err(A::Error::custom)?;
        }
        if self.plain && dict.len() == 2 {
            let number = |name| {
                let value = dict.get_item(name).ok().flatten()?;
                value.extract::<f64>().ok()
            };
            if let (Some(seconds), Some(nanos)) = (number("secs"), number("nanos")) {
                return Ok(PyFloat::new(self.py, seconds + nanos / 1e9).into_any());
            }
        }
        Ok(dict.into_any())
    }
}
