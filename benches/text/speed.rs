//! Owns the measurement of build, size and query times on generated texts, at one size.

use std::error::Error;
use std::time::{Duration, Instant};

use altiplano::{
    Background, Batch, Collection, CollectionOptions, Durability, Filter, Fusion, Hit, HnswParams,
    Memory, Metric, Search, Store, StoreOptions, TextIndex, TextQuery,
};
use bench_tools::measure::{self, Json, Percentiles};
use bench_tools::vectors::Rng;

use crate::generate::{Kind, Vocabulary};
use crate::oracle::Oracle;
use crate::setup::Scratch;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Results of a query.
const K: usize = 10;
/// The median of two ordinary words at the largest size.
const BOUND: Duration = Duration::from_millis(3);
/// Scores of two implementations may differ by this much, relative to the larger.
const TOLERANCE: f32 = 1e-5;
/// Texts up to which the other implementation is asked: it takes about 1 KB of heap for each.
const COMPARED: u64 = 100_000;
/// Queries that are compared.
const SAMPLE: u64 = 20;

pub(crate) struct Run {
    pub(crate) times: usize,
    pub(crate) dimension: usize,
    pub(crate) pinned: bool,
}

/// A store with the texts of one size.
struct Texts<'a> {
    run: &'a Run,
    words: Vocabulary,
    notes: Collection,
    rows: u64,
}

impl Run {
    /// Measures one size. Returns true if the promises hold.
    pub(crate) fn size(&self, rows: u64) -> Result<bool> {
        let words = Vocabulary::new();
        let plain = self.build(&words, rows, None)?;
        let dir = Scratch::new("text");
        let built = self.fill(&dir, &words, rows, Some(TextIndex::new()))?;
        let line = Json::new()
            .field("bench", "text")
            .field("system", "altiplano")
            .field("case", "build")
            .field("n", rows)
            .field("text_bytes", built.text_bytes)
            .field("index_bytes", built.index_bytes)
            .field("index_per_text_byte", built.index_bytes as f64 / built.text_bytes as f64)
            .field("cpu_s", built.cpu)
            .field("cpu_s_without_index", plain.cpu)
            .field("disk_bytes", built.disk_bytes)
            .field("disk_bytes_without_index", plain.disk_bytes);
        println!("{}", line.line());
        eprintln!(
            "{rows} texts of {} bytes: index {} bytes ({:.2} a byte), {:.1} s of CPU ({:.1} s \
             without index)",
            built.text_bytes,
            built.index_bytes,
            built.index_bytes as f64 / built.text_bytes as f64,
            built.cpu,
            plain.cpu
        );
        let store = Store::open(dir.path())?;
        let notes = store.get_collection("notes").ok_or("the collection is gone")?;
        let texts = Texts { run: self, words, notes, rows };
        let worst = texts.compare()?;
        let median = texts.cases()?;
        let holds = median < BOUND && worst <= TOLERANCE;
        let line = Json::new()
            .field("bench", "text")
            .field("verdict", if holds { "holds" } else { "does not hold" })
            .field("n", rows)
            .field("two_ordinary_words_p50_us", micros(median))
            .field("largest_difference_of_scores", f64::from(worst));
        println!("{}", line.line());
        eprintln!("two ordinary words {median:?}, wanted < {BOUND:?}; scores differ by {worst:e}");
        Ok(holds)
    }

    fn build(&self, words: &Vocabulary, rows: u64, index: Option<TextIndex>) -> Result<Built> {
        self.fill(&Scratch::new("text-plain"), words, rows, index)
    }

    /// Writes all rows and compacts them. No graph is built.
    fn fill(
        &self,
        dir: &Scratch,
        words: &Vocabulary,
        rows: u64,
        index: Option<TextIndex>,
    ) -> Result<Built> {
        let store = StoreOptions::new().background(Background::Manual).open(dir.path())?;
        let hnsw = HnswParams::default().min_rows(u32::MAX);
        let options = CollectionOptions::new(self.dimension, Metric::L2).hnsw(hnsw);
        let options = match index {
            Some(index) => options.text_index(index),
            None => options,
        };
        let notes = store.collection("notes", options)?;
        let unsynced = Durability::buffered(Duration::from_secs(3600));
        let (mut text_bytes, mut cpu) = (0, 0.0);
        for first in (0..rows).step_by(1024) {
            let memories: Vec<Memory> = (first..rows.min(first + 1024))
                .map(|row| self.memory(row, words.text(row)))
                .collect();
            let lengths = memories.iter().flat_map(|memory| &memory.text).map(String::len);
            text_bytes += lengths.sum::<usize>() as u64;
            let before = measure::cpu_seconds(None).unwrap_or_default();
            notes.apply_with(memories.into_iter().collect::<Batch>(), unsynced)?;
            while store.run_pending_tasks()? {}
            cpu += measure::cpu_seconds(None).unwrap_or_default() - before;
        }
        let before = measure::cpu_seconds(None).unwrap_or_default();
        notes.compact()?;
        cpu += measure::cpu_seconds(None).unwrap_or_default() - before;
        let index_bytes = notes.stats()?.word_bytes;
        drop(notes);
        store.close()?;
        let disk_bytes = measure::allocated_bytes(dir.path())?;
        Ok(Built { text_bytes, index_bytes, disk_bytes, cpu })
    }

    fn memory(&self, row: u64, text: String) -> Memory {
        let mut rng = Rng::new(row);
        let vector: Vec<f32> = (0..self.dimension).map(|_| rng.normal()).collect();
        Memory::new(row, vector).text(text).namespace(format!("user:{}", row % 10))
    }
}

struct Built {
    text_bytes: u64,
    index_bytes: u64,
    disk_bytes: u64,
    cpu: f64,
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

impl Texts<'_> {
    /// Compares the best scores with those of another implementation. Returns the largest
    /// difference, relative to the larger score.
    fn compare(&self) -> Result<f32> {
        if self.rows > COMPARED {
            return Ok(0.0);
        }
        let all: Vec<String> = (0..self.rows).map(|row| self.words.text(row)).collect();
        let oracle = Oracle::new(&all);
        let mut worst = 0.0f32;
        for (nth, kind) in
            (0..SAMPLE).zip([Kind::Frequent, Kind::Ordinary, Kind::Rare].into_iter().cycle())
        {
            let query = self.words.query(nth, kind, 3);
            let hits = self.notes.search_text(&query).k(K).run()?;
            let best = oracle.best(&query, K);
            if hits.len() != best.len() {
                let (got, wanted) = (hits.len(), best.len());
                return Err(format!("{query}: {got} results, not {wanted}").into());
            }
            for (hit, best) in hits.iter().zip(best) {
                let same = oracle.score(hit.id.as_u128() as u64, &query);
                for other in [best, same] {
                    worst = worst.max((hit.score - other).abs() / other.max(f32::MIN_POSITIVE));
                }
            }
        }
        Ok(worst)
    }

    /// Measures each case. Returns the median of two ordinary words.
    fn cases(&self) -> Result<Duration> {
        let (words, notes) = (&self.words, &self.notes);
        let text = |nth, kind, count| words.query(nth, kind, count);
        let two = self.case("two ordinary words", |nth| {
            notes.search_text(text(nth, Kind::Ordinary, 2)).run()
        })?;
        self.case("one rare word", |nth| notes.search_text(text(nth, Kind::Rare, 1)).run())?;
        self.case("two frequent words", |nth| {
            notes.search_text(text(nth, Kind::Frequent, 2)).run()
        })?;
        self.case("eight words of a text", |nth| {
            let text = words.text(nth % self.rows);
            let eight: Vec<&str> = text.split(' ').take(8).collect();
            notes.search_text(eight.join(" ")).run()
        })?;
        self.case("both of two ordinary words", |nth| {
            let query = TextQuery::new(text(nth, Kind::Ordinary, 2)).all_words();
            notes.search_text(query).run()
        })?;
        self.case("phrase of two words", |nth| {
            let text = words.text(nth % self.rows);
            let two: Vec<&str> = text.split(' ').take(2).collect();
            notes.search_text(TextQuery::default().phrase(two.join(" "))).run()
        })?;
        self.case("prefix of four letters", |nth| {
            let word = text(nth, Kind::Ordinary, 1);
            notes.search_text(TextQuery::default().prefix(&word[..4])).run()
        })?;
        let of_one = |search: Search<'_>| search.filter(Filter::namespace("user:3")).run();
        self.case("two ordinary words of a tenth", |nth| {
            of_one(notes.search_text(text(nth, Kind::Ordinary, 2)))
        })?;
        let vector = vec![0.1; self.run.dimension];
        for (name, fusion) in [
            ("words and vector, weighted", Fusion::weighted(0.5)),
            ("words and vector, by rank", Fusion::reciprocal_rank()),
        ] {
            self.case(name, |nth| {
                let query = text(nth, Kind::Ordinary, 2);
                notes.search(&vector).text(query).fusion(fusion).run()
            })?;
        }
        Ok(two.p50)
    }

    fn case(
        &self,
        name: &str,
        ask: impl Fn(u64) -> altiplano::Result<Vec<Hit>>,
    ) -> Result<Percentiles> {
        ask(0)?;
        let (mut took, mut found) = (Vec::with_capacity(self.run.times), 0);
        for nth in 0..self.run.times as u64 {
            let begun = Instant::now();
            let hits = ask(nth * 7_919)?;
            took.push(begun.elapsed());
            found += hits.len();
        }
        let took = Percentiles::of(took);
        let line = Json::new()
            .field("bench", "text")
            .field("system", "altiplano")
            .field("case", name)
            .field("n", self.rows)
            .field("threads", 1usize)
            .field("pinned", self.run.pinned)
            .field("calls", self.run.times)
            .field("results_per_query", found as f64 / self.run.times as f64)
            .field("p50_us", micros(took.p50))
            .field("p99_us", micros(took.p99));
        println!("{}", line.line());
        let (p50, p99) = (micros(took.p50), micros(took.p99));
        eprintln!("{:>8}  {name:<32} p50 {p50:>10.1} us  p99 {p99:>10.1} us", self.rows);
        Ok(took)
    }
}
