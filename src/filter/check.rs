//! Owns which filters are refused and why. Some are too deep or too large to evaluate in bounded
//! space. Others cannot be intended, such as a range that ends before it starts.

use std::fmt;

use super::{Filter, MAX_FILTER_DEPTH, MAX_FILTER_NODES, Matcher};
use crate::error::{Error, Result};

impl Filter {
    /// Fails if the filter is one that every operation refuses. O(nodes), and O(1) for a list.
    pub(crate) fn check(&self) -> Result<()> {
        self.check_size()?;
        let mut rest = vec![self];
        while let Some(filter) = rest.pop() {
            match filter {
                Self::Created { from, to } => in_order("created", from, to)?,
                Self::EventTime { from, to } => in_order("event_time", from, to)?,
                Self::Expires { from, to } => in_order("expires", from, to)?,
                Self::Tokens { from, to } => in_order("tokens", from, to)?,
                Self::Field(field) => field.check()?,
                Self::Importance { from, to } => {
                    if from.is_nan() || to.is_nan() {
                        let reason = "it is NaN in a filter; importances are 0 to 1";
                        return Err(Error::option("importance", reason));
                    }
                    in_order("importance", from, to)?;
                }
                _ => rest.extend(filter.inner()),
            }
        }
        Ok(())
    }

    /// Fails if the filter is too deep or too large to evaluate in bounded space.
    pub(crate) fn check_size(&self) -> Result<()> {
        let (mut rest, mut nodes) = (vec![(self, 0)], 0usize);
        while let Some((filter, depth)) = rest.pop() {
            if depth > MAX_FILTER_DEPTH {
                return Err(limit(
                    "the nesting of the filter",
                    (depth, "levels"),
                    MAX_FILTER_DEPTH,
                ));
            }
            let listed = match filter {
                Self::TagsAny(names) | Self::TagsAll(names) => names.len(),
                Self::Ids(ids) => ids.len(),
                Self::Field(field) => field.listed(),
                _ => 0,
            };
            nodes = nodes.saturating_add(1).saturating_add(listed);
            if nodes > MAX_FILTER_NODES {
                return Err(limit("the filter", (nodes, "parts and values"), MAX_FILTER_NODES));
            }
            let outer = filter.join();
            let below = |inner: &Self| {
                let flat = inner.join().is_some_and(|join| join.is_flat_in(outer));
                if flat { depth } else { depth + 1 }
            };
            rest.extend(filter.inner().iter().map(|inner| (inner, below(inner))));
        }
        Ok(())
    }
}

impl Matcher {
    /// Returns the matcher of a delete by this filter. Refuses what [`Filter::check`] refuses, and
    /// a filter other than [`Filter::All`] that holds for every memory.
    pub(crate) fn to_delete(filter: Filter) -> Result<Self> {
        filter.check()?;
        let says_all = matches!(filter, Filter::All);
        let matcher = Self::new(filter);
        if !says_all && matcher.constant() == Some(true) {
            let reason = "the filter holds for every memory; if all shall go, give Filter::All";
            return Err(Error::option("delete_where", reason));
        }
        Ok(matcher)
    }
}

fn in_order<T: PartialOrd + fmt::Display>(name: &'static str, from: &T, to: &T) -> Result<()> {
    if from > to {
        let reason = format!("a range in a filter starts at {from} and ends before that, at {to}");
        return Err(Error::option(name, reason));
    }
    Ok(())
}

fn limit(what: &'static str, got: (usize, &'static str), limit: usize) -> Error {
    Error::limit(what, got, limit, "split it into several filters")
}
