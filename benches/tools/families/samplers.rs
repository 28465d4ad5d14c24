//! Owns the samplers of families of any dimension: the usual distributions, those away from the
//! origin, those with uneven coordinates or lengths, and those with few values. What the rows of a
//! sampler share (centers, directions) is drawn when the sampler is made. Positions and other
//! physical quantities are in `places.rs`.

use super::shape::{Sampler, Shape};
use crate::vectors::Rng;

/// Coordinates from `offset` to `offset + 1`.
pub fn uniform(_: Shape, offset: f64) -> Sampler {
    Box::new(move |rng, _, row| row.iter_mut().for_each(|x| *x = (offset + rng.unit()) as f32))
}

/// Independent normal coordinates.
pub fn normal(_: Shape, scale: f32) -> Sampler {
    Box::new(move |rng, _, row| row.iter_mut().for_each(|x| *x = scale * rng.normal()))
}

fn normals(rng: &mut Rng, count: usize) -> Vec<f32> {
    (0..count).map(|_| rng.normal()).collect()
}

/// Normal clusters that lie well apart.
pub fn clustered(mut shape: Shape, clusters: usize, spread: f32) -> Sampler {
    let centers = normals(&mut shape.rng, clusters * shape.dim);
    Box::new(move |rng, _, row| {
        let center = &centers[rng.below(clusters) * row.len()..];
        row.iter_mut().zip(center).for_each(|(x, c)| *x = c + spread * rng.normal());
    })
}

/// Twelve directions and some noise, as embeddings are: most of the variance is in few dimensions.
pub fn low_rank(mut shape: Shape) -> Sampler {
    const INNER: usize = 12;
    let axes = normals(&mut shape.rng, INNER * shape.dim);
    Box::new(move |rng, _, row| {
        row.iter_mut().for_each(|x| *x = 0.3 * rng.normal());
        for axis in axes.chunks_exact(row.len()) {
            let along = rng.normal();
            row.iter_mut().zip(axis).for_each(|(x, a)| *x += along * a);
        }
    })
}

/// Forty topics, documents about them, and `copies` versions of each document that differ by
/// `noise`. With 100,000 rows and 50 copies that is 40 topics × 50 documents × 50 copies.
pub fn duplicates(mut shape: Shape, copies: usize, noise: f32) -> Sampler {
    const TOPICS: usize = 40;
    let documents = (shape.rows / copies).max(1);
    let topics = normals(&mut shape.rng, TOPICS * shape.dim);
    let mut centers = normals(&mut shape.rng, documents * shape.dim);
    for (i, center) in centers.chunks_exact_mut(shape.dim).enumerate() {
        let topic = &topics[i % TOPICS * shape.dim..];
        center.iter_mut().zip(topic).for_each(|(x, t)| *x = 0.5 * *x + t);
    }
    Box::new(move |rng, _, row| {
        let center = &centers[rng.below(documents) * row.len()..];
        row.iter_mut().zip(center).for_each(|(x, c)| *x = c + noise * rng.normal());
    })
}

/// Standard deviations from 1,000 in the first coordinate down to a thousandth in the last.
pub fn uneven(shape: Shape) -> Sampler {
    let last = shape.dim.saturating_sub(1).max(1) as f32;
    Box::new(move |rng, _, row| {
        for (j, x) in row.iter_mut().enumerate() {
            *x = 10f32.powf(3.0 - 6.0 * j as f32 / last) * rng.normal();
        }
    })
}

/// Normal, except for three coordinates that are twenty times as large in every row, as in the
/// hidden states of language models.
pub fn outliers(shape: Shape) -> Sampler {
    let few = 3.min(shape.dim);
    Box::new(move |rng, _, row| {
        row.iter_mut().for_each(|x| *x = rng.normal());
        row[..few].iter_mut().for_each(|x| *x = 20.0 + 5.0 * *x);
    })
}

/// Half of the coordinates are the same in all rows, and large compared with the others.
pub fn constants(_: Shape) -> Sampler {
    Box::new(move |rng, _, row| {
        for (j, x) in row.iter_mut().enumerate() {
            *x = if j % 2 == 0 { 7.0 } else { 0.1 * rng.normal() };
        }
    })
}

/// Around a direction that all rows share: the fraction `mean` of the length is along it, the rest
/// is random. So two rows have a cosine of about `mean` squared.
pub fn cone(mut shape: Shape, mean: f32) -> Sampler {
    let mut axis = normals(&mut shape.rng, shape.dim);
    let length = axis.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    axis.iter_mut().for_each(|x| *x /= length);
    let rest = ((1.0 - mean * mean) / shape.dim as f32).sqrt();
    Box::new(move |rng, _, row| {
        row.iter_mut().zip(&axis).for_each(|(x, a)| *x = mean * a + rest * rng.normal());
    })
}

/// Normal directions with lengths whose logarithm has the standard deviation `sigma`.
pub fn lengths(_: Shape, sigma: f32) -> Sampler {
    Box::new(move |rng, _, row| {
        let length = (sigma * rng.normal()).exp();
        row.iter_mut().for_each(|x| *x = length * rng.normal());
    })
}

/// Student's t with two degrees of freedom in each coordinate: the variance is infinite.
pub fn heavy_tails(_: Shape) -> Sampler {
    Box::new(move |rng, _, row| {
        for x in row {
            let scale = -(1.0 - rng.unit()).ln();
            *x = (f64::from(rng.normal()) / scale.max(1e-12).sqrt()) as f32;
        }
    })
}

/// Half of the rows lie close together at the origin, the others far away and spread widely.
pub fn two_scales(_: Shape) -> Sampler {
    Box::new(move |rng, _, row| {
        let (center, spread) = if rng.below(2) == 0 { (0.0, 0.01) } else { (100.0, 10.0) };
        row.iter_mut().for_each(|x| *x = center + spread * rng.normal());
    })
}

/// The mean moves by six standard deviations in each coordinate from the first row to the last.
pub fn drifting(mut shape: Shape) -> Sampler {
    let ways: Vec<f32> =
        (0..shape.dim).map(|_| if shape.rng.below(2) == 0 { -6.0 } else { 6.0 }).collect();
    Box::new(move |rng, at, row| {
        row.iter_mut().zip(&ways).for_each(|(x, way)| *x = rng.normal() + way * at as f32);
    })
}

/// The second half of the rows lies a thousand standard deviations from the first.
pub fn jump(_: Shape) -> Sampler {
    Box::new(move |rng, at, row| {
        let center = if at < 0.5 { 0.0 } else { 1000.0 };
        row.iter_mut().for_each(|x| *x = center + rng.normal());
    })
}

/// Nineteen of twenty coordinates are zero, the others positive.
pub fn sparse(_: Shape) -> Sampler {
    Box::new(move |rng, _, row| {
        for x in row {
            *x = if rng.below(20) == 0 { -(1.0 - rng.unit()).ln() as f32 } else { 0.0 };
        }
    })
}

/// Normal, with zero instead of negative values.
pub fn relu(_: Shape) -> Sampler {
    Box::new(move |rng, _, row| row.iter_mut().for_each(|x| *x = rng.normal().max(0.0)))
}

/// 1 with the probability `share`, else 0: many distances are equal.
pub fn binary(_: Shape, share: f64) -> Sampler {
    Box::new(move |rng, _, row| {
        row.iter_mut().for_each(|x| *x = if rng.unit() < share { 1.0 } else { 0.0 });
    })
}

/// Whole numbers with a geometric distribution. The first coordinates count frequent things.
pub fn counts(_: Shape) -> Sampler {
    Box::new(move |rng, _, row| {
        for (j, x) in row.iter_mut().enumerate() {
            let mean = 30.0 / (1.0 + j as f64);
            *x = (-(1.0 - rng.unit()).ln() * mean).floor() as f32;
        }
    })
}

/// Shares that add up to 1, most of them small.
pub fn histogram(_: Shape) -> Sampler {
    Box::new(move |rng, _, row| {
        row.iter_mut().for_each(|x| *x = (-(1.0 - rng.unit()).ln()).powi(4) as f32);
        let sum: f32 = row.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        row.iter_mut().for_each(|x| *x /= sum);
    })
}

/// 1 in one coordinate, and noise in all.
pub fn one_hot(_: Shape, noise: f32) -> Sampler {
    Box::new(move |rng, _, row| {
        row.iter_mut().for_each(|x| *x = noise * rng.normal());
        let hot = rng.below(row.len());
        row[hot] += 1.0;
    })
}

/// Whole numbers from 0 to 255 that change slowly from one coordinate to the next.
pub fn pixels(_: Shape) -> Sampler {
    Box::new(move |rng, _, row| {
        let mut at = 255.0 * rng.unit();
        for x in row {
            at = (at + 20.0 * f64::from(rng.normal())).clamp(0.0, 255.0);
            *x = at.round() as f32;
        }
    })
}

/// Points of one smooth curve: a single parameter in any dimension.
pub fn curve(mut shape: Shape) -> Sampler {
    let waves: Vec<(f64, f64)> =
        (0..shape.dim).map(|_| (1.0 + 9.0 * shape.rng.unit(), 6.3 * shape.rng.unit())).collect();
    Box::new(move |rng, _, row| {
        let at = rng.unit();
        for (x, (speed, phase)) in row.iter_mut().zip(&waves) {
            *x = (speed * at + phase).sin() as f32 + 1e-3 * rng.normal();
        }
    })
}
