//! Cosine distances near 0 and at their ends. For vectors that are nearly alike, down to a distance
//! of 1e-9, the order and five digits are right. No distance or score leaves its range.
//!
//! The reference is half the squared difference of the inserted vectors at length 1, in `f64`: 1 -
//! cosine with all its digits.

use altiplano::{Batch, Collection, CollectionOptions, Fields, Hit, Memory, Metric, Store};

const DIMENSIONS: [usize; 5] = [2, 8, 64, 384, 768];
const ROWS: u64 = 300;
const K: usize = 20;
/// The checked distances from the query lie between these.
const NEAREST: f64 = 1e-9;
const FARTHEST: f64 = 1e-3;
/// Largest relative error of a distance.
const ERROR: f64 = 1e-5;

/// Returns half the squared difference of the two vectors at length 1.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let length = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let (of_a, of_b) = (length(a), length(b));
    let apart = |(x, y): (&f32, &f32)| (f64::from(*x) / of_a - f64::from(*y) / of_b).powi(2);
    a.iter().zip(b).map(apart).sum::<f64>() / 2.0
}

/// Returns a random direction, of length 1.
fn direction(rng: &mut crate::common::Rng, dimension: usize) -> Vec<f64> {
    let mut vector: Vec<f64> = (0..dimension).map(|_| f64::from(rng.float())).collect();
    let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    vector.iter_mut().for_each(|x| *x /= length);
    vector
}

/// The lengths of the vectors.
#[derive(Clone, Copy, Debug)]
enum Lengths {
    /// Length 1, to the resolution of `f32`.
    One,
    /// Lengths from about 0.02 to about 50, different for each vector.
    Any,
}

/// Returns a query, and rows around it with distances from [`NEAREST`] to [`FARTHEST`]. The
/// logarithms of the distances are spread evenly.
fn near(dimension: usize, lengths: Lengths) -> (Vec<f32>, Vec<Vec<f32>>) {
    let mut rng = crate::common::Rng(dimension as u64);
    let center = direction(&mut rng, dimension);
    let scaled = |vector: &[f64], rng: &mut crate::common::Rng| -> Vec<f32> {
        let length = match lengths {
            Lengths::One => 1.0,
            Lengths::Any => (4.0 * f64::from(rng.float())).exp(),
        };
        vector.iter().map(|x| (x * length) as f32).collect()
    };
    let query = scaled(&center, &mut rng);
    let rows = (0..ROWS).map(|i| {
        let wanted = NEAREST * (FARTHEST / NEAREST).powf((i as f64 + 0.5) / ROWS as f64);
        // A component along the center changes no angle.
        let mut aside = direction(&mut rng, dimension);
        let along: f64 = aside.iter().zip(&center).map(|(x, c)| x * c).sum();
        aside.iter_mut().zip(&center).for_each(|(x, c)| *x -= along * c);
        let length = aside.iter().map(|x| x * x).sum::<f64>().sqrt();
        let angle = (2.0 * wanted).sqrt();
        let row = center.iter().zip(&aside).map(|(c, x)| c + x / length * angle);
        scaled(&row.collect::<Vec<f64>>(), &mut rng)
    });
    let rows = rows.collect();
    (query, rows)
}

/// The place of the rows.
#[derive(Clone, Copy, Debug)]
enum State {
    Memtable,
    Sealed,
    Reopened,
}

struct World {
    _dir: tempfile::TempDir,
    _store: Store,
    notes: Collection,
}

impl World {
    fn new(state: State, rows: &[Vec<f32>]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let options = CollectionOptions::new(rows[0].len(), Metric::Cosine);
        let mut store = crate::common::manual().open(&path).unwrap();
        let mut notes = store.collection("notes", options.clone()).unwrap();
        // The order of the ids is unrelated to the distances.
        let ids = (0..rows.len() as u64).map(|i| i * 181 % rows.len() as u64);
        let memory = |id: u64| Memory::new(id, rows[id as usize].clone());
        notes.apply(ids.map(memory).collect::<Batch>()).unwrap();
        if !matches!(state, State::Memtable) {
            notes.compact().unwrap();
        }
        if matches!(state, State::Reopened) {
            store.close().unwrap();
            store = crate::common::manual().open(&path).unwrap();
            notes = store.collection("notes", options).unwrap();
        }
        Self { _dir: dir, _store: store, notes }
    }

    fn find(&self, query: &[f32], k: usize, exact: bool) -> Vec<Hit> {
        let search = self.notes.search(query).k(k).fields(Fields::None);
        if exact { search.exact() } else { search }.run().unwrap()
    }
}

/// Returns the error of an answer of the K nearest: a row that is not among them, or a distance.
fn wrong(hits: &[Hit], query: &[f32], rows: &[Vec<f32>]) -> Option<String> {
    let away = |hit: &Hit| distance(query, &rows[hit.id.as_u128() as usize]);
    let mut all: Vec<f64> = rows.iter().map(|row| distance(query, row)).collect();
    all.sort_unstable_by(f64::total_cmp);
    assert_eq!(hits.len(), K);
    for (hit, wanted) in hits.iter().zip(&all) {
        let (told, own) = (f64::from(hit.distance), away(hit));
        if (told - own).abs() > ERROR * own {
            return Some(format!("a distance of {told:e}, not {own:e}"));
        }
        // Rows whose distances agree in the exact digits may change places.
        if (own - wanted).abs() > 2.0 * ERROR * wanted {
            return Some(format!("a row at {own:e} where the one at {wanted:e} belongs"));
        }
    }
    None
}

fn assert_near_ones_are_told_apart(lengths: Lengths, exact: bool) {
    let mut failed = Vec::new();
    for dimension in DIMENSIONS {
        let (query, rows) = near(dimension, lengths);
        for state in [State::Memtable, State::Sealed, State::Reopened] {
            let world = World::new(state, &rows);
            let hits = world.find(&query, K, exact);
            if let Some(wrong) = wrong(&hits, &query, &rows) {
                failed.push(format!("{dimension} dimensions, {state:?}: {wrong}"));
            }
        }
    }
    assert!(failed.is_empty(), "{lengths:?}\n{}", failed.join("\n"));
}

#[test]
fn exact_search_tells_normalised_vectors_apart_that_are_nearly_alike() {
    assert_near_ones_are_told_apart(Lengths::One, true);
}

#[test]
fn exact_search_tells_vectors_of_any_length_apart_that_are_nearly_alike() {
    assert_near_ones_are_told_apart(Lengths::Any, true);
}

#[test]
fn search_tells_normalised_vectors_apart_that_are_nearly_alike() {
    assert_near_ones_are_told_apart(Lengths::One, false);
}

#[test]
fn search_tells_vectors_of_any_length_apart_that_are_nearly_alike() {
    assert_near_ones_are_told_apart(Lengths::Any, false);
}

#[test]
fn the_distance_of_a_vector_to_itself_is_zero() {
    for dimension in DIMENSIONS {
        for lengths in [Lengths::One, Lengths::Any] {
            let (_, rows) = near(dimension, lengths);
            for state in [State::Memtable, State::Sealed, State::Reopened] {
                let world = World::new(state, &rows);
                for (i, row) in rows.iter().enumerate().step_by(7) {
                    for exact in [true, false] {
                        let hit = &world.find(row, 1, exact)[0];
                        let label = format!("{dimension} dimensions, {lengths:?}, {state:?}");
                        assert_eq!((hit.distance, hit.score), (0.0, 1.0), "{label}");
                        assert_eq!(hit.id.as_u128(), i as u128, "{label}, exact: {exact}");
                    }
                    // The direction is the same, to the resolution of a product in `f32`.
                    let longer: Vec<f32> = row.iter().map(|x| 3.0 * x).collect();
                    let hit = &world.find(&longer, 1, true)[0];
                    assert!((0.0..=1e-13).contains(&hit.distance), "{hit:?}");
                }
            }
        }
    }
}

#[test]
fn distances_are_from_0_to_2_and_scores_from_1_to_minus_1() {
    for dimension in DIMENSIONS {
        let (query, mut rows) = near(dimension, Lengths::Any);
        // The same number on the opposite side, and one row per query exactly there.
        rows.extend(rows.clone().iter().map(|row| row.iter().map(|x| -x).collect()));
        rows.push(query.iter().map(|x| -x).collect());
        rows.push(query.clone());
        for state in [State::Memtable, State::Sealed, State::Reopened] {
            let world = World::new(state, &rows);
            for query in [&query, &rows[0], &rows[rows.len() - 2]] {
                for exact in [true, false] {
                    for hit in world.find(query, rows.len(), exact) {
                        assert!((0.0..=2.0).contains(&hit.distance), "{hit:?}");
                        assert!((-1.0..=1.0).contains(&hit.score), "{hit:?}");
                    }
                    let last = world.find(query, rows.len(), exact).pop().unwrap();
                    assert_eq!((last.distance, last.score), (2.0, -1.0), "{dimension} dimensions");
                }
            }
        }
    }
}

#[test]
fn the_distance_of_two_vectors_has_five_digits_however_near_they_are() {
    for dimension in DIMENSIONS {
        for lengths in [Lengths::One, Lengths::Any] {
            let (query, rows) = near(dimension, lengths);
            assert_eq!(Metric::Cosine.distance(&query, &query), 0.0);
            for row in &rows {
                let own = distance(&query, row);
                let told = f64::from(Metric::Cosine.distance(&query, row));
                assert!((told - own).abs() <= ERROR * own, "{dimension}: {told:e}, not {own:e}");
                let opposite: Vec<f32> = row.iter().map(|x| -x).collect();
                assert!((0.0..=2.0).contains(&Metric::Cosine.distance(&query, &opposite)));
            }
        }
    }
}
