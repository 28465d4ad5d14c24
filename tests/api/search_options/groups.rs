//! Groups: k of them wherever k match, each with its nearest results.

use std::collections::BTreeMap;

use altiplano::{CollectionOptions, Error, Filter, Group, GroupBy, Hit, Memory, Metric, Search};

use super::world::{METRICS, everything, in_every_state, query};
use crate::common::manual;

const BY: [GroupBy; 4] = [GroupBy::Session, GroupBy::Namespace, GroupBy::Kind, GroupBy::Key];

fn value<'m>(by: &GroupBy, memory: &'m Memory) -> Option<&'m String> {
    match by {
        GroupBy::Namespace => memory.namespace.as_ref(),
        GroupBy::Kind => memory.kind.as_ref(),
        GroupBy::Key => memory.key.as_ref(),
        _ => memory.session.as_ref(),
    }
}

/// Groups these hits, nearest first.
fn grouped(hits: &[Hit], by: &GroupBy, n: usize) -> Vec<(String, Vec<Hit>)> {
    let mut groups: Vec<(String, Vec<Hit>)> = Vec::new();
    for hit in hits {
        let Some(value) = value(by, hit.memory.as_ref().unwrap()) else { continue };
        match groups.iter_mut().find(|group| group.0 == *value) {
            Some(group) if group.1.len() < n => group.1.push(hit.clone()),
            Some(_) => {}
            None => groups.push((value.clone(), vec![hit.clone()])),
        }
    }
    groups
}

fn plain(groups: Vec<Group>) -> Vec<(String, Vec<Hit>)> {
    groups.into_iter().map(|group| (group.value, group.hits)).collect()
}

#[test]
fn groups_are_those_of_the_whole_list() {
    for metric in METRICS {
        in_every_state(metric, |world| {
            let query = query(3);
            let all = everything(&world.notes, &query);
            for by in &BY {
                for (k, n) in [(1, 1), (3, 2), (5, 10), (100, 1), (1_000, 3), (1, 900)] {
                    let mut wanted = grouped(&all, by, n);
                    wanted.truncate(k);
                    let search = || world.notes.search(&query).k(k).group_by(by.clone(), n).exact();
                    let groups = plain(search().run_groups().unwrap());
                    assert_eq!(groups, wanted, "{world}: {by:?}, {k} of {n}");
                    let flat: Vec<Hit> = wanted.into_iter().flat_map(|group| group.1).collect();
                    assert_eq!(search().run().unwrap(), flat, "{world}: {by:?}, {k} of {n}");
                }
            }
        });
    }
}

#[test]
fn groups_combine_with_the_other_options() {
    in_every_state(Metric::L2, |world| {
        let query = query(6);
        let all = everything(&world.notes, &query);
        let is_match = |hit: &Hit| {
            let memory = hit.memory.as_ref().unwrap();
            memory.tags == ["odd"] && !memory.id.as_u128().is_multiple_of(5)
        };
        let bound = all[500].distance;
        let matching: Vec<Hit> =
            all.iter().filter(|hit| is_match(hit) && hit.distance <= bound).cloned().collect();
        for by in &BY {
            let search = || {
                let search = world.notes.search(&query).filter(Filter::tag("odd")).exact();
                let search = search.filter_fn(|memory| !memory.id.as_u128().is_multiple_of(5));
                search.max_distance(bound).k(2).group_by(by.clone(), 3)
            };
            let wanted = grouped(&matching, by, 3);
            for first in 0..6 {
                let got = plain(search().offset(first).run_groups().unwrap());
                let end = wanted.len().min(first + 2);
                let page = wanted.get(first..end).unwrap_or(&[]);
                assert_eq!(got, page, "{world}: {by:?}, after {first}");
            }
        }
    });
}

/// By any way, there are k groups if k match, none twice, and each is as large as it can be.
#[test]
fn as_many_groups_come_as_there_are() {
    for metric in METRICS {
        in_every_state(metric, |world| {
            let query = query(7);
            let all = everything(&world.notes, &query);
            for by in &BY {
                let mut sizes = BTreeMap::new();
                for hit in &all {
                    if let Some(value) = value(by, hit.memory.as_ref().unwrap()) {
                        *sizes.entry(value.clone()).or_insert(0usize) += 1;
                    }
                }
                for k in [1, 4, 60, 500] {
                    let search = world.notes.search(&query).k(k).group_by(by.clone(), 3);
                    let groups = search.run_groups().unwrap();
                    assert_eq!(groups.len(), k.min(sizes.len()), "{world}: {by:?}");
                    let values: BTreeMap<&String, usize> =
                        groups.iter().map(|group| (&group.value, group.hits.len())).collect();
                    assert_eq!(values.len(), groups.len(), "{world}: a group comes twice");
                    for (value, hits) in values {
                        assert_eq!(hits, sizes[value].min(3), "{world}: {by:?} {value}");
                    }
                    for group in &groups {
                        let near = |hit: &Hit| (hit.distance, hit.id);
                        let ascending = group.hits.is_sorted_by(|a, b| near(a) < near(b));
                        assert!(ascending, "{world}: {group:?}");
                        let own = |hit: &Hit| value_of(by, hit).is_some_and(|of| of == group.value);
                        assert!(group.hits.iter().all(own));
                    }
                    let first = |group: &Group| (group.hits[0].distance, group.hits[0].id);
                    assert!(groups.is_sorted_by(|a, b| first(a) < first(b)), "{world}");
                }
            }
        });
    }
}

fn value_of(by: &GroupBy, hit: &Hit) -> Option<String> {
    value(by, hit.memory.as_ref()?).cloned()
}

/// The group that is asked for lies behind many memories that are in no group.
#[test]
fn memories_without_the_attribute_hide_no_group() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let options = CollectionOptions::new(2, Metric::L2);
    let notes = store.collection("notes", options).unwrap();
    let memory = |id: u64| {
        let memory = Memory::new(id, [id as f32, 0.0]);
        if id < 2_000 { memory } else { memory.session(format!("s{}", id % 2)) }
    };
    notes.apply((0..2_010).map(memory).collect()).unwrap();
    for _ in 0..2 {
        let search = notes.search(&[0.0, 0.0]).k(5).group_by(GroupBy::Session, 2);
        let groups = search.run_groups().unwrap();
        let values: Vec<&str> = groups.iter().map(|group| &*group.value).collect();
        assert_eq!(values, ["s0", "s1"]);
        assert_eq!((groups[0].hits[0].id, groups[1].hits[1].id), (2000.into(), 2003.into()));
        notes.compact().unwrap();
    }
}

#[test]
fn bad_groups_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2)).unwrap();
    let search = || -> Search<'_> { notes.search(&[0.0, 1.0]) };
    assert!(search().group_by(GroupBy::Kind, 1).run_groups().unwrap().is_empty());
    notes.insert(Memory::new(1u64, [0.0, 1.0]).kind("note")).unwrap();
    assert!(search().k(0).group_by(GroupBy::Kind, 1).run_groups().unwrap().is_empty());
    let option = |result: altiplano::Result<Vec<Group>>| match result {
        Err(Error::InvalidOption { name: "group_by", .. }) => {}
        other => panic!("{other:?}"),
    };
    option(search().run_groups());
    option(search().group_by(GroupBy::Kind, 0).run_groups());
    let many = search().k(1 << 11).group_by(GroupBy::Kind, 1 << 10).run_groups();
    assert!(matches!(many, Err(Error::LimitExceeded { .. })), "{many:?}");
}

/// Texts and numbers are values; a text that reads as a number is another group.
#[test]
fn results_are_grouped_by_a_field() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", CollectionOptions::new(1, Metric::L2)).unwrap();
    let fields = ["7", "\"x.y\"", "\"7\"", "7", "null", "[7]", "true", "\"x.y\"", "7.0"];
    for (id, value) in (1u64..).zip(fields) {
        let memory = Memory::new(id, [id as f32]).metadata_json(format!("{{\"a.b\":{value}}}"));
        notes.insert(memory).unwrap();
    }
    notes.insert(Memory::new(99, [0.5])).unwrap();
    for _ in 0..2 {
        let by = GroupBy::Field(r#"["a.b"]"#.into());
        let groups = notes.search(&[0.0]).k(9).group_by(by, 5).run_groups().unwrap();
        let found: Vec<(String, Vec<u128>)> = groups
            .into_iter()
            .map(|group| (group.value, group.hits.iter().map(|hit| hit.id.as_u128()).collect()))
            .collect();
        let group = |value: &str, ids: &[u128]| (value.to_owned(), ids.to_vec());
        let wanted =
            [group("7", &[1, 4, 9]), group("x.y", &[2, 8]), group("7", &[3]), group("true", &[7])];
        assert_eq!(found, wanted);
        notes.compact().unwrap();
    }
}

/// A path means the same as in a filter, and one that names several values is refused.
#[test]
fn results_are_grouped_by_a_nested_field() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", CollectionOptions::new(1, Metric::L2)).unwrap();
    for (id, channel) in (1u64..).zip(["mail", "chat", "mail"]) {
        let memory = Memory::new(id, [id as f32]).field("source.channel", channel);
        notes.insert(memory.field_list("tags", [channel, "x"])).unwrap();
    }
    let grouped = |path: &str| {
        let by = GroupBy::Field(path.into());
        notes.search(&[0.0]).k(9).group_by(by, 5).run_groups()
    };
    for path in ["source.channel", "tags[0]"] {
        let found: Vec<(String, usize)> = grouped(path)
            .unwrap()
            .into_iter()
            .map(|group| (group.value, group.hits.len()))
            .collect();
        assert_eq!(found, [("mail".to_owned(), 2), ("chat".to_owned(), 1)], "{path}");
    }
    for (path, option) in [("tags[*]", "group_by"), ("a..b", "field")] {
        let error = grouped(path).unwrap_err();
        let named = matches!(error, Error::InvalidOption { name, .. } if name == option);
        assert!(named && error.to_string().contains(path), "{error}");
    }
}
