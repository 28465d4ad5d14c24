//! Owns the arguments of a collection that need reading.

use altiplano::{CollectionOptions, TextIndex};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyString};

use crate::convert::{Span, word};

/// A lifetime of an option: left as it is, none, or a duration.
#[derive(Clone, Copy)]
pub(crate) enum Change {
    Unchanged,
    None,
    Span(Span),
}

impl<'py> FromPyObject<'_, 'py> for Change {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if value.is_none() {
            return Ok(Self::None);
        }
        if let Ok(text) = value.cast::<PyString>() {
            return match text.to_str()? {
                "unchanged" => Ok(Self::Unchanged),
                other => Err(PyValueError::new_err(format!(
                    "{other:?} is no duration: give a timedelta, seconds, None, or \"unchanged\""
                ))),
            };
        }
        value.extract().map(Self::Span)
    }
}

/// Returns the options with the text index that an argument names.
pub(crate) fn with_index(
    options: CollectionOptions,
    index: &Bound<'_, PyAny>,
) -> PyResult<CollectionOptions> {
    if let Ok(on) = index.cast::<PyBool>() {
        let with = |options: CollectionOptions| options.text_index(TextIndex::new());
        return Ok(if on.is_true() { with(options) } else { options.no_text_index() });
    }
    let language = index.cast::<PyString>().map_err(|_| {
        PyTypeError::new_err("text_index is True, False, or a language such as \"english\"")
    })?;
    Ok(options.text_index(TextIndex::new().language(word(language.to_str()?)?)))
}
