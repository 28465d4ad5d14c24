//! Owns the tests of what a patch can set.

use std::time::Duration;

use altiplano::{CollectionOptions, Error, Metric, Outcome, Patch};

use crate::common::{START, manual, memory};

const HOUR: Duration = Duration::from_secs(3_600);

/// A patch sets lifetimes, tags, times and lists by the names that a memory has for them.
#[test]
fn a_patch_has_the_setters_of_a_memory() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", CollectionOptions::new(4, Metric::L2)).unwrap();
    notes.insert(memory(1, 4).tags(["old", "draft"])).unwrap();
    let read = || notes.get(1).unwrap().unwrap();
    let patched = |patch: Patch| assert_eq!(notes.patch(1, patch).unwrap(), Outcome::Updated);
    for (patch, end) in [
        (Patch::new().ttl(HOUR), Some(START + HOUR)),
        (Patch::new().expires_at(START + 2 * HOUR), Some(START + 2 * HOUR)),
        (Patch::new().never_expires(), None),
        (Patch::new().never_expires().ttl(HOUR), Some(START + HOUR)),
    ] {
        patched(patch);
        assert_eq!(read().expiry(), end);
    }
    patched(Patch::new().tag("new").tags(["food", "travel", "food"]).remove_tag("travel"));
    assert_eq!(read().tags, ["food", "new"]);
    patched(Patch::new().tags(Vec::<String>::new()));
    assert!(read().tags.is_empty());
    patched(Patch::new().event_time(START).field_list("cities", ["Lima", "Quito"]));
    assert_eq!(read().event_time, Some(START));
    assert_eq!(read().field_values("cities"), ["Lima".into(), "Quito".into()]);
    patched(Patch::new().importance(0.25));
    assert_eq!(read().event_time, Some(START));
    for bad in [Patch::new().ttl(Duration::ZERO), Patch::new().expires_at(START)] {
        assert!(matches!(notes.patch(1, bad), Err(Error::InvalidOption { .. })));
    }
}
