//! Compares many queries in one call, `search_batch`, with the same queries one by one. It shows
//! how the rate scales with cores, along a graph and by scanning.
//!
//! Prints a JSON line per path and way of asking: queries per second, median of three passes, and
//! queries per second of processor time. The second rate shows what the cores cost each other. The
//! answers of both ways must be the same; their recall is compared with exact search. The process
//! is not pinned: a batch uses as many threads as the system reports cores.
//!
//! `cargo bench --bench batch [-- --base FILE --queries FILE --metric cosine]`
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints and measures"
)]

#[path = "common/setup.rs"]
mod setup;

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use altiplano::{
    Background, Collection, CollectionOptions, Fields, Hit, Search, SearchMode, StoreOptions,
};
use bench_tools::args::Args;
use bench_tools::measure::{self, Json, median};
use setup::{Data, K, Scratch};

const PASSES: usize = 3;
const PATHS: [(&str, SearchMode); 2] = [("graph", SearchMode::Graph), ("scan", SearchMode::Scan)];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    setup::run("Many queries in one call.", &[], bench)
}

fn bench(args: &Args) -> std::result::Result<bool, Box<dyn Error>> {
    let data = Data::of(args, 40_000)?;
    let dir = Scratch::new("batch");
    let store = StoreOptions::new().background(Background::Manual).open(dir.path())?;
    let options = CollectionOptions::new(data.base.dim, data.metric).hnsw(data.hnsw());
    let vectors = store.collection("vectors", options)?;
    data.insert(&vectors, 0..data.base.len(), 1024)?;
    vectors.compact()?;
    eprintln!("path   way           qps   cpu qps  recall@10");
    for (name, path) in PATHS {
        let one = measure(&data, || one_by_one(&data, &vectors, path))?;
        let all = measure(&data, || batch(&data, &vectors, path))?;
        if one.answers != all.answers {
            return Err(format!("{name}: a batch has other answers").into());
        }
        one.print(&data, name, "one by one");
        all.print(&data, name, "batch");
        eprintln!("{name}: a batch is {:.2} times as fast", all.qps / one.qps);
    }
    Ok(true)
}

fn configure(search: Search<'_>, path: SearchMode) -> Search<'_> {
    search.k(K).mode(path).fields(Fields::None)
}

fn one_by_one(data: &Data, vectors: &Collection, path: SearchMode) -> Result<Vec<Vec<Hit>>> {
    let answers = data.queries.rows().map(|query| configure(vectors.search(query), path).run());
    Ok(answers.collect::<altiplano::Result<_>>()?)
}

fn batch(data: &Data, vectors: &Collection, path: SearchMode) -> Result<Vec<Vec<Hit>>> {
    let queries: Vec<&[f32]> = data.queries.rows().collect();
    Ok(vectors.search_batch(&queries, |search| configure(search, path))?)
}

/// The measurements of one way.
struct Measured {
    answers: Vec<Vec<Hit>>,
    qps: f64,
    cpu_qps: f64,
}

/// Runs the queries once to warm up, and then the measured passes.
fn measure(data: &Data, run: impl Fn() -> Result<Vec<Vec<Hit>>>) -> Result<Measured> {
    let (mut answers, mut rates, mut cpu_rates) = (run()?, Vec::new(), Vec::new());
    let count = data.queries.len() as f64;
    for _ in 0..PASSES {
        let (cpu, begun) = (measure::cpu_seconds(None), Instant::now());
        answers = run()?;
        let wall = begun.elapsed().as_secs_f64();
        let cpu = cpu.zip(measure::cpu_seconds(None)).map(|(from, to)| to - from);
        rates.push(count / wall);
        cpu_rates.push(count / cpu.unwrap_or(f64::NAN));
    }
    Ok(Measured { answers, qps: median(&rates), cpu_qps: median(&cpu_rates) })
}

impl Measured {
    fn print(&self, data: &Data, path: &str, way: &str) {
        let ids = |hits: &[Hit]| hits.iter().map(|h| h.id.as_u128() as u32).collect::<Vec<_>>();
        let recalls = (0..).zip(&self.answers).map(|(i, hits)| data.truth.recall(i, K, ids(hits)));
        let recall = recalls.sum::<f64>() / self.answers.len().max(1) as f64;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let line = Json::new()
            .field("bench", "batch")
            .field("data", data.name.as_str())
            .field("n", data.base.len())
            .field("dim", data.base.dim)
            .field("metric", data.metric_name)
            .field("path", path)
            .field("way", way)
            .field("threads", if way == "batch" { threads } else { 1 })
            .field("qps", self.qps)
            .field("cpu_qps", self.cpu_qps)
            .field("recall_at_10", recall);
        println!("{}", line.line());
        eprintln!("{path:<6} {way:<10} {:>7.0} {:>9.0} {recall:>10.4}", self.qps, self.cpu_qps);
    }
}
