//! Owns the class `ManualClock`.

use std::sync::Arc;

use altiplano::{Clock, ManualClock};
use pyo3::prelude::*;

use crate::convert::{Span, Time, datetime};

/// A clock that tests move by hand: `open(path, clock=ManualClock(start))`.
#[pyclass(name = "ManualClock", module = "altiplano", frozen)]
pub(crate) struct PyManualClock(pub(crate) Arc<ManualClock>);

#[pymethods]
impl PyManualClock {
    #[new]
    fn new(now: Time) -> Self {
        Self(Arc::new(ManualClock::new(now.0)))
    }

    /// Moves the clock forward.
    fn advance(&self, by: Span) {
        self.0.advance(by.0);
    }

    /// Sets the time of day, without letting time pass.
    fn set(&self, now: Time) {
        self.0.set_wall(now.0);
    }

    /// Returns the time of the clock.
    fn now<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        datetime(py, self.0.wall())
    }
}
