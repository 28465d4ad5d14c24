//! Tests of `benches/tools/trend.rs`.

use bench_tools::trend::*;
use bench_tools::vectors::Rng;

/// Returns a series in which each value keeps the share `keep` of the last one's distance from the
/// line.
fn series(count: usize, keep: f64, growth: f64, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(seed);
    let mut off = 0.0;
    (0..count)
        .map(|i| {
            off = keep * off + f64::from(rng.normal());
            100.0 + growth * i as f64 / (count - 1) as f64 + off
        })
        .collect()
}

/// Returns how many of 200 series without growth are judged to grow.
fn false_alarms(count: usize, keep: f64, block: usize) -> usize {
    let grows = |seed: &u64| {
        let values = series(count, keep, 0.0, *seed);
        Trend::of(&values, block, 1).unwrap().low > 0.0
    };
    (0..200).filter(grows).count()
}

#[test]
fn a_line_without_noise_is_found_exactly() {
    let values: Vec<f64> = (0..40).map(|i| 10.0 + 0.5 * f64::from(i)).collect();
    let trend = Trend::of(&values, 5, 1).unwrap();
    for change in [trend.change, trend.low, trend.high] {
        assert!((change - 19.5).abs() < 1e-9, "{trend:?}");
    }
    assert!((trend.mean - 19.75).abs() < 1e-9);
    assert!((trend.relative().change - 19.5 / 19.75).abs() < 1e-9);
}

#[test]
fn a_gap_keeps_its_place() {
    let mut values: Vec<f64> = (0..40).map(f64::from).collect();
    values[7] = f64::NAN;
    values[8] = f64::INFINITY;
    let trend = Trend::of(&values, 5, 1).unwrap();
    assert!((trend.change - 39.0).abs() < 1e-9, "{trend:?}");
}

#[test]
fn few_values_say_nothing() {
    assert_eq!(Trend::of(&[1.0; 7], 1, 1), None);
    assert_eq!(Trend::of(&[f64::NAN; 50], 1, 1), None);
    assert!(Trend::of(&[1.0; 8], 100, 1).is_some());
}

#[test]
fn values_that_depend_on_those_before_raise_few_false_alarms() {
    // The interval promises 5 %. Of 200 draws that is 10; three standard deviations more are 19.
    let (independent, dependent) = (false_alarms(120, 0.0, 1), false_alarms(300, 0.8, 18));
    assert!(independent <= 19 && dependent <= 19, "{independent}, {dependent}");
    // It is the blocks that make the interval wide enough.
    let naive = false_alarms(300, 0.8, 1);
    assert!(naive > 30, "{naive}");
}

#[test]
fn growth_is_found_in_noise() {
    for seed in 0..50 {
        let trend = Trend::of(&series(300, 0.8, 10.0, seed), 18, 1).unwrap();
        assert!(trend.low > 0.0 && trend.low < trend.change && trend.change < trend.high);
        assert!((trend.change - 10.0).abs() < 8.0, "{trend:?}");
    }
}
