//! Owns the check of one image. The image must open, hold one of the allowed states, verify clean,
//! have no stray file, and accept writes. A second crash at any operation of that recovery must
//! change nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use super::copies::check_copy;
use super::model::{self, Model, read};
use super::setup::{Point, dir, new_clock, open, options};
use super::words::check_words;
use crate::clock::Timestamp;
use crate::disk::Disk;
use crate::format::names::FileName;
use crate::store::open::open_for_writing;
use crate::sync::lock;
use crate::testing::sim::{FileSystem, Image, Op, SimDisk};
use crate::{IoMode, Memory, Store};

/// How thoroughly an image is checked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Depth {
    /// Adds searches, look-ups, a write and another open.
    pub(super) use_it: bool,
    /// Adds a second crash at every operation of the recovery, with this many random images each.
    pub(super) again: Option<usize>,
}

/// Returns the files of the store that the manifest does not name (I3).
pub(super) fn strays(store: &Store, disk: &SimDisk) -> Vec<String> {
    let manifest = store.engine.catalog.manifest();
    let live: Vec<FileName> = manifest.files().collect();
    let listed = disk.list(dir()).unwrap_or_default().into_iter();
    listed
        .map(|e| e.name)
        .filter(|name| match FileName::parse(name) {
            None | Some(FileName::Lock | FileName::Reserve) => false,
            // The previous one is kept for diagnosis.
            Some(FileName::Manifest(n) | FileName::ManifestOld(n)) => n + 1 < manifest.generation,
            Some(name) => !live.contains(&name),
        })
        .collect()
}

/// Opens an image and reads it. Returns what is wrong with it as an error.
fn look(
    files: &FileSystem,
    now: Timestamp,
    depth: Depth,
) -> Result<(Model, Vec<FileSystem>), String> {
    let disk = SimDisk::new(files.clone(), 5);
    let recovery: Arc<Mutex<Vec<FileSystem>>> = Arc::default();
    if depth.again.is_some() {
        let seen = Arc::clone(&recovery);
        disk.observe(move |_: &Op, files| lock(&seen).push(files.clone()));
    }
    let clock = new_clock(now);
    let store = open(&disk, &clock).map_err(|e| format!("it does not open: {e}"))?;
    disk.no_observer();
    let found = read(&store)?;
    let report = store.verify().map_err(|e| e.to_string())?;
    if let Some(problem) = report.problems.first() {
        return Err(format!("verify: {problem}"));
    }
    let strays = strays(&store, &disk);
    if !strays.is_empty() {
        return Err(format!("files that no manifest names: {strays:?}"));
    }
    if depth.use_it {
        check_words(&store)?;
        model::search(&store, &found)?;
        write_on(&store, &found)?;
        let wanted = read(&store)?;
        drop(store);
        // Rows that were mapped are now read from open files.
        let options = options(&clock).io_mode(IoMode::Pread);
        let store = open_for_writing(Arc::new(disk.clone()), dir(), options);
        let store = store.map_err(|e| format!("the second open: {e}"))?;
        let again = read(&store)?;
        if again != wanted {
            return Err(format!("after another open: {}", wanted.difference(&again)));
        }
    }
    Ok((found, std::mem::take(&mut *lock(&recovery))))
}

/// Checks that a recovered store accepts writes and does its background work.
fn write_on(store: &Store, found: &Model) -> Result<(), String> {
    for c in found.0.keys() {
        let collection = store.get_collection(found.name(*c)).ok_or("a collection is gone")?;
        // A separate id that the model's readers understand: text and vector identify the write.
        let memory = Memory::new(999u64, model::vector(*c, 999, 0)).text("write 0");
        collection.insert(memory).map_err(|e| format!("it takes no writes: {e}"))?;
    }
    while store.run_pending_tasks().map_err(|e| format!("its work fails: {e}"))? {}
    Ok(())
}

/// Same as `look`, with a panic reported as an error.
fn look_safely(
    files: &FileSystem,
    now: Timestamp,
    depth: Depth,
) -> Result<(Model, Vec<FileSystem>), String> {
    catch_unwind(AssertUnwindSafe(|| look(files, now, depth)))
        .unwrap_or_else(|panic| Err(format!("it panics: {}", text_of(panic.as_ref()))))
}

pub(super) fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("?").to_owned()
}

/// Checks what a crash left. Returns the number of checked images, with those of second crashes
/// apart.
pub(super) fn check_image(
    image: &Image,
    point: &Point,
    states: &[Model],
    depth: Depth,
    seed: u64,
) -> Result<u64, String> {
    let (found, recovery) = look_safely(&image.files, point.now, depth)?;
    let allowed = point.allowed;
    let from = if image.is_kill { allowed.from_kill } else { allowed.from_cut };
    let fits = |state: &Model| state.visible(point.now) == found;
    if !states[from..=allowed.to].iter().any(fits) {
        let why = match states.iter().position(fits) {
            Some(at) => format!("state {at} instead of {from} to {}", allowed.to),
            None => states[allowed.to].visible(point.now).difference(&found),
        };
        return Err(format!("it holds something else: {why}"));
    }
    check_copy(image, point, depth.use_it)?;
    let mut second = 0;
    for (at, files) in recovery.iter().enumerate() {
        for again in files.images(seed ^ at as u64, depth.again.unwrap_or_default()) {
            let (later, _) = look_safely(&again.files, point.now, Depth::default())
                .map_err(|e| format!("{}, at operation {at} of the recovery: {e}", again.label))?;
            if later != found {
                let why = found.difference(&later);
                return Err(format!("{}, at operation {at} of the recovery: {why}", again.label));
            }
            second += 1;
        }
    }
    Ok(second)
}
