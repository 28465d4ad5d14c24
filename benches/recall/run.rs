//! Owns the steps of the recall benchmark: building a store and measuring one curve on it, each in
//! a process of its own. Also owns the order of insertion and the widths of the searches. `main.rs`
//! chooses what is run, `report.rs` prints it.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use altiplano::{
    Background, Batch, CollectionOptions, Fields, GraphBuilder, Memory, Quantization, SearchMode,
    StoreOptions,
};
use serde_json::json;

use crate::io;
use crate::setup::{self, CODES, Data, K};
use crate::steps::{self, Point, number};
use bench_tools::args::Args;
use bench_tools::measure::{self, Rss};
use bench_tools::vectors::Rng;

/// Number of generated vectors, without `--base`.
pub(crate) const GENERATED: usize = 40_000;
pub(crate) const PATHS: [SearchMode; 3] = [SearchMode::Scan, SearchMode::Auto, SearchMode::Graph];
/// Without a graph there is one path.
pub(crate) const SCAN_ONLY: [SearchMode; 1] = [SearchMode::Scan];
/// Builders by the names of their option; `None` builds no graph.
const BUILDERS: [(&str, Option<GraphBuilder>); 3] =
    [("flat", Some(GraphBuilder::BuiltIn)), ("hnswrs", Some(GraphBuilder::HnswRs)), ("none", None)];
const LADDER: [usize; 13] = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768];
const TARGETS: [f64; 7] = [0.80, 0.90, 0.93, 0.95, 0.97, 0.99, 0.995];
/// Beams at which orders of insertion are compared. All of them are in the ladder.
pub(crate) const SPREAD: [usize; 3] = [32, 64, 128];

/// The store to build.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) codes: Quantization,
    /// `None` builds no graph.
    pub(crate) builder: Option<GraphBuilder>,
    /// 0 inserts in the order of the file; another number shuffles.
    pub(crate) seed: u64,
}

impl Kind {
    /// Returns the name of the graph's builder.
    pub(crate) fn builder_name(&self) -> &'static str {
        BUILDERS.iter().find(|(_, builder)| *builder == self.builder).map_or("", |(name, _)| *name)
    }
}

/// The cost of building, from the last insert to the end of the compaction, and the store's size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Built {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) disk_bytes: u64,
    /// Peak of anonymous memory, including rows that were not sealed before.
    pub(crate) peak_bytes: f64,
}

/// The cost of searching.
pub(crate) struct Searched {
    pub(crate) kernels: String,
    pub(crate) open_ms: f64,
    pub(crate) heap_bytes: f64,
    pub(crate) points: Vec<Point>,
}

/// Returns the item whose `Debug` text is `name`, in any case.
fn named<T: std::fmt::Debug + Copy>(all: &[T], name: &str) -> Option<T> {
    all.iter().find(|item| format!("{item:?}").eq_ignore_ascii_case(name)).copied()
}

/// Returns the builders that `--builders` names.
pub(crate) fn builders(args: &Args) -> Result<Option<Vec<Option<GraphBuilder>>>, Box<dyn Error>> {
    let of = |name: &String| {
        let names = BUILDERS.map(|(name, _)| name);
        let wrong = || args.wrong(format!("--builders {name}: not one of {names:?}")).text;
        if name == "hnswrs" && !cfg!(feature = "hnsw-rs") {
            return Err(args.wrong("--builders hnswrs needs the feature hnsw-rs").text);
        }
        BUILDERS.iter().find(|(known, _)| known == name).map(|(_, b)| *b).ok_or_else(wrong)
    };
    let names = args.list::<String>("builders")?;
    Ok(names.map(|names| names.iter().map(of).collect()).transpose()?)
}

fn own(step: &str, kind: Kind, dir: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("step", step.to_owned()),
        ("codes", format!("{:?}", kind.codes)),
        ("builders", kind.builder_name().to_owned()),
        ("seeds", kind.seed.to_string()),
        ("dir", dir.to_string_lossy().into_owned()),
    ]
}

/// Builds a store in another process.
pub(crate) fn build(args: &Args, kind: Kind, dir: &Path) -> Result<Built, Box<dyn Error>> {
    let lines = steps::start(args, None, &own("build", kind, dir))?;
    let line = lines.first().ok_or("nothing was built")?;
    Ok(Built {
        seconds: number(line, "build_s"),
        cpu_seconds: number(line, "build_cpu_s"),
        disk_bytes: measure::allocated_bytes(dir)?,
        peak_bytes: number(line, "peak_anon"),
    })
}

/// Measures a curve in another process, on `rows` rows and the files in `work`.
pub(crate) fn search(
    args: &Args,
    (kind, path): (Kind, SearchMode),
    rows: usize,
    (work, dir): (&Path, &Path),
) -> Result<Searched, Box<dyn Error>> {
    let mut own = own("search", kind, dir);
    own.push(("path", format!("{path:?}")));
    own.push(("rows", rows.to_string()));
    own.extend(args.text("io").map(|mode| ("io", mode.to_owned())));
    let lines = steps::start(args, Some(work), &own)?;
    let (head, points) = lines.split_first().ok_or("nothing was searched")?;
    Ok(Searched {
        kernels: head["kernels"].as_str().unwrap_or_default().to_owned(),
        open_ms: number(head, "open_ms"),
        heap_bytes: number(head, "heap_bytes"),
        points: points.iter().map(Point::of).collect(),
    })
}

/// Runs [`build`] or [`search`] in the other process.
pub(crate) fn step(step: &str, args: &Args) -> Result<(), Box<dyn Error>> {
    let codes = setup::codes(args, &CODES[..1])?;
    let builders = builders(args)?.unwrap_or_default();
    let seed = args.get_or("seeds", 0)?;
    let (&[codes], &[builder], Some(dir)) = (&codes[..], &builders[..], args.text("dir")) else {
        return Err("--step needs --codes and --builders, one of each, and --dir".into());
    };
    let kind = Kind { codes, builder, seed };
    match step {
        "build" => build_here(args, kind, Path::new(dir)),
        "search" => search_here(args, kind, Path::new(dir)),
        _ => Err(format!("--step {step}: not build or search").into()),
    }
}

fn build_here(args: &Args, kind: Kind, dir: &Path) -> Result<(), Box<dyn Error>> {
    let data = Data::unanswered(args, GENERATED)?;
    let before = Rss::now().unwrap_or_default();
    let store = StoreOptions::new().background(Background::Manual).open(dir)?;
    let hnsw = match kind.builder {
        Some(builder) => data.hnsw().builder(builder),
        None => data.hnsw().min_rows(u32::MAX),
    };
    let options =
        CollectionOptions::new(data.base.dim, data.metric).quantization(kind.codes).hnsw(hnsw);
    let collection = store.collection("vectors", options)?;
    let order = order(data.base.len(), kind.seed);
    // Segments are sorted by id, so an order of insertion is an order of ids.
    for (first, rows) in (0u64..).step_by(1024).zip(order.chunks(1024)) {
        let memory = |(id, &row): (u64, &u32)| Memory::new(id, data.base.row(row as usize));
        collection.apply((first..).zip(rows).map(memory).collect::<Batch>())?;
    }
    steps::built(before, || Ok(collection.compact().map(drop)?))?;
    drop(collection);
    Ok(store.close()?)
}

/// Returns the row of each id.
fn order(rows: usize, seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows as u32).collect();
    if seed > 0 {
        let mut rng = Rng::new(seed);
        for i in (1..rows).rev() {
            order.swap(i, rng.below(i + 1));
        }
    }
    order
}

fn search_here(args: &Args, kind: Kind, dir: &Path) -> Result<(), Box<dyn Error>> {
    let (queries, truth) = steps::handed_over(args)?;
    let rows = args.get_or("rows", 0)?;
    let path = args.text("path").and_then(|name| named(&PATHS, name)).ok_or("no such --path")?;
    let io_mode = io::mode(args)?;
    let order = order(rows, kind.seed);
    let before = Rss::now().unwrap_or_default();
    let begun = Instant::now();
    let store = StoreOptions::new().io_mode(io_mode).open(dir)?;
    let collection = store.get_collection("vectors").ok_or("the collection is gone")?;
    collection.search(queries.row(0)).run()?;
    let open_ms = begun.elapsed().as_secs_f64() * 1e3;
    let stats = store.stats()?;
    let head =
        json!({ "kernels": stats.kernels, "open_ms": open_ms, "heap_bytes": stats.heap_bytes });
    println!("{head}");
    let widths: Vec<f64> = match path {
        SearchMode::Scan => vec![0.95],
        SearchMode::Graph if kind.seed > 0 => SPREAD.map(|ef| ef as f64).to_vec(),
        SearchMode::Graph => LADDER.map(|ef| ef as f64).to_vec(),
        _ => TARGETS.to_vec(),
    };
    for width in widths {
        let point = Point::measure((&queries, &truth), width, before, |query, found| {
            let search = collection.search(query).k(K).mode(path).fields(Fields::None);
            let search = match path {
                SearchMode::Graph => search.ef(width as usize),
                _ => search.target_recall(width as f32),
            };
            let (hits, told) = search.explain()?;
            let row = |id: u128| order.get(id as usize).copied().unwrap_or(u32::MAX);
            found.extend(hits.iter().map(|hit| row(hit.id.as_u128())));
            Ok((told.evaluations + told.scanned) as f64)
        });
        point?.print();
    }
    Ok(())
}
