//! Compares search with exact search over unlike families of vectors. The recall must be the one
//! that was asked for, and stored vectors must find themselves.

use altiplano::{CollectionOptions, Memory, Metric, Quantization};

use super::world::{K, METRICS, State, World, ids, in_every_state, truth};
use bench_tools::families::{self, Family};
use bench_tools::truth::Truth;
use bench_tools::vectors::Vectors;

const ROWS: usize = 600;
const QUERIES: usize = 50;

/// Families and dimensions, each hard in another way.
const UNLIKE: [(&str, usize); 17] = [
    ("city", 2),
    ("metres", 3),
    ("room", 3),
    ("grid", 2),
    ("unix-time", 8),
    ("uniform", 1),
    ("offset-1000", 64),
    ("offset-100", 300),
    ("uneven", 32),
    ("outliers", 300),
    ("cone-98", 64),
    ("lengths", 64),
    ("heavy-tails", 32),
    ("one-hot", 32),
    ("two-scales", 32),
    ("drifting", 32),
    ("jump", 32),
];

/// Runs `check` for each of these families and each metric. Names all that fail, not only the
/// first.
fn for_each(
    names: &[(&str, usize)],
    metrics: &[Metric],
    mut check: impl FnMut(&Family, usize, Metric) -> Vec<String>,
) {
    let mut failed = Vec::new();
    for (name, dim) in names {
        let family = Family::named(name).unwrap();
        for &metric in metrics {
            // The directions of places on a map are nearly equal.
            if metric == Metric::Cosine && matches!(*name, "city" | "metres" | "unix-time") {
                continue;
            }
            let found = check(family, *dim, metric).into_iter();
            failed.extend(found.map(|what| format!("{name}: {what}")));
        }
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

/// Returns the recall of every query.
fn recalls(world: &World, queries: &Vectors, truth: &Truth<'_>) -> Vec<f64> {
    let answers = queries.rows().map(|query| world.find(query, K, false));
    answers.enumerate().map(|(i, hits)| truth.judge(i, &ids(&hits)).recall).collect()
}

#[test]
fn search_finds_what_exact_search_finds_whatever_the_vectors_are() {
    for_each(&UNLIKE, &METRICS, |family, dim, metric| {
        let (rows, queries) = family.vectors((dim, 3), ROWS, QUERIES);
        let truth = truth(metric, &rows, &queries, K);
        let mut failed = Vec::new();
        in_every_state(metric, &rows, |world| {
            failed.extend(world.too_little(&recalls(world, &queries, &truth)));
        });
        failed
    });
}

#[test]
fn every_kind_of_codes_keeps_the_recall() {
    let names =
        [("normal", 48), ("offset-10", 48), ("cone-95", 96), ("lengths", 48), ("metres", 2)];
    for_each(&names, &[Metric::L2, Metric::Dot], |family, dim, metric| {
        let (rows, queries) = family.vectors((dim, 4), ROWS, QUERIES);
        let truth = truth(metric, &rows, &queries, K);
        let mut failed = Vec::new();
        for codes in [
            Quantization::Int8,
            Quantization::None,
            Quantization::Bits4,
            Quantization::Bits2,
            Quantization::Bits1,
        ] {
            for state in [State::Memtable, State::Compacted] {
                let options = CollectionOptions::new(dim, metric).quantization(codes);
                let world = World::new(state, options, &rows, Memory::new);
                let wrong = world.too_little(&recalls(&world, &queries, &truth));
                failed.extend(wrong.map(|what| format!("{codes:?}, {what}")));
            }
        }
        failed
    });
}

#[test]
fn a_stored_vector_finds_itself() {
    for_each(&UNLIKE, &[Metric::L2, Metric::Cosine], |family, dim, metric| {
        let (rows, _) = family.vectors((dim, 6), ROWS, 0);
        let queries = families::stored(&rows, QUERIES, 7);
        let truth = truth(metric, &rows, &queries, K);
        let mut failed = Vec::new();
        in_every_state(metric, &rows, |world| {
            for exact in [true, false] {
                let answers = queries.rows().map(|query| ids(&world.find(query, K, exact)));
                let found = answers.enumerate().filter(|(i, ids)| truth.judge(*i, ids).first);
                let missed = QUERIES - found.count();
                // A graph reaches the recall on average: one query in twenty may miss.
                let may_miss = if exact || !world.has_graph() { 0 } else { QUERIES / 20 };
                if missed > may_miss {
                    failed.push(format!("{world}, exact {exact}: {missed} of {QUERIES} do not"));
                }
            }
        });
        failed
    });
}
