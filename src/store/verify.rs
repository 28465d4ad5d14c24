//! Owns `Store::verify`, which checks the checksums of the files, to the chosen level, and that the
//! files agree with each other. Changes nothing.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::engine::replay::{Uncovered, each_op, log_source};
use crate::error::{Error, Result};
use crate::format::header::FileKind;
use crate::format::manifest::{CollectionEntry, Manifest};
use crate::format::names::FileName;
use crate::format::op::OpKind;
use crate::manifest::Found;
use crate::memory::Change;
use crate::report::Count;
use crate::section::{Identity, probe};
use crate::segment::{Row, Rows, verify_deletes};
use crate::snapshot::Snapshot;
use crate::snapshot::state::CollectionState;
use crate::store::Store;
use crate::sync::lock;

/// How much a verification reads.
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # let store = altiplano::Store::open(dir.path().join("agent.alt"))?;
/// use altiplano::VerifyLevel;
/// assert!(store.verify_with(VerifyLevel::Quick)?.is_clean());
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum VerifyLevel {
    /// Reads the manifest, every frame of the log, and the header, length and section table of
    /// every other file. Finds files that are missing, cut short or swapped. O(files), plus the
    /// log, which is short. Reads about 5 KiB of a file of 64 MiB.
    Quick,
    /// Also reads everything by which rows are found: ids, columns, keys, postings, deletes,
    /// locators and graphs, with every neighbor checked and every node reachable. Does not read the
    /// bytes of vectors, codes and bodies. O(rows): about 100 bytes per row, plus the graph.
    Standard,
    /// Reads every byte, compares every checksum of a row, and compares columns and postings with
    /// the bodies. O(bytes).
    #[default]
    Full,
}

/// The result of a verification.
#[derive(Debug, Default, Serialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Number of files that were read, as far as the level requires.
    pub files: usize,
    /// Number of rows of segments whose checksums were compared: 0 below [`VerifyLevel::Full`].
    pub rows: u64,
    /// Number of rows that are in the log and in no segment yet. At every level the whole log is
    /// checked.
    pub log_rows: u64,
    /// Every problem that was found.
    #[serde(serialize_with = "as_text")]
    pub problems: Vec<Error>,
}

/// Serializes errors as their texts.
fn as_text<S: Serializer>(problems: &[Error], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(problems.iter().map(Error::to_string))
}

impl fmt::Display for VerifyReport {
    /// One line, and one per problem.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, log_rows) = (Count(self.rows, "row"), Count(self.log_rows, "row"));
        write!(f, "{} checked, ", Count(self.files as u64, "file"))?;
        write!(f, "with {rows} of segments and {log_rows} of the log: ")?;
        write!(f, "{}", Count(self.problems.len() as u64, "problem"))?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n{problem}"))
    }
}

impl VerifyReport {
    /// Returns true if no problem was found.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    fn note<T>(&mut self, result: Result<T>) -> Option<T> {
        self.files += 1;
        result.map_err(|error| self.problems.push(error)).ok()
    }
}

impl Store {
    /// Reads every byte of the store and compares every checksum and every reference between files.
    /// O(bytes). Compaction waits meanwhile; reads and writes do not.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = altiplano::Store::open(dir.path().join("agent.alt"))?;
    /// assert!(store.verify()?.is_clean());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] after a close. Damage is no error here: it is in the report.
    pub fn verify(&self) -> Result<VerifyReport> {
        self.verify_with(VerifyLevel::Full)
    }

    /// Verifies the store to the given level. Checks the files that are on the disk now: a file
    /// that was replaced while the store is open is noticed by its header, not by its mapped bytes.
    ///
    /// # Errors
    ///
    /// As for [`Store::verify`].
    pub fn verify_with(&self, level: VerifyLevel) -> Result<VerifyReport> {
        self.engine.dir.check_open()?;
        let mut report = VerifyReport::default();
        let mut cores = self.engine.collections.all();
        // Every thread that takes several of the locks below takes them in this order.
        cores.sort_by_key(|core| core.id);
        // While these are held, no file leaves the manifest.
        let _structures: Vec<_> = cores.iter().map(|core| lock(&core.structure)).collect();
        let manifest = self.engine.catalog.manifest();
        self.verify_manifest(&manifest, &mut report);
        self.verify_files(&cores, &manifest, level, &mut report);
        Ok(report)
    }

    /// Verifies the files of a store whose manifest is not in its directory yet.
    pub(super) fn verify_new(&self, level: VerifyLevel) -> VerifyReport {
        let mut report = VerifyReport::default();
        let (cores, manifest) = (self.engine.collections.all(), self.engine.catalog.manifest());
        self.verify_files(&cores, &manifest, level, &mut report);
        report
    }

    fn verify_files(
        &self,
        cores: &[Arc<CollectionState>],
        manifest: &Manifest,
        level: VerifyLevel,
        report: &mut VerifyReport,
    ) {
        self.verify_log(manifest, report);
        for core in cores {
            let snapshot = core.snapshot();
            if let Some(entry) = manifest.collections.iter().find(|c| c.id == core.id) {
                self.probe_files(entry, level, report);
                self.verify_segments(core, entry, &snapshot, level, report);
                self.verify_indexes(entry, &snapshot, level, report);
            }
        }
    }

    fn verify_manifest(&self, expected: &Manifest, report: &mut VerifyReport) {
        let engine = &self.engine;
        let Some(found) = report.note(crate::manifest::load(engine.dir.disk(), engine.dir.root()))
        else {
            return;
        };
        let newest = match &found {
            Found::Manifest(found) => Some(found.generation),
            Found::Nothing => None,
        };
        // The writer of a read-only store may have committed since, and a writable store may have
        // started a new log file.
        if newest.is_none_or(|generation| generation < expected.generation) {
            let path = engine.dir.path(FileName::Manifest(expected.generation));
            report.problems.push(Error::corrupt(path, 0, "the newest manifest is missing"));
        }
    }

    fn verify_log(&self, manifest: &Manifest, report: &mut VerifyReport) {
        let engine = &self.engine;
        // No thread appends while the token is held, so the last frame is whole.
        let token = engine.log.hold();
        let uncovered = Uncovered::new(manifest);
        for (i, entry) in manifest.log.iter().enumerate() {
            let source = log_source(&engine.dir, entry, i + 1 == manifest.log.len());
            let mut rows = 0;
            let read = source.read(|head, payload, offset| {
                each_op(&engine.dir, entry.file, (head, payload, offset), &mut |op| {
                    let insert = matches!(op.kind, OpKind::Insert { .. });
                    rows += u64::from(insert && uncovered.has(&op, entry.file));
                    Ok(())
                })
            });
            let Some(end) = report.note(read) else { continue };
            report.log_rows += rows;
            // A cut tail looks like a torn one. The writer of the log knows how far it reaches.
            let open = token.as_ref().filter(|log| log.file() == entry.file);
            if open.is_some_and(|log| log.good_len() != end.valid_len) {
                let path = engine.dir.path(FileName::Log(entry.file));
                let reason = "the log ends before what was appended";
                report.problems.push(Error::corrupt(path, end.valid_len, reason));
            }
        }
    }

    /// Checks the headers, lengths and section tables of a collection's files.
    fn probe_files(&self, entry: &CollectionEntry, level: VerifyLevel, report: &mut VerifyReport) {
        let engine = &self.engine;
        let segments = entry.segments.iter().flat_map(|s| {
            let deletes = s.deletes.as_ref();
            let deletes = deletes.map(|d| (FileName::Deletes(d.file), FileKind::Deletes, d.len));
            [Some((FileName::Segment(s.file), FileKind::Segment, s.len)), deletes]
        });
        let indexes = entry.indexes.iter().flat_map(|i| {
            let index = (FileName::Index(i.index), FileKind::Index, i.index_len);
            let locator = (FileName::Locator(i.locator), FileKind::Locator, i.locator_len);
            [Some(index), Some(locator)]
        });
        for (name, kind, len) in segments.chain(indexes).flatten() {
            let identity = Identity { name, kind, store: engine.dir.store(), len };
            match probe(engine.dir.disk(), engine.dir.root(), &identity) {
                Ok(()) if level > VerifyLevel::Quick => {}
                result => drop(report.note(result)),
            }
        }
    }

    fn verify_segments(
        &self,
        core: &CollectionState,
        entry: &CollectionEntry,
        snapshot: &Snapshot,
        level: VerifyLevel,
        report: &mut VerifyReport,
    ) {
        let engine = &self.engine;
        for segment in &entry.segments {
            let Some(part) = snapshot.segments.iter().find(|s| s.sealed.file == segment.file)
            else {
                let path = engine.dir.path(FileName::Segment(segment.file));
                let reason = format!("the segment of {:?} is not open", core.name());
                report.problems.push(Error::corrupt(path, 0, reason));
                continue;
            };
            let verified = match level {
                VerifyLevel::Quick => continue,
                VerifyLevel::Standard => part.sealed.segment.verify_structure(),
                VerifyLevel::Full => part.sealed.segment.verify(),
            };
            if report.note(verified).is_some() && level == VerifyLevel::Full {
                report.rows += u64::from(part.sealed.segment.rows());
            }
            if let Some(deletes) = &segment.deletes {
                let file = (deletes.file, deletes.len);
                let of = (segment.file, segment.rows);
                let dead = verify_deletes(
                    engine.dir.disk(),
                    engine.dir.root(),
                    engine.dir.store(),
                    file,
                    of,
                );
                let found = report.note(dead).unwrap_or_default();
                let path = || engine.dir.path(FileName::Deletes(deletes.file));
                if let Some(row) = found.dead.iter().find(|row| part.live.is_live(*row)) {
                    let reason = format!("row {row} is dead there and alive for readers");
                    report.problems.push(Error::corrupt(path(), 0, reason));
                }
                let newer = |(row, change): &(Row, Change)| {
                    part.changes.get(*row).is_none_or(|now| now.seq < change.seq)
                };
                if let Some((row, _)) = found.changed.iter().find(|changed| newer(changed)) {
                    let reason = format!("row {row} has a change there that readers do not see");
                    report.problems.push(Error::corrupt(path(), 0, reason));
                }
            }
        }
    }

    /// Checks that every live row of a covered segment is in exactly one index.
    fn verify_indexes(
        &self,
        entry: &CollectionEntry,
        snapshot: &Snapshot,
        level: VerifyLevel,
        report: &mut VerifyReport,
    ) {
        for index in &entry.indexes {
            if !snapshot.indexes.iter().any(|part| part.indexed.file == index.index) {
                let path = self.engine.dir.path(FileName::Index(index.index));
                let reason = "the index is not in use; its rows are scanned until it is rebuilt";
                report.problems.push(Error::corrupt(path, 0, reason));
            }
        }
        if level == VerifyLevel::Quick {
            return;
        }
        let mut seen: HashMap<(u32, u32), u32> = HashMap::new();
        for part in &snapshot.indexes {
            report.note(match level {
                VerifyLevel::Full => part.indexed.index.verify(),
                _ => part.indexed.index.verify_structure(),
            });
            report.note(part.indexed.locator.verify());
            for node in 0..part.indexed.index.nodes() {
                part.places(node).for_each(|place| *seen.entry(place).or_default() += 1);
            }
        }
        let rows = |at: u32| snapshot.segments.get(at as usize).map(|s| s.live.rows());
        if let Some((at, row)) = seen.keys().find(|(at, row)| Some(*row) >= rows(*at)) {
            let file = snapshot
                .segments
                .get(*at as usize)
                .map_or_else(Default::default, |s| s.sealed.file);
            let path = self.engine.dir.path(FileName::Segment(file));
            let reason = format!("an index names row {row}, which is not there");
            report.problems.push(Error::corrupt(path, 0, reason));
        }
        for (at, segment) in (0u32..).zip(&snapshot.segments).filter(|(_, s)| s.covered) {
            let wrong = segment.live.iter().find(|row| seen.get(&(at, *row)) != Some(&1));
            if let Some(row) = wrong {
                let path = self.engine.dir.path(FileName::Segment(segment.sealed.file));
                let times = seen.get(&(at, row)).copied().unwrap_or_default();
                let reason = format!("row {row} is in {times} indexes, not in one");
                report.problems.push(Error::corrupt(path, 0, reason));
            }
        }
    }
}
