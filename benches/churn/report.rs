//! Owns the output of the rounds: JSON lines, a table, a plot, and the verdict with its limits. The
//! figures are measured in `drive.rs` and `watch.rs`.

use std::fmt::Write as _;
use std::time::Duration;

use bench_tools::measure::{Json, median, slope};
use bench_tools::plot::{Panel, Scale, Series, svg};

/// Number of rounds at either end that are compared.
const WINDOW: usize = 8;
/// Largest ratio of the last rounds' figure to that of the first.
const GROWTH: f64 = 1.05;
/// Growth below this is noise, whatever its ratio. It matters for small stores only.
const NOISE_BYTES: f64 = (2u64 << 20) as f64;
const RECALL: f64 = 0.95;
const DRIFT: f64 = -0.005;

/// What the store reported to its listener.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) seals: u64,
    pub(crate) compactions: u64,
    pub(crate) indexes: u64,
    pub(crate) failures: Vec<String>,
}

/// The figures of one round. Resident bytes are those added since the moment before the store was
/// opened. A mean is taken over the samples of the round. The moment of its end says little: a
/// merge may be running or not, and the memtable is more or less full.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round {
    pub(crate) round: u64,
    pub(crate) live: u64,
    pub(crate) rss_anon: u64,
    pub(crate) rss_file: u64,
    pub(crate) rss_anon_mean: u64,
    pub(crate) rss_file_mean: u64,
    pub(crate) rss_peak: u64,
    pub(crate) disk: u64,
    pub(crate) disk_mean: u64,
    pub(crate) disk_peak: u64,
    pub(crate) recall: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Over queries during which the store's threads worked; `None` if there are none.
    pub(crate) p99_working: Option<Duration>,
    /// Over the other queries.
    pub(crate) p99_quiet: Option<Duration>,
    pub(crate) working_share: f64,
    pub(crate) cpu_s: f64,
    /// CPU time of the thread that writes, in its writes.
    pub(crate) write_cpu_s: f64,
    pub(crate) segments: usize,
    pub(crate) indexes: usize,
    pub(crate) graphs: usize,
    /// The beam that reaches the default recall, as the recall monitor measured it.
    pub(crate) canary_ef: Option<usize>,
    pub(crate) memtable_rows: u64,
    pub(crate) dead_rows: u64,
    pub(crate) log_bytes: u64,
    /// Heap by the store's own count. Growth beyond it is the allocator's.
    pub(crate) heap_bytes: u64,
    /// Files that only old snapshots still hold, such as that of a running build.
    pub(crate) held_bytes: u64,
    pub(crate) took_s: f64,
    pub(crate) told: Told,
}

/// The fields that are the same in all lines of a run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) path: &'static str,
    /// The way of reading rows.
    pub(crate) io: String,
    pub(crate) data: String,
    pub(crate) dim: usize,
    pub(crate) metric: String,
    pub(crate) turnover: f64,
    pub(crate) updates: usize,
    pub(crate) texts: &'static str,
    /// Bytes of the live vectors as f32.
    pub(crate) raw_bytes: u64,
}

pub(crate) fn json(run: &Run, round: &Round) -> String {
    Json::new()
        .field("bench", "churn")
        .field("system", "altiplano")
        .field("path", run.path)
        .field("io", run.io.as_str())
        .field("data", run.data.as_str())
        .field("dim", run.dim)
        .field("metric", run.metric.as_str())
        .field("turnover", run.turnover)
        .field("updates", run.updates)
        .field("texts", run.texts)
        .field("round", round.round)
        .field("live", round.live)
        .field("rss_anon_bytes", round.rss_anon)
        .field("rss_file_bytes", round.rss_file)
        .field("rss_anon_mean_bytes", round.rss_anon_mean)
        .field("rss_file_mean_bytes", round.rss_file_mean)
        .field("rss_peak_bytes", round.rss_peak)
        .field("disk_bytes", round.disk)
        .field("disk_mean_bytes", round.disk_mean)
        .field("disk_peak_bytes", round.disk_peak)
        .field("log_bytes", round.log_bytes)
        .field("held_bytes", round.held_bytes)
        .field("heap_bytes", round.heap_bytes)
        .field("recall_at_10", round.recall)
        .field("p50_us", micros(round.p50))
        .field("p99_us", micros(round.p99))
        .field("p99_compacting_us", round.p99_working.map(micros))
        .field("p99_quiet_us", round.p99_quiet.map(micros))
        .field("compacting_share", round.working_share)
        .field("compact_cpu_s", round.cpu_s)
        .field("write_cpu_s", round.write_cpu_s)
        .field("segments", round.segments)
        .field("indexes", round.indexes)
        .field("graphs", round.graphs)
        .field("canary_ef", round.canary_ef.map(|ef| ef as u64))
        .field("memtable_rows", round.memtable_rows)
        .field("dead_rows", round.dead_rows)
        .field("seals", round.told.seals)
        .field("compactions", round.told.compactions)
        .field("index_builds", round.told.indexes)
        .field("round_s", round.took_s)
        .line()
}

pub(crate) const TABLE_HEAD: &str = "round  anon MB  file MB  peak MB  disk MB  peak MB  recall  \
     p50 us  p99 us  p99 compacting  quiet  cpu s  segments  indexes (graphs)  dead rows  round s";

pub(crate) fn table_line(round: &Round) -> String {
    let us = |time: Option<Duration>| {
        time.map_or_else(|| "-".to_owned(), |time| format!("{:.0}", micros(time)))
    };
    format!(
        "{:5}  {:7.1}  {:7.1}  {:7.1}  {:7.1}  {:7.1}  {:6.4}  {:6.0}  {:6.0}  {:>14}  {:>5}  \
         {:5.2}  {:8}  {:7} {:>8}  {:9}  {:7.2}",
        round.round,
        mb(round.rss_anon),
        mb(round.rss_file),
        mb(round.rss_peak),
        mb(round.disk),
        mb(round.disk_peak),
        round.recall,
        micros(round.p50),
        micros(round.p99),
        us(round.p99_working),
        us(round.p99_quiet),
        round.cpu_s,
        round.segments,
        round.indexes,
        format!("({})", round.graphs),
        round.dead_rows,
        round.took_s,
    )
}

/// Returns the last lines of the table, and true if all limits held.
pub(crate) fn verdict(run: &Run, rounds: &[Round]) -> (bool, String) {
    let mut text = String::new();
    let mut failed = Vec::new();
    let window = WINDOW.min(rounds.len() / 2).max(1);
    let _ = writeln!(
        text,
        "first and last: {window} rounds, means of recall and of bytes over all samples, but heap and \
         pinned as rounds end, and medians of times; slopes per round, ± standard error; heap: memtables \
         and liveness, as the store counts them; pinned: files that await a reader or a build"
    );
    type Figure = (&'static str, fn(&Round) -> f64, bool);
    let figures: [Figure; 9] = [
        ("RSS", |r| (r.rss_anon_mean + r.rss_file_mean) as f64, true),
        ("anonymous", |r| r.rss_anon_mean as f64, true),
        ("mapped", |r| r.rss_file_mean as f64, false),
        ("heap", |r| r.heap_bytes as f64, false),
        ("disk", |r| r.disk_mean as f64, true),
        ("disk peak", |r| r.disk_peak as f64, false),
        ("pinned", |r| r.held_bytes as f64, false),
        ("p50", |r| micros(r.p50), false),
        ("p99", |r| micros(r.p99), false),
    ];
    for (name, figure, bounded) in figures {
        let values: Vec<f64> = rounds.iter().map(figure).collect();
        let time = matches!(name, "p50" | "p99");
        let (first, last) = ends(&values, window, if time { median } else { mean });
        let (step, error) = slope(&values);
        let (scale, unit) = if time { (1.0, "us") } else { (1e6, "MB") };
        let _ = writeln!(
            text,
            "{name:>10}: {:9.2} -> {:9.2} {unit}  ratio {:5.3}  slope {:+.3} ± {:.3}",
            first / scale,
            last / scale,
            last / first,
            step / scale,
            error / scale,
        );
        if bounded && last > GROWTH * first && last - first > NOISE_BYTES {
            failed.push(format!("{name} grew by {:.2} > {GROWTH}", last / first));
        }
    }
    let recalls: Vec<f64> = rounds.iter().map(|r| r.recall).collect();
    let (first, last) = ends(&recalls, window, mean);
    let (step, error) = slope(&recalls);
    let mean = mean(&recalls);
    let least = recalls.iter().copied().fold(f64::INFINITY, f64::min);
    let _ = writeln!(
        text,
        "    recall: {first:9.4} -> {last:9.4}     drift {:+.4}  slope {step:+.6} ± {error:.6}  \
         mean {mean:.4}  least {least:.4}",
        last - first,
    );
    // NaN, the value of a recall that was never measured, fails as well.
    if mean.is_nan() || mean < RECALL || last < RECALL {
        failed.push(format!("recall {mean:.4}, {last:.4} at the end < {RECALL}"));
    }
    if last - first < DRIFT {
        failed.push(format!("recall drifts by {:+.4} < {DRIFT}", last - first));
    }
    text.push_str(&costs(run, rounds));
    match failed.is_empty() {
        true => text.push_str("flat\n"),
        false => {
            let _ = writeln!(text, "not flat: {}", failed.join("; "));
        }
    }
    (failed.is_empty(), text)
}

/// Returns the figures that are reported without a limit.
fn costs(run: &Run, rounds: &[Round]) -> String {
    let raw = run.raw_bytes.max(1) as f64;
    let of = |figure: fn(&Round) -> f64| rounds.iter().map(figure).collect::<Vec<f64>>();
    let most = |figure| of(figure).into_iter().fold(0.0, f64::max);
    let quiet = median_of(rounds.iter().filter_map(|r| r.p99_quiet));
    let working = median_of(rounds.iter().filter_map(|r| r.p99_working));
    format!(
        "disk / live raw bytes: median {:.2}, at peak {:.2}; RSS added at peak {:.1} MB; \
         background CPU {:.2} s a round; {:.0} % of queries while compacting, \
         p99 compacting / quiet {:.2}; longest round {:.2} s\n",
        median(&of(|r| r.disk as f64)) / raw,
        most(|r| r.disk_peak as f64) / raw,
        most(|r| r.rss_peak as f64) / 1e6,
        mean(&of(|r| r.cpu_s)),
        100.0 * mean(&of(|r| r.working_share)),
        working / quiet,
        most(|r| r.took_s),
    )
}

fn median_of(times: impl Iterator<Item = Duration>) -> f64 {
    median(&times.map(micros).collect::<Vec<f64>>())
}

/// Applies `of` to the first and to the last `window` values.
fn ends(values: &[f64], window: usize, of: fn(&[f64]) -> f64) -> (f64, f64) {
    let window = window.min(values.len());
    (of(&values[..window]), of(&values[values.len() - window..]))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

pub(crate) fn plot(run: &Run, rounds: &[Round]) -> String {
    let series = |name: &str, figure: fn(&Round) -> f64| Series {
        name: name.to_owned(),
        points: rounds.iter().map(|r| (r.round as f64, figure(r))).collect(),
    };
    let panel = |title: &str, unit: &str, y, series| Panel {
        title: title.to_owned(),
        x_label: "round".to_owned(),
        y_label: unit.to_owned(),
        y,
        marks: false,
        series,
    };
    let micros_or_gap = |time: Option<Duration>| time.map_or(f64::NAN, micros);
    let mut panels = vec![
        panel(
            "Resident memory added by the store",
            "MB",
            Scale::FromZero,
            vec![
                series("anonymous", |r| mb(r.rss_anon_mean)),
                series("mapped files", |r| mb(r.rss_file_mean)),
                series("peak of both", |r| mb(r.rss_peak)),
            ],
        ),
        panel(
            "Disk",
            "MB",
            Scale::FromZero,
            vec![series("mean of round", |r| mb(r.disk_mean)), series("peak", |r| mb(r.disk_peak))],
        ),
        panel(
            "Recall@10",
            "recall",
            Scale::Fit,
            vec![series("against exact search", |r| r.recall)],
        ),
    ];
    let mut latency = vec![series("p50", |r| micros(r.p50)), series("p99", |r| micros(r.p99))];
    latency.push(Series {
        name: "p99 while compacting".to_owned(),
        points: rounds.iter().map(|r| (r.round as f64, micros_or_gap(r.p99_working))).collect(),
    });
    panels.push(panel("Query latency", "us", Scale::Log, latency));
    panels[1].series.push(Series {
        name: "live vectors, raw".to_owned(),
        points: rounds.iter().map(|r| (r.round as f64, mb(run.raw_bytes))).collect(),
    });
    let live = rounds.first().map_or(0, |r| r.live);
    let title = format!(
        "Churn: {live} live, {:.0} % a round, path {}, {} ({}-d {})",
        100.0 * run.turnover,
        run.path,
        run.data,
        run.dim,
        run.metric
    );
    svg(&title, &panels)
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}
