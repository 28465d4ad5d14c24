//! Owns `FieldFilter`, a filter on a field of JSON metadata, and its form in `serde`. `test` has
//! what is asked for, and `query` what that means.
//!
//! Invariant: a filter is prepared when it is made, so that a row costs no parsing of its path.

mod query;
mod test;

use std::fmt;
use std::sync::Arc;

use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use query::{FieldQuery, FieldRule, Keys};
use test::Fault;
pub use test::FieldTest;

use crate::error::{Error, Result};
use crate::fields::{MAX_PATH_BYTES, PathFault};

/// A test of one field, as plain data: see [`Filter::field`]. Cheap to clone.
///
/// ```
/// use altiplano::{FieldFilter, FieldTest, Filter};
/// let filter = Filter::Field(FieldFilter::new("year", FieldTest::Ge(2024.into())));
/// assert_eq!(filter, Filter::field("year").ge(2024));
/// ```
///
/// [`Filter::field`]: crate::Filter::field
#[derive(Clone)]
pub struct FieldFilter(Arc<Parts>);

struct Parts {
    path: String,
    test: FieldTest,
    query: Result<FieldQuery, Fault>,
}

impl FieldFilter {
    /// Returns the filter that this test of this field is. [`crate::Filter::field`] is shorter.
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
