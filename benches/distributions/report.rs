//! Owns the output of the benchmark `distributions`: the JSON keys, the table, and the rules of the
//! verdict on a cell. The measuring is in `run.rs`.

use crate::cells::{Cell, Queries, metric_name};
use crate::run::{AtTarget, Measured};
use crate::setup::K;
use bench_tools::measure::Json;

/// The amount by which a recall may be below its target.
const BELOW: f64 = 0.01;
/// Largest time of a search relative to an exact search: this factor, or `MORE_US` microseconds
/// more if that is longer.
const RATIO: f64 = 1.25;
const MORE_US: f64 = 20.0;
/// The least recall of an exact search. It is not 1: two rows whose distances differ in the last
/// digits of `f32` may change places.
const EXACT: f64 = 0.999;

/// The results of all cells so far.
#[derive(Default)]
pub(crate) struct Summary {
    cells: usize,
    ok: usize,
    miss_recall: usize,
    miss_self: usize,
    miss_time: usize,
    miss_exact: usize,
    /// The smallest recall less its target, and the largest share of the allowed time.
    lowest: Option<(f64, String)>,
    slowest: Option<(f64, String)>,
}

/// The failures of one target.
#[derive(Clone, Copy)]
struct Missed {
    recall: bool,
    first: bool,
    time: bool,
}

impl Missed {
    fn of(cell: &Cell, measured: &Measured, at: &AtTarget) -> Self {
        Self {
            recall: at.recall < at.target - BELOW,
            first: cell.queries == Queries::Stored && at.first < at.target - BELOW,
            time: at.p50_us > allowed_us(measured),
        }
    }

    fn verdict(self) -> String {
        let named = [(self.recall, "recall"), (self.first, "self"), (self.time, "time")];
        let missed: Vec<&str> = named.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
        if missed.is_empty() { "ok".to_owned() } else { format!("miss {}", missed.join(", ")) }
    }
}

/// Returns the longest allowed time of a cell's median search.
fn allowed_us(measured: &Measured) -> f64 {
    (RATIO * measured.exact_us).max(measured.exact_us + MORE_US)
}

/// Prints the heads of the table's columns.
pub(crate) fn heads() {
    eprintln!(
        "{:<46} {:>5} {:>7} {:>7} {:>6} {:>9} {:>9} {:>6} {:>6} {:>6} {:>7}  verdict",
        "cell",
        "asked",
        "recall",
        "lowest",
        "first",
        "p50 us",
        "exact us",
        "ratio",
        "disk B",
        "heap B",
        "build s",
    );
}

impl Summary {
    /// Prints the lines of a cell, and counts it.
    pub(crate) fn take(&mut self, cell: &Cell, measured: &Measured) {
        let missed: Vec<Missed> =
            measured.targets.iter().map(|at| Missed::of(cell, measured, at)).collect();
        for (i, (at, missed)) in measured.targets.iter().zip(&missed).enumerate() {
            println!("{}", line(cell, measured, at, &missed.verdict()));
            row(cell, measured, at, &missed.verdict(), i == 0);
            self.extremes(cell, measured, at);
        }
        let exact = measured.exact_recall < EXACT;
        if exact {
            eprintln!("  the exact search found {:.4}", measured.exact_recall);
        }
        let any = |is: fn(&Missed) -> bool| missed.iter().any(is);
        self.cells += 1;
        self.miss_recall += usize::from(any(|m| m.recall));
        self.miss_self += usize::from(any(|m| m.first));
        self.miss_time += usize::from(any(|m| m.time));
        self.miss_exact += usize::from(exact);
        self.ok += usize::from(!exact && !any(|m| m.recall || m.first || m.time));
    }

    fn extremes(&mut self, cell: &Cell, measured: &Measured, at: &AtTarget) {
        let name = || format!("{} at {}", cell.label(), at.target);
        let margin = at.recall - at.target;
        if self.lowest.as_ref().is_none_or(|(lowest, _)| margin < *lowest) {
            self.lowest = Some((margin, name()));
        }
        let share = at.p50_us / allowed_us(measured);
        if self.slowest.as_ref().is_none_or(|(slowest, _)| share > *slowest) {
            self.slowest = Some((share, name()));
        }
    }

    /// Prints the results of all cells. Returns true if every one of them is `ok`.
    pub(crate) fn finish(&self, seconds: f64) -> bool {
        let name = |of: &Option<(f64, String)>| of.as_ref().map(|(_, name)| name.clone());
        let value = |of: &Option<(f64, String)>| of.as_ref().map(|(value, _)| *value);
        let verdict = if self.ok == self.cells { "holds" } else { "does not hold" };
        let line = Json::new()
            .field("bench", "distributions")
            .field("system", "altiplano")
            .field("verdict", verdict)
            .field("cells", self.cells)
            .field("ok", self.ok)
            .field("miss_recall", self.miss_recall)
            .field("miss_self", self.miss_self)
            .field("miss_time", self.miss_time)
            .field("miss_exact", self.miss_exact)
            .field("lowest_margin", value(&self.lowest))
            .field("lowest_margin_of", name(&self.lowest))
            .field("highest_time_share", value(&self.slowest))
            .field("highest_time_share_of", name(&self.slowest))
            .field("seconds", seconds);
        println!("{}", line.line());
        eprintln!(
            "{verdict}: {} of {} cells ok; {} miss recall, {} themselves, {} time, {} exactness; \
             {seconds:.0} s",
            self.ok, self.cells, self.miss_recall, self.miss_self, self.miss_time, self.miss_exact,
        );
        if let (Some((margin, lowest)), Some((share, slowest))) = (&self.lowest, &self.slowest) {
            eprintln!(
                "recall - target >= {margin:.4} ({lowest}), time <= {share:.2} x allowed ({slowest})"
            );
        }
        self.ok == self.cells
    }
}

fn line(cell: &Cell, measured: &Measured, at: &AtTarget, verdict: &str) -> String {
    let queries = match cell.queries {
        Queries::HeldOut => "held out",
        Queries::Stored => "stored",
        Queries::Far => "far",
    };
    Json::new()
        .field("bench", "distributions")
        .field("system", "altiplano")
        .field("cell", cell.label())
        .field("family", &*cell.name)
        .field("metric", metric_name(cell.metric))
        .field("dim", cell.dim)
        .field("n", cell.rows)
        .field("state", format!("{:?}", cell.state).to_lowercase())
        .field("codes", measured.codes.as_str())
        .field("small_graph", cell.graph)
        .field("query_kind", queries)
        .field("queries", measured.queries)
        .field("k", K)
        .field("path", "Auto")
        .field("target", at.target)
        .field("recall_at_10", at.recall)
        .field("lowest_recall", at.lowest)
        .field("first_found", at.first)
        .field("way", at.way)
        .field("way_share", at.way_share)
        .field("codes_per_query", at.codes)
        .field("rows_per_query", at.rows)
        .field("p50_us", at.p50_us)
        .field("exact_p50_us", measured.exact_us)
        .field("exact_recall", measured.exact_recall)
        .field("timed_queries", measured.timed)
        .field("time_ratio", at.p50_us / measured.exact_us)
        .field("disk_bytes_per_row", measured.disk_bytes_per_row)
        .field("heap_bytes_per_row", measured.heap_bytes_per_row)
        .field("build_s", measured.build_s)
        .field("truth_s", measured.truth_s)
        .field("verdict", verdict)
        .line()
}

fn row(cell: &Cell, measured: &Measured, at: &AtTarget, verdict: &str, first: bool) {
    let label = if first { cell.label() } else { String::new() };
    eprintln!(
        "{label:<46} {:>5.2} {:>7.4} {:>7.2} {:>6.3} {:>9.1} {:>9.1} {:>6.2} {:>6.0} {:>6.0} {:>7.2}  \
         {verdict}: {} {:.0} %",
        at.target,
        at.recall,
        at.lowest,
        at.first,
        at.p50_us,
        measured.exact_us,
        at.p50_us / measured.exact_us,
        measured.disk_bytes_per_row,
        measured.heap_bytes_per_row,
        measured.build_s,
        at.way,
        100.0 * at.way_share,
    );
}
