//! Owns the questions that a damaged store is asked, and the rule for its answers. Each is a typed
//! error that names the damaged file, or exactly right.

use altiplano::{Collection, Error, Filter, Hit, Memory, Store};

use super::specimen::{Damage, IDS, Specimen, State, nearest, queries};
use crate::common::manual;

/// The result of a damage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Found {
    /// An error or a report of `verify` names the file.
    Reported,
    /// Every answer is right and `verify` finds nothing.
    Unharmed,
}

/// Checks that the error is one that damage may cause, and names the damaged file.
pub(crate) fn names_the_file(error: &Error, name: &str) {
    let file = match error {
        Error::Corrupt { file, .. } | Error::UnsupportedFormat { file, .. } => file,
        Error::Io { path, source, .. } if source.kind() == std::io::ErrorKind::NotFound => path,
        other => panic!("damage in {name} gave {other}"),
    };
    let file = file.file_name().unwrap().to_string_lossy();
    // A missing manifest is not named by the one before it, but by a file that the older one lacks.
    // A segment may be named for an index that does not agree with it.
    let fits = file == name
        || name.starts_with("MANIFEST")
        || (name.starts_with("idx") || name.starts_with("loc"));
    assert!(fits, "damage in {name} is blamed on {error}");
}

/// The answers of a store so far.
struct Answers<'a> {
    name: &'a str,
    damage: &'a Damage,
    errors: usize,
}

impl Answers<'_> {
    /// Returns the answer; `None` for an error of the right kind.
    fn take<T>(&mut self, answer: Result<T, Error>) -> Option<T> {
        match answer {
            Ok(answer) => Some(answer),
            Err(error) => {
                names_the_file(&error, self.name);
                // Derived files may be lost without any answer failing.
                let derived = self.name.starts_with("idx") || self.name.starts_with("loc");
                assert!(!derived, "{} {:?} gave {error}", self.name, self.damage);
                self.errors += 1;
                None
            }
        }
    }
}

/// Opens a damaged copy as a reader does, and asks it everything.
pub(crate) fn look(specimen: &Specimen, name: &str, damage: Damage) -> Found {
    let copy = specimen.damaged(name, &damage);
    match manual().open_read_only(copy.path()) {
        Err(error) => {
            names_the_file(&error, name);
            let derived = name.starts_with("idx") || name.starts_with("loc");
            assert!(!derived, "{name} {damage:?} gave {error}");
            Found::Reported
        }
        Ok(store) => check_store(&store, specimen, name, &damage),
    }
}

/// Asks an open store everything.
pub(crate) fn check_store(
    store: &Store,
    specimen: &Specimen,
    name: &str,
    damage: &Damage,
) -> Found {
    let what = format!("{name} {damage:?}");
    let notes = store.get_collection("notes").expect(&what);
    let mut answers = Answers { name, damage, errors: 0 };
    let state = state_of(&notes, specimen, name, damage);
    check_rows(&notes, state, &mut answers, &what);
    check_searches(&notes, state, &mut answers, &what);
    let report = store.verify().unwrap();
    report.problems.iter().for_each(|problem| names_the_file(problem, name));
    let reported = !report.is_clean();
    assert!(answers.errors == 0 || reported, "{what}: an answer failed, and verify found nothing");
    if reported { Found::Reported } else { Found::Unharmed }
}

/// Returns the state that the store must have. A log that lost its end shows an earlier state: that
/// is a torn tail (I5). No other damage may show one.
fn state_of<'a>(
    notes: &Collection,
    specimen: &'a Specimen,
    name: &str,
    damage: &Damage,
) -> &'a State {
    if !(name.starts_with("log-") && matches!(damage, Damage::Cut(_))) {
        return specimen.expected();
    }
    let all: State = notes.iter().map(|m| m.map(|m| (m.id.as_u128() as u64, m)).unwrap()).collect();
    let found = specimen.states.iter().find(|state| **state == all);
    found.unwrap_or_else(|| panic!("{name} {damage:?}: the state is none that ever was"))
}

fn check_rows(notes: &Collection, state: &State, answers: &mut Answers<'_>, what: &str) {
    for id in 0..IDS {
        let expected = state.get(&id);
        if let Some(got) = answers.take(notes.get(id)) {
            assert_eq!(got.as_ref(), expected, "{what}: get {id}");
        }
        if let Some(there) = answers.take(notes.contains(id)) {
            assert_eq!(there, expected.is_some(), "{what}: contains {id}");
        }
    }
    if let Some(len) = answers.take(notes.len()) {
        assert_eq!(len, state.len() as u64, "{what}: len");
    }
    for filter in [Filter::All, Filter::namespace("n2").or(Filter::key("k200"))] {
        let means = |id: &u64| filter == Filter::All || id % 5 == 2 || *id == 200;
        let expected: Vec<&Memory> =
            state.iter().filter(|(id, _)| means(id)).map(|(_, m)| m).collect();
        let before = answers.errors;
        let mut got: Vec<Memory> = Vec::new();
        for (n, answer) in notes.scan(filter.clone()).enumerate() {
            assert!(n < 1000, "{what}: a scan does not end");
            got.extend(answers.take(answer));
        }
        got.sort_by_key(|m| m.id);
        if answers.errors == before {
            assert_eq!(got.iter().collect::<Vec<_>>(), expected, "{what}: scan");
        } else {
            let right = got.iter().all(|m| expected.contains(&m));
            assert!(right, "{what}: a scan gave a wrong memory");
        }
    }
}

fn check_searches(notes: &Collection, state: &State, answers: &mut Answers<'_>, what: &str) {
    for query in queries() {
        for k in [1, 10, 400] {
            let expected = nearest(state, &query, k);
            if let Some(hits) = answers.take(notes.search(&query).k(k).exact().run()) {
                let got: Vec<u64> = hits.iter().map(|h| h.id.as_u128() as u64).collect();
                let ids: Vec<u64> = expected.iter().map(|e| e.1).collect();
                assert_eq!(got, ids, "{what}: exact search");
                check_hits(&hits, &query, state, what);
            }
            if let Some(hits) = answers.take(notes.search(&query).k(k).run()) {
                assert_eq!(hits.len(), expected.len(), "{what}: k = {k} (I12)");
                check_hits(&hits, &query, state, what);
            }
        }
        let few = notes.search(&query).k(500).namespace("n2");
        if let Some(hits) = answers.take(few.run()) {
            let matching = state.keys().filter(|id| **id % 5 == 2).count();
            assert_eq!(hits.len(), matching, "{what}: filtered search (I12)");
            check_hits(&hits, &query, state, what);
        }
        let odd = notes.search(&query).k(500);
        let odd = odd.filter_fn(|m| m.id.as_u128() % 2 == 1);
        if let Some(hits) = answers.take(odd.run()) {
            let matching = state.keys().filter(|id| **id % 2 == 1).count();
            assert_eq!(hits.len(), matching, "{what}: search with a closure (I12)");
            check_hits(&hits, &query, state, what);
        }
    }
}

/// Checks that every hit is a live memory, with its own text and distance, once, in order.
fn check_hits(hits: &[Hit], query: &[f32], state: &State, what: &str) {
    for hit in hits {
        let id = hit.id.as_u128() as u64;
        let Some(memory) = state.get(&id) else { panic!("{what}: {id} is not live") };
        assert_eq!(hit.text(), memory.text.as_deref(), "{what}: {id}");
        let distance = altiplano::Metric::L2.distance(query, &memory.vector);
        assert!((hit.distance - distance).abs() < 1e-5, "{what}: {id}");
    }
    let in_order = hits.is_sorted_by(|a, b| (a.distance, a.id) < (b.distance, b.id));
    assert!(in_order, "{what}: hits come twice or out of order");
}
