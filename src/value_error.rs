//! Owns `ValueError`: why a text or a number is not a valid value of a type. It stands below every
//! type that is parsed from text.

/// A text or a number that is not a valid value of the wanted type. It becomes an
/// [`Error::InvalidOption`](crate::Error::InvalidOption) with `?`.
///
/// ```
/// use altiplano::{Error, Metric};
/// fn metric(text: &str) -> Result<Metric, Error> {
///     Ok(text.parse()?)
/// }
/// let error = metric("manhattan").unwrap_err();
/// assert_eq!(error.to_string(), "invalid metric: \"manhattan\" is none of cosine, dot, l2");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {name}: {reason}")]
#[non_exhaustive]
pub struct ValueError {
    /// The name of the value.
    pub name: &'static str,
    /// What is wrong, and what is allowed.
    pub reason: String,
}

impl ValueError {
    pub(crate) fn new(name: &'static str, reason: impl Into<String>) -> Self {
        Self { name, reason: reason.into() }
    }
}
