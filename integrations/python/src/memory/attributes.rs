//! Owns the attributes of the class `Memory`: they can be read and assigned.

use altiplano::Lifetime;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::{PyMemory, strings};
use crate::convert::{Id, Time, Vector, array, items, maybe_datetime};
use crate::id::PyMemoryId;
use crate::json;

/// Sets plain fields of a memory.
macro_rules! set {
    ($self:expr, $field:ident = $value:expr) => {{
        let value = $value;
        $self.change(|mut memory| {
            memory.$field = value;
            memory
        });
    }};
}

#[pymethods]
impl PyMemory {
    /// The id, unique in its collection.
    #[getter]
    fn id(&self) -> PyMemoryId {
        PyMemoryId(self.held().memory.id)
    }

    /// The vector, as a new array of float32.
    #[getter]
    fn vector<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        array(py, &self.held().memory.vector)
    }

    #[setter]
    fn set_vector(&self, value: Vector) {
        set!(self, vector = value.0);
    }

    /// The text.
    #[getter]
    fn text(&self) -> Option<String> {
        self.held().memory.text.clone()
    }

    #[setter]
    fn set_text(&self, value: Option<String>) {
        set!(self, text = value);
    }

    /// Bytes beside the text.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.held().memory.bytes.as_deref().map(|bytes| PyBytes::new(py, bytes))
    }

    #[setter]
    fn set_data(&self, value: Option<Vec<u8>>) {
        set!(self, bytes = value);
    }

    /// The key: a name of your own.
    #[getter]
    fn key(&self) -> Option<String> {
        self.held().memory.key.clone()
    }

    #[setter]
    fn set_key(&self, value: Option<String>) {
        set!(self, key = value);
    }

    /// The namespace: a user, an agent, a project.
    #[getter]
    fn namespace(&self) -> Option<String> {
        self.held().memory.namespace.clone()
    }

    #[setter]
    fn set_namespace(&self, value: Option<String>) {
        set!(self, namespace = value);
    }

    /// The session: a conversation or a run.
    #[getter]
    fn session(&self) -> Option<String> {
        self.held().memory.session.clone()
    }

    #[setter]
    fn set_session(&self, value: Option<String>) {
        set!(self, session = value);
    }

    /// The kind: `turn`, `summary`, or what you like.
    #[getter]
    fn kind(&self) -> Option<String> {
        self.held().memory.kind.clone()
    }

    #[setter]
    fn set_kind(&self, value: Option<String>) {
        set!(self, kind = value);
    }

    /// The tags, as a new list.
    #[getter]
    fn tags(&self) -> Vec<String> {
        self.held().memory.tags.clone()
    }

    #[setter]
    fn set_tags(&self, value: Bound<'_, PyAny>) -> PyResult<()> {
        set!(self, tags = strings(&value, "tags")?);
        Ok(())
    }

    /// The metadata, as a new dict: assign it to change it.
    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let json = self.held().memory.metadata_as_json().map(str::to_owned);
        json.map(|json| json::read(py, &json)).transpose()
    }

    #[setter]
    fn set_metadata(&self, value: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let json = value.map_or_else(|| Ok("{}".to_owned()), |value| json::write(&value))?;
        self.change(|memory| memory.metadata_json(json));
        Ok(())
    }

    /// The importance, from 0 to 1.
    #[getter]
    fn importance(&self) -> f32 {
        self.held().memory.importance
    }

    #[setter]
    fn set_importance(&self, value: f32) {
        set!(self, importance = value);
    }

    /// Whether the memory is exempt from default lifetimes.
    #[getter]
    fn pinned(&self) -> bool {
        self.held().memory.pinned
    }

    #[setter]
    fn set_pinned(&self, value: bool) {
        set!(self, pinned = value);
    }

    /// When the memory was made.
    #[getter]
    fn created_at<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        maybe_datetime(py, self.held().memory.created_at)
    }

    #[setter]
    fn set_created_at(&self, value: Option<Time>) {
        set!(self, created_at = value.map(|at| at.0));
    }

    /// When the thing remembered happened.
    #[getter]
    fn event_time<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        maybe_datetime(py, self.held().memory.event_time)
    }

    #[setter]
    fn set_event_time(&self, value: Option<Time>) {
        set!(self, event_time = value.map(|at| at.0));
    }

    /// From when the fact holds in the world.
    #[getter]
    fn valid_from<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        maybe_datetime(py, self.held().memory.valid_from)
    }

    #[setter]
    fn set_valid_from(&self, value: Option<Time>) {
        set!(self, valid_from = value.map(|at| at.0));
    }

    /// Until when the fact holds in the world.
    #[getter]
    fn valid_to<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        maybe_datetime(py, self.held().memory.valid_to)
    }

    #[setter]
    fn set_valid_to(&self, value: Option<Time>) {
        set!(self, valid_to = value.map(|at| at.0));
    }

    /// When the memory expires; `None` if it does not. Assigning `None` makes it live for ever.
    #[getter]
    fn expires_at<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        maybe_datetime(py, self.held().memory.expiry())
    }

    #[setter]
    fn set_expires_at(&self, value: Option<Time>) {
        let lifetime = value.map_or(Lifetime::Forever, |at| Lifetime::Until(at.0));
        self.change(|memory| match lifetime {
            Lifetime::Until(at) => memory.expires_at(at),
            _ => memory.never_expires(),
        });
    }

    /// The id of the memory that replaced this fact.
    #[getter]
    fn superseded_by(&self) -> Option<PyMemoryId> {
        self.held().memory.superseded_by.map(PyMemoryId)
    }

    #[setter]
    fn set_superseded_by(&self, value: Option<Id>) {
        set!(self, superseded_by = value.map(|id| id.0));
    }

    /// Ids of the memories that this one was made from.
    #[getter]
    fn derived_from(&self) -> Vec<PyMemoryId> {
        self.held().memory.derived_from.iter().copied().map(PyMemoryId).collect()
    }

    #[setter]
    fn set_derived_from(&self, value: Bound<'_, PyAny>) -> PyResult<()> {
        let ids = items::<Id>(&value)?.into_iter().map(|id| id.0).collect();
        set!(self, derived_from = ids);
        Ok(())
    }

    /// Tokens of the text, as your model counts them.
    #[getter]
    fn tokens(&self) -> Option<u32> {
        self.held().memory.tokens
    }

    #[setter]
    fn set_tokens(&self, value: Option<u32>) {
        set!(self, tokens = value);
    }

    /// How often the memory was used: see `note_uses`.
    #[getter]
    fn uses(&self) -> u32 {
        self.held().memory.uses
    }

    #[setter]
    fn set_uses(&self, value: u32) {
        set!(self, uses = value);
    }

    /// When the memory was last used, to the second.
    #[getter]
    fn last_used<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        maybe_datetime(py, self.held().memory.last_used)
    }

    #[setter]
    fn set_last_used(&self, value: Option<Time>) {
        set!(self, last_used = value.map(|at| at.0));
    }

    /// The place of the memory in the order of writing; `None` before it is stored.
    #[getter]
    fn seq(&self) -> Option<u64> {
        self.held().memory.seq()
    }

    /// The version, for `Patch(if_version=...)`; `None` before the memory is stored.
    #[getter]
    fn version(&self) -> Option<u64> {
        self.held().memory.version()
    }

    /// Bytes that the memory takes in the store; `None` before it is stored.
    #[getter]
    fn stored_bytes(&self) -> Option<u64> {
        self.held().memory.stored_bytes()
    }
}
