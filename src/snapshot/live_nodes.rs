//! Owns the number of live nodes of an index, as it was last counted. Rows of a segment only die,
//! and never come back (I7), so the count holds as long as no segment of the index has more dead
//! rows or is gone.

use crate::sync::{Mutex, lock};

/// The newest count of an index, and for which dead rows it holds.
#[derive(Debug, Default)]
pub(crate) struct LiveNodes(Mutex<Option<Counted>>);

#[derive(Debug)]
struct Counted {
    /// The dead rows of each segment of the index; `None` for one that is gone.
    dead: Vec<Option<u32>>,
    live: u64,
}

impl LiveNodes {
    /// Returns the count for the segments with these dead rows. Counts only if they differ from
    /// those of the last call.
    pub(super) fn get<D>(&self, dead: D, count: impl FnOnce() -> u64) -> u64
    where
        D: Iterator<Item = Option<u32>> + Clone,
    {
        let mut newest = lock(&self.0);
        if let Some(known) = newest.as_ref()
            && known.dead.iter().copied().eq(dead.clone())
        {
            return known.live;
        }
        let live = count();
        *newest = Some(Counted { dead: dead.collect(), live });
        live
    }
}
