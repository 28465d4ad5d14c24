//! Owns the workloads of the matrix: a list of acts each, scripted to reach every kind of file and
//! job, or drawn by a seed.

use super::model::Write;
use super::script_updates::{random as random_update, updates};
use super::seen::Budget;
use crate::splitmix::SplitMix;

/// One step of a workload.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// A batch, synced or buffered.
    Write {
        writes: Vec<Write>,
        sync: bool,
    },
    Sync,
    /// Advances the time, in seconds.
    Advance(u64),
    /// Does one piece of background work, if any is due.
    RunOne,
    /// Does all background work that is due.
    Run,
    Compact,
    Purge,
    Make(usize),
    Drop(usize),
    /// Closes the store and opens it again.
    Reopen,
    /// The same, this many seconds later.
    Away(u64),
    /// Trusts the clock.
    Trust,
    /// A write that the device refuses. The next one continues in a new log file.
    Refused(Vec<Write>),
    /// A reader starts to hold its snapshot, until the next `Release`.
    Hold,
    Release,
    /// Compacts everything. A batch is written while the first new segment is.
    During(Vec<Write>),
    /// Continues the log in a new file.
    Roll,
    /// Searches the graph of the first collection often enough for a recall measurement.
    Ask,
    /// Reports that graph as degraded, if it was merged.
    Wear,
    /// Closes the store and opens it again with a budget.
    Tighten(Budget),
    /// A write that no budget has room for.
    Bulky,
    /// Builds the index of the first collection that is due, while a purge begins.
    PurgeDuring,
}

/// A named list of acts.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) name: String,
    pub(super) acts: Vec<Act>,
}

pub(super) fn insert(to: usize, ids: std::ops::Range<u64>) -> Vec<Write> {
    ids.map(|id| Write::Insert { to, id, ttl: None }).collect()
}

fn mortal(to: usize, ids: std::ops::Range<u64>, ttl: u64) -> Vec<Write> {
    ids.map(|id| Write::Insert { to, id, ttl: Some(ttl) }).collect()
}

fn delete(from: usize, ids: impl Iterator<Item = u64>) -> Vec<Write> {
    ids.map(|id| Write::Delete { from, id }).collect()
}

fn forget(from: usize, namespace: u64) -> Vec<Write> {
    vec![Write::DeleteWhere { from, namespace }]
}

fn forget_ids(from: usize, ids: std::ops::Range<u64>) -> Vec<Write> {
    vec![Write::DeleteIds { from, ids }]
}

const DAY: u64 = 24 * 3600;

/// 40 hours: every memory with a lifetime has expired by then and may be destroyed.
const LATER: u64 = 40 * 3600;

fn synced(writes: Vec<Write>) -> Act {
    Act::Write { writes, sync: true }
}

fn buffered(writes: Vec<Write>) -> Act {
    Act::Write { writes, sync: false }
}

/// Returns the topic of each script, with its acts. `w` writes synced or buffered.
fn base(w: fn(Vec<Write>) -> Act) -> Vec<(&'static str, Vec<Act>)> {
    use Act::*;
    vec![
        ("insert", vec![w(insert(0, 0..3)), w(insert(0, 3..4)), w(insert(1, 0..2)), Sync]),
        ("replace", vec![w(insert(0, 0..9)), w(insert(0, 4..6)), w(insert(0, 4..5)), Sync]),
        ("delete", vec![w(insert(0, 0..9)), w(delete(0, 2..5)), w(delete(0, 4..99)), Sync]),
        ("delete where", vec![w(insert(0, 0..20)), w(forget(0, 3)), w(insert(0, 3..4)), Sync]),
        (
            "delete by a list",
            vec![
                w(insert(0, 0..70)),
                Run,
                w(insert(0, 70..90)),
                w(forget_ids(0, 60..80)),
                w([forget_ids(0, 0..4), insert(0, 2..3)].concat()),
                w(forget_ids(0, 900..990)),
                Refused(forget_ids(0, 4..30)),
                w(insert(0, 62..64)),
                Run,
                w(forget_ids(0, 62..99)),
                Reopen,
                w(insert(0, 64..66)),
                Run,
            ],
        ),
        (
            "batch over two collections",
            vec![
                w([insert(0, 0..9), insert(1, 0..9)].concat()),
                w([delete(0, 0..4), insert(1, 3..6), delete(1, 7..8)].concat()),
                w([forget(1, 2), insert(0, 1..2)].concat()),
                Sync,
            ],
        ),
        ("seal", vec![w(insert(0, 0..70)), Run, w(insert(0, 60..80)), Run, Sync]),
        (
            "seal under writes",
            vec![w(insert(0, 0..70)), w(delete(0, 0..9)), RunOne, w(insert(0, 0..3)), RunOne, Run],
        ),
        (
            "seal two collections by turns",
            vec![
                w([insert(0, 0..40), insert(1, 0..40)].concat()),
                w([insert(0, 40..80), insert(1, 40..80)].concat()),
                RunOne,
                w([delete(0, 3..9), delete(1, 50..70)].concat()),
                RunOne,
                Run,
                w(delete(1, 0..50)),
                Run,
            ],
        ),
        (
            "deletes in segments",
            vec![
                w(insert(0, 0..128)),
                Run,
                w(delete(0, 0..8)),
                w(insert(0, 128..200)),
                Run,
                Reopen,
            ],
        ),
        (
            "rewrite for the dead",
            vec![
                w(insert(0, 0..130)),
                Run,
                w(delete(0, (0..130).step_by(3))),
                w(insert(0, 200..270)),
                Run,
                w(delete(0, (1..130).step_by(3))),
                Run,
            ],
        ),
        (
            "drop of a dead segment",
            vec![w(insert(0, 0..70)), Run, w(delete(0, 0..70)), Run, Reopen],
        ),
        (
            "merge of small segments",
            (0..6u64)
                .flat_map(|n| [w(insert(0, n * 70..n * 70 + 70)), Run])
                .chain([Compact, w(delete(0, 0..70)), Run])
                .collect(),
        ),
        (
            "graph",
            vec![
                w(insert(0, 0..100)),
                w(insert(0, 100..200)),
                Run,
                w(delete(0, (0..200).step_by(2))),
                Run,
                Compact,
                Reopen,
                w(insert(0, 0..100)),
                Run,
            ],
        ),
        (
            "graph merged",
            vec![
                w(insert(0, 0..200)),
                Run,
                w(insert(0, 200..260)),
                Run,
                w(delete(0, 0..40)),
                w(insert(0, 260..330)),
                RunOne,
                w(delete(0, 250..270)),
                Run,
                During([insert(0, 330..400), delete(0, 90..110)].concat()),
                w(delete(0, 100..140)),
                Purge,
                Reopen,
                w(insert(0, 0..80)),
                Run,
            ],
        ),
        (
            "graph degraded",
            vec![
                w(insert(0, 0..200)),
                Run,
                Ask,
                Run,
                w(insert(0, 200..264)),
                Run,
                Ask,
                Run,
                w(delete(0, 0..9)),
                Wear,
                Run,
                Reopen,
                w(insert(0, 0..3)),
                Run,
            ],
        ),
        (
            "purge during a merge",
            vec![
                // Both segments are rewritten, and the first of two indexes is built meanwhile. A
                // row that the build leaves out is in a segment that the other index covers.
                w(insert(0, 0..64)),
                Run,
                w(insert(0, 64..128)),
                Run,
                w(delete(0, 0..40)),
                PurgeDuring,
                w(insert(0, 200..340)),
                Run,
                w(insert(0, 340..404)),
                w(insert(1, 0..3)),
                RunOne,
                w(delete(0, (330..344).chain(60..65))),
                PurgeDuring,
                Reopen,
                Run,
            ],
        ),
        (
            "budget of heap",
            vec![
                w(insert(0, 0..70)),
                Tighten(Budget::Heap),
                w(insert(0, 0..9)),
                w(insert(1, 0..3)),
                Bulky,
                RunOne,
                w(insert(0, 100..103)),
                w(delete(0, 2..5)),
                Bulky,
                Run,
                Reopen,
            ],
        ),
        (
            "budget of disk",
            vec![
                Tighten(Budget::Disk),
                w(insert(0, 0..130)),
                Run,
                w(insert(1, 0..9)),
                Roll,
                w(delete(0, 0..9)),
                Roll,
                w(insert(1, 5..12)),
                Roll,
                w(insert(2, 0..3)),
                Run,
                Bulky,
                RunOne,
                w(delete(1, 0..3)),
                Run,
                w(insert(0, 200..203)),
                Bulky,
                Run,
                Reopen,
            ],
        ),
        (
            "budget of resident bytes",
            vec![
                w(insert(0, 0..200)),
                Run,
                Tighten(Budget::Resident),
                w(insert(0, 200..264)),
                w(delete(0, 0..40)),
                Run,
                w([delete(0, 190..200), insert(0, 40..60)].concat()),
                Run,
                w(delete(0, 250..255)),
                Purge,
                Reopen,
                w(insert(0, 300..303)),
                Compact,
            ],
        ),
        (
            "log is trimmed without errors",
            (0..18u64)
                .flat_map(|n| {
                    [Roll, w([insert(0, n * 3..n * 3 + 5), insert(1, n..n + 1)].concat())]
                })
                .chain([Run, w(delete(0, 0..9)), Roll, Run, Reopen])
                .collect(),
        ),
        (
            "expire in RAM",
            vec![
                w(mortal(0, 0..20, 60)),
                w(insert(0, 20..30)),
                Advance(61),
                w(insert(0, 5..8)),
                Sync,
            ],
        ),
        (
            "expire in segments",
            vec![
                w(mortal(0, 0..80, 3600)),
                w(insert(0, 80..100)),
                Run,
                Advance(3601),
                w(insert(0, 1..2)),
                Run,
                Advance(LATER),
                w(insert(0, 300..370)),
                Run,
                Compact,
            ],
        ),
        (
            "expire a whole segment",
            vec![
                w(mortal(0, 0..70, 60)),
                Run,
                Advance(LATER),
                w(insert(1, 0..2)),
                Run,
                Compact,
                Reopen,
            ],
        ),
        (
            "compact",
            vec![w(insert(0, 0..30)), w(delete(0, 3..20)), Compact, w(insert(0, 4..9)), Compact],
        ),
        (
            "compact three collections",
            vec![
                w([insert(0, 0..30), insert(1, 0..30), insert(2, 0..30)].concat()),
                w([delete(0, 0..9), delete(1, 0..30), delete(2, 3..4)].concat()),
                Compact,
                w(insert(2, 0..5)),
                Compact,
            ],
        ),
        (
            "make and drop",
            vec![w(insert(0, 0..9)), Drop(0), w(insert(1, 0..9)), Make(0), w(insert(0, 3..5))],
        ),
        (
            "drop with files",
            vec![
                w(insert(0, 0..130)),
                w(insert(1, 0..70)),
                Run,
                w(delete(0, 0..9)),
                Run,
                Drop(0),
                w(insert(1, 70..80)),
                Reopen,
                Make(0),
                w(insert(0, 0..4)),
            ],
        ),
        (
            "drop the last",
            vec![
                w(insert(2, 0..9)),
                Drop(2),
                Drop(1),
                Drop(0),
                Reopen,
                Make(2),
                w(insert(2, 0..2)),
            ],
        ),
        (
            "reopen",
            vec![
                w(insert(0, 0..9)),
                Reopen,
                w(delete(0, 0..3)),
                Reopen,
                Reopen,
                w(insert(0, 0..1)),
            ],
        ),
        (
            "reopen with files",
            vec![
                w(insert(0, 0..70)),
                Run,
                Reopen,
                w(delete(0, 0..30)),
                Reopen,
                Run,
                w(insert(0, 0..9)),
                Reopen,
            ],
        ),
        (
            "log rolls",
            vec![
                w(insert(0, 0..9)),
                Refused(insert(0, 4..12)),
                w(insert(0, 9..12)),
                Refused(delete(0, 0..9)),
                w(delete(0, 1..3)),
                Sync,
                Reopen,
            ],
        ),
        (
            "log is trimmed",
            (0..26u64)
                .flat_map(|n| {
                    let small = if n % 7 == 0 { insert(1, n % 5..n % 5 + 1) } else { Vec::new() };
                    [
                        Refused(delete(0, n..n + 1)),
                        w([insert(0, n * 6..n * 6 + 9), small].concat()),
                        Run,
                    ]
                })
                .collect(),
        ),
        (
            "held by a reader",
            vec![
                w(insert(0, 0..130)),
                Run,
                Hold,
                w(delete(0, 0..60)),
                Run,
                Compact,
                w(insert(0, 0..9)),
                Release,
                Compact,
                Reopen,
            ],
        ),
        (
            "writes during a merge",
            vec![
                w(insert(0, 0..130)),
                Run,
                w(delete(0, 0..20)),
                During([delete(0, 15..60), insert(0, 60..64)].concat()),
                w(insert(0, 200..203)),
                During([forget(0, 2), insert(0, 2..3)].concat()),
                Reopen,
                During(mortal(0, 70..90, 60)),
                Advance(61),
                Run,
            ],
        ),
        (
            "writes during a seal",
            vec![
                w(insert(0, 0..60)),
                During([insert(0, 50..63), delete(0, 0..9)].concat()),
                w(insert(0, 300..365)),
                During(delete(0, 290..340)),
                During(insert(1, 0..3)),
                Reopen,
            ],
        ),
        (
            "purge",
            vec![
                w(insert(0, 0..9)),
                w(delete(0, 0..4)),
                w(insert(1, 0..70)),
                Purge,
                w(delete(1, 3..40)),
                w(mortal(0, 20..30, 60)),
                Advance(61),
                Purge,
                Drop(1),
                Purge,
                Reopen,
            ],
        ),
        (
            "purge after an absence",
            vec![
                w(mortal(0, 0..130, 3 * DAY)),
                Run,
                w(mortal(1, 0..9, 3 * DAY)),
                w(insert(1, 5..12)),
                Away(10 * DAY),
                w(delete(0, 3..9)),
                Purge,
                Trust,
                w(insert(0, 20..22)),
                Purge,
                Away(10 * DAY),
                Trust,
                Reopen,
            ],
        ),
        (
            "purge with files",
            vec![
                w(insert(0, 0..130)),
                Run,
                w(delete(0, 0..20)),
                Run,
                w(forget(0, 3)),
                w(insert(1, 0..3)),
                Purge,
                w(insert(0, 0..70)),
                Hold,
                Purge,
                Release,
                Purge,
                Reopen,
            ],
        ),
        (
            "buffered before a seal",
            vec![
                buffered(insert(1, 0..5)),
                buffered(insert(0, 0..70)),
                buffered(delete(1, 0..3)),
                Run,
                buffered(delete(0, 0..20)),
                buffered(insert(0, 70..140)),
                Run,
                w(insert(1, 0..1)),
            ],
        ),
        (
            "buffered before a drop",
            vec![
                buffered(insert(0, 0..9)),
                buffered(insert(1, 0..9)),
                Drop(0),
                buffered(insert(2, 0..3)),
                Make(0),
            ],
        ),
    ]
}

/// Returns the scripted workloads, each synced and buffered. Each starts by creating all
/// collections, so no script names a missing one before.
pub(super) fn scripted() -> Vec<Script> {
    let mut all = Vec::new();
    for (mode, w) in [("sync", synced as fn(_) -> _), ("buffered", buffered)] {
        for (name, acts) in base(w).into_iter().chain(updates(w)) {
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
            2 | 3 => random_update(rng.below(4), c, range, 30 + rng.below(5000)),
            _ => insert(c, range),
        });
    }
    writes
}
