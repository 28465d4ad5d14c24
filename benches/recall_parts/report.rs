//! What the recall benchmark prints: a line for each point of a curve, one for each curve, and one
//! for the spread over orders of insertion.
//!
//! Owns the JSON keys and the tables. Not here: the measuring (`recall.rs`).

use altiplano::SearchPath;

use crate::build::{Built, Kind};
use crate::curve::{self, RECALLS};
use crate::measure::{Json, Rss};
use crate::setup::Data;

/// How wide a search looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Width {
    Ef(usize),
    Target(f32),
}

/// One point of a curve. Rates are medians of the passes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) width: Width,
    pub(crate) recall: f64,
    pub(crate) qps: f64,
    /// By processor time, which other programs do not take away.
    pub(crate) cpu_qps: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) evaluations: f64,
}

/// All points of one path, and what the store took.
pub(crate) struct Curve<'a> {
    pub(crate) data: &'a Data,
    pub(crate) rows: usize,
    pub(crate) pinned: bool,
    pub(crate) kind: Kind,
    pub(crate) built: Built,
    pub(crate) path: SearchPath,
    pub(crate) kernels: &'static str,
    pub(crate) open_ms: f64,
    /// Since the moment before the store was opened, after all queries so far.
    pub(crate) rss: Rss,
    pub(crate) heap_bytes: u64,
    pub(crate) disk_bytes: u64,
    pub(crate) points: Vec<Point>,
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
            .field("builder", &*format!("{:?}", self.kind.builder))
            .field("seed", self.kind.seed)
            .field("kernels", self.kernels)
            .field("build_s", self.built.seconds)
            .field("build_cpu_s", self.built.cpu_seconds)
            .field("threads", 1usize)
            .field("pinned", self.pinned)
            .field("path", &*format!("{:?}", self.path))
    }

    fn memory(&self, json: Json) -> Json {
        json.field("rss_anon_bytes", self.rss.anon_bytes)
            .field("rss_file_bytes", self.rss.file_bytes)
            .field("heap_bytes", self.heap_bytes)
            .field("disk_bytes", self.disk_bytes)
            .field("open_ms", self.open_ms)
    }

    /// The newest point.
    pub(crate) fn print_point(&self) {
        let Some(point) = self.points.last() else {
            return;
        };
        let (ef, target) = match point.width {
            Width::Ef(ef) => (Some(ef), None),
            Width::Target(target) => (None, Some(f64::from(target))),
        };
        let line = self
            .json()
            .field("ef", ef)
            .field("target", target)
            .field("recall_at_10", point.recall)
            .field("qps", point.qps)
            .field("cpu_qps", point.cpu_qps)
            .field("p50_us", point.p50_us)
            .field("p99_us", point.p99_us)
            .field("evals_per_query", point.evaluations);
        println!("{}", self.memory(line).line());
        eprintln!(
            "{:<6} {:<7} {:<5} {:>12} {:>9.4} {:>9.0} {:>9.0} {:>9.1} {:>9.1} {:>12.0}",
            format!("{:?}", self.kind.codes),
            format!("{:?}", self.kind.builder),
            format!("{:?}", self.path),
            format!("{:?}", point.width),
            point.recall,
            point.qps,
            point.cpu_qps,
            point.p50_us,
            point.p99_us,
            point.evaluations,
        );
    }

    fn at(&self, value: fn(&Point) -> f64, recall: f64) -> Option<f64> {
        curve::at(self.points.iter().map(|p| (p.recall, value(p))), recall)
    }

    fn bytes_a_vector(&self) -> [f64; 3] {
        [self.rss.anon_bytes, self.rss.file_bytes, self.disk_bytes]
            .map(|bytes| bytes as f64 / self.rows as f64)
    }

    /// What the curve says at the recalls that are compared.
    pub(crate) fn print_summary(&self) {
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
        println!("{}", self.memory(line).line());
    }

    fn row(&self) -> String {
        let shown = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.0}"));
        let [anon, mapped, disk] = self.bytes_a_vector();
        let [a, b, c] = RECALLS.map(|recall| shown(self.at(|p| p.qps, recall)));
        let [d, e, f] = RECALLS.map(|recall| shown(self.at(|p| p.cpu_qps, recall)));
        let [p50, p99] = [|p: &Point| p.p50_us, |p: &Point| p.p99_us]
            .map(|value| self.at(value, 0.95).map_or("-".to_owned(), |v| format!("{v:.1}")));
        format!(
            "{:<6} {:<7} {:<5} {:>7.1} {anon:>6.0} {mapped:>6.0} {disk:>6.0}  {a:>7} {b:>7} {c:>7}  \
             {d:>7} {e:>7} {f:>7} {p50:>8} {p99:>8} {:>9}",
            format!("{:?}", self.kind.codes),
            format!("{:?}", self.kind.builder),
            format!("{:?}", self.path),
            self.built.seconds,
            shown(self.at(|p| p.evaluations, 0.95)),
        )
    }
}

/// The heads of the columns of the points.
pub(crate) fn heads() {
    eprintln!(
        "codes  builder path         width recall@10       qps   cpu qps    p50 us    p99 us  evaluations"
    );
}

/// The table of the curves.
pub(crate) fn table(curves: &[Curve<'_>]) {
    eprintln!(
        "\n                             bytes a vector        QPS at recall            \
         QPS by processor time    at recall .95\n\
         codes  builder path    build s   anon mapped   disk      .90     .95     .99      \
         .90     .95     .99   p50 us   p99 us     evals"
    );
    curves.iter().for_each(|curve| eprintln!("{}", curve.row()));
}

/// The extremes at each `ef` over orders of insertion, of curves of one kind.
pub(crate) fn spread(curves: &[Curve<'_>], efs: &[usize]) {
    let Some(first) = curves.first() else {
        return;
    };
    for &ef in efs {
        let at =
            |curve: &Curve<'_>| curve.points.iter().find(|p| p.width == Width::Ef(ef)).copied();
        let points: Vec<Point> = curves.iter().filter_map(at).collect();
        let ends = |value: fn(&Point) -> f64| {
            points.iter().map(value).fold((f64::INFINITY, 0.0f64), |(a, b), v| (a.min(v), b.max(v)))
        };
        let (recall, qps, cpu) = (ends(|p| p.recall), ends(|p| p.qps), ends(|p| p.cpu_qps));
        let build = curves
            .iter()
            .map(|c| c.built.seconds)
            .fold((f64::INFINITY, 0.0f64), |(a, b), v| (a.min(v), b.max(v)));
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
            "{:<6} {:<7} ef {ef}: over {} orders of insertion, recall {:.4} to {:.4}, QPS {:.0} to {:.0}, \
             by processor time {:.0} to {:.0}, build {:.1} to {:.1} s",
            format!("{:?}", first.kind.codes),
            format!("{:?}", first.kind.builder),
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
