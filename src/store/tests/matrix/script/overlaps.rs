//! Owns the scripts in which something happens beside a compaction, and those of purges.

use super::act::{Act::*, DAY, Mode, Topic, buffered, delete, forget, insert, mortal};

/// Returns the scripts with a reader or a writer beside a compaction.
pub(super) fn readers_and_writers(w: Mode) -> Vec<Topic> {
    vec![
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
    ]
}

/// Returns the scripts that purge.
pub(super) fn purges(w: Mode) -> Vec<Topic> {
    vec![
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
    ]
}

/// Returns the scripts with buffered writes before something durable.
pub(super) fn buffered_writes(w: Mode) -> Vec<Topic> {
    vec![
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
