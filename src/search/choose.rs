//! Owns the choice of the access path of an index: its graph, the codes of matching rows, all
//! codes, or the rows measured exactly. A path is chosen only if its measured recall reaches the
//! target; the cheapest of those wins. It decides and does not search.

use crate::clock::Clock;
use crate::index::{Costs, EfTable};
use crate::search::eligible::Eligible;
use crate::search::hit::{AccessPath, AccessReason};
use crate::search::request::{Request, SearchMode};
use crate::snapshot::IndexPart;
use crate::snapshot::recall::RecallMonitor;

/// The access path of one index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Plan {
    /// Search the graph with beam width `ef`, measuring about `limit` codes at most.
    Graph { ef: usize, limit: usize },
    /// Measure the codes of the matching rows.
    Matches,
    /// Measure all codes.
    Scan,
    /// Measure the rows exactly.
    Rows,
}

impl Plan {
    /// Returns the access path as users see it.
    pub(super) const fn way(self) -> AccessPath {
        match self {
            Self::Graph { .. } => AccessPath::Graph,
            Self::Matches => AccessPath::MatchingCodes,
            Self::Scan => AccessPath::Codes,
            Self::Rows => AccessPath::Rows,
        }
    }
}

/// A plan with its cost in nanoseconds, its measured recall, and the reason why it was chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen {
    pub(super) plan: Plan,
    pub(super) cost: f64,
    pub(super) recall: f32,
    pub(super) reason: AccessReason,
}

/// The inputs of the choice.
pub(super) struct Planner<'a> {
    pub(super) request: &'a Request<'a>,
    /// The recall of graphs as last measured.
    pub(super) monitor: &'a RecallMonitor,
    pub(super) eligible: &'a Eligible<'a>,
    pub(super) eligible_rows: u64,
    pub(super) clock: &'a dyn Clock,
    pub(super) k: usize,
}

impl Planner<'_> {
    /// Returns the cheapest plan for an index that reaches the target recall.
    pub(super) fn of(&self, part: &IndexPart) -> Chosen {
        let (index, request) = (&part.indexed.index, self.request);
        let other = self.without_graph(part);
        if !index.has_graph() || request.mode == SearchMode::Scan {
            return other;
        }
        let measured = |table: &EfTable| {
            let asked = request.ef.or_else(|| table.ef_for(request.recall, self.k));
            let forced = || (request.mode == SearchMode::Graph).then(|| table.widest());
            let ef = asked.or_else(forced)?.max(self.k);
            Some((ef, table.evaluations_for(ef), table.recall_at(ef)))
        };
        let of_canary = self.monitor.table(part.indexed.file, measured);
        let Some((ef, evaluations, recall)) =
            of_canary.unwrap_or_else(|| measured(index.ef_table()))
        else {
            return Chosen { reason: AccessReason::GraphMissesTarget, ..other };
        };
        let graph =
            |limit, cost, reason| Chosen { plan: Plan::Graph { ef, limit }, cost, recall, reason };
        if request.mode == SearchMode::Graph {
            return graph(usize::MAX, 0.0, AccessReason::AskedFor);
        }
        // If few nodes are eligible, the beam goes on until it has met enough of them.
        let costs = self.costs(part);
        let nodes = u64::from(index.nodes());
        let eligible = self.eligible_rows.min(nodes).max(1);
        let evaluations = evaluations.saturating_mul(nodes) / eligible;
        let walk = evaluations as f64 * f64::from(costs.evaluation);
        let cost = walk + self.behind(part, nodes).min(ef as f64) * f64::from(costs.row);
        if cost >= other.cost {
            return other;
        }
        // If the matching rows lie far from the query, the walk takes longer than estimated. It
        // stops when it has cost as much as the other path would have.
        let limit = (other.cost / f64::from(costs.evaluation)) as usize;
        graph(limit, cost, AccessReason::Cheapest)
    }

    /// Returns the cheapest plan that does not use the graph. Each of these finds the nearest rows.
    pub(super) fn without_graph(&self, part: &IndexPart) -> Chosen {
        let (costs, index) = (self.costs(part), &part.indexed.index);
        let (matches, nodes) = (self.eligible.matches(part), u64::from(index.nodes()));
        let code = if index.signs().is_some() { costs.scanned_blocks } else { costs.scanned };
        let row = f64::from(costs.row);
        let scan = nodes as f64 * f64::from(code) + self.behind(part, nodes) * row;
        let gather = matches as f64 * f64::from(costs.gathered) + self.behind(part, matches) * row;
        let rows = matches as f64 * row;
        let by_code =
            |plan, cost, reason| Chosen { plan, cost, recall: index.fit().recall, reason };
        if self.request.mode == SearchMode::Scan {
            return by_code(Plan::Scan, scan, AccessReason::AskedFor);
        }
        let cheapest = AccessReason::Cheapest;
        if rows <= scan.min(gather) {
            Chosen { plan: Plan::Rows, cost: rows, recall: 1.0, reason: cheapest }
        } else if gather < scan {
            by_code(Plan::Matches, gather, cheapest)
        } else {
            by_code(Plan::Scan, scan, cheapest)
        }
    }

    fn costs(&self, part: &IndexPart) -> Costs {
        part.indexed.index.costs(self.clock)
    }

    /// Returns about how many of `rows` rows must be measured exactly after a search by code. It is
    /// twice `k`, plus the rows that seem as near by code.
    fn behind(&self, part: &IndexPart, rows: u64) -> f64 {
        let seem = f64::from(part.indexed.index.fit().share) * rows as f64;
        (2.0 * self.k as f64 + seem).min(rows as f64)
    }
}
