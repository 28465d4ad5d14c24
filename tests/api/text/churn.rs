//! The text index beside inserts, replacements, deletes, expiries, compaction and a reopen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use altiplano::{
    Batch, CollectionOptions, HnswParams, ManualClock, Memory, Metric, Outcome, Patch, TextIndex,
    TextQuery,
};

use super::plain::{Asked, Plain};
use super::{DIMENSION, memory, same, text};
use crate::common::size::sized;
use crate::common::{Rng, START, settle, vector, with_clock};

fn options() -> CollectionOptions {
    let hnsw = HnswParams::default().m(8).ef_construction(48).min_rows(300);
    let options = CollectionOptions::new(DIMENSION, Metric::L2).text_index(TextIndex::new());
    options.hnsw(hnsw).memtable_rows(64)
}

#[test]
fn scores_go_by_what_is_visible_through_any_change() {
    for seed in 0..sized("histories of texts", 3, 12, 100) {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(START));
        let mut store = with_clock(&clock).open(dir.path().join("store")).unwrap();
        let mut notes = store.collection("notes", options()).unwrap();
        let mut model: BTreeMap<u64, Memory> = BTreeMap::new();
        let mut ends: BTreeMap<u64, u64> = BTreeMap::new();
        let (mut rng, mut now) = (Rng(seed), 0);
        for round in 0..40 {
            let mut batch = Batch::new();
            for _ in 0..rng.below(60) {
                let (id, from) = (rng.below(400), rng.below(100_000));
                let mut new = memory(from);
                (new.id, new.vector) = (id.into(), vector(id, DIMENSION));
                ends.remove(&id);
                batch = match rng.below(3) {
                    0 => {
                        ends.insert(id, now + 1 + rng.below(10));
                        let left = Duration::from_secs(ends[&id] - now);
                        batch.insert(new.clone().ttl(left))
                    }
                    _ => batch.insert(new.clone()),
                };
                model.insert(id, new);
            }
            notes.apply(batch).unwrap();
            for _ in 0..rng.below(25) {
                let id = rng.below(400);
                match rng.below(2) {
                    0 => {
                        notes.delete(id).unwrap();
                        model.remove(&id);
                    }
                    _ => {
                        let words = text(rng.below(100_000)).unwrap_or_default();
                        let is_there = model.contains_key(&id);
                        let patch = Patch::new().text(words.as_str());
                        let changed = notes.patch(id, patch).unwrap();
                        assert_eq!(changed == Outcome::Updated, is_there, "{seed}, {round}: {id}");
                        model.entry(id).and_modify(|memory| memory.text = Some(words));
                    }
                }
            }
            now += rng.below(3);
            clock.set_wall(START + Duration::from_secs(now));
            let gone: Vec<u64> =
                ends.iter().filter(|(_, end)| **end <= now).map(|e| *e.0).collect();
            for id in gone {
                ends.remove(&id);
                model.remove(&id);
            }
            match rng.below(8) {
                0..=3 => settle(&store),
                4 => drop(notes.compact().unwrap()),
                5 => {
                    drop(notes);
                    store.close().unwrap();
                    store = with_clock(&clock).open(dir.path().join("store")).unwrap();
                    notes = store.collection("notes", options()).unwrap();
                }
                _ => {}
            }
            let plain = Plain::new(model.values().cloned());
            for words in ["the tea", "zebra", "night train lima"] {
                let asked = Asked { words: words.into(), ..Asked::default() };
                let all = plain.search(&asked, |_| true);
                let hits = notes.search_text(words).k(1_000).run().unwrap();
                same(&format!("{seed}, {round}: {words}"), &hits, &all, &all);
            }
            let asked = Asked { prefixes: vec!["r".into()], ..Asked::default() };
            let all = plain.search(&asked, |_| true);
            let hits = notes.search_text(TextQuery::default().prefix("r")).k(1_000).run().unwrap();
            same(&format!("{seed}, {round}: r*"), &hits, &all, &all);
        }
    }
}
