//! The cost of merging a graph after deletes and inserts, compared with rebuilding it, and the
//! recall over many generations of merges.
//!
//! Each generation deletes a share of the live rows, inserts as many others, and compacts. There
//! are three kinds of turnover:
//!
//! - rows drawn at random;
//! - the rows nearest to one of them, so that whole clusters go;
//! - drift: the rows that lie lowest along one direction go, and those beyond the highest come.
//!
//! If the data has too few rows, further ones are mixed from two of them, 70 to 30. At a fixed
//! interval of generations, the same live rows go into another store, whose graph is rebuilt.
//!
//! Prints a JSON line per generation: processor seconds of the compaction, distances computed, and
//! recall@10 and evaluations per query at one beam, compared with exact search. It prints the same
//! figures of the rebuilt graph. One thread.
//!
//! `cargo bench --bench merge [-- --base FILE --queries FILE --metric cosine --live 50000]`
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
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use altiplano::{
    Background, Batch, Collection, CollectionOptions, Event, Fields, HnswParams, Memory,
    SearchMode, Store, StoreOptions,
};
use bench_tools::args::{Args, Opt};
use bench_tools::measure::{self, Json};
use bench_tools::vectors::{Rng, Vectors, distance};
use setup::{CODES_OPTION, Data, K, Scratch};

const OPTIONS: [Opt; 7] = [
    CODES_OPTION,
    Opt { key: "live", value: "N", help: "live rows; default: half of the data" },
    Opt { key: "generations", value: "N", help: "default 20; --quick: 3" },
    Opt { key: "turnover", value: "SHARE", help: "of the live rows in a generation; default 0.2" },
    Opt { key: "kinds", value: "LIST", help: "random,clusters,drift; default: all" },
    Opt { key: "ef", value: "N", help: "the beam that is asked for; default 64" },
    Opt { key: "every", value: "N", help: "generations between two graphs built anew; default 5" },
];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    setup::run("Merging graphs.", &OPTIONS, bench)
}

fn bench(args: &Args) -> std::result::Result<bool, Box<dyn Error>> {
    measure::pin_to_core(0);
    let data = Data::unanswered(args, 20_000)?;
    let quick = data.quick;
    let live = args.get_or("live", data.base.len() / 2)?;
    let turnover: f64 = args.get_or("turnover", 0.2)?;
    let codes = setup::codes(args, &[altiplano::Quantization::Bits4])?;
    let changed = (live as f64 * turnover) as usize;
    let mut pool = data.base.clone();
    pool.extend_mixed(live + changed + 1);
    let run = Run {
        pool,
        live,
        changed,
        generations: args.get_or("generations", if quick { 3 } else { 20 })?,
        every: args.get_or("every", if quick { 3 } else { 5 })?,
        ef: args.get_or("ef", 64)?,
        codes: codes[0],
        data,
    };
    let kinds = args.list::<String>("kinds")?;
    let kinds = kinds.unwrap_or(["random", "clusters", "drift"].map(str::to_owned).to_vec());
    eprintln!("kind       gen  what      cpu s   evaluations  a new row   recall  evaluations");
    for kind in kinds {
        run.kind(&kind)?;
    }
    Ok(true)
}

struct Run {
    data: Data,
    pool: Vectors,
    live: usize,
    changed: usize,
    generations: usize,
    every: usize,
    ef: usize,
    codes: altiplano::Quantization,
}

/// The rows of the pool that are live.
struct Rows {
    live: Vec<usize>,
    /// In the order in which they are inserted.
    waiting: std::collections::VecDeque<usize>,
}

impl Run {
    fn kind(&self, kind: &str) -> Result<()> {
        let (dir, mut random) = (Scratch::new("merge"), Rng::new(5));
        std::fs::create_dir_all(dir.path())?;
        let mut order: Vec<usize> = (0..self.pool.len()).collect();
        if kind == "drift" {
            // Along the direction between two rows that are far apart.
            let (a, b) = (self.pool.row(0).to_vec(), self.farthest(0));
            let along = |i: usize| -> f64 {
                let row = self.pool.row(i).iter();
                row.zip(a.iter().zip(&b)).map(|(x, (a, b))| f64::from(x * (b - a))).sum()
            };
            let keys: Vec<f64> = order.iter().map(|i| along(*i)).collect();
            order.sort_by(|i, j| keys[*i].total_cmp(&keys[*j]));
        } else {
            for i in (1..order.len()).rev() {
                order.swap(i, random.below(i + 1));
            }
        }
        let waiting = order.split_off(self.live).into();
        let mut rows = Rows { live: order, waiting };
        let store = Measured::open(&dir.path().join("merged"), self)?;
        store.insert(self, &rows.live)?;
        self.tell(kind, 0, "built", self.live, &store, store.compact()?)?;
        for generation in 1..=self.generations {
            let (gone, come) = self.turn(kind, &mut rows, &mut random);
            let deletes = gone.iter().fold(Batch::new(), |batch, row| batch.delete(*row as u64));
            store.collection.apply(deletes)?;
            store.insert(self, &come)?;
            self.tell(kind, generation, "merged", come.len(), &store, store.compact()?)?;
            if generation % self.every == 0 {
                let anew = Measured::open(&dir.path().join("anew"), self)?;
                anew.insert(self, &rows.live)?;
                self.tell(kind, generation, "anew", come.len(), &anew, anew.compact()?)?;
                drop(anew);
                std::fs::remove_dir_all(dir.path().join("anew"))?;
            }
        }
        Ok(())
    }

    fn farthest(&self, from: usize) -> Vec<f32> {
        let away = |i: &usize| distance(self.pool.row(from), self.pool.row(*i), self.data.exact);
        let all = (0..self.pool.len()).step_by(17);
        let farthest = all.max_by(|i, j| away(i).total_cmp(&away(j))).unwrap_or(0);
        self.pool.row(farthest).to_vec()
    }

    /// Chooses the rows to delete and the rows to insert.
    fn turn(&self, kind: &str, rows: &mut Rows, random: &mut Rng) -> (Vec<usize>, Vec<usize>) {
        let Rows { live, waiting } = rows;
        match kind {
            // Live rows are already in the order of the drift.
            "drift" => {}
            "clusters" => {
                let center = self.pool.row(live[random.below(live.len())]).to_vec();
                let key = |i: &usize| distance(&center, self.pool.row(*i), self.data.exact);
                let mut keyed: Vec<(f64, usize)> = live.iter().map(|i| (key(i), *i)).collect();
                keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
                *live = keyed.into_iter().map(|(_, i)| i).collect();
            }
            _ => (0..self.changed).for_each(|i| {
                let other = i + random.below(live.len() - i);
                live.swap(i, other);
            }),
        }
        let gone: Vec<usize> = live.drain(..self.changed).collect();
        let come: Vec<usize> = waiting.drain(..self.changed.min(waiting.len())).collect();
        live.extend(&come);
        waiting.extend(&gone);
        (gone, come)
    }

    fn tell(
        &self,
        kind: &str,
        generation: usize,
        what: &str,
        new: usize,
        store: &Measured,
        (cpu, evaluations): (f64, u64),
    ) -> Result<()> {
        let (mut found, mut wanted, mut asked) = (0, 0, 0);
        for query in self.data.queries.rows() {
            let search = || store.collection.search(query).k(K).fields(Fields::None);
            let exact = search().exact().run()?;
            let (hits, told) = search().mode(SearchMode::Graph).ef(self.ef).explain()?;
            let worst = exact.last().map_or(f32::INFINITY, |hit| hit.distance);
            found += hits.iter().filter(|hit| hit.distance <= worst).count();
            wanted += exact.len();
            asked += told.evaluations;
        }
        let recall = found as f64 / wanted as f64;
        let asked = asked as f64 / self.data.queries.len() as f64;
        let line = Json::new()
            .field("bench", "merge")
            .field("data", &*self.data.name)
            .field("live", self.live)
            .field("kind", kind)
            .field("generation", generation)
            .field("what", what)
            .field("cpu_s", cpu)
            .field("evaluations", evaluations)
            .field("ef", self.ef)
            .field("recall_at_10", recall)
            .field("evaluations_per_query", asked);
        println!("{}", line.line());
        let per = evaluations as f64 / new as f64;
        eprintln!(
            "{kind:10} {generation:3}  {what:8} {cpu:6.2} {evaluations:13} {per:10.0} {recall:8.4} {asked:12.0}"
        );
        Ok(())
    }
}

/// A store that counts the cost of its graphs.
struct Measured {
    collection: Collection,
    _store: Store,
    evaluations: Arc<AtomicU64>,
}

impl Measured {
    fn open(dir: &std::path::Path, run: &Run) -> Result<Self> {
        let evaluations = Arc::new(AtomicU64::new(0));
        let sum = Mutex::new(Arc::clone(&evaluations));
        let store = StoreOptions::new().background(Background::Manual).on_event(move |event| {
            if let (Event::Indexed { evaluations, .. }, Ok(sum)) = (event, sum.lock()) {
                sum.fetch_add(*evaluations, Ordering::Relaxed);
            }
        });
        let store = store.open(dir)?;
        let hnsw = HnswParams::default().min_rows(run.live as u32 / 4);
        let options = CollectionOptions::new(run.pool.dim, run.data.metric).quantization(run.codes);
        let collection = store.collection("vectors", options.hnsw(hnsw))?;
        Ok(Self { collection, _store: store, evaluations })
    }

    fn insert(&self, run: &Run, rows: &[usize]) -> Result<()> {
        for some in rows.chunks(1024) {
            let memory = |row: &usize| Memory::new(*row as u64, run.pool.row(*row));
            self.collection.apply(some.iter().map(memory).collect::<Batch>())?;
        }
        Ok(())
    }

    /// Compacts. Returns the processor seconds and the number of distances.
    fn compact(&self) -> Result<(f64, u64)> {
        let cpu = || measure::cpu_seconds(None).unwrap_or(f64::NAN);
        let (begun, before) = (cpu(), self.evaluations.load(Ordering::Relaxed));
        self.collection.compact()?;
        Ok((cpu() - begun, self.evaluations.load(Ordering::Relaxed) - before))
    }
}
