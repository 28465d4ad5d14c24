//! Owns the check of what a crash left of a copy. It is one of the allowed states, and never opens
//! as an empty store. It can be restored, and the next backup makes it whole.

use std::path::Path;
use std::sync::Arc;

use super::copied::copy_dir;
use super::model::{Model, read};
use super::setup::{Point, new_clock, open, options};
use crate::Error;
use crate::disk::Disk;
use crate::format::manifest::Manifest;
use crate::manifest::{self, Found};
use crate::store::backup::{BackupOptions, restore_on};
use crate::store::open::open_for_writing;
use crate::testing::sim::{FileSystem, Image, SimDisk};

/// Checks what a crash left of a copy. With `use_it`, also restores it, and repeats the backup.
pub(super) fn check_copy(image: &Image, point: &Point, use_it: bool) -> Result<(), String> {
    let files = &image.files;
    let names = files.names(copy_dir()).unwrap_or_default();
    let found = if names.iter().all(|name| name == "LOCK") {
        // As before the first backup began.
        None
    } else {
        opened(files, point).map_err(|wrong| format!("the copy: {wrong}"))?
    };
    let is_state = |state: &Option<Model>| match (state, &found) {
        (Some(state), Some(found)) => state.visible(point.now) == *found,
        (None, None) => true,
        _ => false,
    };
    if !point.copies.states.iter().any(is_state) {
        let newest = point.copies.states.last().and_then(Option::as_ref);
        let why = match (newest, &found) {
            (Some(newest), Some(found)) => newest.visible(point.now).difference(found),
            (_, found) => format!("it is {}", if found.is_some() { "there" } else { "gone" }),
        };
        return Err(format!("the copy holds something else: {why}"));
    }
    if use_it && point.copies.version > 0 {
        if let Some(found) = &found {
            restored(files, point, found)?;
        }
        repeated(files, point).map_err(|wrong| format!("a backup after the crash: {wrong}"))?;
    }
    Ok(())
}

/// Opens the copy for writing and reads it. Returns `None` if it is refused as no store.
fn opened(files: &FileSystem, point: &Point) -> Result<Option<Model>, String> {
    let (disk, clock) = (SimDisk::new(files.clone(), 7), new_clock(point.now));
    let store = match open_for_writing(Arc::new(disk), copy_dir(), options(&clock)) {
        Ok(store) => store,
        Err(Error::NotAStore { .. }) => return Ok(None),
        Err(error) => return Err(format!("it does not open: {error}")),
    };
    let found = read(&store)?;
    let report = store.verify().map_err(|e| e.to_string())?;
    match report.problems.first() {
        Some(problem) => Err(format!("verify: {problem}")),
        None => Ok(Some(found)),
    }
}

/// Restores the copy into a third directory.
fn restored(files: &FileSystem, point: &Point, wanted: &Model) -> Result<(), String> {
    let (disk, to) = (SimDisk::new(files.clone(), 8), Path::new("sim/c.alt"));
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    restore_on(&shared, copy_dir(), to).map_err(|e| format!("restoring the copy: {e}"))?;
    let durable = disk.files().images(9, 0).into_iter().nth(1);
    for files in [Some(disk.files()), durable.map(|image| image.files)].into_iter().flatten() {
        let disk = SimDisk::new(files, 9);
        let store = open_for_writing(Arc::new(disk), to, options(&new_clock(point.now)));
        let found = read(&store.map_err(|e| format!("the restored copy: {e}"))?)?;
        if found != *wanted {
            return Err(format!("the restored copy: {}", wanted.difference(&found)));
        }
    }
    Ok(())
}

/// Returns the manifest of the copy.
fn manifest_in(disk: &SimDisk) -> Result<Manifest, String> {
    match manifest::load(disk, copy_dir()) {
        Ok(Found::Manifest(found)) => Ok(*found),
        other => Err(format!("its manifest: {other:?}")),
    }
}

/// Opens the store and backs it up again. Whatever the crash left of the copy, it is whole then.
fn repeated(files: &FileSystem, point: &Point) -> Result<(), String> {
    let (disk, clock) = (SimDisk::new(files.clone(), 5), new_clock(point.now));
    let store = open(&disk, &clock).map_err(|e| e.to_string())?;
    let wanted = read(&store)?;
    store.backup_at(copy_dir(), &BackupOptions::new()).map_err(|e| e.to_string())?;
    let manifest = manifest_in(&disk)?;
    let mut listed: Vec<String> = disk.files().names(copy_dir()).map_err(|e| e.to_string())?;
    listed.retain(|name| name != "LOCK" && !name.starts_with("MANIFEST-"));
    if listed.len() != manifest.files().count() {
        return Err(format!("it holds {listed:?}"));
    }
    drop(store);
    // Everything of it is durable.
    for image in disk.files().images(3, 0) {
        let found = opened(&image.files, point)?.ok_or("it is no store")?;
        if found != wanted {
            return Err(format!("{}: {}", image.label, wanted.difference(&found)));
        }
    }
    Ok(())
}
