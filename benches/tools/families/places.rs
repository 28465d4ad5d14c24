//! Owns the samplers of positions, colors and times: few dimensions, or units that differ. Samplers
//! of two or three dimensions fill as many coordinates as the row has, and leave any others zero.

use super::shape::{Sampler, Shape};
use crate::vectors::Rng;

fn fill<const N: usize>(row: &mut [f32], values: [f64; N]) {
    row.iter_mut().zip(values).for_each(|(x, value)| *x = value as f32);
}

fn between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * rng.unit()
}

/// Degrees of latitude and longitude within one city.
pub fn city(_: Shape) -> Sampler {
    Box::new(|rng, _, row| fill(row, [between(rng, 48.75, 48.95), between(rng, 2.25, 2.45)]))
}

/// Meters east and north in a zone of a map's grid, and meters above the sea.
pub fn metres(_: Shape) -> Sampler {
    Box::new(|rng, _, row| {
        let east = between(rng, 440_000.0, 460_000.0);
        let north = between(rng, 5_390_000.0, 5_410_000.0);
        fill(row, [east, north, 35.0 + 20.0 * f64::from(rng.normal())]);
    })
}

/// Meters within a room, most of them near one of twenty things.
pub fn room(mut shape: Shape) -> Sampler {
    let rng = &mut shape.rng;
    let things: Vec<[f64; 3]> =
        (0..20).map(|_| [10.0 * rng.unit(), 8.0 * rng.unit(), 3.0 * rng.unit()]).collect();
    Box::new(move |rng, _, row| {
        let thing = things[rng.below(things.len())];
        fill(row, thing.map(|x| x + 0.3 * f64::from(rng.normal())));
    })
}

/// Meters from the center of the Earth, on its surface.
pub fn globe(_: Shape) -> Sampler {
    Box::new(|rng, _, row| {
        let axes: [f64; 3] = std::array::from_fn(|_| f64::from(rng.normal()));
        let length = axes.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-9);
        fill(row, axes.map(|x| 6.371e6 * x / length));
    })
}

/// Whole numbers from 0 to 99: many distances are equal.
pub fn grid(_: Shape) -> Sampler {
    Box::new(|rng, _, row| row.iter_mut().for_each(|x| *x = rng.below(100) as f32))
}

/// Red, green and blue from 0 to 255, near one of thirty colors.
pub fn colors(mut shape: Shape) -> Sampler {
    let rng = &mut shape.rng;
    let palette: Vec<[f64; 3]> =
        (0..30).map(|_| std::array::from_fn(|_| 255.0 * rng.unit())).collect();
    Box::new(move |rng, _, row| {
        let color = palette[rng.below(palette.len())];
        fill(row, color.map(|x| (x + 12.0 * f64::from(rng.normal())).clamp(0.0, 255.0).round()));
    })
}

/// Features: first a time within one year, in seconds since 1970, then a price, then small numbers.
pub fn unix_time(_: Shape) -> Sampler {
    Box::new(|rng, _, row| {
        row.iter_mut().for_each(|x| *x = rng.normal());
        let price = 100.0 * f64::from(rng.normal()).exp();
        fill(row, [between(rng, 1.70e9, 1.73e9), price]);
    })
}
