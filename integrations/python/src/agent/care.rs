//! Owns the methods of the class `Agent` that work on many memories: summaries, copies, new vectors.

use altiplano::agent::{Agent, ConsolidateOptions, Extractive};
use pyo3::prelude::*;

use super::PyAgent;
use super::embedder::{PyEmbedder, Summarize};
use super::tier;
use crate::filter::FilterLike;
use crate::json;

#[pymethods]
impl PyAgent {
    /// Replaces the memories that match by summaries.
    ///
    /// Args:
    ///     summarizer: a function from memories and the summary before, or `None`, to a list of
    ///         texts. Without it, sentences are chosen.
    ///     source: the tier that they are in. `to`: the tier of the summaries.
    ///     exit: what happens to the memories: "forget", "archive", or "move:TIER".
    ///     min_sources, max_sources: memories of one summary.
    #[pyo3(signature = (
        filter, summarizer = None, *, source = None, to = None, exit = None, min_sources = None,
        max_sources = None
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn consolidate<'py>(
        &self,
        py: Python<'py>,
        filter: FilterLike,
        summarizer: Option<Py<PyAny>>,
        source: Option<String>,
        to: Option<String>,
        exit: Option<&str>,
        min_sources: Option<usize>,
        max_sources: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut options = ConsolidateOptions::new();
        options = source.map_or(options.clone(), |tier| options.from(tier));
        options = to.map_or(options.clone(), |tier| options.to(tier));
        options = min_sources.map_or(options.clone(), |count| options.min_sources(count));
        options = max_sources.map_or(options.clone(), |count| options.max_sources(count));
        if let Some(exit) = exit {
            options = options.sources(tier::exit_of(exit)?);
        }
        let done = self.with(py, |agent| match summarizer {
            Some(call) => agent.consolidate(filter.0, &Summarize(call), &options),
            None => agent.consolidate(filter.0, &Extractive::default(), &options),
        })?;
        json::report(py, &done)
    }

    /// Returns groups of similar memories of a tier, as dicts.
    #[pyo3(signature = (tier, filter = None, *, similarity = 0.8, min_size = 2))]
    fn clusters<'py>(
        &self,
        py: Python<'py>,
        tier: &str,
        filter: Option<FilterLike>,
        similarity: f32,
        min_size: usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        let filter = filter.map_or_else(altiplano::Filter::all, |filter| filter.0);
        let call = |agent: &Agent| agent.clusters(tier, filter, similarity, min_size);
        json::report(py, &self.with(py, call)?)
    }

    /// Returns pairs of near copies of a tier, as dicts.
    #[pyo3(signature = (tier, *, similarity = 0.95))]
    fn duplicates<'py>(
        &self,
        py: Python<'py>,
        tier: &str,
        similarity: f32,
    ) -> PyResult<Bound<'py, PyAny>> {
        json::report(py, &self.with(py, |agent| agent.duplicates(tier, similarity))?)
    }

    /// Embeds every text again by another model, while the agent is in use.
    #[pyo3(signature = (embedder, *, space = None, dimension = None))]
    fn reembed<'py>(
        &self,
        py: Python<'py>,
        embedder: &Bound<'_, PyAny>,
        space: Option<String>,
        dimension: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let embedder = PyEmbedder::new(embedder, space, dimension)?;
        json::report(py, &self.with(py, |agent| agent.reembed(embedder))?)
    }
}
