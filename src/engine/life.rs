//! Owns the life of an open store: what runs for it and the lock on its directory, for as long as
//! there is a handle, and how it ends. Every handle of the store and of its collections holds it;
//! jobs hold the engine alone, so that the last handle to go ends them.

use std::any::Any;
use std::sync::Arc;

use crate::engine::Engine;
use crate::error::Result;
use crate::sync::{Mutex, lock};
use crate::worker::Worker;

/// The life of an open store, held by every handle.
pub(crate) struct Life {
    engine: Arc<Engine>,
    /// None once it has ended.
    parts: Mutex<Option<Parts>>,
}

/// What ends.
pub(crate) struct Parts {
    pub(crate) workers: Vec<Worker>,
    pub(crate) lock: Option<Box<dyn Any + Send + Sync>>,
}

impl std::fmt::Debug for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Life").finish_non_exhaustive()
    }
}

impl Life {
    pub(crate) fn new(engine: Arc<Engine>, parts: Parts) -> Arc<Self> {
        Arc::new(Self { engine, parts: Mutex::new(Some(parts)) })
    }

    /// Stops the workers, ends the log and lets the lock go; nothing if that was done before.
    pub(crate) fn end(&self) -> Result<()> {
        // Held, so that whoever closes at the same time comes back to a store that is closed.
        let mut held = lock(&self.parts);
        let Some(Parts { workers, lock }) = held.take() else {
            return Ok(());
        };
        let engine = &self.engine;
        if !engine.dir.is_read_only()
            && let Err(forked) = engine.dir.check_process()
        {
            // Nothing of it is this process's to end, but for its part of the lock file.
            workers.into_iter().for_each(Worker::abandon);
            return Err(forked);
        }
        let closed = if engine.dir.is_read_only() {
            engine.dir.gate().close();
            Ok(())
        } else {
            drop(workers);
            engine.close()
        };
        drop(lock);
        drop(held);
        // The listener may well ask for this store.
        engine.events.close();
        closed
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let _ = self.end();
    }
}
