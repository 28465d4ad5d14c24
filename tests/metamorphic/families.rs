//! Search against exact search over unlike families of vectors: the recall that was asked for, and
//! stored vectors that find themselves.

use altiplano::{Codes, Metric};

use crate::families::{self, Family};
use crate::world::{K, METRICS, STATES, State, World, ids, truth};

const ROWS: usize = 900;
const QUERIES: usize = 60;

/// Families and dimensions that differ in what is hard about them.
const UNLIKE: [(&str, usize); 16] = [
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
];

/// Runs `check` for each of these families and each metric, and names all that fail, not the first.
fn for_each(
    names: &[(&str, usize)],
    metrics: &[Metric],
    check: impl Fn(&Family, usize, Metric) -> Vec<String>,
) {
    let mut failed = Vec::new();
    for (name, dim) in names {
        let family = Family::named(name).unwrap();
        for metric in metrics {
            let found = check(family, *dim, *metric).into_iter();
            failed.extend(found.map(|what| format!("{name}: {what}")));
        }
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

/// What keeps less than it promised, and the mean of `share`.
fn too_few(world: &World, shares: impl Iterator<Item = f64>) -> Option<String> {
    let mean = shares.sum::<f64>() / QUERIES as f64;
    (mean < 0.94).then(|| format!("{world}: {mean:.4}"))
}

#[test]
fn search_finds_what_exact_search_finds_whatever_the_vectors_are() {
    for_each(&UNLIKE, &METRICS, |family, dim, metric| {
        // The directions of places of a map are all but equal.
        if metric == Metric::Cosine && matches!(family.name, "city" | "metres" | "unix-time") {
            return Vec::new();
        }
        let (rows, queries) = family.vectors((dim, 3), ROWS, QUERIES);
        let truth = truth(metric, &rows, &queries, K);
        let check = |state| {
            let world = World::new(state, metric, &rows);
            let answers = queries.rows().map(|query| world.find(query, K, false));
            let shares = answers.enumerate().map(|(i, hits)| truth.judge(i, &ids(&hits)).recall);
            too_few(&world, shares)
        };
        STATES.into_iter().filter_map(check).collect()
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
        for codes in [Codes::Int8, Codes::F32, Codes::Bits4, Codes::Bits2, Codes::Bits1] {
            for state in [State::Memtable, State::Sealed, State::Compacted] {
                let world = World::with_codes(state, metric, codes, &rows);
                let answers = queries.rows().map(|query| world.find(query, K, false));
                let shares =
                    answers.enumerate().map(|(i, hits)| truth.judge(i, &ids(&hits)).recall);
                failed.extend(too_few(&world, shares).map(|what| format!("{codes:?}, {what}")));
            }
        }
        failed
    });
}

#[test]
fn a_stored_vector_finds_itself() {
    for_each(&UNLIKE, &[Metric::L2, Metric::Cosine], |family, dim, metric| {
        if metric == Metric::Cosine && matches!(family.name, "city" | "metres" | "unix-time") {
            return Vec::new();
        }
        let (rows, _) = family.vectors((dim, 6), ROWS, 0);
        let queries = families::stored(&rows, QUERIES, 7);
        let truth = truth(metric, &rows, &queries, K);
        let mut failed = Vec::new();
        for state in STATES {
            let world = World::new(state, metric, &rows);
            let mut missed = 0;
            for (i, query) in queries.rows().enumerate() {
                let exact = ids(&world.find(query, 1, true));
                assert!(truth.judge(i, &exact).first, "{world}, {}: exact", family.name);
                let hits = ids(&world.find(query, K, false));
                missed += usize::from(!truth.judge(i, &hits).first);
            }
            if missed > 0 {
                failed.push(format!("{world}: {missed} of {QUERIES} do not"));
            }
        }
        failed
    });
}
