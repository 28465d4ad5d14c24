//! Owns the backups of workloads: the acts that make them and change names, the states that a
//! crash may leave of a copy, and the check that it did.
//!
//! A copy is the state before the backup, the state of the store when it began, or no store at all
//! if it is the first one. It never opens as an empty store.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::model::{Model, NAMES, read};
use super::record::Runner;
use super::script::{Act, insert};
use super::setup::{Point, new_clock, new_disk, open, options};
use crate::Error;
use crate::clock::Clock;
use crate::disk::Disk;
use crate::format::manifest::Manifest;
use crate::manifest::{self, Found};
use crate::store::backup::{BackupOptions, restore_on};
use crate::store::open::open_for_writing;
use crate::sync::lock;
use crate::testing::sim::{Failure, Fault, FileSystem, Image, OpKind, SimDisk, SyncModel};

/// Returns the directory of copies.
pub(super) fn copy_dir() -> &'static Path {
    Path::new("sim/b.alt")
}

/// The states that may be found of a copy.
#[derive(Clone, Debug)]
pub(super) struct Copies {
    /// `None` stands for no store.
    pub(super) states: Vec<Option<Model>>,
    /// Counts the changes of that list.
    pub(super) version: u64,
}

impl Default for Copies {
    fn default() -> Self {
        Self { states: vec![None], version: 0 }
    }
}

impl Copies {
    fn begin(&mut self, next: Model) {
        self.states.push(Some(next));
        self.version += 1;
    }

    /// Notes that the backup has returned: from now on only its state may be found.
    fn end(&mut self) {
        let newest = self.states.pop();
        self.states = newest.into_iter().collect();
        self.version += 1;
    }
}

/// The copies of a runner, shared with the observer of its disk.
pub(super) type SharedCopies = Arc<Mutex<Arc<Copies>>>;

fn change(copies: &SharedCopies, by: impl FnOnce(&mut Copies)) {
    by(Arc::make_mut(&mut lock(copies)));
}

impl Runner {
    /// Backs the store up. What it had acknowledged is durable afterwards.
    pub(super) fn back_up(&mut self, copy: bool) -> Result<(), Error> {
        let state = lock(&self.history).now().clone();
        change(&self.copies, |copies| copies.begin(state));
        let options = BackupOptions::new().copy(copy);
        self.store()?.backup_at(copy_dir(), &options)?;
        change(&self.copies, Copies::end);
        lock(&self.history).acknowledge(true);
        Ok(())
    }

    /// Gives a collection its other name.
    pub(super) fn rename(&mut self, c: usize) -> Result<(), Error> {
        let mut next = lock(&self.history).now().clone();
        if !next.0.contains_key(&c) {
            return Ok(());
        }
        let (from, own) = (next.name(c).to_owned(), NAMES[c]);
        let to = if from == own { format!("{own}.old") } else { own.to_owned() };
        let others = next.0.keys().filter(|other| **other != c);
        // After an exchange that failed, another collection may have it.
        if others.into_iter().any(|other| next.name(*other) == to) {
            return Ok(());
        }
        next.set_name(c, &to);
        lock(&self.history).begin(next);
        self.store()?.rename_collection(&from, &to)?;
        lock(&self.history).acknowledge(true);
        Ok(())
    }

    /// Exchanges the names of two collections.
    pub(super) fn swap(&mut self, a: usize, b: usize) -> Result<(), Error> {
        let mut next = lock(&self.history).now().clone();
        if !next.0.contains_key(&a) || !next.0.contains_key(&b) {
            return Ok(());
        }
        let (first, second) = (next.name(a).to_owned(), next.name(b).to_owned());
        next.set_name(a, &second);
        next.set_name(b, &first);
        lock(&self.history).begin(next);
        self.store()?.swap_collections(&first, &second)?;
        lock(&self.history).acknowledge(true);
        Ok(())
    }
}

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

/// Checks every image that a crash may leave of the copy now.
fn look(runner: &Runner) -> Result<(), String> {
    let (files, now) = (runner.disk.files(), runner.clock.wall());
    let (allowed, copies) = (lock(&runner.history).allowed(), Arc::clone(&lock(&runner.copies)));
    let point = Point { op: "a backup".to_owned(), files, now, allowed, copies };
    point.files.images(4, 4).iter().try_for_each(|image| {
        check_copy(image, &point, false).map_err(|wrong| format!("{}: {wrong}", image.label))
    })
}

/// Lets a sync or a link of a first backup fail. Nothing of it may open, and the next backup is
/// whole and durable. `with_log` is true for a store whose log holds something.
fn failed_backup(fault: Fault, with_log: bool) -> Result<bool, String> {
    let mut runner = Runner::new(new_disk(6));
    runner.open().map_err(|e| e.to_string())?;
    let write = Act::Write { writes: insert(0, 0..if with_log { 70 } else { 0 }), sync: true };
    for act in [Act::Make(0), write, Act::Run] {
        runner.act(&act).map_err(|e| e.to_string())?;
    }
    runner.disk.fail(fault);
    let backup = Act::Backup(fault.only != Some(OpKind::Link));
    let first = runner.act(&backup);
    let fired = runner.disk.fired();
    runner.disk.heal();
    look(&runner).map_err(|wrong| format!("after {first:?}: {wrong}"))?;
    let store = runner.store().map_err(|e| e.to_string())?;
    if store.engine.dir.poison().is_set() {
        return Ok(fired);
    }
    runner.act(&backup).map_err(|e| format!("after {first:?}: {e}"))?;
    look(&runner).map_err(|wrong| format!("after {first:?} and another: {wrong}"))?;
    Ok(fired)
}

/// Does so for every sync and link.
pub(super) fn failed_backups() -> Result<(), String> {
    for only in [OpKind::Sync, OpKind::SyncDir, OpKind::Link] {
        for (model, with_log) in
            [SyncModel::Dropped, SyncModel::Part].into_iter().flat_map(|m| [(m, false), (m, true)])
        {
            for skip in 0.. {
                let (failure, forever) = (Failure::Io, false);
                let fault = Fault { skip, only: Some(only), failure, forever, model };
                let failed = failed_backup(fault, with_log);
                if !failed.map_err(|wrong| format!("{fault:?}, {with_log}: {wrong}"))? {
                    break;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_failed_backup_leaves_nothing_that_opens_and_the_next_one_is_whole() {
    failed_backups().unwrap();
}
