//! Owns one open collection: its options, the snapshot that readers load, and the id tables of its
//! memtables that only writers touch. Knows nothing of the log or of files.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use crate::ids::{CollectionId, FileId, MemoryId, Seq};
use crate::index::{Index, Scratch};
use crate::options::{CollectionSettings, HnswParams};
use crate::report::CompactionReport;
use crate::segment::{Active, Coder, Liveness, NewRow, Row, Rows};
use crate::snapshot::dead_since::DeadSince;
use crate::snapshot::recall::RecallMonitor;
use crate::snapshot::relocation::Moves;
use crate::snapshot::{MemPart, Snapshot};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Mutex, Published, lock};
use crate::vector::codes::CodeSpec;
use crate::vector::kernel::blocks::ROWS as SIGN_BLOCK_ROWS;

/// The ids of the live rows of one memtable.
#[derive(Debug, Default)]
pub(crate) struct IdTable {
    pub(crate) number: u64,
    pub(crate) rows: HashMap<MemoryId, Row>,
}

/// What only a writer that holds the commit token touches.
#[derive(Debug, Default)]
pub(crate) struct WriterTables {
    /// One for each memtable of the snapshot, in the same order.
    pub(crate) ids: Vec<IdTable>,
    pub(crate) next_number: u64,
}

/// What the files of a collection take.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sizes {
    /// Bytes of all segments, and of all indexes with their locators.
    pub(crate) segments: u64,
    pub(crate) indexes: u64,
    /// Bytes of the largest segment or index.
    pub(crate) largest_file: u64,
    /// Rows that are not deleted, those in RAM included.
    pub(crate) live_rows: u64,
}

impl Sizes {
    fn of(snapshot: &Snapshot) -> Self {
        let mut sizes = Self::default();
        for part in &snapshot.segments {
            let bytes = part.sealed.segment.len();
            sizes.segments += bytes;
            sizes.largest_file = sizes.largest_file.max(bytes);
        }
        for part in &snapshot.indexes {
            let index = &part.indexed;
            sizes.indexes += index.index.len() + index.locator.len();
            sizes.largest_file = sizes.largest_file.max(index.index.len());
        }
        sizes.live_rows = snapshot.parts().map(|(_, live)| u64::from(live.live())).sum();
        sizes
    }
}

/// Bytes of a row in a locator, about.
const LOCATOR_BYTES: usize = 12;

/// An index is being written while this lives; see [`CollectionState::writes_index`].
pub(crate) struct WritesIndex<'a>(&'a CollectionState);

impl Drop for WritesIndex<'_> {
    fn drop(&mut self) {
        self.0.index_under_way.store(0, Ordering::Relaxed);
    }
}

/// One open collection.
#[derive(Debug)]
pub(crate) struct CollectionState {
    pub(crate) id: CollectionId,
    pub(crate) name: String,
    options: Published<CollectionSettings>,
    /// One of the options that never change.
    in_memory: bool,
    pub(crate) spec: CodeSpec,
    snapshot: Published<Snapshot>,
    pub(crate) tables: Mutex<WriterTables>,
    /// Held by whoever changes the list of segments or indexes, from reading it to publishing.
    pub(crate) structure: Mutex<()>,
    /// Held while rows are sealed or compacted.
    pub(crate) row_job: Mutex<()>,
    /// Held while an index is built.
    pub(crate) index_job: Mutex<()>,
    pub(crate) dropped: AtomicBool,
    pub(crate) last_report: Mutex<Option<CompactionReport>>,
    /// When segments were first seen with dead rows.
    pub(crate) deaths: DeadSince,
    /// The snapshot whose indexes were found in order: there is nothing to count again before the
    /// next one.
    pub(crate) indexes_in_order: Mutex<Weak<Snapshot>>,
    /// What the codes of rows that come are made of, and how far off they are, once that was
    /// chosen.
    coder: Mutex<Option<Coder>>,
    /// How well its graph serves the queries that are asked.
    pub(crate) recall: RecallMonitor,
    /// Buffers of graph searches that are not under way.
    pub(crate) scratch: Mutex<Vec<Scratch>>,
    pub(crate) moves: Moves,
    mem_bytes: AtomicU64,
    sizes: Mutex<Sizes>,
    debt: AtomicU64,
    /// Bytes of the index that is being built.
    index_under_way: AtomicU64,
}

impl CollectionState {
    /// A collection with this snapshot and an empty active segment after it.
    pub(crate) fn new(
        id: CollectionId,
        name: String,
        options: CollectionSettings,
        snapshot: Snapshot,
        log_file: FileId,
    ) -> Self {
        let spec = CodeSpec::new(options.quantization, options.metric, options.dimension);
        let largest = snapshot.indexes.iter().max_by_key(|part| part.indexed.index.nodes());
        let coder = largest.map(|part| {
            let index = &part.indexed.index;
            (Arc::clone(index.frame()), *index.fit())
        });
        let core = Self {
            id,
            name,
            in_memory: options.in_memory,
            options: Published::new(options),
            spec,
            snapshot: Published::new(Snapshot::default()),
            tables: Mutex::default(),
            structure: Mutex::default(),
            row_job: Mutex::default(),
            index_job: Mutex::default(),
            dropped: AtomicBool::new(false),
            last_report: Mutex::default(),
            deaths: DeadSince::default(),
            indexes_in_order: Mutex::default(),
            coder: Mutex::new(coder),
            recall: RecallMonitor::default(),
            scratch: Mutex::default(),
            moves: Moves::default(),
            mem_bytes: AtomicU64::new(0),
            sizes: Mutex::default(),
            debt: AtomicU64::new(0),
            index_under_way: AtomicU64::new(0),
        };
        let mut snapshot = snapshot;
        snapshot.relink();
        core.push_memtable(&mut snapshot, &mut lock(&core.tables), log_file);
        core.publish(snapshot);
        core
    }

    /// What the codes of rows that come are made of, and how far off they are, if that was chosen.
    pub(crate) fn coder(&self) -> Option<Coder> {
        lock(&self.coder).clone()
    }

    /// Makes the codes of rows that come like those of an index.
    pub(crate) fn code_like(&self, index: &Index) {
        *lock(&self.coder) = Some((Arc::clone(index.frame()), *index.fit()));
    }

    pub(crate) fn options(&self) -> Arc<CollectionSettings> {
        self.options.load()
    }

    fn hnsw(&self) -> HnswParams {
        self.options.load().hnsw
    }

    /// Whether it is in RAM alone.
    pub(crate) const fn is_in_memory(&self) -> bool {
        self.in_memory
    }

    pub(crate) fn set_options(&self, options: CollectionSettings) {
        self.options.store(options);
        *lock(&self.indexes_in_order) = Weak::new();
    }

    /// What readers see now.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load()
    }

    /// Makes readers see `next`. Only called with the commit token held, or before the collection
    /// is shared.
    pub(crate) fn publish(&self, next: Snapshot) {
        let bytes: u64 = next.memtables.iter().map(|m| m.rows.heap_bytes() as u64).sum();
        self.mem_bytes.store(bytes, Ordering::Relaxed);
        *lock(&self.sizes) = Sizes::of(&next);
        self.snapshot.store(next);
    }

    /// Heap bytes of the memtables.
    pub(crate) fn mem_bytes(&self) -> u64 {
        self.mem_bytes.load(Ordering::Relaxed)
    }

    /// What the newest snapshot takes on the disk.
    pub(crate) fn sizes(&self) -> Sizes {
        *lock(&self.sizes)
    }

    /// Bytes of one index over so many rows, with a graph if one pays, about.
    pub(crate) fn full_index_bytes(&self, rows: u64) -> u64 {
        self.index_bytes(rows, rows >= u64::from(self.hnsw().min_rows))
    }

    /// Bytes that waited to be compacted when that was last looked at.
    pub(crate) fn debt(&self) -> u64 {
        self.debt.load(Ordering::Relaxed)
    }

    pub(crate) fn note_debt(&self, bytes: u64) {
        self.debt.store(bytes, Ordering::Relaxed);
    }

    /// Bytes of an index over so many rows with its locator, about: codes, signs, a place for each
    /// row, and with a graph the lists of every level.
    pub(crate) fn index_bytes(&self, rows: u64, graph: bool) -> u64 {
        let spec = self.coder().map_or(self.spec, |(frame, _)| frame.spec);
        let signs = spec.block_bytes().map_or(0, |bytes| bytes / SIGN_BLOCK_ROWS);
        let lists = usize::from(self.hnsw().m) * 9;
        let rest = if graph { lists } else { signs };
        rows * (spec.row_bytes() + rest + LOCATOR_BYTES) as u64
    }

    /// An index of so many bytes is being built, until the guard is dropped. There is one at a
    /// time.
    pub(crate) fn writes_index(&self, bytes: u64) -> WritesIndex<'_> {
        self.index_under_way.store(bytes, Ordering::Relaxed);
        WritesIndex(self)
    }

    pub(crate) fn index_bytes_under_way(&self) -> u64 {
        self.index_under_way.load(Ordering::Relaxed)
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::Acquire)
    }

    /// Starts a new active segment; the one before it, if any, is frozen from now on.
    pub(crate) fn push_memtable(
        &self,
        snapshot: &mut Snapshot,
        tables: &mut WriterTables,
        log_file: FileId,
    ) {
        if let Some(frozen) = snapshot.memtables.last_mut() {
            frozen.log_file = log_file;
        }
        let number = tables.next_number;
        tables.next_number += 1;
        snapshot.memtables.push(MemPart {
            number,
            rows: Active::new(self.spec, self.coder()),
            live: Liveness::all_live(0),
            last_seq: Seq::ZERO,
            log_file,
        });
        tables.ids.push(IdTable { number, rows: HashMap::new() });
    }

    /// Goes on with these rows of the active segment alone, in their order.
    pub(crate) fn replace_active(
        &self,
        snapshot: &mut Snapshot,
        tables: &mut WriterTables,
        rows: Vec<NewRow>,
    ) {
        let (Some(active), Some(table)) = (snapshot.memtables.last_mut(), tables.ids.last_mut())
        else {
            return;
        };
        table.rows = rows.iter().map(|row| row.id).zip(0..).collect();
        active.live = Liveness::all_live(rows.len() as Row);
        active.rows = Active::new(self.spec, self.coder()).push(rows);
    }

    /// Whether every effect on this collection is in files that the manifest names, as this
    /// snapshot has it.
    pub(crate) fn is_idle(snapshot: &Snapshot) -> bool {
        snapshot.memtables.iter().all(|m| m.rows.rows() == 0)
            && snapshot.segments.iter().all(|s| s.live.dead() == s.dead_on_disk)
    }
}
