//! Owns the files of a job that are not part of the store yet. Files that are not kept are removed.

use crate::engine::Engine;
use crate::format::names::FileName;

/// The new files of one job.
pub(super) struct NewFiles<'a> {
    engine: &'a Engine,
    names: Vec<FileName>,
}

impl<'a> NewFiles<'a> {
    pub(super) const fn new(engine: &'a Engine) -> Self {
        Self { engine, names: Vec::new() }
    }

    /// Adds a file that is about to be created.
    pub(super) fn add(&mut self, name: FileName) {
        self.engine.dir.begin_file(name);
        self.names.push(name);
    }

    /// Keeps the files, because the manifest names them now.
    pub(super) fn keep(mut self) {
        self.engine.dir.end_files(&self.names);
        self.names.clear();
    }
}

impl Drop for NewFiles<'_> {
    fn drop(&mut self) {
        if self.names.is_empty() {
            return;
        }
        // In a replaced directory, files of these names belong to another store.
        let _ = self.engine.catalog.check_owner();
        if !self.engine.dir.may_clean_up() {
            return;
        }
        for name in &self.names {
            let _ = self.engine.dir.remove(*name);
        }
        self.engine.dir.end_files(&self.names);
    }
}
