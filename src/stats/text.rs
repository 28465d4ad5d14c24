//! Owns the display of statistics: a few lines for people, bytes with units.

use std::fmt;

use super::{CollectionStats, RecallStats, StoreStats};
use crate::report::{Bytes, Count};

impl fmt::Display for StoreStats {
    /// One line for the store, one per collection, and one for each condition that needs attention.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let live: u64 = self.collections.iter().map(|c| c.live_rows).sum();
        let collections = Count(self.collections.len() as u64, "collection");
        write!(f, "{collections}, {}; ", Count(live, "live memory"))?;
        write!(f, "disk {} (log {}), ", Bytes(self.disk_bytes), Bytes(self.log_bytes))?;
        write!(f, "heap {}, mapped {}", Bytes(self.heap_bytes), Bytes(self.mapped_bytes))?;
        for collection in &self.collections {
            write!(f, "\n{collection}")?;
        }
        if self.held_files > 0 {
            let files = Count(self.held_files as u64, "file");
            write!(f, "\nreaders still hold {files} that the store no longer needs, ")?;
            write!(f, "{}", Bytes(self.held_bytes))?;
        }
        if let Some(age) = self.oldest_snapshot_age {
            let snapshots = Count(self.snapshots as u64, "snapshot");
            write!(f, "\n{snapshots} held, the oldest for {:.0} s", age.as_secs_f64())?;
        }
        if let Some(doubt) = &self.clock_doubt {
            write!(f, "\n{doubt}")?;
        }
        if self.background_paused {
            f.write_str("\nthe background is paused")?;
        }
        if let Some(reason) = &self.poisoned {
            write!(f, "\nwrites are refused: {reason}")?;
        }
        Ok(())
    }
}

impl fmt::Display for CollectionStats {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, live_rows, dead_rows, expired_rows, .. } = self;
        write!(f, "{name}: {live_rows} live ({}), ", Bytes(self.live_bytes))?;
        write!(f, "{dead_rows} dead and {expired_rows} expired ({}); ", Bytes(self.dead_bytes))?;
        let graphs = self.indexes.iter().filter(|index| index.graph).count() as u64;
        write!(
            f,
            "{} in RAM, {}, ",
            self.memtable_rows,
            Count(self.segments.len() as u64, "segment")
        )?;
        let indexes = Count(self.indexes.len() as u64, "index");
        write!(f, "{indexes}, {}; ", Count(graphs, "graph"))?;
        write!(f, "to do: {}", Bytes(self.debt_bytes))?;
        if let Some(recall) = &self.recall {
            write!(f, "; {recall}")?;
        }
        Ok(())
    }
}

impl fmt::Display for RecallStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "recall {:.3} measured with {}, ",
            self.recall,
            Count(self.queries as u64, "query")
        )?;
        write!(f, "0.95 with ef {}", self.ef)?;
        if self.degraded { f.write_str("; the graph will be built anew") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_say_what_wants_attention() {
        let notes = CollectionStats { name: "notes".into(), live_rows: 7, ..Default::default() };
        let mut stats = StoreStats { collections: vec![notes], ..Default::default() };
        let lines = stats.to_string();
        assert_eq!(lines.lines().count(), 2);
        assert!(lines.starts_with("1 collection, 7 live memories; disk 0 B"), "{lines}");
        stats.poisoned = Some("a sync failed".into());
        assert!(stats.to_string().ends_with("\nwrites are refused: a sync failed"));
    }
}
