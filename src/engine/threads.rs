//! Owns the threads that batches are searched on: one pool for all stores of the process, made when
//! it is first needed, and gone when the last store that used it is. Knows nothing of what runs
//! there.
//!
//! A build that may be held up in the middle never runs there: others would wait for it.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::dir::StoreDir;
use crate::error::{Error, Result};
use crate::options::GraphBuilder;
use crate::sync::OnceLock;

/// A pool, and the process that its threads are in: a child made by fork has none of them.
struct Made {
    process: u32,
    pool: Weak<ThreadPool>,
}

/// The pool of this process. No lock is taken: one that another thread held in the parent stays
/// locked in a child made by fork.
static SHARED: ArcSwapOption<Made> = ArcSwapOption::const_empty();

/// The pool, for as long as one store needs it.
#[derive(Debug)]
pub(crate) struct Threads {
    dir: Arc<StoreDir>,
    used: OnceLock<(u32, Arc<ThreadPool>)>,
}

impl Threads {
    pub(super) fn new(dir: Arc<StoreDir>) -> Self {
        Self { dir, used: OnceLock::new() }
    }

    /// The pool for batch searches, never rayon's global one.
    pub(crate) fn pool(&self) -> Result<Arc<ThreadPool>> {
        let process = std::process::id();
        if let Some((_, pool)) = self.used.get().filter(|(made_by, _)| *made_by == process) {
            return Ok(Arc::clone(pool));
        }
        let pool =
            shared(process).map_err(|e| Error::io("start threads for", self.dir.root(), e))?;
        self.used.get_or_init(|| (process, Arc::clone(&pool)));
        Ok(pool)
    }

    /// Where a graph is built: the builder that uses many threads has them to itself.
    pub(crate) fn for_build(&self, builder: GraphBuilder) -> Result<Arc<ThreadPool>> {
        let made = match builder {
            GraphBuilder::Flat => shared(std::process::id()),
            _ => new_pool(),
        };
        made.map_err(|e| Error::io("start threads for", self.dir.root(), e))
    }
}

fn shared(process: u32) -> std::io::Result<Arc<ThreadPool>> {
    let found = SHARED.load_full();
    let there = found.as_ref().filter(|made| made.process == process);
    if let Some(pool) = there.and_then(|made| made.pool.upgrade()) {
        return Ok(pool);
    }
    let pool = new_pool()?;
    // Of two that are made at once, one is used by one store alone.
    SHARED.store(Some(Arc::new(Made { process, pool: Arc::downgrade(&pool) })));
    Ok(pool)
}

fn new_pool() -> std::io::Result<Arc<ThreadPool>> {
    let builder = ThreadPoolBuilder::new().thread_name(|i| format!("altiplano-pool-{i}"));
    builder.build().map(Arc::new).map_err(std::io::Error::other)
}
