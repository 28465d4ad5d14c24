//! Owns `FieldRef`, which builds filters on a field.

use super::Filter;
use super::field::{FieldFilter, FieldTest};
use crate::fields::FieldValue;

/// A field whose test is still to be said: see [`Filter::field`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a field without a test is no filter"]
pub struct FieldRef {
    path: String,
}

impl FieldRef {
    pub(super) fn new(path: impl Into<String>) -> Self {
        Self { path: path.into() }
    }

    fn filter(self, test: FieldTest) -> Filter {
        Filter::Field(FieldFilter::new(self.path, test))
    }

    /// Matches if a value at the path equals this one.
    pub fn eq(self, value: impl Into<FieldValue>) -> Filter {
        self.filter(FieldTest::Eq(value.into()))
    }

    /// Matches if there is a value at the path, and none equals this one.
    pub fn ne(self, value: impl Into<FieldValue>) -> Filter {
        self.filter(FieldTest::Ne(value.into()))
    }

    /// Matches if a value at the path is less than this one.
    pub fn lt(self, value: impl Into<FieldValue>) -> Filter {
        self.filter(FieldTest::Lt(value.into()))
    }

    /// Matches if a value at the path is at most this one.
    pub fn le(self, value: impl Into<FieldValue>) -> Filter {
        self.filter(FieldTest::Le(value.into()))
    }

    /// Matches if a value at the path is greater than this one.
    pub fn gt(self, value: impl Into<FieldValue>) -> Filter {
        self.filter(FieldTest::Gt(value.into()))
    }

    /// Matches if a value at the path is at least this one.
    pub fn ge(self, value: impl Into<FieldValue>) -> Filter {
        self.filter(FieldTest::Ge(value.into()))
    }

    /// Matches if a value at the path is in this range, both ends included.
    pub fn between(self, from: impl Into<FieldValue>, to: impl Into<FieldValue>) -> Filter {
        self.filter(FieldTest::Between(from.into(), to.into()))
    }

    /// Matches if a value at the path equals one of these. An empty list matches no memory.
    pub fn one_of<V: Into<FieldValue>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        self.filter(FieldTest::OneOf(values.into_iter().map(Into::into).collect()))
    }

    /// Matches if there is a value at the path, and none equals one of these.
    pub fn none_of<V: Into<FieldValue>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        self.filter(FieldTest::NoneOf(values.into_iter().map(Into::into).collect()))
    }

    /// Matches if there is a value at the path, also null, an object or a list.
    pub fn exists(self) -> Filter {
        self.filter(FieldTest::Exists)
    }

    /// Matches if there is no value at the path: the same as `!field.exists()`. Metadata that is
    /// not a JSON object has none.
    #[doc(alias = "missing")]
    pub fn not_exists(self) -> Filter {
        !self.exists()
    }

    /// Matches if a value at the path is null: the same as `eq(FieldValue::Null)`. A field that is
    /// missing is not null.
    ///
    /// ```
    /// use altiplano::{FieldValue, Filter};
    /// assert_eq!(Filter::field("a").is_null(), Filter::field("a").eq(FieldValue::Null));
    /// assert_eq!(Filter::field("a").not_exists(), !Filter::field("a").exists());
    /// ```
    pub fn is_null(self) -> Filter {
        self.eq(FieldValue::Null)
    }

    /// Matches if a value at the path is a list with an element that equals this one, or a text of
    /// which this text is a part.
    pub fn contains(self, value: impl Into<FieldValue>) -> Filter {
        self.filter(FieldTest::Contains(value.into()))
    }

    /// Matches if a value at the path is a text that begins with this one.
    pub fn starts_with(self, text: impl Into<String>) -> Filter {
        self.filter(FieldTest::StartsWith(text.into()))
    }
}
