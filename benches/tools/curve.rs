//! Owns the interpolation between the points of a recall curve. The measuring is not here.

/// The recalls at which curves are compared.
pub const RECALLS: [f64; 3] = [0.90, 0.95, 0.99];

/// Returns the value at a recall. The points are pairs of a recall and a positive value, such as
/// queries per second or microseconds. Between two points, the logarithm of the value is linear in
/// the recall.
///
/// Below the curve's first point, the value is that of the first point. Above its last point, there
/// is none.
pub fn at(points: impl IntoIterator<Item = (f64, f64)>, recall: f64) -> Option<f64> {
    let mut sorted: Vec<(f64, f64)> = points.into_iter().collect();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let above = sorted.iter().position(|point| point.0 >= recall)?;
    let (r1, v1) = sorted[above];
    let Some((r0, v0)) = above.checked_sub(1).map(|below| sorted[below]) else {
        return Some(v1);
    };
    let share = (recall - r0) / (r1 - r0);
    Some((v0.ln() * (1.0 - share) + v1.ln() * share).exp())
}
