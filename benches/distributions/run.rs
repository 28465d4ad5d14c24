//! Owns the filling of a cell's store, the order of its searches, and their counts. First, all
//! answers of `auto` are judged. Then some queries are timed, for each target and for exact search
//! in turn, so that other load on the machine affects all of them alike.

use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, Instant};

use altiplano::{
    AccessPath, AccessReason, Background, Batch, Collection, CollectionOptions, Explanation,
    Fields, Hit, HnswParams, Memory, Metric, Quantization, Search, Store, StoreOptions,
};

use crate::cells::{Cell, State};
use crate::setup::{K, Scratch};
use bench_tools::measure;
use bench_tools::truth::Truth;
use bench_tools::vectors::{self, Vectors};

/// The recalls that are asked for.
pub(crate) const TARGETS: [f32; 3] = [0.90, 0.95, 0.99];
/// Rows from which on a graph is built, in cells that ask for one.
const SMALL_GRAPH: u32 = 1_000;
/// Number of parts in which rows arrive, in cells that grow.
const GROWN: usize = 5;
/// The smallest number of timed queries, and the largest number of rounds of them.
const TIMED: usize = 16;
const ROUNDS: usize = 5;

/// The results of a cell.
pub(crate) struct Measured {
    /// The quantization that was asked for, or `usual`.
    pub(crate) codes: String,
    /// Time to seal and to index.
    pub(crate) build_s: f64,
    /// Time to find the true distances.
    pub(crate) truth_s: f64,
    /// Bytes of the whole store per row.
    pub(crate) disk_bytes_per_row: f64,
    pub(crate) heap_bytes_per_row: f64,
    pub(crate) queries: usize,
    /// Number of timed queries.
    pub(crate) timed: usize,
    /// The recall of exact search over the timed queries, and its median time.
    pub(crate) exact_recall: f64,
    pub(crate) exact_us: f64,
    /// In the order of [`TARGETS`].
    pub(crate) targets: Vec<AtTarget>,
}

/// The results of `auto` at one target.
#[derive(Default)]
pub(crate) struct AtTarget {
    pub(crate) target: f64,
    pub(crate) recall: f64,
    /// Recall of the query that found least.
    pub(crate) lowest: f64,
    /// Share of the queries whose first hit is as near as any row.
    pub(crate) first: f64,
    /// The access path of most queries, and their share.
    pub(crate) way: &'static str,
    pub(crate) way_share: f64,
    /// Codes and full vectors that were measured per query.
    pub(crate) codes: f64,
    pub(crate) rows: f64,
    pub(crate) p50_us: f64,
}

/// How a cell is built and measured.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// `None` for the default of the dimension.
    pub(crate) codes: Option<Quantization>,
    /// Time for which searches are measured.
    pub(crate) budget: Duration,
}

/// Builds the store of a cell, and measures it.
pub(crate) fn run(
    cell: &Cell,
    base: &Vectors,
    queries: &Vectors,
    plan: Plan,
) -> Result<Measured, Box<dyn Error>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let begun = Instant::now();
    let truth = Truth::of(base, queries, judged(cell.metric), K, threads);
    let truth_s = begun.elapsed().as_secs_f64();
    let dir = Scratch::new("distributions");
    let store = StoreOptions::new().background(Background::Manual).open(dir.path())?;
    let collection = store.collection("vectors", options(cell, plan.codes))?;
    let build_s = fill(cell, base, &store, &collection)?;
    let asked = Asked { collection: &collection, queries, truth: &truth };
    let mut targets = Vec::new();
    for target in TARGETS {
        targets.push(asked.judge(target)?);
    }
    let exact = asked.time(&mut targets, plan.budget)?;
    let rows = base.len().max(1) as f64;
    Ok(Measured {
        codes: plan.codes.map_or("usual".to_owned(), |codes| format!("{codes:?}")),
        build_s,
        truth_s,
        disk_bytes_per_row: measure::allocated_bytes(dir.path())? as f64 / rows,
        heap_bytes_per_row: store.stats()?.heap_bytes as f64 / rows,
        queries: queries.len(),
        timed: exact.timed,
        exact_recall: exact.recall,
        exact_us: exact.p50_us,
        targets,
    })
}

fn judged(metric: Metric) -> vectors::Metric {
    match metric {
        Metric::Cosine => vectors::Metric::Cosine,
        Metric::Dot => vectors::Metric::Dot,
        _ => vectors::Metric::L2,
    }
}

fn options(cell: &Cell, codes: Option<Quantization>) -> CollectionOptions {
    let mut options = CollectionOptions::new(cell.dim, cell.metric);
    if let Some(codes) = codes {
        options = options.quantization(codes);
    }
    if cell.state == State::Memtable {
        options = options.memtable_rows(65_536);
    }
    if cell.graph {
        options = options.hnsw(HnswParams::default().min_rows(SMALL_GRAPH));
    }
    options
}

/// Inserts the rows and brings them into their state. Returns the time without the inserts.
fn fill(
    cell: &Cell,
    base: &Vectors,
    store: &Store,
    collection: &Collection,
) -> altiplano::Result<f64> {
    let parts = if cell.state == State::Grown { GROWN } else { 1 };
    let mut build_s = 0.0;
    for part in 0..parts {
        let (from, to) = (part * base.len() / parts, (part + 1) * base.len() / parts);
        for first in (from..to).step_by(1024) {
            let last = (first + 1024).min(to);
            let memory = |i: usize| Memory::new(i as u64, base.row(i));
            collection.apply((first..last).map(memory).collect::<Batch>())?;
        }
        let stays = cell.state == State::Memtable || parts > 1 && part + 1 == parts;
        if !stays {
            let begun = Instant::now();
            collection.compact()?;
            while store.run_pending_tasks()? {}
            build_s += begun.elapsed().as_secs_f64();
        }
    }
    Ok(build_s)
}

/// The results of exact search.
struct Exact {
    timed: usize,
    recall: f64,
    p50_us: f64,
}

/// The queries of a cell, and the collection that they are asked in.
struct Asked<'a> {
    collection: &'a Collection,
    queries: &'a Vectors,
    truth: &'a Truth<'a>,
}

impl Asked<'_> {
    fn search(&self, query: usize, target: f32) -> Search<'_> {
        let search = self.collection.search(self.queries.row(query)).k(K);
        search.target_recall(target).fields(Fields::None)
    }

    /// Asks all queries once, and judges every answer.
    fn judge(&self, target: f32) -> Result<AtTarget, Box<dyn Error>> {
        // The target as it was asked for, and not as `f32` rounds it.
        let exact_target = (f64::from(target) * 100.0).round() / 100.0;
        let mut at = AtTarget { target: exact_target, lowest: 1.0, ..AtTarget::default() };
        let mut ways: HashMap<&'static str, usize> = HashMap::new();
        for query in 0..self.queries.len() {
            let (hits, told) = self.search(query, target).explain()?;
            let judged = self.truth.judge(query, &ids(&hits));
            at.recall += judged.recall;
            at.lowest = at.lowest.min(judged.recall);
            at.first += f64::from(u8::from(judged.first));
            at.codes += (told.scanned + told.evaluations) as f64;
            at.rows += told.reranked as f64;
            *ways.entry(way(&told)).or_default() += 1;
        }
        let count = self.queries.len().max(1) as f64;
        let most = ways.into_iter().max_by_key(|&(way, count)| (count, way));
        let (way, of_way) = most.unwrap_or_default();
        at.way = way;
        at.way_share = of_way as f64 / count;
        for sum in [&mut at.recall, &mut at.first, &mut at.codes, &mut at.rows] {
            *sum /= count;
        }
        Ok(at)
    }

    /// Times searches for each target and exact ones, in turn.
    fn time(&self, targets: &mut [AtTarget], budget: Duration) -> Result<Exact, Box<dyn Error>> {
        let count = self.queries.len();
        let begun = Instant::now();
        self.search(0, 1.0).exact().run()?;
        let turn = begun.elapsed().max(Duration::from_nanos(100)) * (1 + TARGETS.len() as u32);
        let fit = (budget.as_secs_f64() / turn.as_secs_f64()) as usize;
        let timed = fit.clamp(TIMED, count.max(TIMED)).min(count);
        let rounds = (fit / timed.max(1)).clamp(1, ROUNDS);
        let mut times = vec![Vec::new(); 1 + TARGETS.len()];
        let mut recall = 0.0;
        for turn in 0..rounds * timed {
            // No two searches of a turn have the same query: the first would bring its rows into
            // the cache for the second.
            let query = |place: usize| (turn + place * count / (1 + TARGETS.len())) % count;
            for place in 0..=TARGETS.len() {
                let place = (place + turn) % (1 + TARGETS.len());
                let target = place.checked_sub(1).map(|i| TARGETS[i]);
                let search = self.search(query(place), target.unwrap_or(1.0));
                let search = if target.is_none() { search.exact() } else { search };
                let begun = Instant::now();
                let hits = search.run()?;
                times[place].push(begun.elapsed().as_secs_f64() * 1e6);
                if place == 0 && turn < timed {
                    recall += self.truth.judge(query(0), &ids(&hits)).recall;
                }
            }
        }
        for (target, times) in targets.iter_mut().zip(&times[1..]) {
            target.p50_us = measure::median(times);
        }
        let recall = recall / timed.max(1) as f64;
        Ok(Exact { timed, recall, p50_us: measure::median(&times[0]) })
    }
}

fn ids(hits: &[Hit]) -> Vec<u64> {
    hits.iter().map(|hit| hit.id.as_u128() as u64).collect()
}

/// Returns the access path of most rows. Rows in RAM alone have none.
fn way(told: &Explanation) -> &'static str {
    let most = told.parts.iter().max_by_key(|part| part.rows);
    match most.map(|part| (part.path, part.reason)) {
        Some((AccessPath::Graph, _)) => "graph",
        Some((_, AccessReason::GraphGaveUp)) => "graph, then another",
        Some((_, AccessReason::CodesTooCoarse)) => "codes, then rows",
        Some((AccessPath::Codes, _)) => "codes",
        Some((AccessPath::MatchingCodes, _)) => "matches",
        Some(_) => "rows",
        None => "RAM",
    }
}
