//! Changes to all vectors alike: they change no answer, or all distances by one factor.

use altiplano::Metric;

use super::world::{K, METRICS, Slack, in_every_state, on_a_grid, truth};
use bench_tools::vectors::{Rng, Vectors};

const ROWS: usize = 500;
const QUERIES: usize = 30;
/// Quantization differs from 256 dimensions on.
const DIMENSIONS: [usize; 3] = [2, 24, 256];

/// Asserts that in every state the rows changed by `change` answer as the original ones do, with
/// distances `scale` times as large. `change` gets the number of the vector, which is different for
/// queries.
fn assert_unchanged(
    metric: Metric,
    dim: usize,
    scale: f64,
    mut change: impl FnMut(usize, &[f32]) -> Vec<f32>,
) {
    let rows = on_a_grid(ROWS, dim, 1);
    let queries = on_a_grid(QUERIES, dim, 2);
    let truth = truth(metric, &rows, &queries, K);
    let slack = Slack::of(metric, &rows, &queries);
    let mut changed = |vectors: &Vectors, first: usize| Vectors {
        dim,
        data: vectors.rows().enumerate().flat_map(|(i, row)| change(first + i, row)).collect(),
    };
    let (new_rows, new_queries) = (changed(&rows, 0), changed(&queries, ROWS));
    in_every_state(metric, &new_rows, |world| {
        world.answers(&new_queries, &truth, scale, &slack);
    });
}

#[test]
fn adding_a_constant_to_all_vectors_changes_no_answer_under_l2() {
    for (dim, constants) in [(2, &[1000.0][..]), (24, &[1.0, 100.0, 30_000.0]), (256, &[1000.0])] {
        for constant in constants {
            assert_unchanged(Metric::L2, dim, 1.0, |_, row| {
                row.iter().map(|x| x + constant).collect()
            });
        }
    }
}

#[test]
fn adding_one_vector_to_all_vectors_changes_no_answer_under_l2() {
    for dim in DIMENSIONS {
        // From -20,000 to 20,000: each coordinate moves by another amount.
        let step = 40_000.0 / dim as f32;
        let moved = |j: usize| (j as f32 * step).floor() - 20_000.0;
        assert_unchanged(Metric::L2, dim, 1.0, |_, row| {
            row.iter().enumerate().map(|(j, x)| x + moved(j)).collect()
        });
    }
}

#[test]
fn a_permutation_of_coordinates_changes_no_answer() {
    for metric in METRICS {
        for dim in DIMENSIONS {
            let mut order: Vec<usize> = (0..dim).collect();
            let mut rng = Rng::new(7);
            (1..dim).rev().for_each(|i| order.swap(i, rng.below(i + 1)));
            assert_unchanged(metric, dim, 1.0, |_, row| order.iter().map(|&j| row[j]).collect());
        }
    }
}

#[test]
fn a_rotation_changes_no_answer() {
    for metric in METRICS {
        for dim in DIMENSIONS {
            let mut rng = Rng::new(8);
            // Rotations in random planes, enough that each coordinate takes part in several.
            let turns: Vec<(usize, usize, f64)> = (0..8 * dim)
                .map(|_| (rng.below(dim), rng.below(dim), std::f64::consts::TAU * rng.unit()))
                .filter(|(a, b, _)| a != b)
                .collect();
            assert_unchanged(metric, dim, 1.0, |_, row| {
                let mut row: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
                for &(a, b, angle) in &turns {
                    let (x, y) = (row[a], row[b]);
                    row[a] = x * angle.cos() - y * angle.sin();
                    row[b] = x * angle.sin() + y * angle.cos();
                }
                row.into_iter().map(|x| x as f32).collect()
            });
        }
    }
}

#[test]
fn scaling_all_vectors_scales_all_distances() {
    for metric in METRICS {
        for (dim, factor) in [(2, 4096.0), (24, 1e-6), (24, 1e6), (256, 0.125)] {
            // Both sides of a product are scaled.
            let scale = if metric == Metric::Cosine { 1.0 } else { f64::from(factor).powi(2) };
            assert_unchanged(metric, dim, scale, |_, row| row.iter().map(|x| x * factor).collect());
        }
    }
}

#[test]
fn scaling_each_vector_by_itself_changes_no_answer_under_cosine() {
    for dim in DIMENSIONS {
        let mut rng = Rng::new(9);
        let factors: Vec<f32> = (0..ROWS + QUERIES).map(|_| (4.0 * rng.normal()).exp()).collect();
        assert_unchanged(Metric::Cosine, dim, 1.0, |i, row| {
            row.iter().map(|x| x * factors[i]).collect()
        });
    }
}

#[test]
fn coordinates_that_are_the_same_in_all_vectors_change_no_answer_under_l2() {
    // Every third coordinate of the originals is 0 there, and another constant here.
    let rows = on_a_grid(ROWS, 24, 1);
    let queries = on_a_grid(QUERIES, 24, 2);
    let with = |vectors: &Vectors, constant: f32| {
        let fixed = |(j, x): (usize, &f32)| if j % 3 == 0 { constant } else { *x };
        Vectors { dim: 24, data: vectors.data.iter().enumerate().map(fixed).collect() }
    };
    let (rows, queries) =
        ([0.0, 20_000.0].map(|c| with(&rows, c)), [0.0, 20_000.0].map(|c| with(&queries, c)));
    let truth = truth(Metric::L2, &rows[0], &queries[0], K);
    let slack = Slack::of(Metric::L2, &rows[0], &queries[0]);
    in_every_state(Metric::L2, &rows[1], |world| {
        world.answers(&queries[1], &truth, 1.0, &slack);
    });
}
