//! Tests of `benches/tools/truth.rs`: its distances against plain sums, and the rule for a right
//! hit.

use bench_tools::truth::*;
use bench_tools::vectors::{self, Metric, Rng, Vectors};

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];

fn table(rows: usize, dim: usize, seed: u64) -> Vectors {
    let mut rng = Rng::new(seed);
    Vectors { dim, data: (0..rows * dim).map(|_| rng.normal()).collect() }
}

#[test]
fn true_distances_are_those_of_a_plain_sort() {
    // Neither rows nor queries nor dimensions are multiples of the sizes that are measured at once.
    for (rows, count, dim) in [(131, 11, 7), (40, 4, 8), (3, 1, 1)] {
        let (base, queries) = (table(rows, dim, 1), table(count, dim, 2));
        for metric in METRICS {
            let truth = Truth::of(&base, &queries, metric, 10, 3);
            for query in 0..count {
                let plain = |row| vectors::distance(queries.row(query), row, metric);
                let mut plain: Vec<f64> = base.rows().map(plain).collect();
                plain.sort_unstable_by(f64::total_cmp);
                assert_eq!(truth.nearest(query).len(), 10.min(rows));
                for (own, plain) in truth.nearest(query).iter().zip(plain) {
                    assert!((own - plain).abs() < 1e-12 * plain.abs().max(1.0), "{metric:?}");
                }
            }
        }
    }
}

#[test]
fn under_cosine_distances_near_zero_keep_their_digits() {
    let a = [3.0f32, 4.0];
    let b = [3.0f32, 4.000001];
    // The angle, from the cross product: its square over two is 1 - cosine to many digits.
    let (cross, square) = (3.0 * (f64::from(b[1]) - 4.0), 25.0);
    let wanted = (cross / square).powi(2) / 2.0;
    assert!((distance(&a, &b, Metric::Cosine) / wanted - 1.0).abs() < 1e-6);
    assert_eq!(distance(&a, &a, Metric::Cosine), 0.0);
}

#[test]
fn any_row_that_is_as_near_as_the_kth_is_right_but_counts_once() {
    let base = Vectors { dim: 1, data: vec![0.0, 1.0, -1.0, 1.0, 5.0] };
    let queries = Vectors { dim: 1, data: vec![0.0] };
    let truth = Truth::of(&base, &queries, Metric::L2, 2, 1);
    assert_eq!(truth.nearest(0), [0.0, 1.0]);
    for second in [1, 2, 3] {
        assert_eq!(truth.judge(0, &[0, second]), Judged { recall: 1.0, first: true });
    }
    assert_eq!(truth.judge(0, &[3, 4]), Judged { recall: 0.5, first: false });
    assert_eq!(truth.judge(0, &[1, 1]), Judged { recall: 0.5, first: false });
    assert_eq!(truth.judge(0, &[]), Judged { recall: 0.0, first: false });
}

#[test]
fn with_no_rows_nothing_is_missed() {
    let none = Vectors { dim: 2, data: Vec::new() };
    let queries = table(3, 2, 1);
    let truth = Truth::of(&none, &queries, Metric::L2, 10, 2);
    assert_eq!(truth.judge(2, &[]), Judged { recall: 1.0, first: true });
}
