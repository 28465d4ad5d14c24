//! Scopes: a handle of one namespace is a collection of its own. Named cases are here, and random
//! operations against a model in `model`.

mod model;
mod moments;

use std::time::Duration;

use crate::common::{manual, memory};
use altiplano::{
    Batch, Collection, CollectionOptions, Error, Filter, Lifetime, Memory, MemoryId, Metric,
    Outcome, Patch, Scope, Store,
};

fn notes(store: &Store) -> Collection {
    store.collection("notes", CollectionOptions::new(4, Metric::L2)).unwrap()
}

fn ids(scope: &Scope) -> Vec<u64> {
    let mut ids: Vec<u64> = scope.iter().map(|m| m.unwrap().id.as_u128() as u64).collect();
    ids.sort_unstable();
    ids
}

/// Runs `check` on Alice's and Bob's scopes, with their rows in RAM and in a segment. Alice has the
/// memories 1 and 2, Bob has 11 and 12, all of "session 1" and with the key "k".
fn two_users(check: impl Fn(&Collection, &Scope, &Scope)) {
    for sealed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let store = manual().open(dir.path().join("s")).unwrap();
        let notes = notes(&store);
        let (alice, bob) = (notes.scope("alice"), notes.scope("bob"));
        for (scope, first) in [(&alice, 1), (&bob, 11)] {
            let all = (first..first + 2).map(|id| memory(id, 4).session("session 1").key("k"));
            scope.apply(all.collect()).unwrap();
        }
        if sealed {
            notes.compact().unwrap();
        }
        check(&notes, &alice, &bob);
    }
}

/// Bob's memory 1 replaced Alice's, because ids belong to the collection.
#[test]
fn bob_does_not_replace_the_memory_of_alice_with_his_id_1() {
    two_users(|notes, alice, bob| {
        for insert in [Scope::insert, Scope::insert_new] {
            let refused = insert(bob, memory(1, 4).text("bob's"));
            assert!(matches!(refused, Err(Error::IdTaken { id, .. }) if id == 1.into()));
        }
        assert_eq!(alice.get(1).unwrap().unwrap().text.as_deref(), Some("memory 1"));
        assert_eq!(ids(bob), [11, 12]);
        assert_eq!(notes.len().unwrap(), 4);
        // The id is free once Alice's memory is gone.
        assert!(alice.delete(1).unwrap());
        assert_eq!(bob.insert(memory(1, 4)).unwrap(), Outcome::Inserted);
        assert_eq!((ids(alice), ids(bob)), (vec![2], vec![1, 11, 12]));
    });
}

/// Ending "session 1" ended everybody's session of that name.
#[test]
fn ending_session_1_ends_only_that_of_the_user() {
    two_users(|_, alice, bob| {
        assert_eq!(bob.delete_where(Filter::session("session 1")).unwrap(), 2);
        assert_eq!((ids(alice), ids(bob)), (vec![1, 2], vec![]));
    });
}

#[test]
fn no_read_shows_a_memory_of_another_namespace() {
    two_users(|notes, alice, bob| {
        notes.insert(memory(21, 4).key("k")).unwrap();
        assert!(bob.get(1).unwrap().is_none() && !bob.contains(1).unwrap());
        assert!(bob.get(21).unwrap().is_none() && !bob.contains(21).unwrap());
        assert!(bob.get(11).unwrap().is_some() && bob.contains(11).unwrap());
        assert_eq!((bob.len().unwrap(), bob.is_empty().unwrap()), (2, false));
        assert!(notes.scope("bo").is_empty().unwrap());
        let key = |scope: &Scope| scope.get_by_key("k").unwrap().unwrap().id;
        assert_eq!((key(alice), key(bob)), (2.into(), 12.into()));
        assert_eq!(notes.get_by_key("k").unwrap().unwrap().id, 21.into());
        let query = [0.1, 0.2, 0.3, 0.4];
        let mine = |memory: &Memory| {
            assert_eq!(memory.namespace.as_deref(), Some("bob"));
            true
        };
        let hits = bob.search(&query).k(9).filter_fn(mine).run().unwrap();
        assert_eq!(hits.len(), 2);
        assert!(bob.search(&query).namespace("alice").run().unwrap().is_empty());
        let answers = bob.search_batch(&[query], |s| s.filter(Filter::ids([1u64, 11]))).unwrap();
        assert_eq!(answers[0].iter().map(|hit| hit.id).collect::<Vec<_>>(), [11.into()]);
        let other = Filter::namespace("alice") | Filter::ids([2u64, 21]);
        assert_eq!(bob.scan(other).count(), 0);
        assert_eq!(bob.scan(!Filter::namespace("bob")).count(), 0);
        assert_eq!(bob.into_iter().count(), 2);
    });
}

#[test]
fn no_write_changes_a_memory_of_another_namespace() {
    two_users(|notes, alice, bob| {
        let before: Vec<Memory> = alice.iter().map(Result::unwrap).collect();
        let (patch, hour) = (Patch::new().importance(0.9), Duration::from_secs(3_600));
        assert!(!bob.delete(1).unwrap());
        assert_eq!(bob.delete_where(Filter::ids([1u64, 2])).unwrap(), 0);
        assert_eq!(bob.patch(1, patch.clone()).unwrap(), Outcome::Missing);
        assert_eq!(bob.patch(1, Patch::new().text("x")).unwrap(), Outcome::Missing);
        assert!(!bob.touch(1, hour).unwrap());
        assert_eq!(bob.touch_where(Filter::id(2), Lifetime::Ttl(hour)).unwrap(), 0);
        assert_eq!(bob.update_where(Filter::id(1), patch.clone()).unwrap(), 0);
        assert_eq!(bob.update(1, |_| panic!("it is not Bob's")).unwrap(), Outcome::Missing);
        assert_eq!(bob.supersede(1, memory(13, 4)).unwrap(), Outcome::Missing);
        assert!(matches!(bob.supersede(11, memory(2, 4)), Err(Error::IdTaken { .. })));
        let batch = Batch::new().delete(1).patch(2, patch.clone()).delete(11).insert(memory(14, 4));
        let applied = bob.apply(batch).unwrap();
        assert_eq!((applied.deleted, applied.missing, applied.inserted), (1, 1, 1));
        assert_eq!(bob.update_where(Filter::All, patch).unwrap(), 2);
        assert_eq!(bob.delete_by_key("k").unwrap(), 1);
        assert_eq!(bob.delete_where(Filter::All).unwrap(), 1);
        assert_eq!(alice.iter().map(Result::unwrap).collect::<Vec<_>>(), before);
        assert!(bob.is_empty().unwrap());
        assert_eq!(notes.len().unwrap(), 2);
    });
}

#[test]
fn a_write_that_names_another_namespace_is_refused_and_changes_nothing() {
    two_users(|notes, _, bob| {
        let before = notes.iter().map(Result::unwrap).collect::<Vec<_>>();
        let other = || memory(20, 4).namespace("alice");
        let none = |memory: &mut Memory| memory.namespace = None;
        let refused = [
            bob.insert(other()).map(drop),
            bob.insert_new(other()).map(drop),
            bob.supersede(11, other()).map(drop),
            bob.patch(11, Patch::new().namespace("alice")).map(drop),
            bob.patch(11, Patch::new().remove_namespace()).map(drop),
            bob.patch(1, Patch::new().namespace("alice")).map(drop),
            bob.update_where(Filter::All, Patch::new().namespace("alice")).map(drop),
            bob.update(11, none).map(drop),
            bob.update(11, |memory| memory.namespace = Some("alice".into())).map(drop),
            bob.apply(Batch::new().delete(11).insert(other())).map(drop),
        ];
        for (n, refused) in refused.into_iter().enumerate() {
            let named = matches!(refused, Err(Error::InvalidOption { name: "namespace", .. }));
            assert!(named, "{n}: {refused:?}");
        }
        let all = Filter::session("a") | !Filter::session("a");
        assert!(matches!(bob.delete_where(all), Err(Error::InvalidOption { .. })));
        assert_eq!(notes.iter().map(Result::unwrap).collect::<Vec<_>>(), before);
        // Its own namespace may be named.
        assert_eq!(bob.insert(memory(20, 4).namespace("bob")).unwrap(), Outcome::Inserted);
        let same = Patch::new().namespace("bob").text("t");
        assert_eq!(bob.patch(20, same).unwrap(), Outcome::Updated);
    });
}

#[test]
fn a_batch_through_a_scope_is_limited_in_every_collection() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let facts = store.collection("facts", CollectionOptions::new(4, Metric::L2)).unwrap();
    let (bob, alices) = (notes(&store).scope("bob"), facts.scope("alice"));
    alices.apply((1..4u64).map(|id| memory(id, 4)).collect()).unwrap();
    let batch = Batch::new()
        .insert(memory(1, 4))
        .insert_into(&facts, memory(9, 4))
        .delete_from(&facts, 1)
        .delete_where_from(&facts, Filter::ids([2u64, 9]))
        .patch_in(&facts, 3, Patch::new().text("x"))
        .update_where_in(&facts, Filter::All, Patch::new().importance(0.1));
    let applied = bob.apply(batch).unwrap();
    assert_eq!((applied.inserted, applied.deleted), (2, 1));
    assert_eq!((applied.missing, applied.updated), (1, 0));
    assert_eq!((ids(&alices), facts.len().unwrap()), (vec![1, 2, 3], 3));
    // One write that is refused takes the whole batch with it.
    let batch = Batch::new().insert(memory(2, 4)).insert_into(&facts, memory(3, 4));
    assert!(matches!(bob.apply(batch), Err(Error::IdTaken { .. })));
    assert_eq!(ids(&bob), [1]);
}

#[test]
fn the_same_key_in_two_scopes_makes_two_memories() {
    two_users(|notes, alice, bob| {
        for (scope, text) in [(alice, "a"), (bob, "b")] {
            scope.insert(scope.keyed("name", [0.0; 4]).text(text)).unwrap();
            let memory = scope.get_by_key("name").unwrap().unwrap();
            assert_eq!(memory.id, MemoryId::from_key_in(scope.namespace(), "name"));
            assert_eq!(memory.text.as_deref(), Some(text));
        }
        assert_eq!(notes.delete_by_key("name").unwrap(), 2);
        // A key without a namespace has one id for all.
        alice.insert(Memory::keyed("name", [0.0; 4])).unwrap();
        let second = bob.insert(Memory::keyed("name", [0.0; 4]));
        assert!(matches!(second, Err(Error::IdTaken { .. })));
    });
}

#[test]
fn an_update_through_a_scope_misses_a_memory_that_moves_away_meanwhile() {
    two_users(|notes, alice, bob| {
        let mut calls = 0;
        let outcome = bob.update(11, |memory| {
            calls += 1;
            notes.patch(11, Patch::new().namespace("alice")).unwrap();
            memory.importance = 0.9;
        });
        assert_eq!((outcome.unwrap(), calls), (Outcome::Missing, 1));
        assert_eq!(alice.get(11).unwrap().unwrap().importance, 0.5);
    });
}
