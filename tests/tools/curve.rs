//! Tests of `benches/tools/curve.rs`.

use bench_tools::curve::*;

fn near(a: Option<f64>, b: f64) -> bool {
    a.is_some_and(|a| (a - b).abs() < 1e-9 * b)
}

#[test]
fn between_points_the_logarithm_is_linear() {
    let curve = [(0.90, 10_000.0), (0.80, 40_000.0), (0.98, 100.0)];
    assert!(near(at(curve, 0.85), 20_000.0));
    assert!(near(at(curve, 0.94), 1_000.0));
    assert!(near(at(curve, 0.90), 10_000.0));
    assert!(near(at(curve, 0.98), 100.0));
}

#[test]
fn beyond_its_ends_a_curve_has_the_first_value_or_none() {
    let curve = [(0.97, 500.0), (0.995, 50.0)];
    assert!(near(at(curve, 0.90), 500.0));
    assert_eq!(at(curve, 0.999), None);
    assert_eq!(at([], 0.5), None);
}

#[test]
fn of_equal_recalls_none_divides_by_zero() {
    let curve = [(0.95, 300.0), (0.95, 200.0), (0.95, 100.0)];
    assert!(near(at(curve, 0.95), 100.0));
    assert!(near(at(curve, 0.94), 100.0));
    assert!(near(at(curve.into_iter().chain([(0.9, 400.0)]), 0.95), 100.0));
}
