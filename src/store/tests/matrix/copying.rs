//! Owns the acts of workloads that back a store up or change names, and the check that a backup
//! that fails leaves nothing behind that opens.

use std::sync::Arc;

use super::copied::{Copies, change, copy_dir};
use super::copies::check_copy;
use super::model::NAMES;
use super::record::Runner;
use super::script::{Act, insert};
use super::setup::{Point, new_disk};
use crate::Error;
use crate::clock::Clock;
use crate::store::backup::BackupOptions;
use crate::sync::lock;
use crate::testing::sim::{Failure, Fault, OpKind, SyncModel};

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
