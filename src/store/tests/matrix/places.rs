//! Owns the proof that every sync, rename and removal is needed: each place in the code that asks for
//! one is left out in turn, and the matrix must notice, or the place is listed here as redundant with
//! the reason. The places are found by running the matrix, not by a list.

use super::cuts::{Effort, check_all};
use super::errors::all_errors;
use super::record::{new_disk, record};
use super::run::{Row, each, seed};
use super::script::scripted;
use super::sequences::safely;
use crate::disk::sim::{OpKind, Place, leaving_out, places_seen};

/// Places that may be left out: file, a part of the line, why.
const REDUNDANT: [(&str, &str, &str); 0] = [];

/// Lets power cuts look at the workloads that come by a place, then errors.
fn everything(place: Place, seed: u64) -> Row {
    let mut total = Row::default();
    let effort = Effort { random: 2, use_every: 8, again_every: 61 };
    for script in scripted() {
        let row = safely(|| {
            let disk = new_disk(seed);
            let recording = record(&script, &disk);
            if !disk.was_asked_at(place) && recording.wrong.is_none() {
                return Ok(0);
            }
            let row = check_all(&script, &recording, seed, effort);
            match row.failures.into_iter().next() {
                Some(failure) => Err(failure),
                None => Ok(row.cases + row.inner),
            }
        });
        match row {
            Ok(cases) => total.cases += cases,
            Err(failure) => {
                total.failures.push(failure);
                return total;
            }
        }
    }
    // Some places are reached only when something else has failed.
    for (at, script) in scripted().iter().enumerate().step_by(5) {
        total.add(all_errors(script, at, seed, 2, 1));
        if !total.failures.is_empty() {
            return total;
        }
    }
    total
}

/// The line of the code at a place.
fn line(file: &str, line: u32) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().nth(line as usize - 1).unwrap_or_default().trim().to_owned()
}

#[test]
#[ignore = "takes minutes; .ci/run runs it with optimisation"]
#[expect(clippy::print_stderr, reason = "each place is named with what caught it")]
fn every_sync_rename_and_removal_is_needed() {
    let seed = seed();
    // What the scripts and their errors reach.
    let all = each(scripted().len(), |at| {
        let script = &scripted()[at];
        let recording = record(script, &new_disk(seed));
        let mut row = Row { cases: recording.points.len() as u64, ..Row::default() };
        row.add(all_errors(script, at, seed, 5, 1));
        row
    });
    assert!(all.failures.is_empty(), "{:#?}", all.failures.first());
    let places = places_seen();
    let row = each(places.len(), |at| {
        let (kind, file, number) = places[at];
        let (text, mut row) = (line(file, number), Row::default());
        let found = leaving_out(Some((file, number)), || everything((file, number), seed));
        let listed = REDUNDANT.iter().find(|r| r.0 == file && text.contains(r.1));
        let name = format!("{kind:?} at {file}:{number} ({text})");
        match (found.failures.first(), listed) {
            (Some(by), _) => {
                let by: String = by.chars().take(140).collect();
                eprintln!("left out: {name}: noticed after {} cases: {by}", found.cases);
                row.cases = 1;
            }
            (None, Some((_, _, why))) => {
                eprintln!("left out: {name}: redundant: {why}");
                row.inner = 1;
            }
            (None, None) => row.failures.push(format!("{name}: not noticed")),
        }
        row
    });
    eprintln!("left out: {} places noticed, {} redundant", row.cases, row.inner);
    assert!(row.failures.is_empty(), "{:#?}", row.failures);
    let of = |kind| places.iter().any(|p| p.0 == kind);
    assert!([OpKind::Sync, OpKind::SyncDir, OpKind::Rename, OpKind::Remove].into_iter().all(of));
}
