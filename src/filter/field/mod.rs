//! Owns the filters on fields of JSON metadata: `FieldRef`, which builds them, `FieldTest` and
//! `FieldFilter`, which are plain data, and their form in `serde`. `query` has what they mean.
//!
//! Invariant: a filter is prepared when it is made, so that a row costs no parsing of its path.

mod query;

use std::fmt;
use std::sync::Arc;

use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use query::{FieldQuery, FieldRule, Keys};

use super::Filter;
use crate::error::{Error, Result};
use crate::fields::{FieldValue, MAX_PATH_BYTES, PathFault};

/// A field whose test is still to be said: see [`Filter::field`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a field without a test is no filter"]
pub struct FieldRef {
    path: String,
}

/// What a value at the path of a field must be like. See [`Filter::field`] for the meaning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FieldTest {
    /// There is a value, also null, an object or a list.
    Exists,
    /// It equals this one.
    Eq(FieldValue),
    /// There is a value, and none equals this one.
    Ne(FieldValue),
    /// It is less than this one.
    Lt(FieldValue),
    /// It is at most this one.
    Le(FieldValue),
    /// It is greater than this one.
    Gt(FieldValue),
    /// It is at least this one.
    Ge(FieldValue),
    /// It is at least the first and at most the second.
    Between(FieldValue, FieldValue),
    /// It equals one of these.
    OneOf(Vec<FieldValue>),
    /// There is a value, and none equals one of these.
    NoneOf(Vec<FieldValue>),
    /// It is a list with an element that equals this one, or a text of which this text is a part.
    Contains(FieldValue),
    /// It is a text that begins with this one.
    StartsWith(String),
}

/// A test of one field: see [`Filter::field`]. Cheap to clone.
#[derive(Clone)]
pub struct FieldFilter(Arc<Parts>);

struct Parts {
    path: String,
    test: FieldTest,
    query: Result<FieldQuery, Fault>,
}

/// Why a filter on a field is refused.
#[derive(Clone, Debug, PartialEq)]
enum Fault {
    Path(PathFault),
    Test(String),
}

impl FieldFilter {
    /// Returns the filter that this test of this field is. [`Filter::field`] is shorter.
    pub fn new(path: impl Into<String>, test: FieldTest) -> Self {
        let path = path.into();
        let query = FieldQuery::new(&path, &test);
        Self(Arc::new(Parts { path, test, query }))
    }

    /// Returns the path of the field.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Returns what a value there must be like.
    pub fn test(&self) -> &FieldTest {
        &self.0.test
    }

    /// Returns what it asks for; `None` if [`Self::check`] refuses it.
    pub(crate) fn query(&self) -> Option<&FieldQuery> {
        self.0.query.as_ref().ok()
    }

    /// Returns the number of values that the filter lists.
    pub(crate) fn listed(&self) -> usize {
        match self.test() {
            FieldTest::OneOf(values) | FieldTest::NoneOf(values) => values.len(),
            _ => 0,
        }
    }

    /// Fails if the path cannot be read, or if no value can be meant by the test.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.0.query {
            Ok(_) => Ok(()),
            Err(Fault::Path(PathFault::Long(bytes))) => {
                let (what, way_out) = ("the path of a field", "make it shorter");
                Err(Error::limit(what, (*bytes, "bytes"), MAX_PATH_BYTES, way_out))
            }
            Err(Fault::Path(fault)) => {
                Err(Error::option("field", format!("the path {:?}: {fault}", self.path())))
            }
            Err(Fault::Test(reason)) => {
                Err(Error::option("field", format!("{:?}: {reason}", self.path())))
            }
        }
    }
}

impl PartialEq for FieldFilter {
    fn eq(&self, other: &Self) -> bool {
        self.path() == other.path() && self.test() == other.test()
    }
}

impl fmt::Debug for FieldFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldFilter")
            .field("path", &self.path())
            .field("test", self.test())
            .finish()
    }
}

impl FieldRef {
    pub(super) fn new(path: impl Into<String>) -> Self {
        Self { path: path.into() }
    }

    fn filter(self, test: FieldTest) -> Filter {
        Filter::Field(FieldFilter::new(self.path, test))
    }

    /// Matches if a value at the path equals this one.
    #[expect(clippy::should_implement_trait, reason = "it makes a filter, and compares nothing")]
    pub fn eq(self, value: impl Into<FieldValue>) -> Filter {
        self.filter(FieldTest::Eq(value.into()))
    }

    /// Matches if there is a value at the path, and none equals this one.
    #[expect(clippy::should_implement_trait, reason = "it makes a filter, and compares nothing")]
    pub fn ne(self, value: impl Into<FieldValue>) -> Filter {
        self.filter(FieldTest::Ne(value.into()))
    }

    /// Matches if a value at the path is less than this one.
    #[expect(clippy::should_implement_trait, reason = "it makes a filter, and compares nothing")]
    pub fn lt(self, value: impl Into<FieldValue>) -> Filter {
        self.filter(FieldTest::Lt(value.into()))
    }

    /// Matches if a value at the path is at most this one.
    #[expect(clippy::should_implement_trait, reason = "it makes a filter, and compares nothing")]
    pub fn le(self, value: impl Into<FieldValue>) -> Filter {
        self.filter(FieldTest::Le(value.into()))
    }

    /// Matches if a value at the path is greater than this one.
    #[expect(clippy::should_implement_trait, reason = "it makes a filter, and compares nothing")]
    pub fn gt(self, value: impl Into<FieldValue>) -> Filter {
        self.filter(FieldTest::Gt(value.into()))
    }

    /// Matches if a value at the path is at least this one.
    #[expect(clippy::should_implement_trait, reason = "it makes a filter, and compares nothing")]
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

/// The filter in the form that `serde` reads and writes.
#[derive(Serialize, Deserialize)]
#[serde(rename = "FieldFilter", deny_unknown_fields)]
struct Exported<P, T> {
    path: P,
    test: T,
}

impl Serialize for FieldFilter {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.check().map_err(S::Error::custom)?;
        Exported { path: self.path(), test: self.test() }.serialize(s)
    }
}

impl<'de> Deserialize<'de> for FieldFilter {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let Exported { path, test } = Exported::<String, FieldTest>::deserialize(d)?;
        Ok(Self::new(path, test))
    }
}
