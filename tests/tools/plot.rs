//! Tests of `benches/tools/plot`: ticks, labels, and that no values make it panic or write broken
//! text.

use bench_tools::plot::axis::{Axis, label};
use bench_tools::plot::*;

fn panel(points: Vec<(f64, f64)>, y: Scale) -> Panel {
    let series = vec![Series { name: "a < b & c".to_owned(), points }];
    Panel { title: "t".to_owned(), y, series, ..Panel::default() }
}

#[test]
fn ticks_are_round_and_enclose_the_values() {
    let axis = |values: &[f64], scale| Axis::new(values.iter().copied(), scale, 0.0, 1.0);
    let ticks = |values: &[f64], scale| axis(values, scale).rounded().ticks();
    assert_eq!(ticks(&[3.0, 97.0], Scale::Fit), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
    assert_eq!(ticks(&[40.0, 44.0], Scale::FromZero), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]);
    assert_eq!(
        ticks(&[90.0, 2100.0], Scale::Log),
        [50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0]
    );
    assert_eq!(ticks(&[3.1, 4.2], Scale::Log), [2.0, 5.0]);
    assert_eq!(ticks(&[0.0, 0.0], Scale::FromZero).len(), 6);
    assert_eq!(axis(&[1.0, 90.0], Scale::Fit).ticks(), [20.0, 40.0, 60.0, 80.0]);
    let flat = ticks(&[61.0, 61.0], Scale::Fit);
    assert!(flat[0] <= 61.0 && *flat.last().unwrap() >= 61.0 && flat.len() > 2, "{flat:?}");
}

#[test]
fn labels_are_short() {
    let labels = [0.95, 1500.0, 20e3, 3e6, 0.0, 0.3 - 0.1 - 0.2, -2.5, 1e-5].map(label);
    assert_eq!(labels, ["0.95", "1500", "20k", "3M", "0", "0", "-2.5", "1e-5"]);
}

#[test]
fn odd_values_draw_no_broken_numbers() {
    let odd = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e300, 5e-324, f64::MAX, f64::MIN];
    for scale in [Scale::Fit, Scale::FromZero, Scale::Log] {
        for a in odd {
            for b in odd {
                for points in [vec![(a, b)], vec![(a, b), (b, a), (1.0, 2.0)]] {
                    let text = svg("t", &[panel(points, scale)]);
                    assert!(!text.contains("NaN") && !text.contains("inf"), "{a} {b} {scale:?}");
                }
            }
        }
    }
    for panels in [vec![], vec![Panel::default()], vec![panel(vec![], Scale::Log)]] {
        assert!(svg("", &panels).ends_with("</svg>\n"));
    }
}

#[test]
fn a_gap_breaks_the_line_and_names_are_escaped() {
    let points = vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0)];
    let text = svg("<title>", &[panel(points, Scale::Fit)]);
    let path = text.lines().find(|line| line.contains("fill=\"none\"")).unwrap();
    assert_eq!(path.matches('M').count(), 2, "{path}");
    assert!(text.contains("a &lt; b &amp; c") && text.contains("&lt;title&gt;"));
}

#[test]
fn a_legend_that_is_too_long_takes_another_row() {
    let series = |name: &str| Series { name: name.to_owned(), points: Vec::new() };
    let short = [series("a"), series("b")];
    assert!(legend(&short).iter().all(|&(_, y)| y == 0.0));
    let long = vec![series(&"n".repeat(20)); 7];
    let places = legend(&long);
    let rows: Vec<f64> = places.iter().map(|&(_, y)| y / LEGEND_ROW).collect();
    assert_eq!(rows, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0]);
    assert!(places.iter().all(|&(x, _)| x + 32.0 + 20.0 * 7.2 < WIDTH));
    assert_eq!(places[3].0, LEFT);
}
