//! Owns the directory of simulated stores, how they are opened, and the moments that are recorded
//! of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::copied::Copies;
use super::model::Allowed;
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::store::open::open_for_writing;
use crate::testing::sim::{FileSystem, SimDisk};
use crate::{Background, Store, StoreOptions};

/// Returns the directory of simulated stores.
pub(super) fn dir() -> &'static Path {
    Path::new("sim/a.alt")
}

/// A moment at which the power may fail.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) op: String,
    pub(super) files: FileSystem,
    pub(super) now: Timestamp,
    pub(super) allowed: Allowed,
    pub(super) copies: Arc<Copies>,
}

/// The small reserve of simulated stores, in bytes.
pub(super) const RESERVE: u64 = 1500;

pub(super) fn options(clock: &Arc<ManualClock>) -> StoreOptions {
    StoreOptions::new()
        .background(Background::Manual)
        .reserve_bytes(RESERVE)
        .clock(Arc::clone(clock) as Arc<dyn Clock>)
        .seed(11)
}

/// Opens a store on a simulated disk.
pub(super) fn open(disk: &SimDisk, clock: &Arc<ManualClock>) -> crate::Result<Store> {
    open_for_writing(Arc::new(disk.clone()), dir(), options(clock))
}

/// Creates a clock that starts late enough that no time is before 1970.
pub(super) fn new_clock(now: Timestamp) -> Arc<ManualClock> {
    Arc::new(ManualClock::new(now))
}

pub(super) const BEGIN: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Creates an empty disk with a durable directory for the store.
pub(super) fn new_disk(seed: u64) -> SimDisk {
    let mut files = FileSystem::default();
    files.make_dir(&PathBuf::from("sim"));
    files.sync_dir(Path::new("")).unwrap_or_default();
    SimDisk::new(files, seed)
}
