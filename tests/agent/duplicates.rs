//! Owns the tests of memories that say the same.

use altiplano::Memory;
use altiplano::agent::{Decision, Duplicates, NewMemory};

use crate::support::{case, options, texts};

#[test]
fn a_duplicate_is_reported_and_kept_by_default() {
    let case = case(options());
    let first = case.agent.remember("likes tea").unwrap();
    assert_eq!(first.duplicate_of, None);
    let second = case.agent.remember("likes tea").unwrap();
    assert_eq!((second.duplicate_of, second.is_new), (Some(first.id), true));
    assert_eq!(case.agent.remember("likes tea a lot").unwrap().duplicate_of, None);
    assert_eq!(texts(&case.agent, "working").len(), 3);
    let other = NewMemory::new("likes tea").namespace("ben");
    assert_eq!(case.agent.remember(other).unwrap().duplicate_of, None, "of another namespace");
}

#[test]
fn a_duplicate_is_skipped_or_linked_where_asked() {
    let skip = case(options().duplicates(Duplicates::exact().skip()));
    let first = skip.agent.remember("likes tea").unwrap();
    skip.agent.move_to(first.id, "long-term").unwrap();
    let second = skip.agent.remember("likes tea").unwrap();
    assert_eq!((second.id, second.is_new), (first.id, false));
    assert_eq!(texts(&skip.agent, "working"), [""; 0]);
    while skip.agent.store().run_pending_tasks().unwrap() {}
    assert_eq!(skip.agent.get(first.id).unwrap().unwrap().uses, 1);

    let link = case(options().duplicates(Duplicates::near(0.6).link()));
    let first = link.agent.remember("Ana likes green tea in the morning").unwrap();
    let second = link.agent.remember("Ana likes green tea in the mornings").unwrap();
    assert_eq!(second.duplicate_of, Some(first.id));
    let memory = link.agent.get(second.id).unwrap().unwrap();
    assert_eq!(memory.derived_from, [first.id]);
    assert_eq!(link.agent.remember("zebras").unwrap().duplicate_of, None);
}

#[test]
fn a_hook_decides_about_each_duplicate() {
    let hook = |old: &Memory, new: &Memory| match old.text == new.text {
        true => Decision::Skip,
        false => Decision::Keep,
    };
    let case = case(options().duplicates(Duplicates::near(0.6).hook(hook)));
    case.agent.remember("the meeting with Carla is at 10").unwrap();
    assert!(!case.agent.remember("the meeting with Carla is at 10").unwrap().is_new);
    let other = case.agent.remember("the meeting with Carla is at 11").unwrap();
    assert!(other.is_new && other.duplicate_of.is_some());
    assert_eq!(texts(&case.agent, "working").len(), 2);
}

#[test]
fn the_report_names_each_later_copy_once() {
    let case = case(options().duplicates(Duplicates::off()));
    let mut ids = Vec::new();
    for text in ["likes tea", "likes tea", "likes  tea", "plays chess"] {
        ids.push(case.agent.remember(text).unwrap().id);
    }
    let found = case.agent.duplicates("working", 0.95).unwrap();
    let mut newer: Vec<_> = found.iter().map(|one| one.new).collect();
    newer.sort();
    assert_eq!(newer, ids[1..3]);
    let exact = found.iter().find(|one| one.new == ids[1]).unwrap();
    assert!(exact.is_exact && exact.old == ids[0] && exact.similarity > 0.99);
}

#[test]
fn what_belongs_to_nobody_is_no_duplicate_of_what_belongs_to_somebody() {
    let case = case(options().duplicates(Duplicates::exact().skip()));
    let of_ben = NewMemory::new("likes tea").namespace("ben");
    case.agent.remember(of_ben).unwrap();
    let own = case.agent.remember("likes tea").unwrap();
    assert!(own.is_new && own.duplicate_of.is_none());
    assert!(!case.agent.remember("likes tea").unwrap().is_new);
}
