//! Owns the JSON lines, the table and the plots.

use crate::run::Measured;
use crate::setup::Data;
use crate::steps::Point;
use bench_tools::curve::{self, RECALLS};
use bench_tools::measure::Json;
use bench_tools::plot::{Panel, Scale, Series, svg};

/// Points with a lower recall are left out of the plots: nobody asks for so little.
const PLOTTED: f64 = 0.8;

/// A library and its figures.
pub struct Peer<'a> {
    pub name: &'static str,
    pub data: &'a Data,
    pub rows: usize,
    pub pinned: bool,
    pub measured: Measured,
}

impl Peer<'_> {
    fn json(&self, json: Json) -> Json {
        json.field("bench", "peers")
            .field("system", self.name)
            .field("parameters", &*self.measured.parameters)
            .field("data", &*self.data.name)
            .field("n", self.rows)
            .field("dim", self.data.base.dim)
            .field("metric", self.data.metric_name)
            .field("build_s", self.measured.build_s)
            .field("build_cpu_s", self.measured.build_cpu_s)
            .field("threads", 1usize)
            .field("pinned", self.pinned)
            .field("disk_bytes", self.measured.disk_bytes)
            .field("open_ms", self.measured.open_ms)
    }

    fn at(&self, value: fn(&Point) -> f64, recall: f64) -> Option<f64> {
        curve::at(self.measured.points.iter().map(|p| (p.recall, value(p))), recall)
    }

    fn bytes_a_vector(&self, point: &Point) -> f64 {
        point.rss.total() as f64 / self.rows as f64
    }

    pub fn print(&self) {
        for point in &self.measured.points {
            let line = self
                .json(Json::new())
                .field("ef", point.width)
                .field("recall_at_10", point.recall)
                .field("qps", point.qps)
                .field("best_qps", point.best_qps)
                .field("cpu_qps", point.cpu_qps)
                .field("p50_us", point.p50_us)
                .field("p99_us", point.p99_us)
                .field("rss_anon_bytes", point.rss.anon_bytes)
                .field("rss_file_bytes", point.rss.file_bytes);
            println!("{}", line.line());
            eprintln!(
                "{:<14} {:>6} {:>9.4} {:>9.0} {:>9.0} {:>9.1} {:>9.1} {:>12.0}",
                self.name,
                point.width,
                point.recall,
                point.qps,
                point.cpu_qps,
                point.p50_us,
                point.p99_us,
                self.bytes_a_vector(point),
            );
        }
        let mut line = self.json(Json::new().field("peer", self.name));
        for recall in RECALLS {
            let percent = (100.0 * recall).round();
            line = line
                .field(&format!("q{percent}"), self.at(|p| p.best_qps, recall))
                .field(&format!("cpu_q{percent}"), self.at(|p| p.cpu_qps, recall));
        }
        let last = self.measured.points.last();
        let line = line.field("bytes_per_vector", last.map(|point| self.bytes_a_vector(point)));
        println!("{}", line.line());
    }

    fn series(&self, value: impl Fn(&Point) -> f64) -> Series {
        let point = |p: &Point| (p.recall, value(p));
        Series {
            name: self.name.to_owned(),
            points: self
                .measured
                .points
                .iter()
                .filter(|p| p.recall >= PLOTTED)
                .map(point)
                .collect(),
        }
    }
}

pub fn heads() {
    eprintln!(
        "library         width recall@10       qps   cpu qps    p50 us    p99 us  bytes/vector"
    );
}

/// Prints a row for each library.
pub fn table(peers: &[Peer<'_>]) {
    let shown = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.0}"));
    eprintln!(
        "\n                        build           bytes a vector   QPS at recall, by processor time\n\
         library              s  cpu s   anon mapped   disk       .90      .95      .99"
    );
    for peer in peers {
        let rss = peer.measured.points.last().map(|p| p.rss).unwrap_or_default();
        let [anon, mapped, disk] = [rss.anon_bytes, rss.file_bytes, peer.measured.disk_bytes]
            .map(|bytes| bytes as f64 / peer.rows as f64);
        let [a, b, c] = RECALLS.map(|recall| shown(peer.at(|p| p.cpu_qps, recall)));
        eprintln!(
            "{:<14} {:>7.1} {:>6.1} {anon:>6.0} {mapped:>6.0} {disk:>6.0}  {a:>8} {b:>8} {c:>8}",
            peer.name, peer.measured.build_s, peer.measured.build_cpu_s
        );
    }
}

/// Plots recall against queries per second, and against resident bytes.
pub fn picture(data: &Data, rows: usize, peers: &[Peer<'_>]) -> String {
    let panel = |title: &str, y_label: &str, series: Vec<Series>| Panel {
        title: title.to_owned(),
        x_label: "recall@10".to_owned(),
        y_label: y_label.to_owned(),
        y: Scale::Log,
        marks: true,
        series,
    };
    let qps = peers.iter().map(|peer| peer.series(|p| p.cpu_qps)).collect();
    let bytes = peers.iter().map(|peer| peer.series(|p| peer.bytes_a_vector(p))).collect();
    svg(
        &format!("{}: {rows} × {}, {}, one core", data.name, data.base.dim, data.metric_name),
        &[
            panel("Queries a second, by processor time", "queries / s", qps),
            panel("Resident bytes a vector, vectors included", "bytes", bytes),
        ],
    )
}
