//! Owns the workloads in which the matrix found a bug, each kept as a test of its own.

use super::cuts::{Effort, check_all};
use super::record::{Runner, record};
use super::script::{Act, Script, insert};
use super::setup::{dir, new_disk, open};
use crate::Error;
use crate::format::header::HEADER_LEN;
use crate::testing::sim::SimDisk;

pub(super) fn holds(name: &str, acts: Vec<Act>) {
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

/// The manifest that created or dropped a collection was committed without a sync of the log. A
/// power cut then kept the newer change and lost older writes.
#[test]
fn a_collection_was_made_or_dropped_before_what_had_been_written_was_durable() {
    holds("made", vec![Act::Drop(1), buffered(0), Act::Make(1), buffered(1)]);
    holds("dropped", vec![buffered(0), buffered(1), Act::Drop(0), buffered(2), Act::Drop(2)]);
}

/// A power cut lost the first frame of a new log file but not a later one. The store took that for
/// damage, because the later frame recorded syncs of the older file.
#[test]
fn the_first_frame_of_a_rolled_log_was_lost_alone() {
    let roll = Act::Refused(insert(0, 0..2));
    let acts = vec![buffered(0), roll, buffered(1), buffered(2), buffered(0), buffered(1)];
    holds("rolled", acts);
}

/// The manifest that a seal commits did not record how much of the log was durable. A log that had
/// lost its end from before the seal passed for one with a torn tail. The writes of other
/// collections were silently gone, while those of the sealed one were there.
#[test]
fn a_log_cut_to_before_a_seal_passed_for_a_torn_one() {
    refuses_a_cut_log(Act::Run);
}

/// A log file that was cut between two frames has no bad frame. It was accepted although the
/// manifest recorded a greater durable length. Frames that an open had copied forward could be
/// silently lost.
#[test]
fn a_log_cut_between_two_frames_passed_for_a_whole_one() {
    refuses_a_cut_log(Act::Reopen);
}

/// Cuts the last log file to its header, after an act that commits a manifest.
pub(super) fn refuses_a_cut_log(last: Act) {
    let disk = new_disk(1);
    let mut runner = Runner::new(disk.clone());
    runner.open().unwrap();
    let write = |c, ids| Act::Write { writes: insert(c, ids), sync: true };
    let acts = [Act::Make(0), Act::Make(1), write(1, 0..3), write(0, 0..70), last];
    acts.iter().for_each(|act| runner.act(act).unwrap());
    let mut files = disk.files();
    let log = files.names(dir()).unwrap().into_iter().rfind(|n| n.starts_with("log-")).unwrap();
    let cut = files.read(&dir().join(&log)).unwrap()[..HEADER_LEN].to_vec();
    files.damage(&dir().join(&log), cut).unwrap();
    let opened = open(&SimDisk::new(files, 1), &runner.clock);
    assert!(matches!(opened, Err(Error::Corrupt { .. })), "{opened:?}");
}
