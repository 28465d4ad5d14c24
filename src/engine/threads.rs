//! Owns the threads for batch searches: one pool for all stores of the process. The pool is created
//! on first use and dropped with the last store that used it. Knows nothing of what runs there.
//!
//! A build that may be delayed in the middle never runs there, because searches would wait for it.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::dir::StoreDir;
use crate::error::{Error, Result};
use crate::options::GraphBuilder;
use crate::sync::OnceLock;

/// A pool, and the process that its threads belong to. A child made by fork has none of them.
struct Made {
    process: u32,
    pool: Weak<ThreadPool>,
}

/// The pool of this process. It takes no lock: a lock that another thread held at a fork stays
/// locked in the child.
static SHARED: ArcSwapOption<Made> = ArcSwapOption::const_empty();

/// One store's share of the pool.
#[derive(Debug)]
pub(crate) struct Threads {
    dir: Arc<StoreDir>,
    used: OnceLock<(u32, Arc<ThreadPool>)>,
}

impl Threads {
    pub(super) fn new(dir: Arc<StoreDir>) -> Self {
        Self { dir, used: OnceLock::new() }
    }

    /// Returns the pool for batch searches, which is never rayon's global pool.
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

    /// Returns the pool on which a graph is built. A builder that uses many threads gets a pool of
    /// its own.
    pub(crate) fn for_build(&self, builder: GraphBuilder) -> Result<Arc<ThreadPool>> {
        let made = match builder {
            GraphBuilder::BuiltIn => shared(std::process::id()),
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
    // If two are made at once, one of them serves a single store.
    SHARED.store(Some(Arc::new(Made { process, pool: Arc::downgrade(&pool) })));
    Ok(pool)
}

fn new_pool() -> std::io::Result<Arc<ThreadPool>> {
    let builder = ThreadPoolBuilder::new().thread_name(|i| format!("altiplano-pool-{i}"));
    builder.build().map(Arc::new).map_err(std::io::Error::other)
}
