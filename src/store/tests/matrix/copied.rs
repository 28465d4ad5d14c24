//! Owns which states may be found of a copy: the state before the backup, the state of the store
//! when it began, or no store at all if it is the first one.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::model::Model;
use crate::sync::lock;

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
    pub(super) fn begin(&mut self, next: Model) {
        self.states.push(Some(next));
        self.version += 1;
    }

    /// Notes that the backup has returned: from now on only its state may be found.
    pub(super) fn end(&mut self) {
        let newest = self.states.pop();
        self.states = newest.into_iter().collect();
        self.version += 1;
    }
}

/// The copies of a runner, shared with the observer of its disk.
pub(super) type SharedCopies = Arc<Mutex<Arc<Copies>>>;

/// Changes the states that may be found.
pub(super) fn change(copies: &SharedCopies, by: impl FnOnce(&mut Copies)) {
    by(Arc::make_mut(&mut lock(copies)));
}
