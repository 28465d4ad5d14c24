//! Recall against queries per second: one line for each codes × builder × path × ef. Every answer is checked
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
use std::path::Path;
use std::time::{Duration, Instant};

use altiplano::{
    Background, Builder, Codes, Collection, CollectionOptions, Fields, HnswParams, SearchPath,
    Store, StoreOptions, StoreStats,
};
use measure::{Json, Percentiles, Rss, median};
use setup::{Data, K, Scratch};

const PASSES: usize = 3;
const LADDER: [usize; 9] = [10, 16, 32, 48, 64, 96, 128, 256, 512];

fn main() -> Result<(), Box<dyn Error>> {
    let data = Data::load("Recall against queries per second.", 40_000)?;
    let pinned = measure::pin_to_core(0);
    eprintln!("codes  builder path   ef   recall@10       qps    p50 us    p99 us  evaluations");
    let kinds =
        [(Codes::Int8, Builder::Flat), (Codes::Int8, Builder::HnswRs), (Codes::F32, Builder::Flat)];
    for (codes, builder) in kinds {
        run(&data, codes, builder, pinned)?;
        if data.quick {
            break;
        }
    }
    Ok(())
}

/// What does not change from one case to the next.
struct Built<'a> {
    data: &'a Data,
    codes: Codes,
    builder: Builder,
    pinned: bool,
    build_s: f64,
    open_ms: f64,
    before: Rss,
    dir: &'a Path,
}

fn run(data: &Data, codes: Codes, builder: Builder, pinned: bool) -> Result<(), Box<dyn Error>> {
    let dir = Scratch::new("recall");
    let min_rows = HnswParams::default().min_rows.min(data.base.len() as u32 / 2);
    let hnsw = HnswParams { min_rows, builder, ..HnswParams::default() };
    let store = StoreOptions::new().background(Background::Manual).open(dir.path())?;
    let options = CollectionOptions::new(data.base.dim, data.metric).codes(codes).hnsw(hnsw);
    let collection = store.collection("vectors", options)?;
    data.insert(&collection, 0..data.base.len(), 1024)?;
    let begun = Instant::now();
    collection.compact()?;
    let build_s = begun.elapsed().as_secs_f64();
    drop(collection);
    store.close()?;

    // Measured after a fresh open; what the allocator kept of the build is in `before`.
    let before = Rss::now().unwrap_or_default();
    let begun = Instant::now();
    let store = Store::open(dir.path())?;
    let collection = store.existing("vectors").ok_or("the collection is gone")?;
    collection.search(data.queries.row(0)).run()?;
    let open_ms = begun.elapsed().as_secs_f64() * 1e3;
    let dir = dir.path();
    let built = Built { data, codes, builder, pinned, build_s, open_ms, before, dir };

    let mut cases = vec![(SearchPath::Scan, None), (SearchPath::Auto, None)];
    cases.extend(LADDER.iter().map(|ef| (SearchPath::Graph, Some(*ef))));
    for (path, ef) in cases {
        let measured = measure_case(data, &collection, path, ef)?;
        built.print(path, ef, &measured, &store.stats()?)?;
        if path == SearchPath::Scan && measured.recall < 0.98 {
            return Err("a scan with rerank must find nearly everything".into());
        }
    }
    Ok(())
}

impl Built<'_> {
    fn print(
        &self,
        path: SearchPath,
        ef: Option<usize>,
        measured: &Measured,
        stats: &StoreStats,
    ) -> std::io::Result<()> {
        let rss = Rss::now().unwrap_or_default();
        let micros = |d: Duration| d.as_secs_f64() * 1e6;
        let line = Json::new()
            .field("bench", "recall")
            .field("system", "altiplano")
            .field("data", &*self.data.name)
            .field("n", self.data.base.len())
            .field("dim", self.data.base.dim)
            .field("metric", self.data.metric_name)
            .field("codes", &*format!("{:?}", self.codes))
            .field("builder", &*format!("{:?}", self.builder))
            .field("kernels", stats.kernels)
            .field("build_s", self.build_s)
            .field("threads", 1usize)
            .field("pinned", self.pinned)
            .field("path", &*format!("{path:?}"))
            .field("ef", ef)
            .field("target", ef.is_none().then_some(0.95))
            .field("recall_at_10", measured.recall)
            .field("qps", measured.qps)
            .field("p50_us", micros(measured.times.p50))
            .field("p99_us", micros(measured.times.p99))
            .field("evals_per_query", measured.evaluations)
            .field("rss_anon_bytes", rss.anon_bytes.saturating_sub(self.before.anon_bytes))
            .field("rss_file_bytes", rss.file_bytes.saturating_sub(self.before.file_bytes))
            .field("heap_bytes", stats.heap_bytes)
            .field("disk_bytes", measure::allocated_bytes(self.dir)?)
            .field("open_ms", self.open_ms);
        println!("{}", line.line());
        eprintln!(
            "{:<6} {:<7} {:<5} {:>4} {:>11.4} {:>9.0} {:>9.1} {:>9.1} {:>12.0}  built in {:.1} s",
            format!("{:?}", self.codes),
            format!("{:?}", self.builder),
            format!("{path:?}"),
            ef.map_or("-".to_owned(), |ef| ef.to_string()),
            measured.recall,
            measured.qps,
            micros(measured.times.p50),
            micros(measured.times.p99),
            measured.evaluations,
            self.build_s,
        );
        Ok(())
    }
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
