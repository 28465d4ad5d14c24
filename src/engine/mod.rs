//! Owns what all collections of an open store share: the directory, time, collections, progress,
//! catalog, reserve, open log, committer, admission of inserts and background. Each part has
//! private fields and knows only the parts before it. Knows nothing of what rows mean.
//!
//! Lock order. A thread that holds one of these locks may take only locks to its right:
//! `Store::names` < `CollectionState::row_job` < `CollectionState::index_job` <
//! `CollectionState::structure` < the commit token of `OpenLog` < `CollectionState::tables` and the
//! manifest of `Catalog` < the mark of `StoreTime`.
//!
//! Every other lock, such as the list of `Collections`, is a leaf: no lock is taken while it is
//! held. There are two exceptions. A job may be notified, or an event queued, while a leaf is held.
//! While the lock of `Room` is held, the list of collections and the state of the budgets are read.
//! Readers take none of the locks in the order, and no listener is called under any lock.

pub(crate) mod admission;
mod background;
mod catalog;
mod collections;
pub(crate) mod commit;
pub(crate) mod events;
pub(crate) mod held;
pub(crate) mod life;
pub(crate) mod moment;
pub(crate) mod open_log;
pub(crate) mod pace;
mod progress;
pub(crate) mod refresh;
pub(crate) mod replay;
mod reserve;
mod resident;
pub(crate) mod stats;
mod threads;
mod time;
mod wakeups;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::dir::StoreDir;
use crate::disk::Disk;
use crate::engine::admission::{Admission, AdmissionParts};
use crate::engine::background::Background;
use crate::engine::catalog::Catalog;
use crate::engine::collections::Collections;
use crate::engine::commit::Committer;
use crate::engine::events::Events;
use crate::engine::held::HeldMoments;
use crate::engine::open_log::OpenLog;
use crate::engine::pace::Pace;
use crate::engine::progress::Progress;
use crate::engine::reserve::Reserve;
use crate::engine::resident::ResidentBudget;
use crate::engine::threads::Threads;
use crate::engine::time::StoreTime;
use crate::engine::wakeups::Wakeups;
use crate::error::Result;
use crate::format::manifest::Manifest;
use crate::ids::FileId;
use crate::options::{self, StoreOptions};

/// The parts that a store, its collections and its workers share.
pub(crate) struct Engine {
    pub(crate) dir: Arc<StoreDir>,
    pub(crate) time: Arc<StoreTime>,
    pub(crate) collections: Arc<Collections>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) reserve: Arc<Reserve>,
    pub(crate) log: Arc<OpenLog>,
    pub(crate) committer: Committer,
    pub(crate) admission: Admission,
    pub(crate) background: Background,
    pub(crate) events: Arc<Events>,
    pub(crate) moments: HeldMoments,
    pub(crate) threads: Threads,
}

/// The arguments of [`Engine::new`].
pub(crate) struct EngineParts<'a> {
    pub(crate) dir: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: &'a StoreOptions,
    pub(crate) read_only: bool,
    pub(crate) manifest: Manifest,
    pub(crate) next_file: FileId,
    pub(crate) seed: u64,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Engine {
    pub(crate) fn new(parts: EngineParts<'_>) -> Self {
        let EngineParts { dir, disk, options, read_only, manifest, next_file, seed } = parts;
        let has_workers = options.background == options::Background::Auto && !read_only;
        let files_to_read = options.files_to_read();
        let dir = StoreDir::new(disk, dir, manifest.store, read_only, seed, files_to_read);
        let dir = Arc::new(dir);
        let clock = Arc::clone(&options.clock);
        let time = Arc::new(StoreTime::new(clock, manifest.time, manifest.clock_doubted));
        let collections: Arc<Collections> = Arc::default();
        let progress = Arc::new(Progress::new(manifest.last_seq));
        let catalog = Arc::new(Catalog::new(
            Arc::clone(&dir),
            Arc::clone(&time),
            Arc::clone(&collections),
            Arc::clone(&progress),
            manifest,
            next_file,
        ));
        let reserve = Arc::new(Reserve::new(&dir, &collections, &catalog, options));
        let wakeups: Arc<Wakeups> = Arc::default();
        let log = Arc::new(OpenLog::new(
            Arc::clone(&dir),
            Arc::clone(&time),
            Arc::clone(&progress),
            Arc::clone(&catalog),
            Arc::clone(&reserve),
            Arc::clone(&wakeups),
        ));
        let committer = Committer::new(&dir, &time, &progress, &log, &wakeups);
        let moments = HeldMoments::new(&time, &wakeups, options.snapshot_max_age);
        let pace = Arc::new(Pace::new(options.compaction_rate_limit));
        let admitted_by = AdmissionParts {
            dir: &dir,
            time: &time,
            collections: &collections,
            progress: &progress,
            reserve: &reserve,
            log: &log,
            wakeups: &wakeups,
            pace: &pace,
            has_workers,
        };
        let admission = Admission::new(&admitted_by, options);
        let resident = ResidentBudget::new(&dir, &time, &collections, options.resident_budget);
        let reclaim_within = options.reclaim_within;
        let background = Background::new(wakeups, pace, resident, reclaim_within, has_workers);
        let events = Events::new(
            options.listener.clone(),
            has_workers,
            #[cfg(test)]
            options.tap.clone(),
        );
        Self {
            threads: Threads::new(Arc::clone(&dir)),
            dir,
            time,
            collections,
            progress,
            catalog,
            reserve,
            log,
            committer,
            admission,
            background,
            events,
            moments,
        }
    }

    /// Moves a reader forward to the state that a newer engine read from the same store.
    pub(crate) fn adopt(&self, newer: &Self) {
        self.time.adopt(&newer.time);
        self.progress.take_seq(newer.progress.last_seq());
        self.catalog.adopt(&newer.catalog);
    }

    /// Lets go of every moment that a caller holds. The store is closed, so none can be read.
    pub(crate) fn let_go_of_moments(&self) {
        self.moments.let_go_of_all();
    }

    /// Ends everything that writes, the log last. The lock of the store may be released afterwards.
    pub(crate) fn close(&self) -> Result<()> {
        self.dir.gate().wait_for_jobs();
        let closed = self.log.close();
        self.catalog.close();
        self.let_go_of_moments();
        closed
    }
}
