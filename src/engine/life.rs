//! Owns the lifetime of an open store: its workers and the lock on its directory, and how they end.
//! Every handle of the store and of its collections holds the [`Life`]. Jobs hold only the engine,
//! so dropping the last handle ends them.

use std::any::Any;
use std::sync::Arc;

use crate::engine::{Engine, refresh};
use crate::error::Result;
use crate::sync::{Mutex, lock};
use crate::worker::Worker;

/// The lifetime of an open store, held by every handle.
pub(crate) struct Life {
    engine: Arc<Engine>,
    /// None once it has ended.
    parts: Mutex<Option<Parts>>,
}

/// The parts that end with the store.
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

    /// Stops the workers, ends the log and releases the lock. Does nothing if that was done before.
    pub(crate) fn end(&self) -> Result<()> {
        // Held until the end, so that a concurrent close returns only after the store is closed.
        let mut held = lock(&self.parts);
        let Some(Parts { workers, lock }) = held.take() else {
            return Ok(());
        };
        let engine = &self.engine;
        if !engine.dir.is_read_only()
            && let Err(forked) = engine.dir.check_process()
        {
            // A forked child may end nothing of its parent's store except its own copy of the lock
            // file.
            workers.into_iter().for_each(Worker::abandon);
            return Err(forked);
        }
        let closed = if engine.dir.is_read_only() {
            engine.dir.gate().close();
            engine.let_go_of_moments();
            Ok(())
        } else {
            drop(workers);
            // Nothing that was acknowledged depends on it, so an error does not fail the close.
            let _ = refresh::write_noted(engine);
            engine.close()
        };
        drop(lock);
        drop(held);
        // No lock is held here, because the listener may call this store.
        engine.events.close();
        closed
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let _ = self.end();
    }
}
