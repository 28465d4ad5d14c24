//! Lists that are refused, and lists of nothing.

use altiplano::{Collection, Cursor, Direction, Error, Filter, Memory, Order, Timestamp, Window};

use super::world::{DIMENSION, options, orders, random};
use crate::common::{Rng, manual, vector};

fn filled(notes: &Collection) -> Cursor {
    let mut rng = Rng(2);
    for id in 0..20 {
        notes.insert(random(&mut rng, id)).unwrap();
    }
    notes.list().limit(5).run().unwrap().next.unwrap()
}

/// Asserts that the cursor is refused with this reason.
fn refused<T: std::fmt::Debug>(result: altiplano::Result<T>, with: &str) {
    match result {
        Err(Error::InvalidOption { name: "cursor", reason, .. }) => {
            assert!(reason.contains(with), "{reason}");
        }
        other => panic!("{with}: {other:?}"),
    }
}

#[test]
fn a_cursor_of_elsewhere_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    let cursor = filled(&notes);
    assert_eq!(notes.list().limit(100).after(cursor.clone()).run().unwrap().memories.len(), 15);

    let others = store.collection("others", options()).unwrap();
    refused(others.list().after(cursor.clone()).run(), "another collection");
    let elsewhere = manual().seed(99).open(dir.path().join("t")).unwrap();
    let there = elsewhere.collection("notes", options()).unwrap();
    filled(&there);
    refused(there.list().after(cursor.clone()).run(), "another store");
    refused(notes.list().oldest_first().after(cursor.clone()).run(), "Descending, not Created");
    let by_key = notes.list().order(Order::Key, Direction::Descending);
    refused(by_key.after(cursor.clone()).run(), "not Key, Descending");

    let text = cursor.to_string();
    let parsed = |text: &str| text.parse::<Cursor>().map_err(Error::from);
    refused(parsed(&text[1..]), "damaged");
    refused(parsed(&text.replace('0', "1")), "damaged");
    refused(parsed("page 2"), "damaged");

    // A collection of the same name that was made anew is another one.
    store.drop_collection("notes").unwrap();
    let again = store.collection("notes", options()).unwrap();
    filled(&again);
    refused(again.list().after(cursor).run(), "another collection");
}

#[test]
fn a_cursor_outlives_the_store_and_its_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut texts = Vec::new();
    {
        let store = manual().open(dir.path().join("s")).unwrap();
        let notes = store.collection("notes", options()).unwrap();
        filled(&notes);
        for (order, direction) in orders() {
            let page = notes.list().order(order, direction).limit(7).run().unwrap();
            let last = page.memories.last().unwrap().id;
            texts.push((order, direction, page.next.unwrap().to_string(), last));
        }
    }
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = store.get_collection("notes").unwrap();
    for (order, direction, text, last) in texts {
        notes.delete(last).unwrap();
        let left = notes.len().unwrap() as usize;
        let cursor: Cursor = text.parse().unwrap();
        let json = serde_json::to_string(&cursor).unwrap();
        assert_eq!(serde_json::from_str::<Cursor>(&json).unwrap(), cursor);
        let rest = notes.list().order(order, direction).after(cursor).run().unwrap();
        let all = notes.list().order(order, direction).run().unwrap();
        let from = left - rest.memories.len();
        assert_eq!(rest.memories, all.memories[from..], "{order:?} {direction:?}");
    }
}

#[test]
fn limits_and_filters_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    for (order, direction) in orders() {
        let page = notes.list().order(order, direction).run().unwrap();
        assert!(page.memories.is_empty() && page.next.is_none());
    }
    filled(&notes);
    let page = notes.list().limit(0).run().unwrap();
    assert!(page.memories.is_empty() && page.next.is_none());
    let page = notes.list().limit(1 << 20).run().unwrap();
    assert!(page.memories.len() == 20 && page.next.is_none());
    match notes.list().limit((1 << 20) + 1).run() {
        Err(Error::LimitExceeded { what: "limit", got: 1_048_577, limit: 1_048_576, .. }) => {}
        other => panic!("{other:?}"),
    }
    let inverted = || Filter::created(Timestamp::from_millis(2)..Timestamp::from_millis(1));
    let invalid = |result: Result<(), Error>| {
        assert!(matches!(result, Err(Error::InvalidOption { .. })), "{result:?}");
    };
    invalid(notes.list().filter(inverted()).run().map(drop));
    invalid(notes.list().filter(inverted()).recent(Window::turns(1)).map(drop));
    invalid(notes.count(inverted()).map(drop));
}

#[test]
fn nothing_is_listed_after_a_close() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    notes.insert(Memory::new(1u64, vector(1, DIMENSION))).unwrap();
    let list = notes.list();
    store.close().unwrap();
    let closed = |result: Result<(), Error>| {
        assert!(matches!(result, Err(Error::Closed)), "{result:?}");
    };
    closed(list.run().map(drop));
    closed(notes.recent("s", Window::tokens(9)).map(drop));
    closed(notes.count(Filter::All).map(drop));
    closed(notes.namespaces("", 1).map(drop));
    closed(notes.sessions(None).map(drop));
    closed(notes.tags().map(drop));
    closed(notes.kinds().map(drop));
    closed(notes.near(1u64).run().map(drop));
}
