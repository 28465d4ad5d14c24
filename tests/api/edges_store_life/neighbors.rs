//! Stores that share threads do not affect each other.

use std::sync::mpsc::channel;

use altiplano::{
    Background, Collection, CollectionOptions, Durability, Event, Metric, Store, StoreOptions,
};

use super::{DIMENSION, LONG, wanted, watched};
use crate::common::memory;

fn fill(notes: &Collection, dimension: usize, rows: u64) {
    notes.apply((0..rows).map(|id| memory(id, dimension)).collect()).unwrap();
}

#[test]
fn many_stores_at_work_are_all_served() {
    watched(|| {
        let dir = tempfile::tempdir().unwrap();
        let (tell, told) = channel();
        let stores: Vec<(Store, Collection)> = (0..40)
            .map(|n| {
                let tell = tell.clone();
                let store = StoreOptions::new().on_event(move |event| {
                    if matches!(event, Event::Sealed { .. }) {
                        let _ = tell.send(n);
                    }
                });
                let store = store.open(dir.path().join(n.to_string())).unwrap();
                let notes = store.collection("notes", wanted()).unwrap();
                (store, notes)
            })
            .collect();
        stores.iter().for_each(|(_, notes)| fill(notes, DIMENSION, 64));
        let mut sealed: Vec<i32> = (0..40).map(|_| told.recv_timeout(LONG).unwrap()).collect();
        sealed.sort_unstable();
        assert_eq!(sealed, (0..40).collect::<Vec<_>>());
    });
}

/// More stores than there are threads have a job that waits for minutes: for its bytes, at 64 KiB
/// per second.
#[test]
fn stores_whose_jobs_are_held_up_keep_no_other_waiting() {
    watched(|| {
        let dir = tempfile::tempdir().unwrap();
        let held_up: Vec<(Store, Collection)> = (0..4)
            .map(|n| {
                let store = StoreOptions::new().compaction_rate_limit(64 << 10);
                let store = store.open(dir.path().join(format!("slow-{n}"))).unwrap();
                let options = CollectionOptions::new(1024, Metric::L2).memtable_rows(1024);
                let notes = store.collection("notes", options).unwrap();
                fill(&notes, 1024, 1024);
                (store, notes)
            })
            .collect();
        for (store, notes) in &held_up {
            while store.stats().unwrap().collections[0].memtable_rows > 0 {
                std::thread::yield_now();
            }
            notes.apply((0..512u64).fold(altiplano::Batch::new(), |b, id| b.delete(id))).unwrap();
        }

        let (tell, told) = channel();
        let store = StoreOptions::new().on_event(move |event| {
            if matches!(event, Event::Compacted { .. }) {
                let _ = tell.send(());
            }
        });
        let store = store.open(dir.path().join("quick")).unwrap();
        let notes = store.collection("notes", wanted()).unwrap();
        fill(&notes, DIMENSION, 64);
        while store.stats().unwrap().collections[0].memtable_rows > 0 {
            std::thread::yield_now();
        }
        notes.apply((0..40u64).fold(altiplano::Batch::new(), |b, id| b.delete(id))).unwrap();
        told.recv_timeout(LONG).unwrap();
        held_up.into_iter().for_each(|(store, _)| store.close().unwrap());
        store.close().unwrap();
    });
}

#[test]
fn a_buffered_write_is_synced_by_its_time_in_each_of_many_stores() {
    watched(|| {
        let dir = tempfile::tempdir().unwrap();
        let stores: Vec<(Store, Collection)> = (0..30)
            .map(|n| super::open(&dir.path().join(n.to_string()), Background::Auto))
            .collect();
        let max_delay = std::time::Duration::from_millis(20);
        for (_, notes) in &stores {
            let batch = altiplano::Batch::new().insert(memory(1, DIMENSION));
            notes.apply_with(batch, Durability::buffered(max_delay)).unwrap();
        }
        for (store, _) in &stores {
            let synced = || {
                let stats = store.stats().unwrap();
                stats.synced_seq == stats.visible_seq
            };
            while !synced() {
                std::thread::yield_now();
            }
        }
    });
}
