//! Owns the options of a store: what holds for all of its collections.

use std::time::Duration;

use crate::error::{Error, Result};

/// Longest time that dead bytes wait for their reclaim, unless another is chosen.
const RECLAIM_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// How long inserts wait for room, unless another time is chosen.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Who does the background work: sealing, compaction, graph building.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Background {
    /// Threads that all stores of the process share: two for syncs of the log, two for rows, two for
    /// indexes, and up to four for listeners, which end when they have nothing to tell. A store has
    /// none of its own. They start with the first store that is opened so and end with the last. A
    /// job that is held up (a pause, a limit, a job by hand on the same collection) lets another
    /// thread take its place meanwhile.
    #[default]
    Auto,
    /// The caller, through `Store::run_pending_tasks`. The store starts no thread, and its listener is told
    /// on the thread of the call: see `StoreOptions::on_event`.
    Manual,
}

/// How vectors and payloads are read from sealed segments. Codes, graphs, ids and the other columns are
/// always mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IoMode {
    /// Through the map, without a copy. A search that reads a row makes its page resident, and with it the
    /// neighbors that the system maps along: after some thousand queries, all rows are.
    Mapped,
    /// From the open file, with a copy and a system call (`pread`) a row. Rows are in the system's cache at
    /// most, not in the resident bytes of this process.
    Pread,
}

/// Files that may be kept open to be read, unless another number is chosen.
const MAX_OPEN_FILES: usize = 256;

/// What is done with events.
pub(crate) type Listener = std::sync::Arc<dyn Fn(&crate::metrics::Event) + Send + Sync>;

/// How a store is opened. See `Store::open` for the usual way.
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// use altiplano::{Background, StoreOptions};
/// let store = StoreOptions::new()
///     .heap_budget(64 << 20)
///     .background(Background::Manual)
///     .open(dir.path().join("agent.alt"))?;
/// while store.run_pending_tasks()? {}
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct StoreOptions {
    pub(crate) clock: std::sync::Arc<dyn crate::clock::Clock>,
    pub(crate) background: Background,
    pub(crate) heap_budget: Option<u64>,
    pub(crate) compaction_debt_limit: Option<u64>,
    pub(crate) write_timeout: Duration,
    pub(crate) reclaim_within: Duration,
    pub(crate) compaction_rate_limit: Option<u64>,
    pub(crate) disk_budget: Option<u64>,
    pub(crate) resident_budget: Option<u64>,
    io_mode: Option<IoMode>,
    max_open_files: usize,
    /// None: as many as the store needs.
    pub(crate) reserve_bytes: Option<u64>,
    pub(crate) listener: Option<Listener>,
    /// Told of events where they happen, inside of jobs and under their locks.
    #[cfg(test)]
    pub(crate) tap: Option<Listener>,
    pub(crate) seed: Option<u64>,
    pub(crate) create: bool,
}

impl StoreOptions {
    /// The defaults: the system's clock, shared background threads, no budget, create what is missing.
    pub fn new() -> Self {
        Self {
            clock: std::sync::Arc::new(crate::clock::SystemClock::new()),
            background: Background::Auto,
            heap_budget: None,
            compaction_debt_limit: None,
            write_timeout: WRITE_TIMEOUT,
            reclaim_within: RECLAIM_WITHIN,
            compaction_rate_limit: None,
            disk_budget: None,
            resident_budget: None,
            io_mode: None,
            max_open_files: MAX_OPEN_FILES,
            reserve_bytes: None,
            listener: None,
            #[cfg(test)]
            tap: None,
            seed: None,
            create: true,
        }
    }

    /// Sets where the time comes from. Default = the system's clock.
    #[must_use]
    pub fn clock(mut self, clock: std::sync::Arc<dyn crate::clock::Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets who does the background work. Default = [`Background::Auto`].
    #[must_use]
    pub const fn background(mut self, background: Background) -> Self {
        self.background = background;
        self
    }

    /// Sets how many heap bytes the memtables of all collections and graph builds may take, at least
    /// 16 MiB. An insert that would pass it waits for memtables to be sealed, and is refused with
    /// [`Error::OverBudget`] where that is not enough; deletes never are. It bounds what in-memory
    /// collections keep, and not what others do.
    /// A graph for which half of it is not enough is not built (about 600 bytes a row with 384
    /// dimensions and the default options): its rows are scanned. Default = no limit.
    #[must_use]
    pub const fn heap_budget(mut self, bytes: u64) -> Self {
        self.heap_budget = Some(bytes);
        self
    }

    /// Sets how many bytes the store's files may take, `RESERVE` included, at least 32 MiB. An insert is
    /// refused with [`Error::OverBudget`] when it would leave no room for the next compaction; before
    /// that, the background gives back whatever it can, and the insert waits for it as long as there is
    /// something, and it has patience. The error says how many bytes to delete. Memories that are replaced
    /// by others of their size are taken as long as a batch is smaller than a 32nd of the budget, which
    /// is kept free for them. Deletes and compaction are always admitted. Files that readers
    /// still hold count. Default = no limit.
    #[must_use]
    pub const fn disk_budget(mut self, bytes: u64) -> Self {
        self.disk_budget = Some(bytes);
        self
    }

    /// Sets how many bytes of mapped files may be resident, looked at once a second: when there are more,
    /// files let their pages go, those of rows first, and the system reads them back when they are
    /// needed, mostly from its own cache. It holds on Linux; elsewhere nothing is let go. Rows are then read
    /// with [`IoMode::Pread`], unless another mode is chosen. Default = no limit: the system takes pages
    /// back itself when it needs them.
    #[must_use]
    pub const fn resident_budget(mut self, bytes: u64) -> Self {
        self.resident_budget = Some(bytes);
        self
    }

    /// Sets how vectors and payloads are read from sealed segments. Default = [`IoMode::Pread`] with a
    /// [`resident_budget`](Self::resident_budget), otherwise [`IoMode::Mapped`].
    #[must_use]
    pub const fn io_mode(mut self, mode: IoMode) -> Self {
        self.io_mode = Some(mode);
        self
    }

    /// Sets how many files the store may keep open to read them with [`IoMode::Pread`], one a segment.
    /// Those beyond it are read through their maps, which take no descriptor. Default = 256.
    #[must_use]
    pub const fn max_open_files(mut self, files: usize) -> Self {
        self.max_open_files = files;
        self
    }

    /// Sets how many bytes of a collection may wait to be compacted (`CollectionStats::debt_bytes` without
    /// `index_debt_bytes`, as the background last saw them) while it takes inserts, at least 1 MiB: beyond that they wait, and are
    /// refused with [`Error::OverBudget`] at the end of their patience. Default = no limit.
    #[must_use]
    pub const fn compaction_debt_limit(mut self, bytes: u64) -> Self {
        self.compaction_debt_limit = Some(bytes);
        self
    }

    /// Sets how long an insert waits where it must: for memtables to be sealed, for a budget, for
    /// compaction. Then it is refused with [`Error::OverBudget`], and nothing of it is done. Zero = not
    /// at all. Default = 10 seconds.
    #[must_use]
    pub const fn write_timeout(mut self, time: Duration) -> Self {
        self.write_timeout = time;
        self
    }

    /// Sets the longest time until the bytes of what was deleted, replaced or has expired are given back
    /// to the file system, at least a second, as long as the store is open and its background not
    /// paused. It counts from when the store notices, on over closes and opens, and after a crash from
    /// the last structural change that knew, or from the open. Segments of which 15 % are dead do not
    /// wait for it. Default = 24 hours. `Store::purge` does it at once.
    #[must_use]
    pub const fn reclaim_within(mut self, time: Duration) -> Self {
        self.reclaim_within = time;
        self
    }

    /// Sets how many bytes a second the background may write when it compacts and builds indexes, at
    /// least 64 KiB. Sealing and what is called by hand are not held up, and nothing is while a writer
    /// waits for room. Default = no limit; the background gives way to slowed readers in any case.
    #[must_use]
    pub const fn compaction_rate_limit(mut self, bytes_per_second: u64) -> Self {
        self.compaction_rate_limit = Some(bytes_per_second);
        self
    }

    /// Sets the size of the file `RESERVE`, in bytes, at most 1 GiB: ballast that is given up when the
    /// disk is full, so that deletes, compaction, recovery and closing still find room, and made again
    /// when space is back. Inserts never use it. 0 = none. Default = it grows with the store: 64 KiB
    /// at first, then 256 KiB, 1 MiB and 4 MiB, so that it holds what the log and the largest file
    /// take, and never more than 4 MiB.
    #[must_use]
    pub const fn reserve_bytes(mut self, bytes: u64) -> Self {
        self.reserve_bytes = Some(bytes);
        self
    }

    /// Sets a function that is told of events: seals, compactions, damaged indexes, failures of
    /// background work. It is called in the order in which they happened, by one thread at a time,
    /// with no lock of the store held, so that it may call the store, and close it.
    ///
    /// With [`Background::Auto`] it is called soon after the event, on a thread that stores share; a
    /// listener that takes long keeps those of other stores waiting. With [`Background::Manual`], and
    /// in a store that is only read, it is called on the thread of the call that made the event,
    /// before that call returns, or, if another thread is telling at that moment, by that one.
    ///
    /// At most 1,024 events wait: those that find no room are let go and counted
    /// (`StoreStats::events_lost`). Of several `Progress` events in a row only the last waits. A panic
    /// in the listener is caught and counted (`StoreStats::listener_panics`), and the next event is
    /// told as usual. A close does not wait for the listener: events that wait are told, and then it
    /// is dropped. A listener that holds a handle of its own store keeps that store open until it is
    /// closed.
    #[must_use]
    pub fn on_event(
        mut self,
        listener: impl Fn(&crate::metrics::Event) + Send + Sync + 'static,
    ) -> Self {
        self.listener = Some(std::sync::Arc::new(listener));
        self
    }

    /// Sets what the store's identity and its files' salts are made from. Default = something that
    /// differs every time. Set it where a run must repeat byte for byte.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets whether a store that is not there is created. Default = true.
    #[must_use]
    pub const fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Sets a function that is told of events where they happen: for tests that must act in the middle
    /// of a job.
    #[cfg(test)]
    pub(crate) fn tap(
        mut self,
        listener: impl Fn(&crate::metrics::Event) + Send + Sync + 'static,
    ) -> Self {
        self.tap = Some(std::sync::Arc::new(listener));
        self
    }

    /// How many files are kept open to be read.
    pub(crate) fn files_to_read(&self) -> usize {
        let default = if self.resident_budget.is_some() { IoMode::Pread } else { IoMode::Mapped };
        match self.io_mode.unwrap_or(default) {
            IoMode::Mapped => 0,
            IoMode::Pread => self.max_open_files,
        }
    }

    /// Checks every range.
    pub(crate) fn validate(&self) -> Result<()> {
        if self.heap_budget.is_some_and(|bytes| bytes < 16 << 20) {
            return Err(Error::option("heap_budget", "less than 16 MiB holds no memtable"));
        }
        if self.disk_budget.is_some_and(|bytes| bytes < 32 << 20) {
            return Err(Error::option("disk_budget", "less than 32 MiB"));
        }
        if self.compaction_debt_limit.is_some_and(|bytes| bytes < 1 << 20) {
            return Err(Error::option("compaction_debt_limit", "less than 1 MiB"));
        }
        if self.reclaim_within < Duration::from_secs(1) {
            return Err(Error::option("reclaim_within", "less than a second"));
        }
        if self.compaction_rate_limit.is_some_and(|bytes| bytes < 64 << 10) {
            return Err(Error::option("compaction_rate_limit", "less than 64 KiB a second"));
        }
        if self.reserve_bytes.is_some_and(|bytes| bytes > 1 << 30) {
            return Err(Error::option("reserve_bytes", "more than 1 GiB"));
        }
        Ok(())
    }
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreOptions")
            .field("clock", &self.clock)
            .field("background", &self.background)
            .field("heap_budget", &self.heap_budget)
            .field("disk_budget", &self.disk_budget)
            .field("resident_budget", &self.resident_budget)
            .field("io_mode", &self.io_mode)
            .field("max_open_files", &self.max_open_files)
            .field("compaction_debt_limit", &self.compaction_debt_limit)
            .field("write_timeout", &self.write_timeout)
            .field("reclaim_within", &self.reclaim_within)
            .field("compaction_rate_limit", &self.compaction_rate_limit)
            .field("reserve_bytes", &self.reserve_bytes)
            .field("seed", &self.seed)
            .field("create", &self.create)
            .finish_non_exhaustive()
    }
}
