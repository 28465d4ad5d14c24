//! Owns the choice between the ways to search an index: through its graph, by the codes of the rows that
//! match or by all codes, whichever costs least, and whether measuring what is eligible exactly costs
//! less than all of that. Decides, and searches nothing.

use crate::collection::eligible::Eligible;
use crate::collection::search::{Search, SearchPath};
use crate::collection::snapshot::IndexPart;
use crate::index::{Costs, EfTable};

/// How an index is searched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Way {
    /// Through its graph, with this beam, measuring at most about so many codes.
    Graph { ef: usize, limit: usize },
    /// The codes of the rows that match.
    Matches,
    /// All codes.
    Scan,
}

/// What the choice looks at.
pub(super) struct Choice<'a> {
    pub(super) search: &'a Search<'a>,
    pub(super) eligible: &'a Eligible<'a>,
    pub(super) eligible_rows: u64,
    pub(super) costs: Costs,
}

impl Choice<'_> {
    /// How to search each index; `None` where measuring all eligible rows exactly costs less than all of
    /// that.
    pub(super) fn ways(&self, k: usize) -> Option<Vec<Way>> {
        let (ways, costs): (Vec<Way>, Vec<f64>) =
            self.search.snapshot.indexes.iter().map(|part| self.way(part, k)).unzip();
        let (eligible, row) = (self.eligible_rows, f64::from(self.costs.row));
        let exact = eligible as f64 * row;
        let fewer = self.search.path == SearchPath::Auto && self.eligible.is_filtered();
        // About twice as many rows as are asked for are measured exactly behind any of these ways.
        let reranked = eligible.min(2 * k as u64) as f64 * row;
        (!fewer || exact > costs.iter().sum::<f64>() + reranked).then_some(ways)
    }

    /// The cheapest way to search an index, and what it costs in nanoseconds.
    fn way(&self, part: &IndexPart, k: usize) -> (Way, f64) {
        let (index, search, costs) = (&part.indexed.index, self.search, self.costs);
        let (other, other_cost) = self.without_graph(part);
        if !index.has_graph() || search.path == SearchPath::Scan {
            return (other, other_cost);
        }
        let canary = &search.collection.core.canary;
        let measured = |table: &EfTable| {
            let ef = search.ef.unwrap_or_else(|| table.ef_for(search.recall, k)).max(k);
            (ef, table.evaluations_for(ef))
        };
        let (ef, evaluations) =
            canary.table(part.indexed.file, measured).unwrap_or_else(|| measured(index.ef_table()));
        if search.path == SearchPath::Graph {
            return (Way::Graph { ef, limit: usize::MAX }, 0.0);
        }
        // Where few nodes are eligible, the beam wanders on until it has met enough of them.
        let nodes = u64::from(index.nodes());
        let eligible = self.eligible_rows.min(nodes).max(1);
        let evaluations = evaluations.saturating_mul(nodes) / eligible;
        let cost = evaluations as f64 * f64::from(costs.evaluation);
        if cost >= other_cost {
            return (other, other_cost);
        }
        // Where those that match lie far from the query, it ends when it has cost as much as the
        // other way would have.
        let limit = (other_cost / f64::from(costs.evaluation)) as usize;
        (Way::Graph { ef, limit }, cost)
    }

    /// The cheaper way without the graph.
    pub(super) fn without_graph(&self, part: &IndexPart) -> (Way, f64) {
        let (costs, index) = (self.costs, &part.indexed.index);
        let code = if index.signs().is_some() { costs.scanned_blocks } else { costs.scanned };
        let scan = f64::from(index.nodes()) * f64::from(code);
        let matches = self.eligible.matches(part) as f64 * f64::from(costs.gathered);
        let scans = self.search.path == SearchPath::Scan || matches >= scan;
        if scans { (Way::Scan, scan) } else { (Way::Matches, matches) }
    }
}
