//! Owns the workloads of the matrix: a list of acts each, scripted to reach every kind of file and
//! job, or drawn by a seed.

mod act;
mod copies;
mod life;
mod overlaps;
mod rows;
mod updates;
mod words;

use super::model::Write;
use crate::splitmix::SplitMix;
pub(super) use act::{Act, insert};
use act::{LATER, Mode, Topic, buffered, delete, forget, forget_ids, mortal, synced};

/// A named list of acts.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) name: String,
    pub(super) acts: Vec<Act>,
}

/// Returns the topics of all scripts, with their acts. `w` writes synced or buffered.
fn topics(w: Mode) -> Vec<Topic> {
    [
        rows::rows(w),
        rows::segments(w),
        rows::graphs(w),
        life::budgets(w),
        life::expiry(w),
        life::compactions(w),
        life::drops(w),
        life::opens(w),
        life::logs(w),
        overlaps::readers_and_writers(w),
        overlaps::purges(w),
        overlaps::buffered_writes(w),
        updates::updates(w),
        words::words(w),
        copies::copies(w),
    ]
    .concat()
}

/// Returns the scripted workloads, each synced and buffered. Each starts by creating all
/// collections, so no script names a missing one before.
pub(super) fn scripted() -> Vec<Script> {
    let mut all = Vec::new();
    for (mode, w) in [("sync", synced as Mode), ("buffered", buffered)] {
        for (name, acts) in topics(w) {
            let make = (0..3).map(Act::Make);
            all.push(Script { name: format!("{name}, {mode}"), acts: make.chain(acts).collect() });
        }
    }
    all
}

/// Returns a workload drawn from a seed.
pub(super) fn random(seed: u64, acts: usize) -> Script {
    let mut rng = SplitMix(seed);
    let mut list: Vec<Act> = (0..3).map(Act::Make).collect();
    let mut held = false;
    for _ in 0..acts {
        let act = match rng.below(40) {
            0..20 => Act::Write { writes: random_writes(&mut rng), sync: rng.below(3) == 0 },
            20..22 => Act::Sync,
            22..25 => Act::Advance([10, 4000, LATER][rng.below(3) as usize]),
            25..28 => Act::RunOne,
            28..32 => Act::Run,
            33 if rng.below(2) == 0 => Act::During(random_writes(&mut rng)),
            32 if rng.below(3) == 0 => Act::Purge,
            32 => Act::Run,
            33 => Act::Compact,
            34 => Act::Make(rng.below(3) as usize),
            35 => Act::Drop(rng.below(3) as usize),
            36 => Act::Reopen,
            37..39 => Act::Refused(random_writes(&mut rng)),
            _ => {
                held = !held;
                if held { Act::Hold } else { Act::Release }
            }
        };
        list.push(act);
    }
    Script { name: format!("random {seed}"), acts: list }
}

fn random_writes(rng: &mut SplitMix) -> Vec<Write> {
    let mut writes = Vec::new();
    // A batch has one `delete_where` at most; see `model::carry_out`.
    if rng.below(6) == 0 {
        let from = rng.below(3) as usize;
        let first = rng.below(220);
        writes = match first % 2 {
            0 => forget(from, first % 5),
            _ => forget_ids(from, first..first + 30),
        };
    }
    for _ in 0..=rng.below(2) {
        let (c, first) = (rng.below(3) as usize, rng.below(220));
        let range = first..first + 1 + rng.below(45);
        writes.extend(match rng.below(7) {
            0 => delete(c, range),
            1 => mortal(c, range, 30 + rng.below(5000)),
            2 | 3 => updates::random(rng.below(4), c, range, 30 + rng.below(5000)),
            _ => insert(c, range),
        });
    }
    writes
}
