//! Owns the scripts of backups, and of collections whose names change.

use super::act::{Act::*, Mode, Topic, delete, insert, mortal};

/// Returns the scripts of backups and of names.
pub(super) fn copies(w: Mode) -> Vec<Topic> {
    vec![
        (
            "backup of the log",
            vec![
                Backup(false),
                Backup(false),
                w(insert(0, 0..30)),
                w([insert(1, 0..9), mortal(0, 30..33, 60)].concat()),
                Backup(false),
                w(delete(0, 3..9)),
                Backup(false),
                Reopen,
                w(insert(0, 40..50)),
                Backup(false),
            ],
        ),
        (
            "backup of segments",
            vec![
                w(insert(0, 0..170)),
                Run,
                Backup(false),
                w([delete(0, 0..50), insert(1, 0..9)].concat()),
                Compact,
                Hold,
                w(delete(0, 60..80)),
                Backup(false),
                Purge,
                Release,
                Backup(false),
            ],
        ),
        (
            "backup by copies",
            vec![
                w(insert(0, 0..130)),
                Run,
                w(insert(2, 0..5)),
                Backup(true),
                w(delete(0, 0..50)),
                Compact,
                Backup(true),
            ],
        ),
        (
            "names change",
            vec![
                w(insert(0, 0..70)),
                Run,
                w(insert(1, 0..5)),
                Rename(0),
                w([insert(0, 70..80), delete(1, 0..2)].concat()),
                Swap(0, 1),
                w([insert(0, 80..90), insert(1, 5..9)].concat()),
                Reopen,
                Swap(1, 0),
                Backup(false),
                w(insert(0, 90..99)),
                Rename(0),
                Swap(1, 2),
                Backup(false),
            ],
        ),
    ]
}
