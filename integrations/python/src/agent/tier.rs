//! Owns the class `Tier`: one level of an agent's memory and the rules by which memories leave it.

use altiplano::agent::{Exit, Retention, Score, Tier};
use pyo3::prelude::*;

use super::unknown;
use crate::convert::{Span, word};

/// One level of an agent's memory, and the rules by which memories leave it.
///
/// Args:
///     name: of the tier; it is the name of its collection, too.
///     max_age: a `timedelta` or seconds after which a memory leaves.
///     max_idle: a `timedelta` or seconds without use after which a memory leaves.
///     max_count, max_bytes: how much stays; those that are worth least leave first.
///     keep_turns, keep_tokens: the newest turns, or tokens, of each session that stay.
///     unless_important: from 0 to 1; more important memories stay.
///     half_life: a `timedelta` or seconds; what a memory is worth falls by half in that time.
///     near_copies_first: cosine from which the older of two memories leaves first.
///     exit: where they go: "forget", "archive", or "move:TIER".
///     default_ttl: a `timedelta` or seconds, for memories without a lifetime.
///     in_memory: keep nothing on disk.
///     durability: "sync", or for example "buffered:50ms".
///     recalled: whether recalls search the tier.
#[pyclass(name = "Tier", module = "altiplano", frozen)]
pub(crate) struct PyTier(pub(crate) Tier);

#[pymethods]
impl PyTier {
    #[new]
    #[pyo3(signature = (
        name, *, max_age = None, max_idle = None, max_count = None, max_bytes = None,
        keep_turns = None, keep_tokens = None, unless_important = None, half_life = None,
        near_copies_first = None, exit = None, default_ttl = None, in_memory = false,
        durability = None, recalled = true
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn new(
        name: String,
        max_age: Option<Span>,
        max_idle: Option<Span>,
        max_count: Option<u64>,
        max_bytes: Option<u64>,
        keep_turns: Option<usize>,
        keep_tokens: Option<u64>,
        unless_important: Option<f32>,
        half_life: Option<Span>,
        near_copies_first: Option<f32>,
        exit: Option<&str>,
        default_ttl: Option<Span>,
        in_memory: bool,
        durability: Option<&str>,
        recalled: bool,
    ) -> PyResult<Self> {
        let mut rules = Retention::new();
        macro_rules! set {
            ($on:ident, $($name:ident = $value:expr),* $(,)?) => {
                $(if let Some(value) = $value { $on = $on.$name(value); })*
            };
        }
        set!(
            rules,
            max_age = max_age.map(|span| span.0),
            max_idle = max_idle.map(|span| span.0),
            max_count = max_count,
            max_bytes = max_bytes,
            window = keep_turns.map(altiplano::Window::turns),
            window = keep_tokens.map(altiplano::Window::tokens),
            unless_important = unless_important,
            score = half_life.map(|span| Score::new().half_life(span.0)),
            near_copies_first = near_copies_first,
        );
        let mut tier = Tier::new(name).retention(rules).recalled(recalled);
        set!(
            tier,
            exit = exit.map(exit_of).transpose()?,
            default_ttl = default_ttl.map(|span| span.0),
            durability = durability.map(word).transpose()?,
        );
        Ok(Self(if in_memory { tier.in_memory() } else { tier }))
    }

    /// The usual working tier: the newest memories.
    #[staticmethod]
    fn working() -> Self {
        Self(Tier::working())
    }

    /// The usual long-term tier.
    #[staticmethod]
    fn long_term() -> Self {
        Self(Tier::long_term())
    }

    /// A tier in memory, for notes of one session.
    #[staticmethod]
    fn scratch() -> Self {
        Self(Tier::scratch())
    }

    /// The name of the tier.
    #[getter]
    fn name(&self) -> String {
        self.0.name().to_owned()
    }

    fn __repr__(&self) -> String {
        format!("Tier({:?})", self.0.name())
    }
}

/// Reads where memories go.
pub(crate) fn exit_of(word: &str) -> PyResult<Exit> {
    match (word, word.strip_prefix("move:")) {
        ("forget", _) => Ok(Exit::Forget),
        ("archive", _) => Ok(Exit::Archive),
        (_, Some(tier)) => Ok(Exit::Move(tier.to_owned())),
        _ => Err(unknown("exit", word, "forget, archive, move:TIER")),
    }
}
