//! Owns the scripts of rows and of the files that hold them: operations, segments, graphs.

use super::act::{Act::*, Mode, Topic, delete, forget, forget_ids, insert};

/// Returns the scripts of single operations on rows.
pub(super) fn rows(w: Mode) -> Vec<Topic> {
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
    ]
}

/// Returns the scripts that seal, rewrite, merge and drop segments.
pub(super) fn segments(w: Mode) -> Vec<Topic> {
    vec![
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
    ]
}

/// Returns the scripts that build, merge and rebuild graphs.
pub(super) fn graphs(w: Mode) -> Vec<Topic> {
    vec![
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
    ]
}
