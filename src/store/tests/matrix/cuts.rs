//! Owns the power cuts: at every operation of every workload, each in many variants, with a second
//! cut at every operation of some recoveries.

use super::check::{Depth, check_image};
use super::record::{Recording, record};
use super::run::{Row, broken, each, report, seed, sized};
use super::script::{Script, random, scripted};
use super::setup::new_disk;

/// How many of the images are used further, and cut again during their recovery.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// Number of random images at each point, besides the fixed ones.
    pub(super) random: usize,
    pub(super) use_every: u64,
    pub(super) again_every: u64,
}

/// Checks every image of every point of a recording.
pub(super) fn check_all(script: &Script, recording: &Recording, seed: u64, effort: Effort) -> Row {
    let mut row = Row::default();
    if let Some(wrong) = &recording.wrong {
        row.failures.push(format!("{}: {wrong}", script.name));
    }
    let mut previous = None;
    for (at, point) in recording.points.iter().enumerate() {
        let here = seed ^ (at as u64) << 20;
        if broken() && !row.failures.is_empty() {
            return row;
        }
        for image in point.files.images(here, effort.random) {
            // An image that a later operation did not change was checked before, unless this check
            // is deeper.
            let print = (image.files.fingerprint(), point.allowed.to, point.copies.version);
            if previous.replace(print) == Some(print) {
                continue;
            }
            row.cases += 1;
            let n = row.cases + seed;
            let again = n.is_multiple_of(effort.again_every).then_some(1);
            let depth = Depth { use_it: n.is_multiple_of(effort.use_every), again };
            match check_image(&image, point, &recording.states, depth, here) {
                Ok(second) => row.inner += second,
                Err(wrong) => row.failures.push(format!(
                    "{}: {} at point {at}, {}: {wrong}",
                    script.name, image.label, point.op
                )),
            }
        }
    }
    row
}

/// Returns the scripted workloads first, then drawn ones.
fn workload(at: usize, seed: u64) -> Script {
    let scripted = scripted();
    match scripted.into_iter().nth(at) {
        Some(script) => script,
        None => random(seed.wrapping_add(at as u64), 30),
    }
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_acknowledged_i1_i3_i4_i5_i8() {
    let scripts = scripted().len();
    let drawn = sized(2, 60, 120);
    let effort =
        Effort { random: sized(0, 2, 12), use_every: 8, again_every: sized(997, 131, 97) as u64 };
    let seed = seed();
    report("power cuts", "second cuts", 2000, || {
        each(scripts + drawn, |at| {
            let script = workload(at, seed);
            let recording = record(&script, &new_disk(seed));
            check_all(&script, &recording, seed.wrapping_add(at as u64), effort)
        })
    });
}
