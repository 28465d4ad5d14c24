//! Owns the common parts of the benchmarks `recall`, `filter`, `ingest` and `open`. These are the
//! data that their arguments name, the codes they compare, and a store in a temporary directory.
//! Measuring is in `measure`, vectors are in `vectors`.
#![allow(dead_code, unreachable_pub, reason = "each benchmark takes what it needs")]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a benchmark uses files and says what it waits for"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use altiplano::{Batch, Collection, HnswParams, Memory, Metric, Quantization};

use bench_tools::args::{self, Args, Opt, Stop};
use bench_tools::vectors::{self, Neighbors, Vectors};

/// Number of results per query: recall@10.
pub const K: usize = 10;

/// Every kind of codes, the default one first.
pub const CODES: &[Quantization] = &[
    Quantization::Int8,
    Quantization::None,
    Quantization::Bits4,
    Quantization::Bits2,
    Quantization::Bits1,
];

/// The argument of benchmarks that compare codes.
pub const CODES_OPTION: Opt =
    Opt { key: "codes", value: "LIST", help: "int8,f32,bits4,…; --quick: int8" };

/// The arguments that every benchmark takes.
pub const OPTIONS: &[Opt] = &[
    Opt { key: "base", value: "FILE", help: "vectors (.npy, .fvecs, .bvecs, .fbin)" },
    Opt { key: "queries", value: "FILE", help: "vectors to look for" },
    Opt { key: "neighbors", value: "FILE", help: "true neighbors; default: exact search" },
    Opt { key: "metric", value: "NAME", help: "cosine (default), l2 or dot" },
    Opt { key: "limit", value: "N", help: "use at most so many vectors" },
    Opt { key: "quick", value: "", help: "small and short, for CI" },
];

/// The data of a benchmark.
pub struct Data {
    pub name: String,
    pub base: Vectors,
    pub queries: Vectors,
    pub metric: Metric,
    pub metric_name: &'static str,
    /// The metric, by its name in `vectors`.
    pub exact: vectors::Metric,
    pub truth: Neighbors,
    pub quick: bool,
}

impl Data {
    /// Reads the files that the arguments name, or generates clustered vectors.
    pub fn of(args: &Args, generated: usize) -> Result<Self, Box<dyn std::error::Error>> {
        let mut data = Self::unanswered(args, generated)?;
        let read = args.text("neighbors").map(|file| Neighbors::read(Path::new(file), None));
        data.truth = match read.transpose()? {
            Some(truth) if truth.fits(data.base.len()) => truth,
            _ => {
                let begun = std::time::Instant::now();
                let truth = vectors::exact_neighbors(&data.base, &data.queries, data.exact, K, 2);
                let took = begun.elapsed().as_secs_f64();
                eprintln!("{} true neighbors by exact search in {took:.1} s", truth.ids.len());
                truth
            }
        };
        Ok(data)
    }

    /// As [`Data::of`], but without the true neighbors, for a program that asks no queries.
    pub fn unanswered(args: &Args, generated: usize) -> Result<Self, Box<dyn std::error::Error>> {
        let quick = args.has("quick");
        let limit = args.get::<usize>("limit")?;
        let (metric, metric_name, exact) = match args.text("metric").unwrap_or("cosine") {
            "cosine" => (Metric::Cosine, "cosine", vectors::Metric::Cosine),
            "dot" => (Metric::Dot, "dot", vectors::Metric::Dot),
            "l2" => (Metric::L2, "l2", vectors::Metric::L2),
            other => return Err(format!("--metric {other}: not cosine, dot or l2").into()),
        };
        let wanted = if quick { 200 } else { 1000 };
        let (name, base, queries) = match (args.text("base"), args.text("queries")) {
            (Some(base), Some(queries)) => {
                let name = Path::new(base).file_stem().map(|s| s.to_string_lossy().into_owned());
                let base = Vectors::read(Path::new(base), limit)?;
                (name.unwrap_or_default(), base, Vectors::read(Path::new(queries), Some(wanted))?)
            }
            (None, None) => {
                let n = limit.unwrap_or(if quick { generated / 4 } else { generated });
                let mut base = vectors::clustered(n + wanted, 128, 100, 7);
                let queries = base.split_off(wanted);
                ("clustered".to_owned(), base, queries)
            }
            _ => return Err("--base and --queries go together".into()),
        };
        let truth = Neighbors { k: K, ids: Vec::new() };
        Ok(Self { name, base, queries, metric, metric_name, exact, truth, quick })
    }

    /// Returns parameters with which a graph is built, however small the data.
    pub fn hnsw(&self) -> HnswParams {
        let default = HnswParams::default();
        default.min_rows(default.min_rows.min(self.base.len() as u32 / 2))
    }

    /// Inserts the vectors `from..to` in batches; their ids are their row numbers.
    pub fn insert(
        &self,
        collection: &Collection,
        range: std::ops::Range<usize>,
        batch: usize,
    ) -> altiplano::Result<()> {
        let end = range.end;
        for first in range.step_by(batch) {
            let last = (first + batch).min(end);
            let memory = |i: usize| Memory::new(i as u64, self.base.row(i));
            collection.apply((first..last).map(memory).collect::<Batch>())?;
        }
        Ok(())
    }
}

/// Runs a benchmark that has the options `own` beside [`OPTIONS`].
pub fn run(
    about: &str,
    own: &[Opt],
    bench: impl FnOnce(&Args) -> Result<bool, Box<dyn std::error::Error>>,
) -> ExitCode {
    args::run(about, &options(own), bench)
}

/// Returns the options of a benchmark: the common ones and its own.
pub fn options(own: &[Opt]) -> Vec<Opt> {
    OPTIONS.iter().chain(own).copied().collect()
}

/// Returns the codes that `--codes` names.
pub fn codes(args: &Args, default: &[Quantization]) -> Result<Vec<Quantization>, Stop> {
    let Some(names) = args.list::<String>("codes")? else {
        return Ok(default.to_vec());
    };
    let of = |name: &String| {
        let found = CODES.iter().find(|codes| format!("{codes:?}").eq_ignore_ascii_case(name));
        found.copied().ok_or_else(|| args.wrong(format!("--codes {name}: not one of {CODES:?}")))
    };
    names.iter().map(of).collect()
}

/// A directory that is removed when the benchmark ends.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("altiplano-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        Self(dir)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
