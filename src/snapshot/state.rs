//! Owns the state of one open collection: its options, the snapshot that readers load, and the id
//! tables of its memtables, which only writers use. Knows nothing of the log or of files.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use crate::ids::{CollectionId, FileId, MemoryId, Seq};
use crate::index::{Index, Scratch};
use crate::options::{CollectionSettings, HnswParams};
use crate::report::CompactionReport;
use crate::segment::{Active, Changes, Coder, Liveness, NewRow, Row, Rows};
use crate::snapshot::dead_since::DeadSince;
use crate::snapshot::name::Name;
use crate::snapshot::reads::Reads;
use crate::snapshot::recall::RecallMonitor;
use crate::snapshot::relocation::Moves;
use crate::snapshot::uses::UseNotes;
use crate::snapshot::{MemPart, SegPart, Snapshot};
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

/// The data that only the holder of the commit token uses.
#[derive(Debug, Default)]
pub(crate) struct WriterTables {
    /// One per memtable of the snapshot, in the same order.
    pub(crate) ids: Vec<IdTable>,
    pub(crate) next_number: u64,
}

/// The sizes of a collection's files.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sizes {
    /// Bytes of all segments, and of all indexes with their locators.
    pub(crate) segments: u64,
    pub(crate) indexes: u64,
    /// Bytes of the largest segment or index.
    pub(crate) largest_file: u64,
    /// Rows that are not deleted, including rows in RAM.
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

/// Estimated bytes per row in a locator.
const LOCATOR_BYTES: usize = 12;

/// Marks that an index is being written, until it is dropped; see
/// [`CollectionState::writes_index`].
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
    name: Name,
    options: Published<CollectionSettings>,
    /// A copy of the option, which never changes.
    in_memory: bool,
    pub(crate) spec: CodeSpec,
    snapshot: Published<Snapshot>,
    pub(crate) tables: Mutex<WriterTables>,
    /// Held while the list of segments or indexes is changed, from reading it to publishing.
    pub(crate) structure: Mutex<()>,
    /// Held while rows are sealed or compacted.
    pub(crate) row_job: Mutex<()>,
    /// Held while an index is built.
    pub(crate) index_job: Mutex<()>,
    pub(crate) dropped: AtomicBool,
    pub(crate) last_report: Mutex<Option<CompactionReport>>,
    /// When each segment was first seen with a dead row.
    pub(crate) deaths: DeadSince,
    /// The snapshot for which no index work was due. Nothing needs to be counted again before the
    /// next snapshot.
    pub(crate) indexes_in_order: Mutex<Weak<Snapshot>>,
    /// The frame of codes for new rows and the error of these codes, once an index has chosen them.
    coder: Mutex<Option<Coder>>,
    /// The recall of its graph, measured with users' queries.
    pub(crate) recall: RecallMonitor,
    /// The memories that were read, if reads prolong lives.
    pub(crate) reads: Reads,
    /// The memories that were used.
    pub(crate) uses: UseNotes,
    /// Unused buffers for graph searches.
    pub(crate) scratch: Mutex<Vec<Scratch>>,
    pub(crate) moves: Moves,
    mem_bytes: AtomicU64,
    sizes: Mutex<Sizes>,
    debt: AtomicU64,
    /// Estimated bytes of the index that is being built; 0 if there is none.
    index_under_way: AtomicU64,
}

impl CollectionState {
    /// Creates a collection from `snapshot`, with an empty active memtable after it.
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
            name: Name::new(name),
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
            reads: Reads::default(),
            uses: UseNotes::default(),
            scratch: Mutex::default(),
            moves: Moves::default(),
            mem_bytes: AtomicU64::new(0),
            sizes: Mutex::default(),
            debt: AtomicU64::new(0),
            index_under_way: AtomicU64::new(0),
        };
        core.reads.set(core.options().refresh_on_read);
        let mut snapshot = snapshot;
        snapshot.relink();
        core.push_memtable(&mut snapshot, &mut lock(&core.tables), log_file);
        core.publish(snapshot);
        core
    }

    /// Returns the frame of codes for new rows and the error of these codes, if an index has chosen
    /// them.
    pub(crate) fn coder(&self) -> Option<Coder> {
        lock(&self.coder).clone()
    }

    /// Encodes new rows in the frame of `index` from now on.
    pub(crate) fn code_like(&self, index: &Index) {
        *lock(&self.coder) = Some((Arc::clone(index.frame()), *index.fit()));
    }

    /// Returns the current name. It is lent for as long as the collection is open.
    pub(crate) fn name(&self) -> &str {
        self.name.get()
    }

    /// Sets another name. The caller holds the lock of all names.
    pub(crate) fn set_name(&self, name: &str) {
        self.name.set(name.to_owned());
    }

    pub(crate) fn options(&self) -> Arc<CollectionSettings> {
        self.options.load()
    }

    fn hnsw(&self) -> HnswParams {
        self.options.load().hnsw
    }

    /// Returns true if the collection is in RAM only.
    pub(crate) const fn is_in_memory(&self) -> bool {
        self.in_memory
    }

    /// Changes the options. The caller holds the commit token.
    pub(crate) fn set_options(&self, options: CollectionSettings) {
        self.reads.set(options.refresh_on_read);
        let analyzer = options.analyzer();
        let before = self.options();
        self.options.store(options);
        // Frozen memtables are sealed soon, with the new words.
        let mut next = Snapshot::clone(&self.snapshot());
        if before.analyzer() != analyzer
            && let Some(active) = next.memtables.last_mut()
        {
            active.rows = active.rows.with_words(analyzer);
            self.publish(next);
        }
        *lock(&self.indexes_in_order) = Weak::new();
    }

    /// Returns the snapshot that readers see now.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load()
    }

    /// Makes `next` the snapshot that readers see. The caller holds the commit token, or the
    /// collection is not shared yet.
    pub(crate) fn publish(&self, next: Snapshot) {
        let bytes: u64 = next.memtables.iter().map(|m| m.rows.heap_bytes() as u64).sum();
        self.mem_bytes.store(bytes, Ordering::Relaxed);
        *lock(&self.sizes) = Sizes::of(&next);
        self.snapshot.store(next);
    }

    /// Returns the heap bytes of the memtables.
    pub(crate) fn mem_bytes(&self) -> u64 {
        self.mem_bytes.load(Ordering::Relaxed)
    }

    /// Returns the file sizes of the newest snapshot.
    pub(crate) fn sizes(&self) -> Sizes {
        *lock(&self.sizes)
    }

    /// Returns the estimated bytes of one index over `rows`, with a graph if there are enough rows
    /// for one.
    pub(crate) fn full_index_bytes(&self, rows: u64) -> u64 {
        self.index_bytes(rows, rows >= u64::from(self.hnsw().min_rows))
    }

    /// Returns the bytes that waited to be compacted at the last check.
    pub(crate) fn debt(&self) -> u64 {
        self.debt.load(Ordering::Relaxed)
    }

    pub(crate) fn note_debt(&self, bytes: u64) {
        self.debt.store(bytes, Ordering::Relaxed);
    }

    /// Returns the estimated bytes of an index over `rows` with its locator: codes, a locator entry
    /// per row, and sign blocks or, with a graph, the neighbor lists of every level.
    pub(crate) fn index_bytes(&self, rows: u64, graph: bool) -> u64 {
        let spec = self.coder().map_or(self.spec, |(frame, _)| frame.spec);
        let signs = spec.block_bytes().map_or(0, |bytes| bytes / SIGN_BLOCK_ROWS);
        let lists = usize::from(self.hnsw().m) * 9;
        let rest = if graph { lists } else { signs };
        rows * (spec.row_bytes() + rest + LOCATOR_BYTES) as u64
    }

    /// Notes that an index of `bytes` is being built, until the guard is dropped. Only one is built
    /// at a time.
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

    /// Starts a new active memtable. The previous one, if any, is frozen.
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
            rows: Active::new(self.spec, self.coder(), self.options().analyzer()),
            live: Liveness::all_live(0),
            changes: Changes::default(),
            last_seq: Seq::ZERO,
            log_file,
        });
        tables.ids.push(IdTable { number, rows: HashMap::new() });
    }

    /// Replaces the active memtable by one that holds only `rows`, in their order.
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
        active.changes = Changes::default();
        active.rows = Active::new(self.spec, self.coder(), self.options().analyzer()).push(rows);
    }

    /// Returns true if every effect in this snapshot is in files that the manifest names.
    pub(crate) fn is_idle(snapshot: &Snapshot) -> bool {
        snapshot.memtables.iter().all(|m| m.rows.rows() == 0)
            && snapshot.segments.iter().all(SegPart::is_on_disk)
    }
}
