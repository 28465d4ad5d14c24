//! Owns the way to the class `Stats`, which `altiplano/_stats.py` defines.

use pyo3::prelude::*;
use serde::Serialize;

use crate::json;

/// Returns numbers as a `Stats`.
pub(crate) fn new<'py>(py: Python<'py>, numbers: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    let numbers = json::report(py, numbers)?;
    py.import("altiplano._stats")?.getattr("Stats")?.call1((numbers,))
}
