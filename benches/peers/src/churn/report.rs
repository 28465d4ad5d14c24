//! Owns the JSON lines, the table and the plots of the churn.

use serde_json::Value;

use crate::setup::Data;
use crate::steps::number;
use bench_tools::measure::{Json, median};
use bench_tools::plot::{Panel, Scale, Series, svg};

/// Number of rounds at either end that are compared.
const ENDS: usize = 3;

/// A library and its rounds.
pub struct Peer {
    name: &'static str,
    maintained: bool,
    rounds: Vec<Value>,
}

impl Peer {
    pub fn new(name: &'static str, maintained: bool, lines: &[Value]) -> Self {
        let rounds = lines.iter().filter(|line| line.get("round").is_some());
        Self { name, maintained, rounds: rounds.cloned().collect() }
    }

    /// Returns the medians of the first and of the last rounds, without the fill.
    fn ends(&self, key: &str) -> (f64, f64) {
        let values: Vec<f64> = self.rounds.iter().skip(1).map(|line| number(line, key)).collect();
        let count = ENDS.min(values.len());
        (median(&values[..count]), median(&values[values.len() - count..]))
    }

    fn most(&self, key: &str) -> f64 {
        let values = self.rounds.iter().skip(1).map(|line| number(line, key));
        values.fold(0.0, f64::max)
    }

    /// Prints every round as a line, and a row of the table.
    pub fn print(&self, data: &Data, live: usize, turnover: f64, pinned: bool) {
        for round in &self.rounds {
            let head = Json::new()
                .field("bench", "peers-churn")
                .field("system", self.name)
                .field("maintained", self.maintained)
                .field("data", &*data.name)
                .field("dim", data.base.dim)
                .field("metric", data.metric_name)
                .field("live", live)
                .field("turnover", turnover)
                .field("pinned", pinned);
            let figures = round.as_object().into_iter().flatten();
            let line = figures.fold(head, |line, (key, _)| line.field(key, number(round, key)));
            println!("{}", line.line());
        }
        let ends = |key: &str, scale: f64| {
            let (first, last) = self.ends(key);
            format!("{:.1} > {:.1}", first / scale, last / scale)
        };
        let recall = self.ends("recall_at_10");
        eprintln!(
            "{:<12} {:<10} {:>15} {:>15} {:>15}  {:.3} > {:.3} {:>17} {:>17} {:>15} {:>9.2} {:>9.2}",
            self.name,
            if self.maintained { "maintained" } else { "alone" },
            ends("rss_anon_bytes", 1e6),
            ends("rss_file_bytes", 1e6),
            ends("disk_bytes", 1e6),
            recall.0,
            recall.1,
            ends("p50_us", 1.0),
            ends("p99_us", 1.0),
            ends("cpu_s", 1.0),
            self.most("write_s"),
            self.most("maintain_s"),
        );
    }

    fn series(&self, figure: impl Fn(&Value) -> f64) -> Series {
        let points = self.rounds.iter().map(|line| (number(line, "round"), figure(line)));
        Series { name: self.name.to_owned(), points: points.collect() }
    }
}

pub fn heads() {
    eprintln!(
        "medians of the first and of the last {ENDS} rounds; MB, us, s\n\
         library                            anon          mapped            disk         recall      \
                 p50               p99       cpu a round  write max  maintenance max"
    );
}

/// Plots memory, disk, recall and processor time by round, for the libraries left alone and those
/// maintained.
pub fn picture(data: &Data, live: usize, turnover: f64, peers: &[Peer]) -> String {
    let mut panels = Vec::new();
    for maintained in [false, true] {
        let mut panel = |title: &str, y_label: &str, y, figure: &dyn Fn(&Value) -> f64| {
            let peers = peers.iter().filter(|peer| peer.maintained == maintained);
            panels.push(Panel {
                title: format!("{title}, {}", if maintained { "maintained" } else { "left alone" }),
                x_label: "round".to_owned(),
                y_label: y_label.to_owned(),
                y,
                marks: false,
                series: peers.map(|peer| peer.series(figure)).collect(),
            });
        };
        let rss = |line: &Value| number(line, "rss_anon_bytes") + number(line, "rss_file_bytes");
        panel("Resident memory", "MB", Scale::FromZero, &|line| rss(line) / 1e6);
        panel("Disk", "MB", Scale::Log, &|line| number(line, "disk_bytes") / 1e6);
        panel("Recall@10", "recall", Scale::Fit, &|line| number(line, "recall_at_10"));
        // The fill is not a round of this kind.
        panel("Processor time of a round", "s", Scale::Log, &|line| {
            if number(line, "round") > 0.0 { number(line, "cpu_s") } else { f64::NAN }
        });
    }
    let title = format!(
        "{}: {live} live × {}, {}, {:.0} % a round, one core",
        data.name,
        data.base.dim,
        data.metric_name,
        100.0 * turnover
    );
    svg(&title, &panels)
}
