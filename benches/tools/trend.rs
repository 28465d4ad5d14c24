//! Does a series of figures grow? A line by least squares, with an interval that holds for figures
//! that depend on those before them.
//!
//! Owns the interval. Not here: what is measured, and which growth is too much.
//!
//! Windows of a long run are no independent draws: a compaction, a burst or a reader that holds old
//! files shows in several of them, so the textbook error of a slope is too small. Here the residuals
//! of the line are drawn in blocks of neighbors (the moving-block bootstrap: Künsch, "The jackknife
//! and the bootstrap for general stationary observations", Annals of Statistics 17, 1989, section
//! 2.3; for regression see Lahiri, "Resampling Methods for Dependent Data", 2003, chapter 2), put
//! back on the line, and fitted again. A block should span what depends on each other. Residuals
//! are less spread than the errors they stand for, the more so the fewer blocks there are: they are
//! widened by `sqrt(blocks / (blocks - 2))`.

use crate::vectors::Rng;

const DRAWS: usize = 2000;
/// Of the draws that are left out at either end: each bound holds with 95 %.
const TAIL: f64 = 0.05;
/// Fewer blocks say nothing.
const MIN_BLOCKS: usize = 4;

/// What a line through a series says, in the unit of the series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    pub mean: f64,
    /// From the first to the last place.
    pub change: f64,
    /// Bounds of the change, each with 95 %.
    pub low: f64,
    pub high: f64,
}

impl Trend {
    /// Of the values at equal steps; one that is not finite is a gap. `block` is how many steps may
    /// depend on each other; it is shortened where there would be fewer than four blocks. `None`
    /// for fewer than eight values.
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

    /// Change and bounds as shares of the mean.
    pub fn relative(self) -> Self {
        let by = |value: f64| value / self.mean.abs().max(f64::MIN_POSITIVE);
        Self { mean: self.mean, change: by(self.change), low: by(self.low), high: by(self.high) }
    }
}

/// The mean, and the slope by least squares.
fn line(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / count, y + p.1 / count));
    let (sxx, sxy) = points.iter().fold((0.0, 0.0), |(sxx, sxy), p| {
        let from = p.0 - x;
        (sxx + from * from, sxy + from * (p.1 - y))
    });
    (y, sxy / sxx)
}
