//! Owns the methods of the class `Store` that look after it: numbers, background work, checks, copies.

use std::path::PathBuf;
use std::time::Duration;

use altiplano::{BackupOptions, RepairPolicy, Store, StoreOptions, VerifyLevel};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::PyStore;
use crate::convert::{Span, datetime};
use crate::errors::OrRaise;
use crate::handles::{PyCollection, PyStoreSnapshot, of_collection};
use crate::json;
use crate::stats;

#[pymethods]
impl PyStore {
    /// Returns all collections at this moment.
    fn snapshot(&self, py: Python<'_>) -> PyResult<PyStoreSnapshot> {
        Ok(PyStoreSnapshot(self.with(py, Store::snapshot)?))
    }

    /// Returns numbers about the store.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        stats::new(py, &self.with(py, Store::stats)?)
    }

    /// Returns the time by which memories expire.
    fn now<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        datetime(py, self.store()?.now())
    }

    /// Believes the clock of the system after it was set, ahead of the time it takes otherwise.
    fn trust_clock(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, Store::trust_clock)
    }

    /// Waits until every write so far survives a power cut.
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, Store::sync)
    }

    /// Deletes a namespace in every collection, removes its bytes, and returns a receipt.
    fn forget<'py>(&self, py: Python<'py>, namespace: &str) -> PyResult<Bound<'py, PyAny>> {
        json::report(py, &self.with(py, |store| store.forget(namespace))?)
    }

    /// Removes every byte of memories that are dead by now from the disk, and returns a receipt.
    fn purge<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json::report(py, &self.with(py, Store::purge)?)
    }

    /// Compacts all collections now, and returns what was done.
    fn compact<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json::report(py, &self.with(py, Store::compact)?)
    }

    /// Returns what a compaction of a collection would do.
    fn plan<'py>(
        &self,
        py: Python<'py>,
        collection: &Bound<'py, PyCollection>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let collection = of_collection(collection)?.clone();
        json::report(py, &self.with(py, |store| store.plan(&collection))?)
    }

    /// Does one piece of background work. Returns whether there was one.
    fn run_pending_tasks(&self, py: Python<'_>) -> PyResult<bool> {
        self.with(py, Store::run_pending_tasks)
    }

    /// Waits until there is no background work, at most for `timeout`. Returns whether there is
    /// none.
    #[pyo3(signature = (timeout = Span(Duration::from_secs(60))), text_signature = "($self, timeout=60.0)")]
    fn wait_idle(&self, py: Python<'_>, timeout: Span) -> PyResult<bool> {
        self.with(py, |store| store.wait_idle(timeout.0))
    }

    /// Pauses background work where it is.
    fn pause_background(&self) -> PyResult<()> {
        self.store()?.pause_background();
        Ok(())
    }

    /// Lets background work go on.
    fn resume_background(&self) -> PyResult<()> {
        self.store()?.resume_background();
        Ok(())
    }

    /// Ends the background work under way. What it has not finished is done again later.
    fn cancel_background(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, Store::cancel_background)
    }

    /// Whether background work is paused.
    #[getter]
    fn is_background_paused(&self) -> PyResult<bool> {
        Ok(self.store()?.is_background_paused())
    }

    /// Moves a read-only store forward to what the writer has written.
    fn refresh(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, Store::refresh)
    }

    /// Checks the files: "quick", "standard" or "full". Returns a dict with `problems`.
    #[pyo3(signature = (level = "standard"))]
    fn verify<'py>(&self, py: Python<'py>, level: &str) -> PyResult<Bound<'py, PyAny>> {
        let level = match level {
            "quick" => VerifyLevel::Quick,
            "standard" => VerifyLevel::Standard,
            "full" => VerifyLevel::Full,
            _ => {
                let text = format!("invalid level: {level:?} is none of quick, standard, full");
                return Err(PyValueError::new_err(text));
            }
        };
        json::report(py, &self.with(py, |store| store.verify_with(level))?)
    }

    /// Makes or renews a backup in another directory while the store is in use.
    #[pyo3(signature = (to, *, copy = false))]
    fn backup<'py>(&self, py: Python<'py>, to: PathBuf, copy: bool) -> PyResult<Bound<'py, PyAny>> {
        let options = BackupOptions::new().copy(copy);
        json::report(py, &self.with(py, |store| store.backup_with(&to, &options))?)
    }

    /// Makes a store of a backup, in a new directory.
    #[staticmethod]
    fn restore<'py>(py: Python<'py>, backup: PathBuf, to: PathBuf) -> PyResult<Bound<'py, PyAny>> {
        json::report(py, &py.detach(|| Store::restore(&backup, &to)).or_raise()?)
    }

    /// Saves what can be read of a damaged store into a new directory.
    #[staticmethod]
    #[pyo3(signature = (damaged, to, *, keep_doubtful = false))]
    fn repair<'py>(
        py: Python<'py>,
        damaged: PathBuf,
        to: PathBuf,
        keep_doubtful: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let policy = if keep_doubtful { RepairPolicy::KeepDoubtful } else { RepairPolicy::Strict };
        let done = py.detach(|| StoreOptions::new().repair_with(&damaged, &to, policy));
        json::report(py, &done.or_raise()?)
    }
}
