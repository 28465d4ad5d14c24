//! Owns the workloads in which the matrix found something wrong, each kept as a test of its own.

use super::cuts::{Effort, check_all};
use super::record::{new_disk, record};
use super::script::{Act, Script, insert};

fn holds(name: &str, acts: Vec<Act>) {
    let acts = (0..3).map(Act::Make).chain(acts).collect();
    let script = Script { name: name.to_owned(), acts };
    let recording = record(&script, &new_disk(1));
    let effort = Effort { random: 20, use_every: 8, again_every: 61 };
    let row = check_all(&script, &recording, 1, effort);
    assert!(row.failures.is_empty(), "{:#?}", row.failures);
    assert!(row.cases > 20, "{}", row.cases);
}

fn buffered(c: usize) -> Act {
    Act::Write { writes: insert(c, 0..9), sync: false }
}

/// The manifest that made or dropped a collection was committed without a sync of the log: a power
/// cut then kept the newer change and lost the older writes.
#[test]
fn a_collection_was_made_or_dropped_before_what_had_been_written_was_durable() {
    holds("made", vec![Act::Drop(1), buffered(0), Act::Make(1), buffered(1)]);
    holds("dropped", vec![buffered(0), buffered(1), Act::Drop(0), buffered(2), Act::Drop(2)]);
}

/// The first frame of a new log file was lost in a power cut and a later one was not: the store took
/// that for damage, since the later one told of syncs of the older file.
#[test]
fn the_first_frame_of_a_rolled_log_was_lost_alone() {
    let roll = Act::Refused(insert(0, 0..2));
    let acts = vec![buffered(0), roll, buffered(1), buffered(2), buffered(0), buffered(1)];
    holds("rolled", acts);
}
