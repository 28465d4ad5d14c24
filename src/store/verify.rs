//! Owns `Store::verify`: every checksum of every file, and that the files agree with each other.
//! Changes nothing.

use std::collections::HashMap;

use crate::collection::core::Core;
use crate::collection::snapshot::Snapshot;
use crate::error::{Error, Result};
use crate::format::manifest::{CollectionEntry, Manifest};
use crate::format::names::FileName;
use crate::log::LogSource;
use crate::manifest::Found;
use crate::segment::{Rows, verify_deletes};
use crate::store::Store;
use crate::worker::lock;

/// What a verification looked at and found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Files that were read whole.
    pub files: usize,
    /// Rows whose checksums were compared.
    pub rows: u64,
    /// Everything that is wrong.
    pub problems: Vec<Error>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
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
    /// O(bytes). Compaction waits meanwhile, reads and writes do not.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = altiplano::Store::open(dir.path().join("agent.alt"))?;
    /// assert!(store.verify()?.is_clean());
    /// # Ok(()) }
    /// ```
    pub fn verify(&self) -> Result<VerifyReport> {
        let mut report = VerifyReport::default();
        let cores = self.engine.cores();
        // While these are held, no file leaves the manifest.
        let _structures: Vec<_> = cores.iter().map(|core| lock(&core.structure)).collect();
        let manifest = self.engine.manifest();
        self.verify_manifest(&manifest, &mut report);
        self.verify_log(&manifest, &mut report);
        for core in &cores {
            let snapshot = core.snapshot();
            if let Some(entry) = manifest.collections.iter().find(|c| c.id == core.id) {
                self.verify_segments(core, entry, &snapshot, &mut report);
                self.verify_indexes(entry, &snapshot, &mut report);
            }
        }
        Ok(report)
    }

    fn verify_manifest(&self, expected: &Manifest, report: &mut VerifyReport) {
        let engine = &self.engine;
        let Some(found) = report.note(crate::manifest::load(engine.disk.as_ref(), engine.dir()))
        else {
            return;
        };
        let newest = match &found {
            Found::Manifest(found) => Some(found.generation),
            Found::Nothing => None,
        };
        // A reader's store may have gone on since; a writer's own may have rolled its log.
        if newest.is_none_or(|generation| generation < expected.generation) {
            let path = engine.path(FileName::Manifest(expected.generation));
            report.problems.push(Error::corrupt(path, 0, "the newest manifest is missing"));
        }
    }

    fn verify_log(&self, manifest: &Manifest, report: &mut VerifyReport) {
        let engine = &self.engine;
        // Nobody appends while the token is held, so the last frame is whole.
        let _token = engine.committer.hold();
        for (i, entry) in manifest.log.iter().enumerate() {
            let source = LogSource {
                disk: engine.disk.as_ref(),
                dir: engine.dir(),
                store: engine.store,
                entry,
                last: i + 1 == manifest.log.len(),
            };
            report.note(source.read(|_, _, _| Ok(())));
        }
    }

    fn verify_segments(
        &self,
        core: &Core,
        entry: &CollectionEntry,
        snapshot: &Snapshot,
        report: &mut VerifyReport,
    ) {
        let engine = &self.engine;
        for segment in &entry.segments {
            let Some(part) = snapshot.segments.iter().find(|s| s.sealed.file == segment.file)
            else {
                let path = engine.path(FileName::Segment(segment.file));
                let reason = format!("the segment of {:?} is not open", core.name);
                report.problems.push(Error::corrupt(path, 0, reason));
                continue;
            };
            if report.note(part.sealed.segment.verify()).is_some() {
                report.rows += u64::from(part.sealed.segment.rows());
            }
            if let Some(deletes) = &segment.deletes {
                let file = (deletes.file, deletes.len);
                let of = (segment.file, segment.rows);
                let dead =
                    verify_deletes(engine.disk.as_ref(), engine.dir(), engine.store, file, of);
                let dead = report.note(dead).unwrap_or_default();
                if let Some(row) = dead.iter().find(|row| part.live.is_live(*row)) {
                    let path = engine.path(FileName::Deletes(deletes.file));
                    let reason = format!("row {row} is dead there and alive for readers");
                    report.problems.push(Error::corrupt(path, 0, reason));
                }
            }
        }
    }

    /// Every live row of a covered segment must be in exactly one index.
    fn verify_indexes(
        &self,
        entry: &CollectionEntry,
        snapshot: &Snapshot,
        report: &mut VerifyReport,
    ) {
        for index in &entry.indexes {
            if !snapshot.indexes.iter().any(|part| part.indexed.file == index.index) {
                let path = self.engine.path(FileName::Index(index.index));
                let reason = "the index is not in use; its rows are scanned until it is rebuilt";
                report.problems.push(Error::corrupt(path, 0, reason));
            }
        }
        let mut seen: HashMap<(u32, u32), u32> = HashMap::new();
        for part in &snapshot.indexes {
            report.note(part.indexed.index.verify());
            report.note(part.indexed.locator.verify());
            for node in 0..part.indexed.index.nodes() {
                part.places(node).for_each(|place| *seen.entry(place).or_default() += 1);
            }
        }
        for (at, segment) in (0u32..).zip(&snapshot.segments).filter(|(_, s)| s.covered) {
            let wrong = segment.live.iter().find(|row| seen.get(&(at, *row)) != Some(&1));
            if let Some(row) = wrong {
                let path = self.engine.path(FileName::Segment(segment.sealed.file));
                let times = seen.get(&(at, row)).copied().unwrap_or_default();
                let reason = format!("row {row} is in {times} indexes, not in one");
                report.problems.push(Error::corrupt(path, 0, reason));
            }
        }
    }
}
