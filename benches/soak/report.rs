//! Owns the output of the windows: lines, a table, a plot, and the limits of the verdict. A figure
//! is not flat if its growth over the run certainly exceeds the limit: the lower bound of an
//! interval does (`trend.rs` of `benches/tools`). The first windows, in which caches fill and the
//! allocator comes to rest, do not count.

use std::fmt::Write as _;

use crate::window::Window;
use bench_tools::measure::{Json, median};
use bench_tools::plot::{Panel, Scale, Series, svg};
use bench_tools::trend::Trend;

/// Share of the windows that do not count.
const WARM_UP: f64 = 0.15;
/// Fewest counting windows for a verdict.
const MIN_WINDOWS: usize = 20;
/// Largest growth of resident bytes and disk, as a share of their mean.
const BYTES: f64 = 0.05;
/// Largest growth of latencies, as a share of their mean.
const TIME: f64 = 0.20;
/// Largest fall of recall.
const RECALL: f64 = 0.005;

type Figure = fn(&Window) -> f64;

/// Name, figure, and the allowed growth. Recall is judged by its fall, not relative to its mean.
const JUDGED: [(&str, Figure, f64); 8] = [
    ("rss_anon", |w| w.rss_anon, BYTES),
    ("rss", |w| w.rss_anon + w.rss_file, BYTES),
    ("disk", |w| w.disk, BYTES),
    // Without held files, which make `disk` uneven.
    ("own_disk", |w| w.stats.own as f64, BYTES),
    ("p50", |w| w.p50, TIME),
    ("p99", |w| w.p99, TIME),
    ("filtered_p99", |w| w.filtered_p99, TIME),
    ("recall", |w| -w.recall, RECALL),
];

/// A run, as reported.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) data: String,
    pub(crate) dim: usize,
    pub(crate) live: usize,
    pub(crate) rate: f64,
    pub(crate) seed: u64,
    /// Number of windows that depend on each other: those between two reopens.
    pub(crate) block: usize,
}

pub(crate) fn json(run: &Run, window: &Window) -> String {
    let head = Json::new()
        .field("bench", "soak")
        .field("data", run.data.as_str())
        .field("dim", run.dim)
        .field("target", run.live)
        .field("rate", run.rate)
        .field("seed", run.seed);
    window.fields().into_iter().fold(head, |json, (name, value)| json.field(name, value)).line()
}

/// Returns one row per window. A value that was not measured is empty.
pub(crate) fn csv(windows: &[Window]) -> String {
    let mut text = String::new();
    if let Some(first) = windows.first() {
        let names: Vec<&str> = first.fields().into_iter().map(|(name, _)| name).collect();
        text = names.join(",") + "\n";
    }
    for window in windows {
        let cell = |(_, value): (&str, f64)| match value.is_finite() {
            true => value.to_string(),
            false => String::new(),
        };
        let cells: Vec<String> = window.fields().into_iter().map(cell).collect();
        text += &(cells.join(",") + "\n");
    }
    text
}

pub(crate) const TABLE_HEAD: &str = "     s  anon MB  file MB  peak MB  disk MB   live   dead  debt MB  \
     recall  evals  p50 us  p99 us  p99.9 us  filt p99  write p99 ms   max ms  probe ms  late ms  cpu s  seals  comp  built (merged)";

pub(crate) fn table_line(window: &Window) -> String {
    format!(
        "{:6.0}  {:7.1}  {:7.1}  {:7.1}  {:7.1}  {:5}  {:5}  {:7.1}  {:6.4}  {:5.0}  {:6.0}  {:6.0}  \
         {:8.0}  {:8.0}  {:12.1}  {:7.1}  {:8.1}  {:7.1}  {:5.2}  {:5}  {:4}  {:5} {:>8}{}",
        window.at,
        mb(window.rss_anon),
        mb(window.rss_file),
        mb(window.rss_peak),
        mb(window.disk),
        window.stats.live,
        window.stats.dead + window.stats.expired,
        mb(window.stats.debt as f64),
        window.recall,
        window.cost.scanned + window.cost.evaluations,
        window.p50,
        window.p99,
        window.p999,
        window.filtered_p99,
        window.write_p99 / 1e3,
        window.write_max / 1e3,
        window.probe_max / 1e3,
        window.late_max / 1e3,
        window.cpu_s,
        window.told.seals,
        window.told.compactions,
        window.told.indexes,
        format!("({})", window.told.merged),
        window.reopened.map_or_else(String::new, |r| {
            format!(
                "  closed in {:.0?}, open in {:.0?}, verified in {:.0?}",
                r.close, r.open, r.verify
            )
        }),
    )
}

/// The result of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) text: String,
    pub(crate) json: String,
    pub(crate) flat: bool,
}

/// Judges whether the store stayed flat; `broken` are the promises that it broke.
pub(crate) fn verdict(run: &Run, windows: &[Window], broken: &[String]) -> Verdict {
    let counted = &windows[(WARM_UP * windows.len() as f64).ceil() as usize..];
    let enough = counted.len() >= MIN_WINDOWS;
    let mut text = format!(
        "{} windows, {} of them count; change over these, with 95 % bounds:\n",
        windows.len(),
        counted.len()
    );
    let mut json = Json::new()
        .field("bench", "soak")
        .field("verdict", true)
        .field("data", run.data.as_str())
        .field("windows", windows.len())
        .field("counted", counted.len())
        .field("block", run.block);
    let mut grown = Vec::new();
    for (name, figure, limit) in JUDGED {
        let values: Vec<f64> = counted.iter().map(figure).collect();
        let Some(trend) = Trend::of(&values, run.block, run.seed) else {
            continue;
        };
        let (trend, unit) = match name {
            "recall" => (trend, "lost"),
            _ => (trend.relative(), "of the mean"),
        };
        let grows = enough && trend.low > limit;
        let _ = writeln!(
            text,
            "{name:>12}: {:+.4} [{:+.4}, {:+.4}] {unit}, mean {:.4}, limit {limit}{}",
            trend.change,
            trend.low,
            trend.high,
            trend.mean.abs(),
            if grows { ": NOT FLAT" } else { "" },
        );
        json = json
            .field(&format!("{name}_mean"), trend.mean.abs())
            .field(&format!("{name}_change"), trend.change)
            .field(&format!("{name}_low"), trend.low)
            .field(&format!("{name}_high"), trend.high)
            .field(&format!("{name}_limit"), limit);
        if grows {
            grown.push(name);
        }
    }
    text += &costs(windows);
    let flat = grown.is_empty();
    let verdict = match (enough, flat) {
        (false, _) => "too short for a verdict".to_owned(),
        (true, true) => "flat".to_owned(),
        (true, false) => format!("not flat: {}", grown.join(", ")),
    };
    let _ = writeln!(text, "{verdict}; {} promises broken", broken.len());
    let json = json
        .field("enough", enough)
        .field("flat", flat)
        .field("grown", grown.join(","))
        .field("broken", broken.len())
        .field("first_broken", broken.first().cloned())
        .line();
    Verdict { text, json, flat }
}

/// Returns the figures that are reported without a limit.
fn costs(windows: &[Window]) -> String {
    let of = |figure: Figure| windows.iter().map(figure).collect::<Vec<f64>>();
    let most = |figure| of(figure).into_iter().fold(0.0, f64::max);
    let sum = |figure| of(figure).iter().sum::<f64>();
    let took = windows.last().map_or(0.0, |window| window.at).max(1e-9);
    format!(
        "writes {:.0}, queries {:.0}, snapshots checked {}, reopened {}, clock steps {}; at peak: \
         disk {:.1} MB, RSS {:.1} MB, pinned {:.1} MB, debt {:.1} MB; longest write {:.1} ms; \
         median p99.9 {:.0} us; store threads {:.3} of a core\n",
        sum(|w| w.ops as f64),
        sum(|w| w.queries as f64),
        sum(|w| w.held as f64),
        windows.iter().filter(|w| w.reopened.is_some()).count(),
        sum(|w| w.steps as f64),
        mb(most(|w| w.disk_peak)),
        mb(most(|w| w.rss_peak)),
        mb(most(|w| w.stats.pinned as f64)),
        mb(most(|w| w.stats.debt as f64)),
        most(|w| w.write_max) / 1e3,
        median(&of(|w| w.p999)),
        sum(|w| w.cpu_s) / took,
    )
}

pub(crate) fn plot(run: &Run, windows: &[Window]) -> String {
    let series = |name: &str, figure: Figure| Series {
        name: name.to_owned(),
        points: windows.iter().map(|w| (w.at / 60.0, figure(w))).collect(),
    };
    let panel = |title: &str, unit: &str, y, series| Panel {
        title: title.to_owned(),
        x_label: "minutes".to_owned(),
        y_label: unit.to_owned(),
        y,
        marks: false,
        series,
    };
    let memory = vec![
        series("anonymous", |w| mb(w.rss_anon)),
        series("mapped files", |w| mb(w.rss_file)),
        series("peak of both", |w| mb(w.rss_peak)),
        series("heap by its own count", |w| mb(w.stats.heap as f64)),
    ];
    let disk = vec![
        series("median", |w| mb(w.disk)),
        series("peak", |w| mb(w.disk_peak)),
        series("without what readers hold", |w| mb(w.stats.own as f64)),
        series("debt", |w| mb(w.stats.debt as f64)),
    ];
    let rows = vec![
        series("live", |w| w.stats.live as f64),
        series("dead", |w| (w.stats.dead + w.stats.expired) as f64),
    ];
    let queries = vec![
        series("p50", |w| w.p50),
        series("p99", |w| w.p99),
        series("p99.9", |w| w.p999),
        series("filtered p99", |w| w.filtered_p99),
    ];
    let writes = vec![
        series("p50", |w| w.write_p50 / 1e3),
        series("p99", |w| w.write_p99 / 1e3),
        series("longest", |w| w.write_max / 1e3),
        series("longest sync beside the store", |w| w.probe_max / 1e3),
    ];
    let panels = [
        panel("Resident memory added by the store", "MB", Scale::FromZero, memory),
        panel("Disk", "MB", Scale::FromZero, disk),
        panel("Rows", "rows", Scale::FromZero, rows),
        panel(
            "Recall@10",
            "recall",
            Scale::Fit,
            vec![series("against exact search", |w| w.recall)],
        ),
        panel("Query latency", "us", Scale::Log, queries),
        panel("Write latency, a batch", "ms", Scale::Log, writes),
        panel(
            "Processor time of the store's threads",
            "s a window",
            Scale::FromZero,
            vec![series("all threads", |w| w.cpu_s)],
        ),
    ];
    let title = format!(
        "Soak: {} live, {} writes a second, {} ({}-d cosine)",
        run.live, run.rate, run.data, run.dim
    );
    svg(&title, &panels)
}

fn mb(bytes: f64) -> f64 {
    bytes / 1e6
}
