//! Owns the golden files: one small store that contains everything, made once from fixed seeds.
//! Also owns what its undamaged files say.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::files::MemoryDisk;
use crate::clock::{ManualClock, Timestamp};
use crate::collection::Collection;
use crate::disk::{Disk, SealedFile};
use crate::engine::refresh;
use crate::filter::{Attributes, Filter};
use crate::format::frame::{FRAME_HEAD_LEN, FrameHead, frame_len};
use crate::format::header::{FileHeader, FileKind, HEADER_LEN};
use crate::format::manifest::{CollectionEntry, LogEntry, Manifest};
use crate::format::names::FileName;
use crate::format::record;
use crate::format::table::SectionTable;
use crate::ids::{FileId, MemoryId};
use crate::log::LogSource;
use crate::manifest::Found;
use crate::options::{
    Background, CollectionOptions, HnswParams, Metric, Quantization, StoreOptions, TextIndex,
};
use crate::store::{Store, open_for_writing};
use crate::words::{Analyzer, Language};
use crate::{Batch, Lifetime, Memory, Patch};

/// The time of all events.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Name and dimension of each collection.
pub(super) const COLLECTIONS: [(&str, usize); 2] = [("notes", 6), ("facts", 3)];

/// One log file as it was written.
#[derive(Debug)]
pub(super) struct GoldenLog {
    pub(super) name: String,
    pub(super) file: FileId,
    pub(super) frames: Vec<(FrameHead, Vec<u8>)>,
    pub(super) regions: Vec<Range<usize>>,
}

/// A row that filters are tested on.
#[derive(Debug)]
pub(super) struct Sample {
    id: MemoryId,
    body: Vec<u8>,
}

impl Sample {
    pub(super) fn attributes(&self) -> Attributes<'_> {
        record::attributes(self.id, &self.body).unwrap()
    }
}

/// Every version of every memory, by collection and id.
type Versions = HashMap<(&'static str, MemoryId), Vec<Memory>>;

/// The golden store.
#[derive(Debug)]
pub(super) struct Golden {
    pub(super) dir: &'static Path,
    pub(super) files: BTreeMap<String, Arc<Vec<u8>>>,
    pub(super) manifest: Manifest,
    pub(super) logs: Vec<GoldenLog>,
    pub(super) versions: Versions,
    sample: Vec<Sample>,
}

/// Options under which every run is the same.
pub(super) fn options() -> StoreOptions {
    let clock = Arc::new(ManualClock::new(NOW));
    StoreOptions::new().clock(clock).background(Background::Manual).seed(7)
}

/// Returns the vector of a memory: the same for the same seed.
pub(super) fn vector(seed: u64, dimension: usize) -> Vec<f32> {
    let bits = |i| crate::splitmix::mix(seed << 8 | i) >> 40;
    (0..dimension as u64).map(|i| bits(i) as f32 / (1 << 23) as f32 - 1.0).collect()
}

fn memory(i: u64, version: u64, dimension: usize) -> Memory {
    let mut memory = Memory::new(i, vector(i * 3 + version, dimension));
    memory = memory.text(format!("text {i} {version}")).importance((i % 11) as f32 / 10.0);
    if i.is_multiple_of(2) {
        memory = memory
            .namespace(format!("user:{}", i % 4))
            .event_time(Timestamp::from_millis(i.cast_signed() - 30));
    }
    for tag in 0..i % 3 {
        memory = memory.tag(format!("t{tag}"));
    }
    if i.is_multiple_of(5) {
        memory = memory.key(format!("k{i}")).kind("note").session("s").pinned(true);
    }
    if i % 7 == 3 {
        memory = memory.ttl(Duration::from_secs(60));
    }
    if i % 4 == 1 {
        memory = memory.field("n", i).field("text", format!("text {}", i % 5));
        memory = memory.field_list("list", [i % 3, version]).tokens(i as u32);
    }
    if i % 6 == 2 {
        memory = memory.superseded_by(i + 1).derived_from([i / 2, 7]);
        memory = memory.valid(Some(Timestamp::from_millis(i.cast_signed())), None);
    }
    if i % 8 == 6 {
        memory = memory.uses(i as u32).last_used(Timestamp::from_millis(i.cast_signed()));
    }
    if i % 9 == 4 {
        let (seen, by) = (vec![(i, Some('a')), (version, None)], By::Page { number: 3 });
        memory = memory.metadata(&Note { seen, by }).unwrap();
    }
    memory
}

/// Typed metadata of some memories.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Note {
    seen: Vec<(u64, Option<char>)>,
    by: By,
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
enum By {
    Page { number: u32 },
}

impl Golden {
    /// Returns the golden store, which the first call makes.
    pub(super) fn get() -> &'static Self {
        static GOLDEN: OnceLock<Golden> = OnceLock::new();
        GOLDEN.get_or_init(Self::make)
    }

    fn make() -> Self {
        let (disk, dir) = (MemoryDisk::default(), Path::new("golden"));
        let mut versions = Versions::new();
        {
            let store = open_for_writing(Arc::new(disk.clone()), dir, options()).unwrap();
            fill(&store, &mut versions);
        }
        let mut manifest = match crate::manifest::load(&disk, dir).unwrap() {
            Found::Manifest(manifest) => *manifest,
            Found::Nothing => panic!("the golden store is gone"),
        };
        let name = |file: FileName| file.to_string();
        // Leaves the log as a crash would. After a close, any change of the log's length is refused
        // for that alone, and no frame would be read.
        for entry in &mut manifest.log {
            entry.synced_len = HEADER_LEN as u64;
        }
        let newest = name(FileName::Manifest(manifest.generation));
        disk.put(dir, &newest, manifest.encode([5; 16]).unwrap());
        let mut live: Vec<String> = manifest.files().map(name).collect();
        live.push(name(FileName::Manifest(manifest.generation)));
        let files = disk.all().into_iter().filter(|(name, _)| live.contains(name));
        let files = files.map(|(name, bytes)| (name, Arc::new(bytes))).collect();
        let logs = manifest.log.iter().map(|entry| log(&disk, dir, &manifest, entry)).collect();
        let sample = (0..12).map(|i| {
            let body = record::encode_body(&memory(i, 0, 3), NOW, Timestamp::MAX);
            Sample { id: i.into(), body }
        });
        let golden = Self { dir, files, manifest, logs, versions, sample: sample.collect() };
        golden.assert_complete();
        golden
    }

    /// Checks that everything a decoder can meet is there.
    fn assert_complete(&self) {
        for kind in ["MANIFEST-", "log-", "seg-", "del-", "idx-", "loc-"] {
            assert!(self.files.keys().any(|name| name.starts_with(kind)), "no {kind} file");
        }
        assert!(self.logs.iter().map(|l| l.frames.len()).sum::<usize>() > 8);
    }

    pub(super) fn sample(&self) -> &[Sample] {
        &self.sample
    }

    pub(super) fn bytes(&self, name: &str) -> &Vec<u8> {
        &self.files[name]
    }

    pub(super) fn manifest_name(&self) -> String {
        FileName::Manifest(self.manifest.generation).to_string()
    }

    pub(super) fn header(&self, kind: FileKind, file: FileId) -> FileHeader {
        FileHeader { kind, store: self.manifest.store, file, salt: [3; 16] }
    }

    pub(super) fn collection(&self, name: &str) -> &CollectionEntry {
        self.manifest.collections.iter().find(|c| c.name == name).unwrap()
    }

    /// Returns a disk with all files.
    pub(super) fn disk(&self) -> MemoryDisk {
        let disk = MemoryDisk::default();
        for (name, bytes) in &self.files {
            disk.share(self.dir, name, bytes);
        }
        disk
    }
}

/// Returns what makes the words of the first collection.
pub(super) fn words_of_notes() -> Analyzer {
    Analyzer { language: Some(Language::English) }
}

fn fill(store: &Store, versions: &mut Versions) {
    let hnsw = HnswParams { m: 4, ef_construction: 16, min_rows: 40, ..HnswParams::default() };
    let options = |of: usize, metric| {
        CollectionOptions::new(COLLECTIONS[of].1, metric).memtable_rows(64).hnsw(hnsw)
    };
    let (notes, facts) =
        (options(0, Metric::Cosine), options(1, Metric::L2).quantization(Quantization::None));
    // A build without the feature has a golden store without words.
    let notes = match words_of_notes().language {
        Some(language) if cfg!(feature = "text") => {
            notes.text_index(TextIndex::new().language(language))
        }
        _ => notes,
    };
    let notes = (COLLECTIONS[0].0, store.collection(COLLECTIONS[0].0, notes).unwrap());
    let facts = (COLLECTIONS[1].0, store.collection(COLLECTIONS[1].0, facts).unwrap());
    for (of, count) in [(&notes, 100), (&facts, 70)] {
        for start in (0..count).step_by(10) {
            insert(of, start..start + 10, 0, versions);
        }
    }
    while store.run_pending_tasks().unwrap() {}
    store.compact().unwrap();
    // Deletes of sealed rows, new versions of some, and a log that still holds them.
    for of in [&notes, &facts] {
        // Few enough deletes that no segment is rewritten for them.
        [5u64, 14].iter().for_each(|id| assert!(of.1.delete(*id).unwrap()));
        of.1.delete_where(Filter::namespace("user:2").and(Filter::key("k50"))).unwrap();
        insert(of, 60..63, 1, versions);
        let lasting = Patch::new().importance(0.25).lifetime(Lifetime::Forever);
        update(of, 20..24, &lasting, versions);
        update(of, 24..26, &Patch::new().pinned(false), versions);
        note_uses(of, 26..31, versions);
    }
    roll(store, &notes, versions);
    for of in [&notes, &facts] {
        insert(of, 200..210, 0, versions);
        of.1.delete(201u64).unwrap();
        of.1.delete_where(Filter::Pinned(true).and(Filter::tags_all(["t0", "t1"]))).unwrap();
        of.1.delete_where(Filter::importance_at_least(0.99).or(Filter::ids([203u64]))).unwrap();
        assert_eq!(of.1.delete_where(Filter::ids([204u64, 206, 900])).unwrap(), 2);
        update(of, 36..39, &Patch::new().lifetime(Duration::from_secs(90)), versions);
        update(of, 207..208, &Patch::new().text("again").tag("t9"), versions);
        note_uses(of, 33..35, versions);
        // Each kills enough rows that the filter is logged, and not their ids.
        assert!(of.1.delete_where(Filter::field("n").between(45, 110.5)).unwrap() > 2);
        let valid = Filter::valid_at(Timestamp::from_millis(30)) & Filter::superseded(true);
        assert!(of.1.delete_where(valid & Filter::derived_from(7u64)).unwrap() > 2);
    }
    store.sync().unwrap();
}

/// Seals more rows and starts a new log file, so that there are `del` files.
fn roll(store: &Store, of: &(&'static str, Collection), versions: &mut Versions) {
    for start in (100..170).step_by(10) {
        insert(of, start..start + 10, 0, versions);
    }
    while store.run_pending_tasks().unwrap() {}
}

fn insert(
    (name, collection): &(&'static str, Collection),
    ids: Range<u64>,
    version: u64,
    versions: &mut Versions,
) {
    let dimension = collection.settings().dimension;
    let mut batch = Batch::new();
    for id in ids.clone() {
        batch = batch.insert(memory(id, version, dimension));
    }
    collection.apply(batch).unwrap();
    for id in ids.map(MemoryId::from) {
        let memory = collection.get(id).unwrap().unwrap();
        versions.entry((*name, id)).or_default().push(memory);
    }
}

/// Updates memories by a filter. Each is updated once, so that no state between is unknown.
fn update(
    (name, collection): &(&'static str, Collection),
    ids: Range<u64>,
    patch: &Patch,
    versions: &mut Versions,
) {
    let count = ids.end - ids.start;
    assert_eq!(collection.update_where(Filter::ids(ids.clone()), patch.clone()).unwrap(), count);
    for id in ids.map(MemoryId::from) {
        let memory = collection.get(id).unwrap().unwrap();
        versions.entry((*name, id)).or_default().push(memory);
    }
}

/// Adds a use to each of these memories, once for the same reason.
fn note_uses(
    (name, collection): &(&'static str, Collection),
    ids: Range<u64>,
    versions: &mut Versions,
) {
    collection.note_uses(ids.clone());
    refresh::write_noted(&collection.engine).unwrap();
    for id in ids.map(MemoryId::from) {
        let memory = collection.get(id).unwrap().unwrap();
        versions.entry((*name, id)).or_default().push(memory);
    }
}

fn log(disk: &MemoryDisk, dir: &Path, manifest: &Manifest, entry: &LogEntry) -> GoldenLog {
    let source = LogSource { disk, dir, store: manifest.store, entry, last: false };
    let mut frames = Vec::new();
    let mut regions: Vec<Range<usize>> = std::iter::once(0..HEADER_LEN).collect();
    let mut at = HEADER_LEN;
    let read = source.read(|head, payload, _| {
        frames.push((*head, payload.to_vec()));
        let end = at + frame_len(payload.len());
        regions.extend([at..at + FRAME_HEAD_LEN, at + FRAME_HEAD_LEN..end]);
        at = end;
        Ok(())
    });
    read.unwrap();
    let name = FileName::Log(entry.file).to_string();
    GoldenLog { name, file: entry.file, frames, regions }
}

/// Returns the regions of a file of sections: the header, each section and the table.
pub(super) fn regions(bytes: &[u8]) -> Vec<Range<usize>> {
    let table = SectionTable::decode(bytes).unwrap();
    let sections = table.entries.iter().map(|e| e.offset as usize..(e.offset + e.len) as usize);
    let end = sections.clone().map(|s| s.end).max().unwrap_or(HEADER_LEN);
    let sections = sections.filter(|s| !s.is_empty());
    let table = std::iter::once(end..bytes.len());
    std::iter::once(0..HEADER_LEN).chain(sections).chain(table).collect()
}

/// Returns the length of a file on a disk.
pub(super) fn len(disk: &MemoryDisk, dir: &Path, name: &str) -> u64 {
    disk.open(&dir.join(name)).map_or(0, |file: Arc<dyn SealedFile>| file.len())
}
