//! Owns what can be read of a damaged store: the manifest to use, the segments with their dead
//! rows, and the log files in order. Reads only. `survivors` decides which of it counts.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use roaring::RoaringBitmap;

use super::report::{Loss, RepairPolicy, RepairReport};
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::format::header::{HEADER_LEN, HeaderError};
use crate::format::manifest::{CollectionEntry, LogEntry, Manifest, SegmentEntry};
use crate::format::names::FileName;
use crate::ids::FileId;
use crate::manifest::MAX_BYTES;
use crate::map_vec::MapVec;
use crate::memory::Change;
use crate::segment::{DeadAndChanged, Row, SalvagedSegment, salvage_deletes};

/// A segment that can be read at least in part.
pub(super) struct SegmentSource {
    /// Position of its collection in the manifest.
    pub(super) collection: usize,
    pub(super) path: PathBuf,
    pub(super) rows: Row,
    pub(super) segment: SalvagedSegment,
    pub(super) dead: RoaringBitmap,
    /// What was changed of rows, in ascending order of rows.
    pub(super) changed: Vec<(Row, Change)>,
    /// True if further rows may be dead, because the segment's deletes cannot be read.
    pub(super) doubtful: bool,
}

/// Everything that can be read of a damaged store.
pub(super) struct Sources<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) dir: &'a Path,
    pub(super) manifest: Manifest,
    pub(super) segments: Vec<SegmentSource>,
    /// The log files in order, including files that only a lost manifest named.
    pub(super) log: Vec<LogEntry>,
    /// How many of these log files the manifest names.
    pub(super) named_log: usize,
}

/// The newest deletes of each segment: number of their file, rows of the segment, dead and changed
/// rows.
type Deletes = HashMap<FileId, (FileId, Row, DeadAndChanged)>;

impl SegmentSource {
    /// Returns what was changed of a row.
    pub(super) fn change(&self, row: Row) -> Option<Change> {
        let at = self.changed.binary_search_by_key(&row, |(row, _)| *row).ok()?;
        self.changed.get(at).map(|(_, change)| *change)
    }
}

impl<'a> Sources<'a> {
    pub(super) fn find(
        disk: &'a dyn Disk,
        dir: &'a Path,
        doubt: RepairPolicy,
        report: &mut RepairReport,
    ) -> Result<Self> {
        let listed = disk.list(dir)?;
        let names: Vec<FileName> =
            listed.iter().filter_map(|entry| FileName::parse(&entry.name)).collect();
        let manifests: Vec<String> = listed.into_iter().map(|entry| entry.name).collect();
        let (manifest, newest) = choose_manifest(disk, dir, &manifests, report)?;
        report.generation = manifest.generation;
        let log = chain(disk, dir, &names, &manifest, newest, report);
        let named_log = manifest.log.len();
        let mut sources = Self { disk, dir, manifest, segments: Vec::new(), log, named_log };
        let deletes = sources.read_deletes(&names);
        for at in 0..sources.manifest.collections.len() {
            let entry = sources.manifest.collections[at].clone();
            for segment in &entry.segments {
                sources.open_segment(at, &entry, segment, &deletes, doubt, report);
            }
        }
        Ok(sources)
    }

    pub(super) fn path(&self, name: FileName) -> PathBuf {
        self.dir.join(name.to_string())
    }

    /// Reads every undamaged `del` file, including those that only a lost manifest named. A newer
    /// file holds everything that an older one of the same segment does.
    fn read_deletes(&self, names: &[FileName]) -> Deletes {
        let mut deletes = Deletes::new();
        for name in names {
            let FileName::Deletes(file) = *name else {
                continue;
            };
            let Ok((segment, rows, found)) =
                salvage_deletes(self.disk, self.dir, self.manifest.store, file)
            else {
                continue;
            };
            if deletes.get(&segment).is_none_or(|(known, _, _)| *known < file) {
                deletes.insert(segment, (file, rows, found));
            }
        }
        deletes
    }

    fn open_segment(
        &mut self,
        collection: usize,
        of: &CollectionEntry,
        entry: &SegmentEntry,
        deletes: &Deletes,
        doubt: RepairPolicy,
        report: &mut RepairReport,
    ) {
        let path = self.path(FileName::Segment(entry.file));
        let named = entry.deletes.as_ref();
        let alive = u64::from(entry.rows).saturating_sub(named.map_or(0, |d| d.dead.into()));
        let mut lose = |file: &Path, offset, reason: String, rows| {
            let (file, collection) = (file.to_owned(), Some(of.name.clone()));
            report.lost.push(Loss { file, offset, reason, collection, rows, ids: Vec::new() });
        };
        let (store, dimension) = (self.manifest.store, of.options.dimension);
        let opened =
            SalvagedSegment::open(self.disk, self.dir, store, entry.file, entry.rows, dimension);
        let segment = match opened {
            Ok(segment) => segment,
            Err(error) => {
                lose(&path, 0, format!("the segment cannot be read: {error}"), Some(alive));
                return;
            }
        };
        let known = deletes
            .get(&entry.file)
            .filter(|(file, rows, _)| {
                *rows == entry.rows && named.is_none_or(|named| *file >= named.file)
            })
            .map(|(_, _, found)| found.clone());
        let doubtful = known.is_none() && named.is_some();
        let DeadAndChanged { dead, changed } = known.unwrap_or_default();
        if let Some(named) = named.filter(|_| doubtful) {
            let file = self.path(FileName::Deletes(named.file));
            let (reason, rows) = match doubt {
                RepairPolicy::Strict => ("all of its segment's rows are given up", Some(alive)),
                RepairPolicy::KeepDoubtful => ("some of its segment's rows come back", Some(0)),
            };
            lose(&file, 0, format!("the record of dead rows cannot be read: {reason}"), rows);
        }
        self.segments.push(SegmentSource {
            collection,
            path,
            rows: entry.rows,
            segment,
            dead,
            changed,
            doubtful,
        });
    }
}

/// Suffix of a manifest that was set aside when its successor was committed.
const PUT_ASIDE: &str = ".old";

/// Returns the newest manifest that can be read, and true if the file names show no newer one.
fn choose_manifest(
    disk: &dyn Disk,
    dir: &Path,
    names: &[String],
    report: &mut RepairReport,
) -> Result<(Manifest, bool)> {
    let mut generations: Vec<(u64, &String)> = names
        .iter()
        .filter_map(|name| match FileName::parse(name.strip_suffix(PUT_ASIDE).unwrap_or(name)) {
            Some(FileName::Manifest(generation)) => Some((generation, name)),
            _ => None,
        })
        .collect();
    generations.sort_unstable_by(|a, b| b.cmp(a));
    let mut newest = true;
    let mut lose = |file: PathBuf, reason: String| {
        let reason = format!(
            "{reason}; an older one is gone by: collections that were dropped since may be back"
        );
        let (offset, collection, rows, ids) = (0, None, None, Vec::new());
        report.lost.push(Loss { file, offset, reason, collection, rows, ids });
    };
    for (generation, name) in generations {
        if newest && name.ends_with(PUT_ASIDE) {
            let missing = FileName::Manifest(generation.saturating_add(1));
            lose(dir.join(missing.to_string()), "the manifest is missing".to_owned());
            newest = false;
        }
        let path = dir.join(name);
        let read = disk.open(&path).and_then(|file| MapVec::read_file(file.as_ref(), MAX_BYTES));
        let reason = match read.map(|bytes| Manifest::decode(&bytes)) {
            Ok(Ok(manifest)) if manifest.generation == generation => return Ok((manifest, newest)),
            Ok(Ok(_)) => "this is another manifest's content".to_owned(),
            Ok(Err(HeaderError::TooNew(found))) => {
                let supported = crate::format::READ_VERSION;
                return Err(Error::UnsupportedFormat { file: path, found, supported });
            }
            Ok(Err(HeaderError::Decode(error))) => error.reason.to_owned(),
            Err(error) => error.to_string(),
        };
        newest = false;
        lose(path, reason);
    }
    let reason = "no manifest can be read, and nothing else says which file belongs to what: put \
                  back a MANIFEST file from a backup of this store";
    Err(Error::corrupt(dir, 0, reason))
}

/// Returns the log files in order. A log file that holds frames and that the manifest does not know
/// shows that a newer manifest existed.
fn chain(
    disk: &dyn Disk,
    dir: &Path,
    names: &[FileName],
    manifest: &Manifest,
    newest: bool,
    report: &mut RepairReport,
) -> Vec<LogEntry> {
    let mut log = manifest.log.clone();
    let last = log.last().map(|entry| entry.file).unwrap_or_default();
    let mut more: Vec<FileId> = names
        .iter()
        .filter_map(|name| match name {
            FileName::Log(file) if *file > last => Some(*file),
            _ => None,
        })
        .collect();
    more.sort_unstable();
    let path = |file| dir.join(FileName::Log(file).to_string());
    let has_frames = |file| disk.open(&path(file)).is_ok_and(|f| f.len() > HEADER_LEN as u64);
    if newest && !more.iter().any(|file| has_frames(*file)) {
        return log;
    }
    if let Some(file) = more.first().filter(|_| newest) {
        report.lost.push(Loss {
            file: dir.join(FileName::Manifest(manifest.generation.saturating_add(1)).to_string()),
            offset: 0,
            reason: format!("a newer manifest is missing: none names {}", FileName::Log(*file)),
            collection: None,
            rows: None,
            ids: Vec::new(),
        });
    }
    log.extend(more.into_iter().map(|file| LogEntry { file, synced_len: 0, valid_len: None }));
    log
}
