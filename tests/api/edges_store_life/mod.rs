//! Owns the tests of a store's life, seen from outside: the handles that keep it open, its
//! listener, and the directories that it accepts. Also other stores with which it shares threads.
#![allow(clippy::disallowed_methods, reason = "these tests look at directories past the store")]

mod directories;
mod handles;
mod listeners;
mod neighbors;

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use altiplano::{Background, Collection, CollectionOptions, Metric, Store, StoreOptions};

const DIMENSION: usize = 4;
/// Longer than any of these waits takes on any machine. Reaching it means a hang.
const LONG: Duration = Duration::from_secs(60);
const BOTH: [Background; 2] = [Background::Auto, Background::Manual];

fn wanted() -> CollectionOptions {
    CollectionOptions::new(DIMENSION, Metric::L2).memtable_rows(64)
}

fn open(path: &Path, background: Background) -> (Store, Collection) {
    let store = StoreOptions::new().background(background).open(path).unwrap();
    let notes = store.collection("notes", wanted()).unwrap();
    (store, notes)
}

/// Runs a test on a thread of its own, and fails if it hangs.
fn watched(body: impl FnOnce() + Send + 'static) {
    let (done, ended) = channel();
    let running = std::thread::spawn(move || {
        body();
        let _ = done.send(());
    });
    match ended.recv_timeout(LONG) {
        Err(RecvTimeoutError::Timeout) => panic!("it hangs"),
        // If it sent nothing, it has panicked.
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {}
    }
    if let Err(panic) = running.join() {
        std::panic::resume_unwind(panic);
    }
}
