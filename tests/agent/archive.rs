//! Owns the tests of tiers and of the archive.

use std::sync::{Arc, Mutex};

use altiplano::agent::{ArchiveSink, BoxError, Exit, NewMemory, Retention, Tier};
use altiplano::{Error, Memory};

use crate::support::{DAY, case, found, options, texts};

#[test]
fn a_memory_goes_into_the_archive_and_comes_back() {
    let case = case(options());
    let memory = NewMemory::new("the term paper is about Bach").kind("fact").field("page", 7);
    let id = case.agent.remember(memory).unwrap().id;
    assert!(case.agent.move_to(id, "long-term").unwrap());
    assert!(case.agent.archive(id).unwrap());
    assert_eq!(found(&case.agent, "term paper"), [""; 0]);
    assert_eq!(texts(&case.agent, "archive"), ["the term paper is about Bach"]);
    let archived = case.agent.get(id).unwrap().unwrap();
    assert_eq!(archived.vector.len(), 1, "the archive has no vectors");
    assert!(case.agent.restore(id).unwrap());
    assert!(!case.agent.restore(id).unwrap());
    assert_eq!(found(&case.agent, "term paper"), ["the term paper is about Bach"]);
    let back = case.agent.collection("long-term").unwrap().get(id).unwrap().unwrap();
    assert_eq!((back.kind.as_deref(), back.field_value("page")), (Some("fact"), Some(7.into())));
    assert_eq!(back.field_value("agent.tier"), None);
    assert!(!case.agent.archive(5u64).unwrap());
}

#[test]
fn a_pinned_memory_does_not_leave_by_itself() {
    let tier = Tier::working().retention(Retention::new().max_age(DAY)).exit(Exit::Archive);
    let case = case(options().tiers([tier]));
    let id = case.agent.remember(NewMemory::new("name").pinned(true)).unwrap().id;
    case.clock.advance(5 * DAY);
    case.agent.tidy().unwrap();
    assert!(!case.agent.archive(id).unwrap());
    assert_eq!(texts(&case.agent, "working"), ["name"]);
}

#[test]
fn the_archive_has_a_bound_of_its_own() {
    let case = case(options().archive_limit(20 << 10));
    for i in 0..50 {
        let id = case.agent.remember(format!("note {i:02} {}", "x".repeat(1000))).unwrap().id;
        assert!(case.agent.archive(id).unwrap());
        case.clock.advance(DAY);
    }
    case.agent.tidy().unwrap();
    let left = texts(&case.agent, "archive");
    assert!((10..25).contains(&left.len()), "{}", left.len());
    assert!(left.iter().all(|text| text.as_str() > "note 25"), "the oldest go first: {left:?}");
}

#[derive(Clone, Default)]
struct Sink {
    seen: Arc<Mutex<Vec<String>>>,
    fails: bool,
}

impl ArchiveSink for Sink {
    fn archive(&self, memories: &[Memory]) -> Result<(), BoxError> {
        if self.fails {
            return Err("the bucket is full".into());
        }
        let texts = memories.iter().filter_map(|memory| memory.text.clone());
        self.seen.lock().unwrap().extend(texts);
        assert!(memories.iter().all(|memory| memory.vector.len() > 1));
        Ok(())
    }
}

#[test]
fn a_sink_gets_what_is_archived_and_keeps_it_in_the_store_if_it_fails() {
    let sink = Sink::default();
    let good = case(options().archive_sink(sink.clone()));
    let id = good.agent.remember("old news").unwrap().id;
    assert!(good.agent.archive(id).unwrap());
    assert_eq!(*sink.seen.lock().unwrap(), ["old news"]);

    let bad = case(options().archive_sink(Sink { fails: true, ..Sink::default() }));
    let id = bad.agent.remember("old news").unwrap().id;
    let error = bad.agent.archive(id).unwrap_err();
    assert!(matches!(error, Error::Callback { part: "archive", .. }), "{error}");
    assert_eq!(texts(&bad.agent, "working"), ["old news"]);
}

#[test]
fn a_promoted_note_outlives_its_scratch() {
    let case = case(options());
    let note = case.agent.remember(NewMemory::new("worth keeping").tier("scratch")).unwrap();
    case.agent.remember(NewMemory::new("not worth it").tier("scratch")).unwrap();
    assert!(case.agent.move_to(note.id, "long-term").unwrap());
    case.clock.advance(2 * DAY);
    assert_eq!(texts(&case.agent, "long-term"), ["worth keeping"]);
    assert_eq!(texts(&case.agent, "scratch"), [""; 0]);
    assert!(!case.agent.move_to(99u64, "working").unwrap());
    assert!(case.agent.move_to(note.id, "none").is_err());
}
