//! Owns the tests of what columns of fields cost: their bytes are bounded, and what has no column
//! is answered from the rows.

use std::collections::BTreeSet;

use altiplano::{Collection, Filter, Memory};

use super::{DIM, open, scanned};

const ROWS: u64 = 1_200;

/// A memory whose fields take more bytes than columns may.
fn wide(id: u64) -> Memory {
    let long = |n: u64| format!("{:0>48}", id * 31 + n);
    Memory::new(id, [id as f32, 1.0])
        .field("long", long(1))
        .field("longer", long(2).repeat(2))
        .field("number", id)
        .field("kind", if id.is_multiple_of(3) { "turn" } else { "note" })
        .field_list("list", [id % 5, id % 7])
}

/// Returns the number of matches and of rows whose metadata was parsed.
fn told(notes: &Collection, filter: &Filter) -> (BTreeSet<u64>, u64) {
    let search = notes.search(&[0.0; DIM]).k(ROWS as usize).filter(filter.clone());
    let (hits, told) = search.explain().unwrap();
    let found: BTreeSet<u64> = hits.iter().map(|hit| hit.id.as_u128() as u64).collect();
    assert_eq!(found, scanned(notes, filter), "{filter:?}");
    (found, told.fields_from_rows)
}

#[test]
fn columns_stay_within_their_limit_and_rows_answer_for_what_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let (store, notes) = open(&dir.path().join("s"));
    notes.apply((0..ROWS).map(wide).collect()).unwrap();
    let long = Filter::field("long").starts_with(format!("{:0>46}", 31));
    let narrow = Filter::field("kind").eq("turn");
    let (in_memory, parsed) = told(&notes, &long);
    assert_eq!(parsed, ROWS, "no columns in memory");
    store.compact().unwrap();
    let stats = notes.stats().unwrap();
    assert_eq!(stats.memtable_rows, 0);
    assert!(stats.field_bytes > 0 && stats.field_bytes <= stats.field_bytes_limit, "{stats:?}");
    assert_eq!(stats.field_columns_left_out, 2, "{stats:?}");
    let bytes: u64 = stats.segments.iter().map(|segment| segment.bytes).sum();
    assert!(stats.field_bytes < bytes);
    assert_eq!(told(&notes, &long), (in_memory, ROWS));
    let multiples: BTreeSet<u64> = (0..ROWS).filter(|id| id.is_multiple_of(3)).collect();
    assert_eq!(told(&notes, &narrow), (multiples, 0));
    let range = Filter::field("number").between(10, 19);
    assert_eq!(told(&notes, &range), ((10..20).collect(), 0));
    // Only the rows are read that the other conditions leave, in whatever order they stand.
    for both in [long.clone() & range.clone(), range.clone() & long] {
        assert_eq!(told(&notes, &both).1, 10);
    }
    // Positions have no columns, and only rows are read that the elements leave.
    let first = Filter::field("list[0]").eq(6);
    assert_eq!(told(&notes, &first), (BTreeSet::new(), ROWS / 7));
    assert_eq!(told(&notes, &Filter::field("list").contains(6)).1, 0);
    assert_eq!(told(&notes, &Filter::field("nothing").exists()), (BTreeSet::new(), 0));
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn more_paths_than_a_segment_names_are_answered_from_the_rows() {
    let dir = tempfile::tempdir().unwrap();
    let (store, notes) = open(&dir.path().join("s"));
    let rows = 3_000u64;
    let memory = |id: u64| {
        Memory::new(id, [id as f32, 1.0]).field(format!("key{id}"), id).field("all", id % 2)
    };
    notes.apply((0..rows).map(memory).collect()).unwrap();
    store.compact().unwrap();
    let stats = notes.stats().unwrap();
    assert!(stats.field_bytes <= stats.field_bytes_limit, "{stats:?}");
    for id in [0, 1, 1_500, rows - 1] {
        let filter = Filter::field(format!("key{id}")).exists();
        assert_eq!(scanned(&notes, &filter), BTreeSet::from([id]));
    }
    let last = notes.search(&[0.0; DIM]).filter(Filter::field("key2999").eq(2_999));
    assert_eq!(last.explain().unwrap().1.fields_from_rows, rows);
    let all = notes.search(&[0.0; DIM]).filter(Filter::field("all").eq(1));
    assert_eq!(all.explain().unwrap().1.fields_from_rows, 0);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn columns_are_made_again_at_every_rewrite_and_hold_nothing_of_the_dead() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (store, notes) = open(&path);
    let secret = "canary-of-a-field";
    let memory = |id: u64| {
        let text = if id.is_multiple_of(2) { secret } else { "plain" };
        Memory::new(id, [id as f32, 1.0]).field("text", text)
    };
    notes.apply((0..500).map(memory).collect()).unwrap();
    store.compact().unwrap();
    assert_eq!(notes.delete_where(Filter::field("text").eq(secret)).unwrap(), 250);
    assert!(store.purge().unwrap().is_complete());
    assert!(crate::common::files_with(&path, secret.as_bytes()).is_empty());
    let filter = Filter::field("text").eq("plain");
    assert_eq!(scanned(&notes, &filter).len(), 250);
    assert_eq!(notes.search(&[0.0; DIM]).filter(filter).explain().unwrap().1.fields_from_rows, 0);
}
