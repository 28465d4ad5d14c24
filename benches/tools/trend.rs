//! Owns the answer to one question: does a series of figures grow? It fits a line by least squares.
//! Its interval is valid for figures that depend on those before them. The caller measures the
//! figures and decides how much growth is too much.
//!
//! The windows of a long run are not independent: a compaction, a burst or a reader that holds old
//! files affects several of them. So the textbook error of a slope is too small. Here the residuals
//! of the line are drawn in blocks of neighbors, put back on the line, and fitted again. This is
//! the moving-block bootstrap: Künsch, "The jackknife and the bootstrap for general stationary
//! observations", Annals of Statistics 17, 1989, section 2.3; for regression see Lahiri,
//! "Resampling Methods for Dependent Data", 2003, chapter 2.
//!
//! A block should span the figures that depend on each other. Residuals are less spread than the
//! errors they stand for, and more so with fewer blocks. So they are widened by `sqrt(blocks /
//! (blocks - 2))`.

use crate::vectors::Rng;

const DRAWS: usize = 2000;
/// Share of the draws that is left out at either end: each bound holds with 95 % confidence.
const TAIL: f64 = 0.05;
/// With fewer blocks the interval means nothing.
const MIN_BLOCKS: usize = 4;

/// The result of fitting a line to a series, in the unit of the series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    pub mean: f64,
    /// Change from the first to the last position.
    pub change: f64,
    /// Bounds of the change, each with 95 % confidence.
    pub low: f64,
    pub high: f64,
}

impl Trend {
    /// Fits values at equal steps; a value that is not finite is a gap. `block` is the number of
    /// steps that may depend on each other. It is shortened where there would be fewer than four
    /// blocks. Returns `None` for fewer than eight values.
    pub fn of(values: &[f64], block: usize, seed: u64) -> Option<Self> {
        let points: Vec<(f64, f64)> = (0..).map(f64::from).zip(values.iter().copied()).collect();
        let points: Vec<(f64, f64)> = points.into_iter().filter(|p| p.1.is_finite()).collect();
        let count = points.len();
        if count < 2 * MIN_BLOCKS {
            return None;
        }
        let span = points[count - 1].0 - points[0].0;
        let (mean, slope) = line(&points);
        let middle = points.iter().map(|p| p.0).sum::<f64>() / count as f64;
        let fitted = |x: f64| mean + slope * (x - middle);
        let block = block.clamp(1, count / MIN_BLOCKS);
        let blocks = count as f64 / block as f64;
        let widened = (blocks / (blocks - 2.0)).sqrt();
        let residuals: Vec<f64> = points.iter().map(|p| widened * (p.1 - fitted(p.0))).collect();
        let mut rng = Rng::new(seed);
        let mut drawn = points.clone();
        let mut slopes: Vec<f64> = Vec::with_capacity(DRAWS);
        for _ in 0..DRAWS {
            for at in (0..count).step_by(block) {
                let from = rng.below(count - block + 1);
                for (point, residual) in drawn[at..].iter_mut().zip(&residuals[from..from + block])
                {
                    point.1 = fitted(point.0) + residual;
                }
            }
            slopes.push(line(&drawn).1);
        }
        slopes.sort_unstable_by(f64::total_cmp);
        let rank = (TAIL * DRAWS as f64) as usize;
        Some(Self {
            mean,
            change: span * slope,
            low: span * slopes[rank],
            high: span * slopes[DRAWS - 1 - rank],
        })
    }

    /// Returns the change and its bounds as shares of the mean.
    pub fn relative(self) -> Self {
        let by = |value: f64| value / self.mean.abs().max(f64::MIN_POSITIVE);
        Self { mean: self.mean, change: by(self.change), low: by(self.low), high: by(self.high) }
    }
}

/// Returns the mean, and the slope by least squares.
fn line(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / count, y + p.1 / count));
    let (sxx, sxy) = points.iter().fold((0.0, 0.0), |(sxx, sxy), p| {
        let from = p.0 - x;
        (sxx + from * from, sxy + from * (p.1 - y))
    });
    (y, sxy / sxx)
}
