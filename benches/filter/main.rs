//! Filtered search with 0.01 % to 99 % of the rows matching: its recall, and its time compared with
//! an exact scan of the matching rows.
//!
//! There are three kinds of filters by tag: rows drawn at random, the rows nearest to the queries,
//! and the rows farthest from them. A fourth kind filters by three of ten thousand namespaces,
//! whose sizes follow Zipf's law. Two more filter by fields of metadata: a range of numbers and an
//! equal text, of rows drawn at random. `parsed_per_query` is the number of rows whose metadata was
//! parsed because no column answered. `way` is the access path of most queries: `graph`, the codes
//! of the `matches`, a `scan` of all codes, or the full `rows`. It also says whether a graph search
//! gave up.
//!
//! Recall counts results that are as near as the tenth exact one. `time_ratio` is the processor
//! time of the search divided by that of `Search::exact` with the same filter. It is the median of
//! the passes, in which the two alternate. The verdict is `holds` if recall is at least 0.95 and
//! the ratio at most 1.2 in every case.
//!
//! `cargo bench --bench filter [-- --base FILE --queries FILE --metric cosine]`
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints and measures"
)]

mod layout;
#[path = "../common/setup.rs"]
mod setup;

use bench_tools::vectors;
use std::collections::HashMap;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use altiplano::{
    Background, Batch, Collection, CollectionOptions, Explanation, Fields, Hit, Quantization,
    Search, SearchMode, Store, StoreOptions,
};
use bench_tools::args::Args;
use bench_tools::measure::{self, Json, Percentiles, median};
use layout::{Case, Group, Layout};
use setup::{CODES, CODES_OPTION, Data, K, Scratch};

const PASSES: usize = 5;
/// A pass repeats its queries until it has taken about this long.
const PASS: Duration = Duration::from_millis(30);
const RECALL: f64 = 0.95;
const RATIO: f64 = 1.2;

fn main() -> ExitCode {
    setup::run("Search with filters.", &[CODES_OPTION], bench)
}

fn bench(args: &Args) -> Result<bool, Box<dyn Error>> {
    let pinned = measure::pin_to_core(0);
    // The true neighbors without a filter are not needed here.
    let data = Data::unanswered(args, 40_000)?;
    let codes = setup::codes(args, &CODES[..1])?;
    let layout = Layout::new(&data);
    let mut holds = true;
    for codes in codes {
        holds &= run(&data, &layout, codes, pinned)?;
    }
    // A run with small data and few queries shows that the benchmark works, not how fast search is.
    Ok(holds || data.quick)
}

/// Returns true if the verdict holds for these codes.
fn run(
    data: &Data,
    layout: &Layout,
    codes: Quantization,
    pinned: bool,
) -> Result<bool, Box<dyn Error>> {
    let dir = Scratch::new("filter");
    let store = StoreOptions::new().background(Background::Manual).open(dir.path())?;
    let options = CollectionOptions::new(data.base.dim, data.metric).quantization(codes);
    let collection = store.collection("vectors", options.hnsw(data.hnsw()))?;
    for first in (0..data.base.len()).step_by(1024) {
        let last = (first + 1024).min(data.base.len());
        let batch = (first..last).map(|row| layout.memory(&data.base, row));
        collection.apply(batch.collect::<Batch>())?;
    }
    collection.compact()?;
    drop(collection);
    store.close()?;

    let store = Store::open(dir.path())?;
    let collection = store.get_collection("vectors").ok_or("the collection is gone")?;
    let kernels = store.stats()?.kernels;
    eprintln!(
        "codes  kind              matches  recall@10       qps  exact qps  time ratio  way, its share"
    );
    let mut worst = Worst { recall: (1.0, String::new()), ratio: (0.0, String::new()) };
    for case in &layout.cases {
        let asked = Asked { data, collection: &collection, case };
        let measured = asked.measure()?;
        print(data, case, codes, (kernels, pinned), &measured);
        worst.take(case, &measured);
    }
    Ok(worst.verdict(data, codes))
}

/// The lowest recall and the highest ratio, each with its case.
struct Worst {
    recall: (f64, String),
    ratio: (f64, String),
}

impl Worst {
    fn take(&mut self, case: &Case, measured: &Measured) {
        let name = || format!("{}, {} rows", case.kind, case.matches());
        if measured.recall < self.recall.0 {
            self.recall = (measured.recall, name());
        }
        if measured.ratio > self.ratio.0 {
            self.ratio = (measured.ratio, name());
        }
    }

    fn verdict(&self, data: &Data, codes: Quantization) -> bool {
        let holds = self.recall.0 >= RECALL && self.ratio.0 <= RATIO;
        let verdict = if holds { "holds" } else { "does not hold" };
        let line = Json::new()
            .field("bench", "filter")
            .field("system", "altiplano")
            .field("data", &*data.name)
            .field("codes", &*format!("{codes:?}"))
            .field("verdict", verdict)
            .field("lowest_recall", self.recall.0)
            .field("lowest_recall_of", &*self.recall.1)
            .field("highest_ratio", self.ratio.0)
            .field("highest_ratio_of", &*self.ratio.1);
        println!("{}", line.line());
        eprintln!(
            "{codes:?}: {verdict}: recall >= {:.4} ({}), time <= {:.2} x exact ({})",
            self.recall.0, self.recall.1, self.ratio.0, self.ratio.1
        );
        holds
    }
}

struct Measured {
    recall: f64,
    way: &'static str,
    way_share: f64,
    auto: Rates,
    exact: Rates,
    times: Percentiles,
    ratio: f64,
    /// Sums over the queries of one pass.
    told: Explanation,
    queries: f64,
}

/// Queries per second, medians of the passes.
struct Rates {
    wall: f64,
    cpu: f64,
}

/// The queries of a case, and the collection that they are asked in.
struct Asked<'a> {
    data: &'a Data,
    collection: &'a Collection,
    case: &'a Case,
}

impl Asked<'_> {
    fn search<'s>(&'s self, group: &Group, query: usize) -> Search<'s> {
        let search = self.collection.search(self.data.queries.row(query)).k(K);
        search.filter(group.filter.clone()).mode(SearchMode::Auto).fields(Fields::None)
    }

    fn queries(&self) -> impl Iterator<Item = (&Group, usize)> {
        self.case.groups.iter().flat_map(|group| group.queries.iter().map(move |&q| (group, q)))
    }

    fn measure(&self) -> Result<Measured, Box<dyn Error>> {
        let checked = self.check()?;
        let (mut auto, mut exact) = (Vec::new(), Vec::new());
        let (mut times, mut ratios) = (Vec::new(), Vec::new());
        for _ in 0..PASSES {
            let (own, other) = (self.pass(false, Some(&mut times))?, self.pass(true, None)?);
            ratios.push(other.cpu / own.cpu);
            auto.push(own);
            exact.push(other);
        }
        let rates = |passes: &[Rates]| Rates {
            wall: median(&passes.iter().map(|p| p.wall).collect::<Vec<_>>()),
            cpu: median(&passes.iter().map(|p| p.cpu).collect::<Vec<_>>()),
        };
        Ok(Measured {
            auto: rates(&auto),
            exact: rates(&exact),
            times: Percentiles::of(times),
            ratio: median(&ratios),
            ..checked
        })
    }

    /// Runs one pass that is not timed. It warms up, and compares every answer with the exact one.
    fn check(&self) -> Result<Measured, Box<dyn Error>> {
        let (mut recall, mut queries, mut sum) = (0.0, 0usize, Explanation::default());
        let mut ways: HashMap<&'static str, usize> = HashMap::new();
        for (group, query) in self.queries() {
            let exact = self.search(group, query).exact().run()?;
            let (hits, told) = self.search(group, query).explain()?;
            if query == group.queries[0] {
                self.check_exact(group, query, &exact)?;
            }
            let matches =
                |hit: &Hit| group.members.binary_search(&(hit.id.as_u128() as u32)).is_ok();
            if hits.len() != K.min(group.members.len()) || !hits.iter().all(matches) {
                return Err(format!("a wrong answer: {hits:?}").into());
            }
            let bound = exact.last().map_or(f32::INFINITY, |hit| hit.distance);
            let near = hits.iter().filter(|hit| hit.distance <= bound).count();
            recall += near as f64 / hits.len() as f64;
            queries += 1;
            sum.scanned += told.scanned;
            sum.evaluations += told.evaluations;
            sum.reranked += told.reranked;
            sum.fallbacks += told.fallbacks;
            sum.fields_from_rows += told.fields_from_rows;
            *ways.entry(way(&told)).or_default() += 1;
        }
        let most = ways.into_iter().max_by_key(|&(way, count)| (count, way));
        let (way, count) = most.unwrap_or_default();
        let queries = queries as f64;
        Ok(Measured {
            recall: recall / queries,
            way,
            way_share: count as f64 / queries,
            auto: Rates { wall: 0.0, cpu: 0.0 },
            exact: Rates { wall: 0.0, cpu: 0.0 },
            times: Percentiles::default(),
            ratio: 0.0,
            told: sum,
            queries,
        })
    }

    /// Compares exact search itself with the benchmark's own arithmetic.
    fn check_exact(&self, group: &Group, query: usize, hits: &[Hit]) -> Result<(), Box<dyn Error>> {
        let query = self.data.queries.row(query);
        let away = |&row: &u32| {
            vectors::distance(query, self.data.base.row(row as usize), self.data.exact)
        };
        let mut all: Vec<f64> = group.members.iter().map(away).collect();
        all.sort_unstable_by(f64::total_cmp);
        let near = |(hit, own): (&Hit, &f64)| {
            (f64::from(hit.distance) - own).abs() <= 1e-4 * own.abs().max(1.0)
        };
        if hits.len() != K.min(all.len()) || !hits.iter().zip(&all).all(near) {
            return Err(format!(
                "exact search is not exact: {hits:?}, not {:?}",
                &all[..K.min(all.len())]
            )
            .into());
        }
        Ok(())
    }

    fn pass(
        &self,
        exact: bool,
        mut times: Option<&mut Vec<Duration>>,
    ) -> Result<Rates, Box<dyn Error>> {
        let (mut asked, mut spent) = (0usize, Duration::ZERO);
        let cpu = measure::thread_cpu_seconds();
        while spent < PASS {
            for (group, query) in self.queries() {
                let search = self.search(group, query);
                let search = if exact { search.exact() } else { search };
                let begun = Instant::now();
                search.run()?;
                let took = begun.elapsed();
                spent += took;
                asked += 1;
                if let Some(times) = times.as_mut() {
                    times.push(took);
                }
            }
        }
        let wall = spent.as_secs_f64();
        let cpu = cpu.zip(measure::thread_cpu_seconds()).map(|(from, to)| to - from);
        Ok(Rates { wall: asked as f64 / wall, cpu: asked as f64 / cpu.unwrap_or(wall) })
    }
}

/// Returns the access path by which a query found its answer.
fn way(told: &Explanation) -> &'static str {
    match (told.hops > 0, told.scanned > 0, told.fallbacks > 0) {
        (true, _, false) => "graph",
        (true, true, true) => "graph, then scan",
        (true, false, true) => "graph, then matches",
        (false, true, _) => "scan",
        (false, false, _) if told.evaluations > 0 => "matches",
        _ => "rows",
    }
}

fn print(
    data: &Data,
    case: &Case,
    codes: Quantization,
    (kernels, pinned): (&str, bool),
    m: &Measured,
) {
    let micros = |d: Duration| d.as_secs_f64() * 1e6;
    let line = Json::new()
        .field("bench", "filter")
        .field("system", "altiplano")
        .field("data", &*data.name)
        .field("n", data.base.len())
        .field("dim", data.base.dim)
        .field("metric", data.metric_name)
        .field("codes", &*format!("{codes:?}"))
        .field("kernels", kernels)
        .field("threads", 1usize)
        .field("pinned", pinned)
        .field("path", "Auto")
        .field("target", RECALL)
        .field("kind", case.kind)
        .field("matches", case.matches())
        .field("selectivity", case.matches() as f64 / data.base.len() as f64)
        .field("recall_at_10", m.recall)
        .field("qps", m.auto.wall)
        .field("cpu_qps", m.auto.cpu)
        .field("p50_us", micros(m.times.p50))
        .field("p99_us", micros(m.times.p99))
        .field("exact_qps", m.exact.wall)
        .field("exact_cpu_qps", m.exact.cpu)
        .field("time_ratio", m.ratio)
        .field("way", m.way)
        .field("way_share", m.way_share)
        .field("parsed_per_query", m.told.fields_from_rows as f64 / m.queries)
        .field("fallbacks_per_query", f64::from(m.told.fallbacks) / m.queries)
        .field("evals_per_query", m.told.evaluations as f64 / m.queries)
        .field("scanned_per_query", m.told.scanned as f64 / m.queries)
        .field("reranked_per_query", m.told.reranked as f64 / m.queries);
    println!("{}", line.line());
    eprintln!(
        "{:<6} {:<17} {:>7} {:>10.4} {:>9.0} {:>10.0} {:>11.3}  {} {:.0} %",
        format!("{codes:?}"),
        case.kind,
        case.matches(),
        m.recall,
        m.auto.wall,
        m.exact.wall,
        m.ratio,
        m.way,
        100.0 * m.way_share,
    );
}
