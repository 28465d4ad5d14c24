//! Owns the background threads: one for the log's timers, one for rows, one for indexes. They hold
//! the engine, never the store, so that dropping the store ends them.

use std::sync::Arc;
use std::time::Duration;

use crate::collection::core::Core;
use crate::collection::engine::Engine;
use crate::compaction::{self, Cancelled};
use crate::error::{Error, Result};
use crate::metrics::Event;
use crate::worker::{Bell, Worker};

/// How long a worker sleeps while there is work about.
const BUSY: Duration = Duration::from_millis(500);
/// How long it sleeps when nothing has happened: expiry is noticed this late.
const IDLE: Duration = Duration::from_secs(10);

/// Starts the threads of a store.
pub(super) fn start(engine: &Arc<Engine>) -> Result<Vec<Worker>> {
    let spawn = |name: &str, bell: &Arc<Bell>, task: fn(&Arc<Engine>, &Bell) -> Duration| {
        let (engine, own) = (Arc::clone(engine), Arc::clone(bell));
        let poison = Arc::clone(&engine.poison);
        Worker::start(name, Arc::clone(bell), poison, move || task(&engine, &own))
    };
    Ok(vec![
        spawn("altiplano-log", &engine.log_bell, tend_log)?,
        spawn("altiplano-rows", &engine.row_bell, tend_rows)?,
        spawn("altiplano-index", &engine.index_bell, tend_indexes)?,
    ])
}

fn tend_log(engine: &Arc<Engine>, _bell: &Bell) -> Duration {
    match engine.tend_log() {
        Ok(patience) => patience,
        Err(error) => report(engine, None, &error),
    }
}

fn tend_rows(engine: &Arc<Engine>, bell: &Bell) -> Duration {
    let cancelled = || bell.is_stopping();
    let patience = each_core(engine, &cancelled, compaction::run_rows_due);
    if patience.is_zero() {
        engine.index_bell.ring();
    }
    match compaction::run_trim(engine, &cancelled) {
        Ok(_) => patience,
        Err(error) => report(engine, None, &error),
    }
}

fn tend_indexes(engine: &Arc<Engine>, bell: &Bell) -> Duration {
    each_core(engine, &|| bell.is_stopping(), compaction::run_index_due)
}

/// Runs a task once for every collection; tells how long to sleep.
fn each_core(
    engine: &Arc<Engine>,
    cancelled: Cancelled<'_>,
    task: fn(&Arc<Engine>, &Arc<Core>, Cancelled<'_>) -> Result<bool>,
) -> Duration {
    if engine.poison.is_set() {
        return IDLE;
    }
    let mut patience = IDLE;
    for core in engine.cores() {
        let wanted = match task(engine, &core, cancelled) {
            Ok(true) => Duration::ZERO,
            Ok(false) if core.snapshot().segments.is_empty() => IDLE,
            Ok(false) => BUSY,
            Err(error) => report(engine, Some(&core), &error),
        };
        patience = patience.min(wanted);
        if cancelled() {
            break;
        }
    }
    patience
}

/// Tells the host of a failure; it will be tried again a little later.
fn report(engine: &Engine, core: Option<&Core>, error: &Error) -> Duration {
    // `Closed` is how a job says that it was told to stop.
    if !matches!(error, Error::Closed) {
        let collection = core.map(|c| c.name.clone());
        engine.emit(&Event::BackgroundError { collection, reason: error.to_string() });
    }
    BUSY
}
