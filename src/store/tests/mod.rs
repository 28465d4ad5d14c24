//! Owns the tests of the store on a failing disk, and their shared workload, which knows what must
//! be there. `log`: a disk that is full or refuses to sync. `jobs`: a failure at any operation of a
//! job. `crashes`: a crash after any operation. Processes that are really killed are in
//! `tests/system/kill.rs`.
#![allow(clippy::disallowed_methods, reason = "these tests look at the disk past the store")]

mod closing;
mod compactions;
mod crash_disk;
mod crashes;
mod full;
mod jobs;
mod log;
mod matrix;
mod opening;
mod races;
mod replay;
mod reserve;
mod room;
mod shares;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::open::open_for_writing;
use crate::collection::Collection;
use crate::disk::{Disk, RealDisk};
use crate::format::names::FileName;
use crate::{
    Background, Batch, CollectionOptions, Durability, Filter, Memory, Metric, Store, StoreOptions,
};

const NAMES: [&str; 2] = ["notes", "facts"];

/// The content of both collections: the text of each id.
type State = [BTreeMap<u64, String>; 2];

/// In RAM if possible: these disks only simulate the loss of unsynced bytes.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

fn open(disk: Arc<dyn Disk>, dir: &Path) -> crate::Result<Store> {
    let options = StoreOptions::new().background(Background::Manual).reserve_bytes(0);
    open_for_writing(disk, dir, options)
}

/// Opens the collections of [`NAMES`], and creates them if they do not exist.
fn collections(store: &Store) -> crate::Result<[Collection; 2]> {
    let made = |name| {
        let options = CollectionOptions::new(2, Metric::L2).memtable_rows(64);
        store.collection(name, options)
    };
    Ok([made(NAMES[0])?, made(NAMES[1])?])
}

fn memory(id: u64, text: &str) -> Memory {
    Memory::new(id, [id as f32, text.len() as f32]).text(text).namespace(format!("user:{}", id % 5))
}

fn read(store: &Store) -> State {
    NAMES.map(|name| {
        let Some(collection) = store.get_collection(name) else {
            return BTreeMap::new();
        };
        let mut rows = BTreeMap::new();
        for memory in collection.iter().map(|m| m.unwrap()) {
            let text = memory.text.as_deref().unwrap().to_owned();
            assert_eq!(memory.vector[1], text.len() as f32);
            let id = memory.id.as_u128() as u64;
            assert_eq!(rows.insert(id, text), None, "{name} {id} is there twice");
        }
        rows
    })
}

/// Opens a directory as after a crash, verifies it fully, and returns its content.
fn recovered(dir: &Path) -> State {
    let store = open(Arc::new(RealDisk), dir).unwrap();
    let state = read(&store);
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "{:?}", report.problems);
    assert_eq!(strays(&store), Vec::<String>::new());
    state
}

/// Returns the files of the store that the manifest does not name (I3).
fn strays(store: &Store) -> Vec<String> {
    let manifest = store.engine.catalog.manifest();
    let live: Vec<FileName> = manifest.files().collect();
    let listed = RealDisk.list(store.engine.dir.root()).unwrap().into_iter();
    listed
        .map(|e| e.name)
        .filter(|name| match FileName::parse(name).unwrap() {
            FileName::Lock | FileName::Reserve => false,
            // The previous one is kept for diagnosis.
            FileName::Manifest(n) | FileName::ManifestOld(n) => n + 1 < manifest.generation,
            name => !live.contains(&name),
        })
        .collect()
}

/// Returns step `n` of a workload, with a sync.
fn step(n: u64, state: State) -> (State, impl Fn(&[Collection; 2]) -> crate::Result<()>) {
    step_with(n, state, Durability::Sync)
}

/// Returns step `n` of a workload: inserts into both, replaces, deletes. Also returns the state
/// after it.
fn step_with(
    n: u64,
    mut state: State,
    durability: Durability,
) -> (State, impl Fn(&[Collection; 2]) -> crate::Result<()>) {
    let text = format!("step {n}");
    let ids: Vec<u64> = (0..14).map(|i| (n * 9 + i * 5) % 190).collect();
    let (gone, namespace) = ((n * 31) % 190, format!("user:{}", n % 5));
    let drop_namespace = n % 6 == 5;
    if drop_namespace {
        state[0].retain(|id, _| id % 5 != n % 5);
    }
    for id in &ids {
        state[0].insert(*id, text.clone());
        state[1].insert(id / 2, text.clone());
    }
    state[0].remove(&gone);
    state[1].remove(&gone);
    let write = move |to: &[Collection; 2]| {
        let mut batch = Batch::new();
        if drop_namespace {
            batch = batch.delete_where(Filter::namespace(&*namespace));
        }
        for id in &ids {
            // Alternates, so that either collection has the last operation of a batch.
            let (here, there) = (memory(*id, &text), memory(id / 2, &text));
            batch = match n % 2 {
                0 => batch.insert(here).insert_into(&to[1], there),
                _ => batch.insert_into(&to[1], there).insert(here),
            };
        }
        batch = match n % 2 {
            0 => batch.delete(gone).delete_from(&to[1], gone),
            _ => batch.delete_from(&to[1], gone).delete(gone),
        };
        to[0].apply_with(batch, durability).map(drop)
    };
    (state, write)
}

/// Creates a closed store with segments, deletes, indexes and rows in the log, and returns its
/// content.
fn template(dir: &Path) -> State {
    let store = open(Arc::new(RealDisk), dir).unwrap();
    let to = collections(&store).unwrap();
    let mut state = State::default();
    for n in 0..30 {
        let (next, write) = step(n, state);
        write(&to).unwrap();
        state = next;
        if n < 26 {
            while store.run_pending_tasks().unwrap() {}
        }
    }
    assert_eq!(read(&store), state);
    store.close().unwrap();
    state
}
