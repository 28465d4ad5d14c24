//! The index of words as an option: switched on, changed and switched off, with what it costs.
//! `CollectionOptions::text_index`.

#![allow(clippy::disallowed_methods, reason = "tests may damage files by hand")]

use crate::common::{file_names, manual, settle, vector};
use altiplano::{
    Batch, Collection, CollectionOptions, Error, Language, Memory, Metric, Reason, Step, Store,
    StoreOptions, TextIndex, VerifyLevel,
};

fn options() -> CollectionOptions {
    CollectionOptions::new(4, Metric::L2).memtable_rows(64)
}

fn text(id: u64) -> String {
    let animals = ["owl", "elephant", "tortoise", "cat", "hummingbird"];
    let animal = animals[id as usize % animals.len()];
    format!("Memory {id}: the {animal} has been seen near the old harbour, connected to row {id}.")
}

fn insert(collection: &Collection, ids: std::ops::Range<u64>) {
    let memories = ids.map(|id| Memory::new(id, vector(id, 4)).text(text(id)));
    collection.apply(memories.collect::<Batch>()).unwrap();
}

fn rewrites_for_words(store: &Store, name: &str) -> usize {
    let plan = store.get_collection(name).unwrap().plan().unwrap();
    let is_one = |step: &&Step| matches!(step, Step::Rewrite { reason: Reason::Words, .. });
    plan.steps.iter().filter(is_one).count()
}

fn check(store: &Store) {
    let report = store.verify_with(VerifyLevel::Full).unwrap();
    assert!(report.is_clean(), "{:?}", report.problems);
}

/// Returns a store with three segments of one collection without words.
fn sealed(path: &std::path::Path) -> (Store, Collection) {
    let store = manual().open(path).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    for first in [0, 100, 200] {
        insert(&notes, first..first + 100);
        settle(&store);
    }
    assert!(notes.stats().unwrap().segments.len() >= 2);
    (store, notes)
}

#[test]
fn it_is_switched_on_changed_and_switched_off_at_any_time() {
    let dir = tempfile::tempdir().unwrap();
    let (store, notes) = sealed(dir.path());
    assert_eq!(notes.stats().unwrap().word_bytes, 0);
    let mut sizes = Vec::new();
    let plain = TextIndex::new();
    for index in [plain, plain.language(Language::English)] {
        let notes = store.collection("notes", options().text_index(index)).unwrap();
        assert_eq!(notes.settings().text_index, Some(index));
        assert!(rewrites_for_words(&store, "notes") > 0);
        settle(&store);
        assert_eq!(rewrites_for_words(&store, "notes"), 0);
        let stats = notes.stats().unwrap();
        assert!(stats.segments.iter().all(|segment| segment.word_bytes > 0), "{stats:?}");
        let sum: u64 = stats.segments.iter().map(|segment| segment.word_bytes).sum();
        assert_eq!(stats.word_bytes, sum);
        sizes.push(sum);
        check(&store);
    }
    assert!(sizes[1] < sizes[0], "`has` and `connected` have shorter stems: {sizes:?}");
    let notes = store.collection("notes", options().no_text_index()).unwrap();
    settle(&store);
    assert_eq!(notes.stats().unwrap().word_bytes, 0);
    check(&store);
}

#[test]
fn other_numbers_of_the_ranking_rewrite_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = sealed(dir.path());
    let index = TextIndex::new();
    store.collection("notes", options().text_index(index)).unwrap();
    settle(&store);
    let before = file_names(dir.path());
    let notes = store.collection("notes", options().text_index(index.k1(0.9).b(0.4))).unwrap();
    assert_eq!(rewrites_for_words(&store, "notes"), 0);
    settle(&store);
    let segments = |files: &[String]| -> Vec<String> {
        files.iter().filter(|name| name.starts_with("seg-")).cloned().collect()
    };
    assert_eq!(segments(&file_names(dir.path())), segments(&before));
    assert_eq!(notes.settings().text_index, Some(index.k1(0.9).b(0.4)));
}

#[test]
fn a_compaction_makes_all_words_at_once_and_an_open_keeps_the_option() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = sealed(dir.path());
    let index = TextIndex::new().language(Language::German);
    let notes = store.collection("notes", options().text_index(index)).unwrap();
    notes.compact().unwrap();
    assert!(notes.stats().unwrap().segments.iter().all(|segment| segment.word_bytes > 0));
    assert_eq!(rewrites_for_words(&store, "notes"), 0);
    let bytes = notes.stats().unwrap().word_bytes;
    drop(notes);
    store.close().unwrap();
    let store = manual().open(dir.path()).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    assert_eq!(notes.settings().text_index, Some(index), "what is not given stays");
    assert_eq!(notes.stats().unwrap().word_bytes, bytes);
    insert(&notes, 300..400);
    settle(&store);
    let stats = notes.stats().unwrap();
    assert!(stats.segments.iter().all(|segment| segment.word_bytes > 0), "{stats:?}");
    check(&store);
    let reader = StoreOptions::new().open_read_only(dir.path()).unwrap();
    assert_eq!(reader.get_collection("notes").unwrap().settings().text_index, Some(index));
}

#[test]
fn a_reader_follows_the_option_of_its_writer() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = sealed(dir.path());
    let reader = StoreOptions::new().open_read_only(dir.path()).unwrap();
    store.collection("notes", options().text_index(TextIndex::new())).unwrap();
    let seen = || reader.get_collection("notes").unwrap().settings().text_index;
    assert_eq!(seen(), None);
    reader.refresh().unwrap();
    assert_eq!(seen(), Some(TextIndex::new()));
}

#[test]
fn words_take_heap_in_memtables_and_less_than_the_texts_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path()).unwrap();
    let large = || options().memtable_rows(4096);
    let with = store.collection("with", large().text_index(TextIndex::new())).unwrap();
    let without = store.collection("without", large()).unwrap();
    for notes in [&with, &without] {
        (0..20).for_each(|n| insert(notes, n * 100..n * 100 + 100));
    }
    let heap = |notes: &Collection| notes.stats().unwrap().heap_bytes;
    let texts: u64 = (0..2000).map(|id| text(id).len() as u64).sum();
    let taken = heap(&with) - heap(&without);
    assert!(taken > texts / 10 && taken < 3 * texts, "{taken} of {texts}");
    store.compact().unwrap();
    let stats = with.stats().unwrap();
    assert!((texts / 10..texts).contains(&stats.word_bytes), "{} {texts}", stats.word_bytes);
    // Switching it on and off moves the heap of what is in RAM.
    insert(&without, 5000..5100);
    let before = heap(&without);
    let words = store.collection("without", large().text_index(TextIndex::new())).unwrap();
    assert!(heap(&words) > before);
    let words = store.collection("without", large().no_text_index()).unwrap();
    assert!(heap(&words) <= before + before / 4);
    // A collection in RAM has its words too.
    let in_memory = large().in_memory().text_index(TextIndex::new());
    let ram = store.collection("ram", in_memory).unwrap();
    insert(&ram, 0..100);
    let before = heap(&ram);
    store.collection("ram", large().in_memory().no_text_index()).unwrap();
    assert!(heap(&ram) < before);
    assert_eq!(ram.len().unwrap(), 100);
}

#[test]
fn numbers_out_of_range_are_refused_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path()).unwrap();
    let index = TextIndex::new();
    store.collection("notes", options().text_index(index)).unwrap();
    for (wrong, part) in [
        (index.k1(-0.1), "k1"),
        (index.k1(100.5), "k1"),
        (index.k1(f32::NAN), "k1"),
        (index.b(1.01), "b"),
        (index.b(f32::INFINITY), "b"),
    ] {
        for name in ["notes", "other"] {
            let error = store.collection(name, options().text_index(wrong)).unwrap_err();
            assert!(matches!(error, Error::InvalidOption { .. }), "{error:?}");
            let told = error.to_string();
            assert!(told.contains("text_index") && told.contains(part), "{told}");
        }
    }
    assert_eq!(store.collection_names(), ["notes"]);
    let notes = store.get_collection("notes").unwrap();
    assert_eq!(notes.settings().text_index, Some(index));
    for edge in [index.k1(0.0).b(0.0), index.k1(100.0).b(1.0)] {
        store.collection("notes", options().text_index(edge)).unwrap();
    }
}

#[test]
fn a_repair_keeps_the_option_and_makes_the_words_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let index = TextIndex::new().language(Language::English).b(0.5);
    {
        let (store, _) = sealed(&from);
        let notes = store.collection("notes", options().text_index(index)).unwrap();
        notes.compact().unwrap();
        drop(notes);
        store.close().unwrap();
    }
    // The end of the dictionary and the lists lie before the table of the sections.
    let name = file_names(&from).into_iter().find(|name| name.starts_with("seg-")).unwrap();
    let path = from.join(name);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() - 1500;
    bytes[at] ^= 0x40;
    std::fs::write(&path, bytes).unwrap();
    {
        let store = manual().open(&from).unwrap();
        let report = store.verify_with(VerifyLevel::Full).unwrap();
        assert!(!report.is_clean(), "the words are damaged");
    }
    let report = StoreOptions::new().repair(&from, &to).unwrap();
    assert_eq!(report.salvaged[0].rows, 300);
    let store = manual().open(&to).unwrap();
    let notes = store.get_collection("notes").unwrap();
    assert_eq!(notes.settings().text_index, Some(index));
    assert_eq!(notes.len().unwrap(), 300);
    store.compact().unwrap();
    assert!(notes.stats().unwrap().word_bytes > 0);
    check(&store);
}
