//! Owns the files of a job that are not yet part of the store: what is not kept is removed.

use std::sync::Arc;

use crate::collection::engine::Engine;
use crate::format::names::FileName;
use crate::sync::lock;

/// New files of one job.
pub(super) struct NewFiles {
    engine: Arc<Engine>,
    names: Vec<FileName>,
}

impl NewFiles {
    pub(super) fn new(engine: &Arc<Engine>) -> Self {
        Self { engine: Arc::clone(engine), names: Vec::new() }
    }

    /// Takes charge of a file that is about to be created.
    pub(super) fn add(&mut self, name: FileName) {
        lock(&self.engine.making).insert(name);
        self.names.push(name);
    }

    /// The manifest names them now.
    pub(super) fn keep(mut self) {
        self.unregister();
        self.names.clear();
    }

    fn unregister(&self) {
        let mut making = lock(&self.engine.making);
        making.retain(|name| !self.names.contains(name));
    }
}

impl Drop for NewFiles {
    fn drop(&mut self) {
        if self.names.is_empty() {
            return;
        }
        // In a directory that was replaced, files of these names are another store's.
        let _ = self.engine.check_owner();
        if !self.engine.may_clean_up() {
            return;
        }
        for name in &self.names {
            let _ = self.engine.disk.remove(&self.engine.path(*name));
        }
        self.unregister();
    }
}
