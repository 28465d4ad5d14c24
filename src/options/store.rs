//! Owns the options of a store, which apply to all of its collections.

use std::time::Duration;

use crate::error::{Error, Result};

/// Longest time, by default, until the bytes of dead rows are reclaimed.
const RECLAIM_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// Longest time, by default, that an insert waits for room.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest age of a snapshot, by default.
const SNAPSHOT_MAX_AGE: Duration = Duration::from_secs(3600);

/// Longest age of a snapshot that can be chosen: 30 days.
const MAX_SNAPSHOT_MAX_AGE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Who does the background work: sealing, compaction, graph building.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Background {
    /// Threads that all stores of the process share. There are two for syncs of the log, two for
    /// rows, two for indexes, and up to four for listeners. Listener threads end when no event is
    /// waiting. A store has no thread of its own. The threads start with the first store opened in
    /// this mode and end with the last. While a job is held up, another thread takes its place. A
    /// pause, a limit, or a job by hand on the same collection can hold a job up.
    #[default]
    Auto,
    /// The caller, through [`Store::run_pending_tasks`](crate::Store::run_pending_tasks). The store
    /// starts no thread and calls its listener on the caller's thread: see
    /// [`StoreOptions::on_event`](crate::StoreOptions::on_event).
    Manual,
}

/// How vectors and payloads are read from sealed segments. Codes, graphs, ids and the other columns
/// are always mapped.
///
/// Displayed as `mapped` or `pread`, and parsed from that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IoMode {
    /// Through the map, without a copy. A search that reads a row makes its page resident, and with
    /// it the neighboring pages that the system maps along. After some thousand queries, all rows
    /// are resident.
    Mapped,
    /// From the open file, with a copy and a system call (`pread`) per row. Rows are at most in the
    /// system's cache, not in the resident bytes of this process.
    Pread,
}

/// Largest number of files kept open for reading, by default.
const MAX_OPEN_FILES: usize = 256;

/// The caller's function that receives events.
pub(crate) type Listener = std::sync::Arc<dyn Fn(&crate::event::Event) + Send + Sync>;

/// The options with which a store is opened. Set some in a chain that ends with `open`, `repair` or
/// `open_read_only`. Every option has a default; [`Store::open`](crate::Store::open) uses all
/// defaults.
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
    pub(crate) snapshot_max_age: Duration,
    pub(crate) compaction_rate_limit: Option<u64>,
    pub(crate) disk_budget: Option<u64>,
    pub(crate) resident_budget: Option<u64>,
    io_mode: Option<IoMode>,
    max_open_files: usize,
    /// `None`: as many as the store needs.
    pub(crate) reserve_bytes: Option<u64>,
    pub(crate) listener: Option<Listener>,
    /// Receives events where they happen, inside jobs and under their locks.
    #[cfg(test)]
    pub(crate) tap: Option<Listener>,
    pub(crate) seed: Option<u64>,
    pub(crate) create: bool,
}

impl StoreOptions {
    /// Returns the defaults: the system's clock, shared background threads, no budget, and a store
    /// that does not exist is created.
    pub fn new() -> Self {
        Self {
            clock: std::sync::Arc::new(crate::clock::SystemClock::new()),
            background: Background::Auto,
            heap_budget: None,
            compaction_debt_limit: None,
            write_timeout: WRITE_TIMEOUT,
            reclaim_within: RECLAIM_WITHIN,
            snapshot_max_age: SNAPSHOT_MAX_AGE,
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

    /// Sets the source of time. Default = the system's clock.
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

    /// Sets how many heap bytes the memtables of all collections and graph builds may take, at
    /// least 16 MiB. Default = no limit.
    ///
    /// An insert that would exceed it waits for memtables to be sealed. If that is not enough, the
    /// insert is refused with [`Error::OverBudget`]; deletes never are. The budget limits the data
    /// of in-memory collections, but not the data of other collections. A graph build that needs
    /// more than half of the budget is not started, and the rows are scanned. A build takes about
    /// 600 bytes per row with 384 dimensions and the default options.
    #[must_use]
    pub const fn heap_budget(mut self, bytes: u64) -> Self {
        self.heap_budget = Some(bytes);
        self
    }

    /// Sets how many bytes the store's files may take, `RESERVE` included, at least 32 MiB. Default
    /// = no limit.
    ///
    /// An insert that would leave no room for the next compaction is refused with
    /// [`Error::OverBudget`], which says how many bytes to delete. Before that, the background
    /// reclaims all it can. The insert waits while there is something to reclaim, but not longer
    /// than [`write_timeout`](Self::write_timeout).
    ///
    /// A 32nd of the budget is kept free for replacements: a batch smaller than that is accepted if
    /// its memories replace others of their size. Deletes and compaction are always admitted. Files
    /// that readers still hold count.
    #[must_use]
    pub const fn disk_budget(mut self, bytes: u64) -> Self {
        self.disk_budget = Some(bytes);
        self
    }

    /// Sets how many bytes of mapped files may be resident. Default = no limit: the system takes
    /// pages back itself when it needs them.
    ///
    /// The store checks once a second. Above the limit, files release their pages, pages of rows
    /// first. The system reads them back when they are needed, mostly from its own cache. This
    /// works on Linux; elsewhere nothing is released. With this budget, rows are read with
    /// [`IoMode::Pread`] unless another mode is chosen.
    #[must_use]
    pub const fn resident_budget(mut self, bytes: u64) -> Self {
        self.resident_budget = Some(bytes);
        self
    }

    /// Sets how vectors and payloads are read from sealed segments. Default = [`IoMode::Pread`]
    /// with a [`resident_budget`](Self::resident_budget), otherwise [`IoMode::Mapped`].
    #[must_use]
    pub const fn io_mode(mut self, mode: IoMode) -> Self {
        self.io_mode = Some(mode);
        self
    }

    /// Sets how many files the store may keep open to read them with [`IoMode::Pread`], one per
    /// segment. Further files are read through their maps, which take no descriptor. Default = 256.
    #[must_use]
    pub const fn max_open_files(mut self, files: usize) -> Self {
        self.max_open_files = files;
        self
    }

    /// Sets how many bytes of a collection may wait for compaction while it takes inserts, at least
    /// 1 MiB. Above the limit inserts wait, and after [`write_timeout`](Self::write_timeout) they
    /// are refused with [`Error::OverBudget`]. The bytes are
    /// [`CollectionStats::debt_bytes`](crate::CollectionStats::debt_bytes) without
    /// `index_debt_bytes`, as the background last saw them. Default = no limit.
    #[must_use]
    pub const fn compaction_debt_limit(mut self, bytes: u64) -> Self {
        self.compaction_debt_limit = Some(bytes);
        self
    }

    /// Sets how long an insert waits if it must: for memtables to be sealed, for a budget, or for
    /// compaction. After that it is refused with [`Error::OverBudget`] and has no effect. With zero
    /// it does not wait. Default = 10 seconds.
    #[must_use]
    pub const fn write_timeout(mut self, time: Duration) -> Self {
        self.write_timeout = time;
        self
    }

    /// Sets the longest time until the bytes of deleted, replaced and expired memories return to
    /// the file system, at least a second. Default = 24 hours.
    /// [`Store::purge`](crate::Store::purge) returns them at once.
    ///
    /// It applies while the store is open and its background not paused. The time counts from when
    /// the store notices the dead row, and runs on across closes and opens. After a crash it counts
    /// from the last structural change that recorded the dead row, or else from the open. Segments
    /// with 15 % dead rows do not wait for it.
    #[must_use]
    pub const fn reclaim_within(mut self, time: Duration) -> Self {
        self.reclaim_within = time;
        self
    }

    /// Sets how long a snapshot can be read, from one second to 30 days. Default = one hour. After
    /// that its reads return [`Error::SnapshotExpired`], and the store releases its files and RAM
    /// even if the handle is kept. The age is counted by the monotonic clock. See
    /// [`Store::snapshot`](crate::Store::snapshot).
    #[must_use]
    pub const fn snapshot_max_age(mut self, age: Duration) -> Self {
        self.snapshot_max_age = age;
        self
    }

    /// Sets how many bytes per second the background may write for compaction and index builds, at
    /// least 64 KiB. Default = no limit; even then the background gives way to slowed readers. The
    /// limit does not apply to sealing and to jobs called by hand, nor to any job while a writer
    /// waits for room.
    #[must_use]
    pub const fn compaction_rate_limit(mut self, bytes_per_second: u64) -> Self {
        self.compaction_rate_limit = Some(bytes_per_second);
        self
    }

    /// Sets the size of the file `RESERVE` in bytes, at most 1 GiB; 0 means none. The file is
    /// ballast. On a full disk it is removed, so that deletes, compaction, recovery and closing
    /// still find room. It is made again when space is back. Inserts never use it. By default it
    /// grows with the store: first 64 KiB, then 256 KiB, 1 MiB and at most 4 MiB, enough for the
    /// log and the largest file.
    #[must_use]
    pub const fn reserve_bytes(mut self, bytes: u64) -> Self {
        self.reserve_bytes = Some(bytes);
        self
    }

    /// Sets a function that receives events: seals, compactions, damaged indexes, failures of
    /// background work. It is called in the order of the events, by one thread at a time. No lock
    /// of the store is held, so it may call the store and close it.
    ///
    /// With [`Background::Auto`] it is called soon after the event, on a thread that stores share.
    /// A slow listener delays the listeners of other stores. With [`Background::Manual`], and in a
    /// read-only store, it runs on the thread whose call caused the event, before that call
    /// returns. If another thread is calling the listener at that moment, that thread delivers the
    /// event.
    ///
    /// At most 1,024 events wait. Further events are dropped and counted
    /// ([`StoreStats::events_lost`](crate::StoreStats::events_lost)). Of several `Progress` events
    /// in a row only the last one waits. A panic in the listener is caught and counted
    /// ([`StoreStats::listener_panics`](crate::StoreStats::listener_panics)), and the next event is
    /// delivered as usual. A close does not wait for the listener: waiting events are delivered,
    /// and then it is dropped. A listener that holds a handle of its own store keeps that store
    /// open until it is closed explicitly.
    #[must_use]
    pub fn on_event(
        mut self,
        listener: impl Fn(&crate::event::Event) + Send + Sync + 'static,
    ) -> Self {
        self.listener = Some(std::sync::Arc::new(listener));
        self
    }

    /// Sets the source of the store's identity and of its files' salts. Default = a different seed
    /// every time. Set it if a run must repeat byte for byte.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets whether a store that does not exist is created. Default = true.
    #[must_use]
    pub const fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Sets a function that receives events where they happen. For tests that must act in the
    /// middle of a job.
    #[cfg(test)]
    pub(crate) fn tap(
        mut self,
        listener: impl Fn(&crate::event::Event) + Send + Sync + 'static,
    ) -> Self {
        self.tap = Some(std::sync::Arc::new(listener));
        self
    }

    /// Returns the largest number of files kept open for reading.
    pub(crate) fn files_to_read(&self) -> usize {
        let default = if self.resident_budget.is_some() { IoMode::Pread } else { IoMode::Mapped };
        match self.io_mode.unwrap_or(default) {
            IoMode::Mapped => 0,
            IoMode::Pread => self.max_open_files,
        }
    }

    /// Checks every range.
    pub(crate) fn validate(&self) -> Result<()> {
        let at_least = |name, given: Option<u64>, least: u64, text: &str| match given {
            Some(given) if given < least => {
                let reason = format!("{given} bytes were given, it must be at least {text}");
                Err(Error::option(name, reason))
            }
            _ => Ok(()),
        };
        at_least("heap_budget", self.heap_budget, 16 << 20, "16 MiB, the size of two memtables")?;
        at_least("disk_budget", self.disk_budget, 32 << 20, "32 MiB")?;
        at_least("compaction_debt_limit", self.compaction_debt_limit, 1 << 20, "1 MiB")?;
        let rate = "64 KiB (65,536 bytes) a second";
        at_least("compaction_rate_limit", self.compaction_rate_limit, 64 << 10, rate)?;
        if self.reclaim_within < Duration::from_secs(1) {
            let reason =
                format!("{:?} was given, it must be at least one second", self.reclaim_within);
            return Err(Error::option("reclaim_within", reason));
        }
        let ages = Duration::from_secs(1)..=MAX_SNAPSHOT_MAX_AGE;
        if !ages.contains(&self.snapshot_max_age) {
            let given = self.snapshot_max_age;
            let reason = format!("{given:?} was given, it must be from one second to 30 days");
            return Err(Error::option("snapshot_max_age", reason));
        }
        if let Some(bytes) = self.reserve_bytes.filter(|bytes| *bytes > 1 << 30) {
            let reason = format!("{bytes} bytes were given, it must be at most 1 GiB");
            return Err(Error::option("reserve_bytes", reason));
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
            .field("snapshot_max_age", &self.snapshot_max_age)
            .field("compaction_rate_limit", &self.compaction_rate_limit)
            .field("reserve_bytes", &self.reserve_bytes)
            .field("seed", &self.seed)
            .field("create", &self.create)
            .finish_non_exhaustive()
    }
}
