//! Owns the workloads of updates: changes beside rows, and updates that write rows.

use super::act::{Act::*, Mode, Topic, delete, insert};
use crate::store::tests::matrix::model::Write;

fn touch(of: usize, ids: std::ops::Range<u64>, ttl: u64) -> Vec<Write> {
    vec![Write::Touch { of, ids, ttl }]
}

fn touch_where(of: usize, namespace: u64, ttl: u64) -> Vec<Write> {
    vec![Write::TouchWhere { of, namespace, ttl }]
}

fn patch(of: usize, ids: std::ops::Range<u64>) -> Vec<Write> {
    vec![Write::Patch { of, ids }]
}

fn raise(of: usize, ids: std::ops::Range<u64>) -> Vec<Write> {
    vec![Write::Raise { of, ids }]
}

fn used(of: usize, ids: std::ops::Range<u64>) -> Vec<Write> {
    vec![Write::Use { of, ids }]
}

fn delete_important(from: usize, least: u8) -> Vec<Write> {
    vec![Write::DeleteImportant { from, least }]
}

fn patch_where(of: usize, namespace: u64) -> Vec<Write> {
    vec![Write::PatchWhere { of, namespace }]
}

/// Returns writes for the random workloads.
pub(super) fn random(kind: u64, of: usize, ids: std::ops::Range<u64>, ttl: u64) -> Vec<Write> {
    match kind {
        0 => touch(of, ids, ttl),
        1 => touch_where(of, ids.start % 5, ttl),
        2 => patch(of, ids),
        _ => patch_where(of, ids.start % 5),
    }
}

/// Returns the scripts of updates.
pub(super) fn updates(w: Mode) -> Vec<Topic> {
    vec![
        (
            "touch in RAM",
            vec![
                w([insert(0, 0..9), insert(1, 0..3)].concat()),
                w(touch(0, 0..4, 60)),
                w([touch(0, 3..6, 5000), touch_where(1, 2, 60), insert(0, 20..21)].concat()),
                Advance(61),
                w(touch(0, 0..9, 5000)),
                Refused(touch(0, 0..9, 60)),
                w(touch_where(0, 3, 90)),
                Reopen,
                Purge,
                Advance(100),
                Sync,
            ],
        ),
        (
            "touch in segments",
            vec![
                w(insert(0, 0..70)),
                Run,
                w(touch(0, 0..40, 60)),
                w(touch_where(0, 4, 90_000)),
                w(insert(0, 70..134)),
                Run,
                w(touch(0, 30..33, 4000)),
                Reopen,
                Advance(61),
                w([touch(0, 60..90, 70), delete(0, 64..70)].concat()),
                w(insert(1, 0..2)),
                Run,
                Compact,
                w(touch_where(0, 1, 5000)),
                Reopen,
                Run,
            ],
        ),
        (
            "touch during a job",
            vec![
                w(insert(0, 0..60)),
                During([touch(0, 0..30, 4000), insert(0, 60..64)].concat()),
                w(delete(0, 0..20)),
                During([touch(0, 15..50, 70), patch(0, 40..45)].concat()),
                Advance(71),
                w(insert(0, 100..103)),
                During(touch_where(0, 2, 5000)),
                Reopen,
                Run,
            ],
        ),
        (
            "changes after a delete by what they change",
            vec![
                w(insert(0, 0..70)),
                Run,
                w(raise(0, 0..56)),
                w(delete_important(0, 60)),
                // Memories that were spared become as important as those that were not. No other
                // collection has work: its commit would note that the files cover all of this.
                w(raise(0, 56..70)),
                Compact,
                w(insert(0, 100..104)),
                Reopen,
                Run,
                Purge,
                Reopen,
            ],
        ),
        (
            "uses",
            vec![
                w([insert(0, 0..70), insert(1, 0..3)].concat()),
                w(used(1, 0..3)),
                Run,
                w(used(0, 0..40)),
                w(used(0, 30..50)),
                w([touch(0, 35..38, 5000), patch(0, 0..2), insert(0, 2..3)].concat()),
                w(used(0, 0..5)),
                w(delete(0, 60..70)),
                // The uses are worked into a segment, and stay in the log.
                Compact,
                During(used(0, 10..35)),
                w(insert(0, 100..104)),
                w(used(0, 30..104)),
                Reopen,
                w(delete(0, 20..30)),
                During(used(0, 10..35)),
                Run,
                w(used(1, 0..9)),
                Purge,
                Reopen,
            ],
        ),
        (
            "touch while the log is trimmed",
            (0..18u64)
                .flat_map(|n| {
                    let change = match n % 3 {
                        0 => touch(1, 0..n + 1, 10_000 + n),
                        1 => touch(0, n * 3..n * 3 + 2, 20_000),
                        _ => touch_where(0, n % 5, 30_000),
                    };
                    [Roll, w([insert(0, n * 3..n * 3 + 5), insert(1, n..n + 1), change].concat())]
                })
                .chain([Run, w(touch(0, 0..9, 50)), Roll, Run, Reopen])
                .collect(),
        ),
        (
            "patch",
            vec![
                w(insert(0, 0..70)),
                w(patch(0, 0..4)),
                Run,
                w([patch(0, 60..80), insert(0, 3..4), patch(0, 3..5)].concat()),
                w(patch_where(0, 1)),
                Refused(patch(0, 0..9)),
                Reopen,
                w([touch(0, 0..3, 60), patch(0, 1..6)].concat()),
                Advance(61),
                w(patch(0, 0..9)),
                Run,
                Purge,
                Reopen,
            ],
        ),
    ]
}
