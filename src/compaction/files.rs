//! Owns the files of a job that are not yet part of the store: what is not kept is removed.

use std::sync::Arc;

use crate::collection::engine::Engine;
use crate::format::names::FileName;
use crate::worker::lock;

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
        // After a commit with an unknown outcome the manifest on the disk may name them.
        if self.engine.poison.is_set() {
            return;
        }
        for name in &self.names {
            let _ = self.engine.disk.remove(&self.engine.path(*name));
        }
        self.unregister();
    }
}
