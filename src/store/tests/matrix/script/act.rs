//! Owns the acts that a workload is made of, and the batches that its writes carry.

use crate::options::TextIndex;
use crate::store::tests::matrix::model::Write;
use crate::store::tests::matrix::seen::Budget;

/// One step of a workload.
#[derive(Clone, Debug)]
pub(in crate::store::tests::matrix) enum Act {
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
    /// Indexes the words of a collection, or does so no more.
    Words(usize, Option<TextIndex>),
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
    /// Backs the store up. With true, by copies instead of links.
    Backup(bool),
    /// Gives a collection its other name, and the next time its own.
    Rename(usize),
    /// Exchanges the names of two collections.
    Swap(usize, usize),
    /// Builds the index of the first collection that is due, while a purge begins.
    PurgeDuring,
}

/// A function that makes a write durable at once, or buffered.
pub(super) type Mode = fn(Vec<Write>) -> Act;

/// The topic of a script, with its acts.
pub(super) type Topic = (&'static str, Vec<Act>);

pub(in crate::store::tests::matrix) fn insert(to: usize, ids: std::ops::Range<u64>) -> Vec<Write> {
    ids.map(|id| Write::Insert { to, id, ttl: None }).collect()
}

pub(super) fn mortal(to: usize, ids: std::ops::Range<u64>, ttl: u64) -> Vec<Write> {
    ids.map(|id| Write::Insert { to, id, ttl: Some(ttl) }).collect()
}

pub(super) fn delete(from: usize, ids: impl Iterator<Item = u64>) -> Vec<Write> {
    ids.map(|id| Write::Delete { from, id }).collect()
}

pub(super) fn forget(from: usize, namespace: u64) -> Vec<Write> {
    vec![Write::DeleteWhere { from, namespace }]
}

pub(super) fn forget_ids(from: usize, ids: std::ops::Range<u64>) -> Vec<Write> {
    vec![Write::DeleteIds { from, ids }]
}

pub(super) const DAY: u64 = 24 * 3600;

/// 40 hours: every memory with a lifetime has expired by then and may be destroyed.
pub(super) const LATER: u64 = 40 * 3600;

pub(super) fn synced(writes: Vec<Write>) -> Act {
    Act::Write { writes, sync: true }
}

pub(super) fn buffered(writes: Vec<Write>) -> Act {
    Act::Write { writes, sync: false }
}
