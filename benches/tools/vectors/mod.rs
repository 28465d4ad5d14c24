//! Owns [`Vectors`] and [`Neighbors`], tables for examples and benchmarks that are read from files
//! or generated. Also owns the random numbers, and the exact search that answers are compared with.
//! The file formats are in `files.rs`. The store is not known here.
#![allow(clippy::disallowed_methods, reason = "files of the user, not of a store")]

use std::path::Path;

pub mod elements;
mod files;
pub use files::ReadError;

/// Rows of equal length, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Vectors {
    pub dim: usize,
    pub data: Vec<f32>,
}

impl Vectors {
    /// Reads the first `limit` rows of a `.npy`, `.fvecs`, `.bvecs` or `.fbin` file, or all.
    pub fn read(path: &Path, limit: Option<usize>) -> Result<Self, ReadError> {
        let (dim, data) = files::read_vectors(path, limit)?;
        Ok(Self { dim, data })
    }

    pub fn len(&self) -> usize {
        self.data.len() / self.dim.max(1)
    }

    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    pub fn row(&self, i: usize) -> &[f32] {
        &self.data[i * self.dim..][..self.dim]
    }

    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.data.chunks_exact(self.dim.max(1))
    }

    /// Splits off the last `count` rows: queries from the same distribution as the base.
    pub fn split_off(&mut self, count: usize) -> Self {
        let kept = self.len().saturating_sub(count);
        Self { dim: self.dim, data: self.data.split_off(kept * self.dim) }
    }

    /// Adds rows until there are `rows`, each mixed from two of these, 70 to 30.
    pub fn extend_mixed(&mut self, rows: usize) {
        let (own, mut rng) = (self.len(), Rng::new(11));
        while own > 0 && self.len() < rows {
            let (a, b) = (rng.below(own), rng.below(own));
            let start = self.data.len();
            self.data.extend_from_within(a * self.dim..(a + 1) * self.dim);
            for i in 0..self.dim {
                self.data[start + i] =
                    0.7 * self.data[start + i] + 0.3 * self.data[b * self.dim + i];
            }
        }
    }

    /// Scales every row to the norm 1. A row of zeros stays as it is.
    pub fn normalize(&mut self) {
        for row in self.data.chunks_exact_mut(self.dim.max(1)) {
            let norm = dot(row, row).sqrt();
            if norm > 0.0 {
                row.iter_mut().for_each(|x| *x /= norm);
            }
        }
    }
}

/// For each query, the numbers of its nearest rows, nearest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbors {
    pub k: usize,
    pub ids: Vec<u32>,
}

impl Neighbors {
    /// Reads the first `limit` rows of a `.npy` (i4, i8, u4) or `.ivecs` file, or all.
    pub fn read(path: &Path, limit: Option<usize>) -> Result<Self, ReadError> {
        let (k, ids) = files::read_ids(path, limit)?;
        Ok(Self { k, ids })
    }

    pub fn len(&self) -> usize {
        self.ids.len() / self.k.max(1)
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub fn row(&self, i: usize) -> &[u32] {
        &self.ids[i * self.k..][..self.k]
    }

    /// Returns true if every id names one of `rows` rows. A limited base does not fit a full table.
    pub fn fits(&self, rows: usize) -> bool {
        self.ids.iter().all(|&id| (id as usize) < rows)
    }

    /// Returns the share of the `k` nearest rows of query `i` that are in `found`.
    pub fn recall(&self, i: usize, k: usize, found: impl IntoIterator<Item = u32>) -> f64 {
        let truth = &self.row(i)[..k.min(self.k)];
        let mut hits: Vec<u32> = found.into_iter().filter(|id| truth.contains(id)).collect();
        hits.sort_unstable();
        hits.dedup();
        hits.len() as f64 / truth.len().max(1) as f64
    }
}

/// Reproducible random numbers (xoshiro256++, seeded by splitmix64). Not for secrets.
#[derive(Clone, Debug)]
pub struct Rng([u64; 4]);

impl Rng {
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ z >> 31
        }))
    }

    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.0;
        let out = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        out
    }

    /// Returns a uniform number in 0..`end`; 0 when `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next_u64()) * end as u128) >> 64) as usize
    }

    /// Returns a uniform number from 0 to 1, without 1.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns a normal number with mean 0 and variance 1.
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        (radius * (std::f64::consts::TAU * self.unit()).cos()) as f32
    }
}

/// Returns generated rows that behave like embeddings: overlapping clusters of unequal size in a
/// space of few dimensions, rotated into `dim` dimensions, with some noise. The mean square of the
/// norm is 1.
pub fn clustered(n: usize, dim: usize, clusters: usize, seed: u64) -> Vectors {
    const INNER: usize = 32;
    const NOISE: f32 = 0.5;
    let mut rng = Rng::new(seed);
    let inner = dim.min(INNER);
    let clusters = clusters.max(1);
    let share = 1.0 / (inner as f32).sqrt();
    let axes: Vec<f32> = (0..inner * dim).map(|_| share * rng.normal()).collect();
    let centers: Vec<f32> = (0..clusters * inner).map(|_| rng.normal()).collect();
    let scale = 1.0 / ((2.0 + NOISE * NOISE) * dim as f32).sqrt();
    let mut data = Vec::with_capacity(n * dim);
    for _ in 0..n {
        let cluster = ((clusters as f64 * rng.unit().powf(1.5)) as usize).min(clusters - 1);
        let start = data.len();
        data.extend((0..dim).map(|_| NOISE * rng.normal()));
        let row = &mut data[start..];
        for (i, axis) in axes.chunks_exact(dim.max(1)).enumerate() {
            let inner_value = centers[cluster * inner + i] + rng.normal();
            row.iter_mut().zip(axis).for_each(|(x, a)| *x += inner_value * a);
        }
        row.iter_mut().for_each(|x| *x *= scale);
    }
    Vectors { dim, data }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    Cosine,
    Dot,
    L2,
}

impl std::str::FromStr for Metric {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "cosine" => Ok(Self::Cosine),
            "dot" => Ok(Self::Dot),
            "l2" => Ok(Self::L2),
            _ => Err(format!("{name:?} is none of cosine, dot, l2")),
        }
    }
}

/// Returns the `k` nearest rows of each query by exact distance. Of equal distances, the lower row
/// number comes first.
///
/// A scan in `f32` keeps a few more than `k` rows, whose distances are then computed in `f64`.
/// There are fewer than `k` results when the base has fewer rows.
pub fn exact_neighbors(
    base: &Vectors,
    queries: &Vectors,
    metric: Metric,
    k: usize,
    threads: usize,
) -> Neighbors {
    assert_eq!(base.dim, queries.dim, "base and queries differ in dimension");
    let k = k.min(base.len());
    let mut ids = vec![0; k * queries.len()];
    let weights: Vec<f32> = base.rows().map(|row| weight(row, metric)).collect();
    let share = queries.len().div_ceil(threads.max(1)).max(1);
    std::thread::scope(|scope| {
        for (i, out) in ids.chunks_mut((share * k).max(1)).enumerate() {
            let weights = &weights;
            scope.spawn(move || scan(base, weights, queries, i * share, metric, k, out));
        }
    });
    Neighbors { k, ids }
}

/// Returns the factor of a row's product with the query (cosine), or the amount subtracted from it
/// (L2).
fn weight(row: &[f32], metric: Metric) -> f32 {
    let square = dot(row, row);
    match metric {
        Metric::Dot => 0.0,
        Metric::L2 => square / 2.0,
        Metric::Cosine if square > 0.0 => 1.0 / square.sqrt(),
        Metric::Cosine => 0.0,
    }
}

/// Answers the queries from number `first` on, as many as `out` has room for.
fn scan(
    base: &Vectors,
    weights: &[f32],
    queries: &Vectors,
    first: usize,
    metric: Metric,
    k: usize,
    out: &mut [u32],
) {
    const TILE: usize = 8; // queries that share a block of rows in the cache
    const BLOCK: usize = 128;
    let keep = k + 32;
    for (tile, out) in out.chunks_mut(TILE * k).enumerate() {
        let first = first + tile * TILE;
        let mut best: Vec<Best> = out.chunks(k).map(|_| Best::new(keep)).collect();
        for start in (0..base.len()).step_by(BLOCK) {
            let end = (start + BLOCK).min(base.len());
            for (i, best) in best.iter_mut().enumerate() {
                let query = queries.row(first + i);
                for (id, &weight) in (start..end).zip(&weights[start..end]) {
                    let product = dot(query, base.row(id));
                    best.offer(
                        id as u32,
                        match metric {
                            Metric::Dot => -product,
                            Metric::L2 => weight - product,
                            Metric::Cosine => -product * weight,
                        },
                    );
                }
            }
        }
        for ((i, best), out) in best.into_iter().enumerate().zip(out.chunks_mut(k)) {
            let query = queries.row(first + i);
            let kept = best.kept.into_iter();
            let mut sure: Vec<(f64, u32)> =
                kept.map(|(_, id)| (distance(query, base.row(id as usize), metric), id)).collect();
            sure.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            out.iter_mut().zip(sure).for_each(|(out, (_, id))| *out = id);
        }
    }
}

/// The nearest `keep` rows so far, in any order, and up to as many more.
struct Best {
    kept: Vec<(f32, u32)>,
    keep: usize,
    worst: f32,
}

impl Best {
    fn new(keep: usize) -> Self {
        Self { kept: Vec::with_capacity(2 * keep), keep, worst: f32::INFINITY }
    }

    fn offer(&mut self, id: u32, distance: f32) {
        if distance > self.worst {
            return;
        }
        self.kept.push((distance, id));
        if self.kept.len() == 2 * self.keep {
            let by = |a: &(f32, u32), b: &(f32, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
            self.kept.select_nth_unstable_by(self.keep - 1, by);
            self.kept.truncate(self.keep);
            self.worst = self.kept[self.keep - 1].0;
        }
    }
}

/// Returns the distance; smaller is nearer: 1 - cosine, the negated product, or the squared
/// distance.
pub fn distance(a: &[f32], b: &[f32], metric: Metric) -> f64 {
    let pairs = || a.iter().zip(b).map(|(&x, &y)| (f64::from(x), f64::from(y)));
    let product: f64 = pairs().map(|(x, y)| x * y).sum();
    match metric {
        Metric::Dot => -product,
        Metric::L2 => pairs().map(|(x, y)| (x - y) * (x - y)).sum(),
        Metric::Cosine => {
            let (aa, bb) = pairs().fold((0.0, 0.0), |(aa, bb), (x, y)| (aa + x * x, bb + y * y));
            if aa * bb > 0.0 { 1.0 - product / (aa * bb).sqrt() } else { 1.0 }
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 16];
    let (a16, b16) = (a.chunks_exact(16), b.chunks_exact(16));
    let rest: f32 = a16.remainder().iter().zip(b16.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a16.zip(b16) {
        for i in 0..16 {
            sums[i] += x[i] * y[i];
        }
    }
    rest + sums.iter().sum::<f32>()
}
