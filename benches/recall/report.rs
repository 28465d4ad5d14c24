//! Owns the output of the recall benchmark, its JSON keys and its tables. It has a line per point
//! of a curve, one per curve, and one for the spread over orders of insertion. The measuring is in
//! `run.rs`.

use altiplano::SearchMode;

use crate::run::{Built, Kind, Searched};
use crate::setup::Data;
use crate::steps::Point;
use bench_tools::curve::{self, RECALLS};
use bench_tools::measure::{Json, Rss};

/// All points of one path, and the cost of its store.
pub(crate) struct Curve<'a> {
    pub(crate) data: &'a Data,
    pub(crate) rows: usize,
    pub(crate) pinned: bool,
    pub(crate) kind: Kind,
    pub(crate) built: Built,
    pub(crate) path: SearchMode,
    pub(crate) searched: Searched,
}

impl Curve<'_> {
    fn json(&self) -> Json {
        Json::new()
            .field("bench", "recall")
            .field("system", "altiplano")
            .field("data", &*self.data.name)
            .field("n", self.rows)
            .field("dim", self.data.base.dim)
            .field("metric", self.data.metric_name)
            .field("codes", &*format!("{:?}", self.kind.codes))
            .field("builder", self.kind.builder_name())
            .field("kernels", &*self.searched.kernels)
            .field("threads", 1usize)
            .field("pinned", self.pinned)
            .field("path", &*format!("{:?}", self.path))
    }

    fn costs(&self, json: Json, rss: Rss) -> Json {
        json.field("seed", self.kind.seed)
            .field("build_s", self.built.seconds)
            .field("build_cpu_s", self.built.cpu_seconds)
            .field("build_peak_anon_bytes", self.built.peak_bytes)
            .field("rss_anon_bytes", rss.anon_bytes)
            .field("rss_file_bytes", rss.file_bytes)
            .field("heap_bytes", self.searched.heap_bytes)
            .field("disk_bytes", self.built.disk_bytes)
            .field("open_ms", self.searched.open_ms)
    }

    /// Prints the points, and then the curve.
    pub(crate) fn print(&self) {
        self.searched.points.iter().for_each(|point| self.print_point(point));
        // Later seeds have a few points for the spread, not a curve.
        if self.kind.seed == 0 {
            self.print_summary();
        }
    }

    fn print_point(&self, point: &Point) {
        let by_ef = self.path == SearchMode::Graph;
        let line = self
            .json()
            .field("ef", by_ef.then_some(point.width))
            .field("target", (!by_ef).then_some(point.width))
            .field("recall_at_10", point.recall)
            .field("qps", point.qps)
            .field("cpu_qps", point.cpu_qps)
            .field("p50_us", point.p50_us)
            .field("p99_us", point.p99_us)
            .field("evals_per_query", point.evaluations);
        println!("{}", self.costs(line, point.rss).line());
        eprintln!(
            "{:<6} {:<7} {:<5} {:>9} {:>9.4} {:>9.0} {:>9.0} {:>9.1} {:>9.1} {:>12.0}",
            format!("{:?}", self.kind.codes),
            self.kind.builder_name(),
            format!("{:?}", self.path),
            point.width,
            point.recall,
            point.qps,
            point.cpu_qps,
            point.p50_us,
            point.p99_us,
            point.evaluations,
        );
    }

    fn at(&self, value: fn(&Point) -> f64, recall: f64) -> Option<f64> {
        curve::at(self.searched.points.iter().map(|p| (p.recall, value(p))), recall)
    }

    /// Returns the resident memory after all queries.
    fn rss(&self) -> Rss {
        self.searched.points.last().map(|point| point.rss).unwrap_or_default()
    }

    fn bytes_a_vector(&self) -> [f64; 3] {
        let rss = self.rss();
        [rss.anon_bytes, rss.file_bytes, self.built.disk_bytes]
            .map(|bytes| bytes as f64 / self.rows as f64)
    }

    fn print_summary(&self) {
        let [anon, mapped, disk] = self.bytes_a_vector();
        let mut line = self
            .json()
            .field("summary", true)
            .field("anon_bytes_per_vector", anon)
            .field("mapped_bytes_per_vector", mapped)
            .field("disk_bytes_per_vector", disk);
        for recall in RECALLS {
            let percent = (100.0 * recall).round();
            line = line
                .field(&format!("qps_at_{percent}"), self.at(|p| p.qps, recall))
                .field(&format!("cpu_qps_at_{percent}"), self.at(|p| p.cpu_qps, recall))
                .field(&format!("evals_at_{percent}"), self.at(|p| p.evaluations, recall));
        }
        let line = line
            .field("p50_us_at_95", self.at(|p| p.p50_us, 0.95))
            .field("p99_us_at_95", self.at(|p| p.p99_us, 0.95));
        println!("{}", self.costs(line, self.rss()).line());
    }

    fn row(&self) -> String {
        let shown = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.0}"));
        let [anon, mapped, disk] = self.bytes_a_vector();
        let peak = self.built.peak_bytes / self.rows as f64;
        let [a, b, c] = RECALLS.map(|recall| shown(self.at(|p| p.qps, recall)));
        let [d, e, f] = RECALLS.map(|recall| shown(self.at(|p| p.cpu_qps, recall)));
        let [p50, p99] = [|p: &Point| p.p50_us, |p: &Point| p.p99_us]
            .map(|value| self.at(value, 0.95).map_or("-".to_owned(), |v| format!("{v:.1}")));
        format!(
            "{:<6} {:<7} {:<5} {:>7.1} {:>6.1} {peak:>6.0} {anon:>6.0} {mapped:>6.0} {disk:>6.0}  {a:>7} {b:>7} {c:>7}  \
             {d:>7} {e:>7} {f:>7} {p50:>8} {p99:>8} {:>9}",
            format!("{:?}", self.kind.codes),
            self.kind.builder_name(),
            format!("{:?}", self.path),
            self.built.seconds,
            self.built.cpu_seconds,
            shown(self.at(|p| p.evaluations, 0.95)),
        )
    }
}

/// Prints the heads of the columns of the points.
pub(crate) fn heads() {
    eprintln!(
        "codes  builder path      width recall@10       qps   cpu qps    p50 us    p99 us  \
         evaluations"
    );
}

/// Prints the table of the curves.
pub(crate) fn table(curves: &[Curve<'_>]) {
    eprintln!(
        "\n                      build            bytes a vector            QPS at recall            \
         QPS by processor time    at recall .95\n\
         codes  builder path        s  cpu s   peak   anon mapped   disk      .90     .95     .99      \
         .90     .95     .99   p50 us   p99 us     evals"
    );
    curves.iter().for_each(|curve| eprintln!("{}", curve.row()));
}

/// Prints the smallest and the largest figures at each beam over orders of insertion, for curves of
/// one kind.
pub(crate) fn spread(curves: &[Curve<'_>], efs: &[usize]) {
    let Some(first) = curves.first() else {
        return;
    };
    let ends = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, 0.0f64), |(a, b), v| (a.min(v), b.max(v)))
    };
    let build = ends(&mut curves.iter().map(|curve| curve.built.seconds));
    for &ef in efs {
        let points: Vec<&Point> = curves
            .iter()
            .filter_map(|curve| curve.searched.points.iter().find(|p| p.width == ef as f64))
            .collect();
        let recall = ends(&mut points.iter().map(|p| p.recall));
        let qps = ends(&mut points.iter().map(|p| p.qps));
        let cpu = ends(&mut points.iter().map(|p| p.cpu_qps));
        let line = first
            .json()
            .field("spread", true)
            .field("seeds", points.len())
            .field("ef", ef)
            .field("recall_at_10_min", recall.0)
            .field("recall_at_10_max", recall.1)
            .field("qps_min", qps.0)
            .field("qps_max", qps.1)
            .field("cpu_qps_min", cpu.0)
            .field("cpu_qps_max", cpu.1)
            .field("build_s_min", build.0)
            .field("build_s_max", build.1);
        println!("{}", line.line());
        eprintln!(
            "{:<6} {:<7} ef {ef}, {} orders of insertion: recall {:.4} to {:.4}, QPS {:.0} to \
             {:.0}, by processor time {:.0} to {:.0}, build {:.1} to {:.1} s",
            format!("{:?}", first.kind.codes),
            first.kind.builder_name(),
            points.len(),
            recall.0,
            recall.1,
            qps.0,
            qps.1,
            cpu.0,
            cpu.1,
            build.0,
            build.1,
        );
    }
}
