//! Owns the display of plans and reports: lines for people, bytes with units.

use std::fmt;

use super::{BackupReport, CompactionReport, ForgetReceipt, Plan, PurgeReceipt, Reason, Step};

/// A number of bytes, shown in the largest unit that fits.
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u32); 3] = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
        match UNITS.iter().find(|(_, shift)| self.0 >> shift > 0) {
            Some((unit, shift)) => {
                write!(f, "{:.1} {unit}", self.0 as f64 / (1u64 << shift) as f64)
            }
            None => write!(f, "{} B", self.0),
        }
    }
}

/// A number of things, with their name in the plural where there is not one.
pub(crate) struct Count(pub(crate) u64, pub(crate) &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, name) = self;
        match (count, name.strip_suffix('y'), name.ends_with('x')) {
            (1, ..) => write!(f, "1 {name}"),
            (_, Some(stem), _) => write!(f, "{count} {stem}ies"),
            (_, None, true) => write!(f, "{count} {name}es"),
            _ => write!(f, "{count} {name}s"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::RecallDegraded => "merges have cost the graph recall",
            Self::DeadShare => "the share of dead rows is past its limit",
            Self::Deadline => "dead rows have waited as long as they may",
            Self::Small => "many small files slow searches down",
            Self::Uncovered => "no index covers the rows",
            Self::GraphPays => "there are enough rows for a graph",
            Self::Words => "the words are not those of the text index",
            Self::Changes => "many rows have changes beside them",
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seal { rows } => write!(f, "seal {}", Count(*rows, "row")),
            Self::Drop { segment, bytes } => {
                write!(f, "drop segment {segment} unread: gives back {}", Bytes(*bytes))
            }
            Self::Rewrite { segments, reason, bytes_before, bytes_after } => {
                let (before, after) = (Bytes(*bytes_before), Bytes(*bytes_after));
                let segments = Count(segments.len() as u64, "segment");
                write!(f, "rewrite {segments}, {before} to {after}: {reason}")
            }
            Self::Index { rows, graph, base, reason, .. } => {
                let kind = match (graph, base) {
                    (false, _) => "codes",
                    (true, None) => "a new graph",
                    (true, Some(_)) => "a merged graph",
                };
                write!(f, "index {} with {kind}: {reason}", Count(*rows, "row"))
            }
        }
    }
}

impl fmt::Display for Plan {
    /// One line per step.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return f.pad("nothing is due");
        }
        for (n, step) in self.steps.iter().enumerate() {
            let end = if n == 0 { "" } else { "\n" };
            write!(f, "{end}{step}")?;
        }
        Ok(())
    }
}

impl fmt::Display for CompactionReport {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sealed, dropped, rewritten, written, .. } = self;
        write!(f, "segments: {sealed} sealed, {dropped} dropped, {rewritten} rewritten, ")?;
        write!(f, "{written} written; {} built; ", Count(self.indexes_built as u64, "index"))?;
        let (before, after) = (Bytes(self.bytes_before), Bytes(self.bytes_after));
        write!(f, "{} reclaimed, {before} to {after} ", Count(self.rows_reclaimed, "row"))?;
        write!(f, "in {:.1} s", self.took.as_secs_f64())
    }
}

impl fmt::Display for BackupReport {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, bytes) = (Count(self.files as u64, "file"), Bytes(self.bytes));
        let Self { files_linked, files_copied, files_kept, .. } = self;
        write!(f, "{files} ({bytes}) up to operation {}: ", self.seq)?;
        write!(f, "{files_linked} linked, {files_copied} copied, {files_kept} kept; ")?;
        write!(f, "{} new ", Bytes(self.bytes_new))?;
        write!(f, "in {:.1} s", self.took.as_secs_f64())
    }
}

impl fmt::Display for PurgeReceipt {
    /// One line, and one for each reason why the purge is not complete.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, bytes) = (self.files_removed as u64, Bytes(self.bytes_removed));
        write!(
            f,
            "{} purged, {} removed ({bytes}) ",
            Count(self.rows, "row"),
            Count(files, "file")
        )?;
        write!(f, "in {:.1} s", self.took.as_secs_f64())?;
        for file in &self.pending {
            write!(f, "\npending: a reader holds {}", file.display())?;
        }
        if self.withheld_rows > 0 {
            write!(f, "\nwithheld: {}", Count(self.withheld_rows, "expired row"))?;
        }
        if self.is_complete() {
            f.write_str("; nothing of the dead is left")?;
        }
        match &self.clock_doubt {
            Some(doubt) => write!(f, ": {doubt}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ForgetReceipt {
    /// One line, one for each collection, and those of the purge.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} forgotten: {} deleted", self.namespace, Count(self.memories(), "memory"))?;
        for (collection, count) in &self.deleted {
            write!(f, "\n{collection}: {}", Count(*count, "memory"))?;
        }
        write!(f, "\n{}", self.purge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_the_unit_that_fits() {
        let shown = |bytes| Bytes(bytes).to_string();
        assert_eq!([shown(0), shown(1023), shown(1536)], ["0 B", "1023 B", "1.5 KiB"]);
        assert_eq!([shown(5 << 20), shown(3 << 30)], ["5.0 MiB", "3.0 GiB"]);
    }

    #[test]
    fn one_thing_is_not_many() {
        let shown = |count, name| Count(count, name).to_string();
        assert_eq!([shown(1, "row"), shown(0, "row")], ["1 row", "0 rows"]);
        assert_eq!([shown(2, "index"), shown(3, "memory")], ["2 indexes", "3 memories"]);
    }

    #[test]
    fn plans_have_a_line_a_step() {
        let mut plan = Plan::default();
        assert_eq!(plan.to_string(), "nothing is due");
        let rewrite = Step::Rewrite {
            segments: vec![3, 4],
            reason: Reason::DeadShare,
            bytes_before: 2 << 20,
            bytes_after: 1 << 20,
        };
        plan.steps = vec![Step::Seal { rows: 5 }, rewrite];
        let lines = "seal 5 rows\nrewrite 2 segments, 2.0 MiB to 1.0 MiB: the share of dead rows is past its limit";
        assert_eq!(plan.to_string(), lines);
    }

    #[test]
    fn a_receipt_of_forgetting_has_a_line_a_collection_and_says_why_it_is_incomplete() {
        let purge = PurgeReceipt { pending: vec!["seg-3".into()], ..Default::default() };
        let deleted = vec![("facts".into(), 1), ("notes".into(), 3)];
        let receipt = ForgetReceipt { namespace: "user:42".into(), deleted, purge };
        assert!(!receipt.is_complete());
        let lines = [
            "\"user:42\" forgotten: 4 memories deleted",
            "facts: 1 memory",
            "notes: 3 memories",
            "0 rows purged, 0 files removed (0 B) in 0.0 s",
            "pending: a reader holds seg-3",
        ];
        assert_eq!(receipt.to_string().lines().collect::<Vec<_>>(), lines);
        let purge = PurgeReceipt { withheld_rows: 2, ..Default::default() };
        assert!(ForgetReceipt { purge, ..Default::default() }.is_complete());
    }

    #[test]
    fn a_backup_says_how_its_files_came_there() {
        let report = BackupReport {
            seq: 9,
            files: 3,
            files_linked: 1,
            files_kept: 2,
            bytes: 3 << 20,
            bytes_new: 1 << 10,
            ..Default::default()
        };
        let line =
            "3 files (3.0 MiB) up to operation 9: 1 linked, 0 copied, 2 kept; 1.0 KiB new in 0.0 s";
        assert_eq!(report.to_string(), line);
    }

    #[test]
    fn an_incomplete_purge_says_why() {
        let receipt = PurgeReceipt { pending: vec!["seg-3".into()], ..Default::default() };
        assert_eq!(receipt.to_string().lines().last(), Some("pending: a reader holds seg-3"));
    }
}
