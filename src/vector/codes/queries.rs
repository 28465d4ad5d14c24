//! Owns one query in all the forms that a search needs: exact, and by code in each frame of its
//! indexes.

use std::sync::Arc;

use super::frame::Frame;
use super::query::Query;
use crate::options::Metric;
use crate::vector::metric::Exact;

/// One query in all the forms that a search needs.
#[derive(Debug)]
pub(crate) struct Queries {
    exact: Exact,
    coded: Vec<Query>,
}

impl Queries {
    /// Returns the query for a vector in stored form.
    pub(crate) fn new(metric: Metric, vector: Vec<f32>) -> Self {
        Self { exact: Exact::new(metric, vector), coded: Vec::new() }
    }

    /// Returns the query for exact distances.
    pub(crate) const fn exact(&self) -> &Exact {
        &self.exact
    }

    /// Returns the query for codes of this frame. It is made at the first call.
    pub(crate) fn coded(&mut self, frame: &Arc<Frame>) -> &Query {
        let same = |query: &Query| Arc::ptr_eq(query.frame(), frame) || query.frame() == frame;
        let at = self.coded.iter().position(same).unwrap_or_else(|| {
            self.coded.push(Query::new(Arc::clone(frame), self.exact.vector().to_vec()));
            self.coded.len() - 1
        });
        &self.coded[at]
    }
}
