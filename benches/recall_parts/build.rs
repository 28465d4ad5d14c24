//! Builds the store to be measured, in a process of its own: what its allocator keeps of the build,
//! and the vectors, are in no figure of the searches.
//!
//! Owns the order of insertion. Not here: the searches (`recall.rs`).

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use altiplano::{Background, Builder, Codes, CollectionOptions, HnswParams, StoreOptions};

use crate::measure::{self, Args};
use crate::setup::{self, Data};
use crate::vectors::Rng;

pub(crate) const BUILDERS: [Builder; 2] = [Builder::Flat, Builder::HnswRs];

/// What is built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) codes: Codes,
    pub(crate) builder: Builder,
    /// 0 inserts in the order of the file; another number shuffles.
    pub(crate) seed: u64,
}

/// What building took, from the last insert to the end of the compaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Built {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: Option<f64>,
}

/// The builders that `--builders` names.
pub(crate) fn builders(args: &Args) -> Result<Option<Vec<Builder>>, Box<dyn Error>> {
    let of = |name: String| {
        let is = |b: &&Builder| format!("{b:?}").eq_ignore_ascii_case(&name);
        let found = BUILDERS.iter().find(is).copied();
        found.ok_or_else(|| args.wrong(format!("--builders {name}: not one of {BUILDERS:?}")).text)
    };
    let names = args.list::<String>("builders").map_err(|stop| stop.text)?;
    Ok(names.map(|names| names.into_iter().map(of).collect()).transpose()?)
}

/// Starts this program again to build a store in `dir`.
pub(crate) fn elsewhere(args: &Args, kind: Kind, dir: &Path) -> Result<Built, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    for opt in setup::OPTIONS {
        match args.text(opt.key) {
            Some("") => drop(command.arg(format!("--{}", opt.key))),
            Some(value) => drop(command.arg(format!("--{}={value}", opt.key))),
            None => {}
        }
    }
    command.arg(format!("--codes={:?}", kind.codes));
    command.arg(format!("--builders={:?}", kind.builder));
    command.arg(format!("--seeds={}", kind.seed)).arg("--into").arg(dir);
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut words = text.split_whitespace().map(str::parse);
    match (output.status.success(), words.next(), words.next()) {
        (true, Some(Ok(seconds)), cpu) => {
            Ok(Built { seconds, cpu_seconds: cpu.and_then(Result::ok) })
        }
        _ => Err(format!("no store was built: {}", output.status).into()),
    }
}

/// The other side of [`elsewhere`].
pub(crate) fn here(args: &Args, generated: usize, dir: &Path) -> Result<(), Box<dyn Error>> {
    let data = Data::unanswered(args, generated)?;
    let codes = setup::codes(args, &[]).map_err(|stop| stop.text)?;
    let (Some(&codes), Some(&[builder])) = (codes.first(), builders(args)?.as_deref()) else {
        return Err("--into needs --codes and --builders, one of each".into());
    };
    let seed = args.get_or("seeds", 0).map_err(|stop| stop.text)?;
    let store = StoreOptions::new().background(Background::Manual).open(dir)?;
    let hnsw = HnswParams { builder, ..data.hnsw() };
    let options = CollectionOptions::new(data.base.dim, data.metric).codes(codes).hnsw(hnsw);
    let collection = store.collection("vectors", options)?;
    data.insert_rows(&collection, &order(data.base.len(), seed), 1024)?;
    let cpu = measure::cpu_seconds(None);
    let begun = Instant::now();
    collection.compact()?;
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = cpu
        .zip(measure::cpu_seconds(None))
        .map_or(String::new(), |(from, to)| format!("{}", to - from));
    drop(collection);
    store.close()?;
    println!("{seconds} {cpu}");
    Ok(())
}

fn order(rows: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    if seed > 0 {
        let mut rng = Rng::new(seed);
        for i in (1..rows).rev() {
            order.swap(i, rng.below(i + 1));
        }
    }
    order
}
