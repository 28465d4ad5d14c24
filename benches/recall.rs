//! Recall against queries per second: one line for each codes × path × ef. Every answer is checked
//! against exact search. One thread, one query a call, median of three passes.
//!
//! `cargo bench --bench recall [-- --base FILE --queries FILE --metric cosine]`
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints and measures"
)]

#[path = "common/measure.rs"]
mod measure;
#[path = "common/setup.rs"]
mod setup;
#[path = "common/vectors.rs"]
mod vectors;

use std::error::Error;
use std::time::{Duration, Instant};

use altiplano::{
    Background, Codes, Collection, CollectionOptions, Fields, HnswParams, SearchPath, Store,
    StoreOptions,
};
use measure::{Json, Percentiles, Rss, median};
use setup::{Data, K, Scratch};

const PASSES: usize = 3;
const LADDER: [usize; 9] = [10, 16, 32, 48, 64, 96, 128, 256, 512];

fn main() -> Result<(), Box<dyn Error>> {
    let data = Data::load("Recall against queries per second.", 40_000)?;
    let pinned = measure::pin_to_core(0);
    eprintln!("codes  path   ef   recall@10       qps    p50 us    p99 us  evaluations");
    for codes in [Codes::Int8, Codes::F32] {
        if data.quick && codes == Codes::F32 {
            continue;
        }
        run(&data, codes, pinned)?;
    }
    Ok(())
}

fn run(data: &Data, codes: Codes, pinned: bool) -> Result<(), Box<dyn Error>> {
    let dir = Scratch::new("recall");
    let min_rows = HnswParams::default().min_rows.min(data.base.len() as u32 / 2);
    let hnsw = HnswParams { min_rows, ..HnswParams::default() };
    let store = StoreOptions::new().background(Background::Manual).open(dir.path())?;
    let options = CollectionOptions::new(data.base.dim, data.metric).codes(codes).hnsw(hnsw);
    let collection = store.collection("vectors", options)?;
    data.insert(&collection, 0..data.base.len(), 1024)?;
    let begun = Instant::now();
    collection.compact()?;
    let build_s = begun.elapsed().as_secs_f64();
    drop(collection);
    store.close()?;

    // Measured after a fresh open: nothing of the build is left in the process's caches of ours.
    let before = Rss::now().unwrap_or_default();
    let begun = Instant::now();
    let store = Store::open(dir.path())?;
    let collection = store.existing("vectors").ok_or("the collection is gone")?;
    collection.search(data.queries.row(0)).run()?;
    let open_ms = begun.elapsed().as_secs_f64() * 1e3;

    let mut cases = vec![(SearchPath::Scan, None), (SearchPath::Auto, None)];
    cases.extend(LADDER.iter().map(|ef| (SearchPath::Graph, Some(*ef))));
    for (path, ef) in cases {
        let measured = measure_case(data, &collection, path, ef)?;
        let rss = Rss::now().unwrap_or_default();
        let stats = store.stats()?;
        println!(
            "{}",
            Json::new()
                .field("bench", "recall")
                .field("system", "altiplano")
                .field("data", &*data.name)
                .field("n", data.base.len())
                .field("dim", data.base.dim)
                .field("metric", data.metric_name)
                .field("codes", &*format!("{codes:?}"))
                .field("builder", "hnsw_rs")
                .field("kernels", stats.kernels)
                .field("build_s", build_s)
                .field("threads", 1usize)
                .field("pinned", pinned)
                .field("path", &*format!("{path:?}"))
                .field("ef", ef)
                .field("target", ef.is_none().then_some(0.95))
                .field("recall_at_10", measured.recall)
                .field("qps", measured.qps)
                .field("p50_us", measured.times.p50.as_secs_f64() * 1e6)
                .field("p99_us", measured.times.p99.as_secs_f64() * 1e6)
                .field("evals_per_query", measured.evaluations)
                .field("rss_anon_bytes", rss.anon_bytes.saturating_sub(before.anon_bytes))
                .field("rss_file_bytes", rss.file_bytes.saturating_sub(before.file_bytes))
                .field("heap_bytes", stats.heap_bytes)
                .field("disk_bytes", measure::allocated_bytes(dir.path())?)
                .field("open_ms", open_ms)
                .line()
        );
        eprintln!(
            "{:<6} {:<5} {:>4} {:>11.4} {:>9.0} {:>9.1} {:>9.1} {:>12.0}",
            format!("{codes:?}"),
            format!("{path:?}"),
            ef.map_or("-".to_owned(), |ef| ef.to_string()),
            measured.recall,
            measured.qps,
            measured.times.p50.as_secs_f64() * 1e6,
            measured.times.p99.as_secs_f64() * 1e6,
            measured.evaluations,
        );
        if path == SearchPath::Scan && measured.recall < 0.98 {
            return Err("a scan with rerank must find nearly everything".into());
        }
    }
    Ok(())
}

struct Measured {
    recall: f64,
    qps: f64,
    times: Percentiles,
    evaluations: f64,
}

fn measure_case(
    data: &Data,
    collection: &Collection,
    path: SearchPath,
    ef: Option<usize>,
) -> altiplano::Result<Measured> {
    let (mut recall, mut evaluations) = (0.0, 0);
    let (mut rates, mut times) = (Vec::new(), Vec::new());
    // One pass more than is counted, to warm up and to check the answers.
    for pass in 0..=PASSES {
        let mut spent = Duration::ZERO;
        for (i, query) in data.queries.rows().enumerate() {
            let mut search = collection.search(query).k(K).path(path).fields(Fields::None);
            if let Some(ef) = ef {
                search = search.ef(ef);
            }
            let begun = Instant::now();
            let (hits, told) = search.explain()?;
            let took = begun.elapsed();
            if pass == 0 {
                recall += data.truth.recall(i, K, hits.iter().map(|h| h.id.as_u128() as u32));
                evaluations += told.evaluations + told.scanned;
            } else {
                spent += took;
                times.push(took);
            }
        }
        if pass > 0 {
            rates.push(data.queries.len() as f64 / spent.as_secs_f64());
        }
    }
    let queries = data.queries.len() as f64;
    Ok(Measured {
        recall: recall / queries,
        qps: median(&rates),
        times: Percentiles::of(times),
        evaluations: evaluations as f64 / queries,
    })
}
