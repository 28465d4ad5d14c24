//! Owns where simulated stores are, how they are opened, and the moments that are recorded of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::model::Allowed;
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::store::open::open_for_writing;
use crate::testing::sim::{FileSystem, SimDisk};
use crate::{Background, Store, StoreOptions};

/// Where simulated stores are.
pub(super) fn dir() -> &'static Path {
    Path::new("sim/a.alt")
}

/// A moment at which the power may go.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) op: String,
    pub(super) files: FileSystem,
    pub(super) now: Timestamp,
    pub(super) allowed: Allowed,
}

/// Simulated stores have a small reserve.
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

/// Begins late enough that nothing is before 1970.
pub(super) fn new_clock(now: Timestamp) -> Arc<ManualClock> {
    Arc::new(ManualClock::new(now))
}

pub(super) const BEGIN: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// An empty disk with a durable directory in which the store's own is made.
pub(super) fn new_disk(seed: u64) -> SimDisk {
    let mut files = FileSystem::default();
    files.make_dir(&PathBuf::from("sim"));
    files.sync_dir(Path::new("")).unwrap_or_default();
    SimDisk::new(files, seed)
}
