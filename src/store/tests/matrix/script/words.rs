//! Owns the workloads of collections whose texts are indexed.

use super::act::{Act::*, Mode, Topic, delete, insert};
use crate::options::TextIndex;
use crate::words::Language;

/// Returns the scripts of words: written, rewritten, switched on, changed and switched off.
pub(super) fn words(w: Mode) -> Vec<Topic> {
    // A build without the feature has no words. The scripts then are about rows alone.
    let index = || cfg!(feature = "text").then(TextIndex::new);
    let english = || index().map(|index| index.language(Language::English));
    vec![
        (
            "words",
            vec![
                Words(0, index()),
                w(insert(0, 0..40)),
                w(insert(0, 40..70)),
                Run,
                w([delete(0, 0..20), insert(0, 30..33)].concat()),
                w(insert(0, 100..140)),
                Compact,
                w(insert(0, 5..9)),
                Reopen,
                w(insert(0, 200..203)),
                Purge,
            ],
        ),
        (
            "words switched on, changed and switched off",
            vec![
                w(insert(0, 0..70)),
                Run,
                w([insert(0, 70..134), delete(0, 3..5)].concat()),
                Run,
                Words(0, index()),
                RunOne,
                w([delete(0, 5..7), insert(0, 134..140)].concat()),
                Run,
                Reopen,
                Words(0, english()),
                During(insert(0, 200..210)),
                Words(0, None),
                Run,
                Reopen,
                Run,
            ],
        ),
    ]
}
