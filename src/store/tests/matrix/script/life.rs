//! Owns the scripts of the life of a store: budgets, expiry, collections, opens, log files.

use super::act::{Act::*, LATER, Mode, Topic, delete, insert, mortal};
use crate::store::tests::matrix::seen::Budget;

/// Returns the scripts under a budget, and one that trims the log without errors of the device.
pub(super) fn budgets(w: Mode) -> Vec<Topic> {
    vec![
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
    ]
}

/// Returns the scripts in which memories expire.
pub(super) fn expiry(w: Mode) -> Vec<Topic> {
    vec![
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
    ]
}

/// Returns the scripts that compact by hand.
pub(super) fn compactions(w: Mode) -> Vec<Topic> {
    vec![
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
    ]
}

/// Returns the scripts that create and drop collections.
pub(super) fn drops(w: Mode) -> Vec<Topic> {
    vec![
        (
            "make and drop",
            vec![w(insert(0, 0..9)), Drop(0), w(insert(1, 0..9)), Make(0), w(insert(0, 3..5))],
        ),
        (
            // Not opened again: an open would remove a file that the drop left.
            "drop with deletes",
            vec![
                w(insert(0, 0..128)),
                Run,
                w(delete(0, 0..8)),
                w(insert(0, 128..200)),
                Run,
                Drop(0),
                w(insert(1, 0..1)),
            ],
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
    ]
}

/// Returns the scripts that open the store again.
pub(super) fn opens(w: Mode) -> Vec<Topic> {
    vec![
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
    ]
}

/// Returns the scripts in which errors of the device end a log file.
pub(super) fn logs(w: Mode) -> Vec<Topic> {
    vec![
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
    ]
}
