//! Snapshots of a scope: one namespace at one moment.

use altiplano::{Batch, Error, Filter, Memory, NameCount, ScopeSnapshot, TextIndex, Window};

use crate::common::{manual, memory, vector};

fn ids(of: impl Iterator<Item = Memory>) -> Vec<u64> {
    let mut ids: Vec<u64> = of.map(|memory| memory.id.as_u128() as u64).collect();
    ids.sort_unstable();
    ids
}

fn names(of: altiplano::Result<Vec<NameCount>>) -> Vec<(String, u64)> {
    of.unwrap().into_iter().map(|count| (count.name, count.memories)).collect()
}

/// Compares every read with the memories that the namespace had.
fn check(of: &ScopeSnapshot, own: &[u64], others: &[u64], by_words: bool) {
    let user = of.namespace().to_owned();
    for id in own {
        assert!(of.get(*id).unwrap().is_some() && of.contains(*id).unwrap());
        assert_eq!(of.near(*id).k(99).run().unwrap().len(), own.len() - 1);
    }
    for id in others {
        assert!(of.get(*id).unwrap().is_none() && !of.contains(*id).unwrap());
        assert!(matches!(of.near(*id).run(), Err(Error::NoMemory { .. })));
    }
    assert_eq!((of.len().unwrap(), of.is_empty().unwrap()), (own.len() as u64, own.is_empty()));
    assert_eq!(ids(of.iter().map(Result::unwrap)), own);
    assert_eq!(ids(of.into_iter().map(Result::unwrap)), own);
    assert_eq!(ids(of.scan(!Filter::namespace(&*user)).map(Result::unwrap)), [0u64; 0]);
    let query = vector(1, 4);
    let of_hits = |hits: Vec<altiplano::Hit>| ids(hits.into_iter().map(|hit| hit.memory.unwrap()));
    assert_eq!(of_hits(of.search(&query).k(99).run().unwrap()), own);
    assert_eq!(of_hits(of.search(&query).filter(Filter::All).k(99).run().unwrap()), own);
    if by_words {
        assert_eq!(of_hits(of.search_text("memory").k(99).run().unwrap()), own);
    }
    assert_eq!(ids(of.list().run().unwrap().memories.into_iter()), own);
    assert_eq!(ids(of.recent("s", Window::turns(99)).unwrap().into_iter()), own);
    assert_eq!(of.count(Filter::session("s")).unwrap(), own.len() as u64);
    assert_eq!(of.count(Filter::ids(others.iter().copied())).unwrap(), 0);
    let newest = of.get_by_key("k").unwrap().unwrap().id;
    assert_eq!(newest, (*own.last().unwrap()).into());
    let all = own.len() as u64;
    assert_eq!(names(of.sessions()), [("s".to_owned(), all)]);
    assert_eq!(names(of.tags()), [(user.clone(), all), ("t".to_owned(), all)]);
    assert_eq!(names(of.kinds()), [(format!("of {user}"), all)]);
}

#[test]
fn a_snapshot_of_a_scope_shows_one_namespace_as_it_was() {
    let by_words = cfg!(feature = "text");
    for sealed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let store = manual().open(dir.path().join("s")).unwrap();
        let options = altiplano::CollectionOptions::new(4, altiplano::Metric::L2);
        let options = if by_words { options.text_index(TextIndex::new()) } else { options };
        let notes = store.collection("notes", options).unwrap();
        let add = |user: &str, ids: std::ops::Range<u64>| {
            let one = |id| {
                let memory = memory(id, 4).session("s").tag("t").tag(user);
                memory.kind(format!("of {user}")).key("k")
            };
            notes.scope(user).apply(ids.map(one).collect::<Batch>()).unwrap();
        };
        add("ada", 1..6);
        add("bob", 11..14);
        notes.insert(memory(21, 4).session("s").tag("t").key("k")).unwrap();
        if sealed {
            notes.compact().unwrap();
        }
        let (ada, bob) = (notes.scope("ada").snapshot().unwrap(), notes.snapshot().unwrap());
        let bob = bob.scope("bob");
        assert_eq!((ada.namespace(), ada.collection_name()), ("ada", "notes"));
        assert_eq!((ada.time(), ada.age()), (store.now(), std::time::Duration::ZERO));
        for later in [false, true] {
            if later {
                add("bob", 30..33);
                notes.scope("ada").delete_where(Filter::All).unwrap();
                notes.compact().unwrap();
            }
            check(&ada, &[1, 2, 3, 4, 5], &[11, 12, 13, 21], by_words);
            check(&bob, &[11, 12, 13], &[1, 2, 3, 4, 5, 21], by_words);
        }
        assert!(notes.scope("ada").snapshot().unwrap().is_empty().unwrap());
        store.close().unwrap();
        assert!(matches!(ada.get(1), Err(Error::Closed)));
        assert!(matches!(ada.iter().next(), Some(Err(Error::Closed))));
        assert!(matches!(notes.scope("ada").snapshot(), Err(Error::Closed)));
    }
}
