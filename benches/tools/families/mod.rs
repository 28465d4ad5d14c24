//! Owns the families of vectors that the benchmark `distributions` draws: the table of their names
//! and the drawing. The same family, seed, rows and dimension give the same vectors on every
//! machine of one kind. No row is zero, which cosine would refuse, and all values are finite. The
//! samplers of the families are in `samplers.rs` and `places.rs`.

mod places;
mod samplers;
mod shape;

use places as place;
use samplers as draw;
use shape::{Sampler, Shape};

use crate::vectors::{Rng, Vectors};

/// A way to draw vectors.
pub struct Family {
    pub name: &'static str,
    sampler: fn(Shape) -> Sampler,
}

/// Every family. The comment of its function describes it.
pub const FAMILIES: &[Family] = &[
    Family { name: "uniform", sampler: |s| draw::uniform(s, 0.0) },
    Family { name: "normal", sampler: |s| draw::normal(s, 1.0) },
    Family { name: "tiny", sampler: |s| draw::normal(s, 1e-6) },
    Family { name: "huge", sampler: |s| draw::normal(s, 1e6) },
    Family { name: "clustered", sampler: |s| draw::clustered(s, 100, 0.15) },
    Family { name: "low-rank", sampler: draw::low_rank },
    Family { name: "near-duplicates", sampler: |s| draw::duplicates(s, 50, 1e-3) },
    Family { name: "duplicates", sampler: |s| draw::duplicates(s, 20, 0.0) },
    Family { name: "offset-1", sampler: |s| draw::uniform(s, 1.0) },
    Family { name: "offset-10", sampler: |s| draw::uniform(s, 10.0) },
    Family { name: "offset-100", sampler: |s| draw::uniform(s, 100.0) },
    Family { name: "offset-1000", sampler: |s| draw::uniform(s, 1000.0) },
    Family { name: "uneven", sampler: draw::uneven },
    Family { name: "outliers", sampler: draw::outliers },
    Family { name: "constants", sampler: draw::constants },
    Family { name: "cone-0", sampler: |s| draw::cone(s, 0.0) },
    Family { name: "cone-30", sampler: |s| draw::cone(s, 0.3) },
    Family { name: "cone-60", sampler: |s| draw::cone(s, 0.6) },
    Family { name: "cone-90", sampler: |s| draw::cone(s, 0.9) },
    Family { name: "cone-95", sampler: |s| draw::cone(s, 0.95) },
    Family { name: "cone-98", sampler: |s| draw::cone(s, 0.98) },
    Family { name: "lengths", sampler: |s| draw::lengths(s, 1.0) },
    Family { name: "lengths-2", sampler: |s| draw::lengths(s, 2.0) },
    Family { name: "heavy-tails", sampler: draw::heavy_tails },
    Family { name: "two-scales", sampler: draw::two_scales },
    Family { name: "drifting", sampler: draw::drifting },
    Family { name: "jump", sampler: draw::jump },
    Family { name: "sparse", sampler: draw::sparse },
    Family { name: "relu", sampler: draw::relu },
    Family { name: "binary", sampler: |s| draw::binary(s, 0.5) },
    Family { name: "binary-rare", sampler: |s| draw::binary(s, 0.05) },
    Family { name: "counts", sampler: draw::counts },
    Family { name: "histogram", sampler: draw::histogram },
    Family { name: "one-hot", sampler: |s| draw::one_hot(s, 0.01) },
    Family { name: "one-hot-pure", sampler: |s| draw::one_hot(s, 0.0) },
    Family { name: "pixels", sampler: draw::pixels },
    Family { name: "curve", sampler: draw::curve },
    Family { name: "city", sampler: place::city },
    Family { name: "metres", sampler: place::metres },
    Family { name: "room", sampler: place::room },
    Family { name: "globe", sampler: place::globe },
    Family { name: "grid", sampler: place::grid },
    Family { name: "colors", sampler: place::colors },
    Family { name: "unix-time", sampler: place::unix_time },
];

impl Family {
    /// Returns the family of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        FAMILIES.iter().find(|family| family.name == name)
    }

    /// Returns `rows` vectors, and `queries` more of the same distribution that are not among them.
    pub fn vectors(
        &self,
        (dim, seed): (usize, u64),
        rows: usize,
        queries: usize,
    ) -> (Vectors, Vectors) {
        let mut sampler = (self.sampler)(Shape { dim, rows, rng: Rng::new(seed) });
        let mut rng = Rng::new(seed ^ 0x5eed);
        let mut draw = |count: usize, whole_time: bool| {
            let mut data = vec![0.0; count * dim];
            for (i, row) in data.chunks_exact_mut(dim.max(1)).enumerate() {
                let at = if whole_time { rng.unit() } else { i as f64 / count as f64 };
                sampler(&mut rng, at, row);
                if row.iter().all(|x| *x == 0.0) {
                    row[rng.below(dim)] = 1.0;
                }
            }
            Vectors { dim, data }
        };
        let base = draw(rows, false);
        (base, draw(queries, true))
    }
}

/// Returns queries that are rows of `base`, drawn at random.
pub fn stored(base: &Vectors, queries: usize, seed: u64) -> Vectors {
    let mut rng = Rng::new(seed);
    let data = (0..queries).flat_map(|_| base.row(rng.below(base.len())).to_vec()).collect();
    Vectors { dim: base.dim, data }
}

/// Returns queries that are far from everything: in each coordinate ten standard deviations from
/// the mean, up or down.
pub fn far(base: &Vectors, queries: usize, seed: u64) -> Vectors {
    let count = base.len().max(1) as f64;
    let mut moments = vec![(0.0f64, 0.0f64); base.dim];
    for row in base.rows() {
        for (moment, x) in moments.iter_mut().zip(row.iter().map(|x| f64::from(*x))) {
            *moment = (moment.0 + x / count, moment.1 + x * x / count);
        }
    }
    let mut rng = Rng::new(seed);
    let mut data = Vec::with_capacity(queries * base.dim);
    for _ in 0..queries {
        for (mean, square) in &moments {
            let deviation = (square - mean * mean).max(0.0).sqrt();
            let side = if rng.below(2) == 0 { -10.0 } else { 10.0 };
            data.push((mean + deviation * (side + f64::from(rng.normal()))) as f32);
        }
    }
    Vectors { dim: base.dim, data }
}
