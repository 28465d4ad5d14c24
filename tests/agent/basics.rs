//! Owns the tests of remembering, changing and forgetting single memories.

use altiplano::agent::{
    Agent, AgentOptions, BoxError, Embedder, Feedback, HashingEmbedder, NewMemory, Tier,
};
use altiplano::{Error, Filter, Outcome, Patch};

use crate::support::{case, found, options, texts};

#[test]
fn a_text_is_found_by_its_words_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Agent::open(dir.path().join("a.alt"), HashingEmbedder::new()).unwrap();
    let agent = open();
    agent.remember("Ana likes green tea").unwrap();
    agent.remember("Ben plays chess on Fridays").unwrap();
    assert_eq!(found(&agent, "who likes tea?")[0], "Ana likes green tea");
    agent.close().unwrap();
    let agent = open();
    assert_eq!(found(&agent, "chess player")[0], "Ben plays chess on Fridays");
    agent.close().unwrap();
}

#[test]
fn texts_of_one_call_are_remembered_in_one_batch_or_not_at_all() {
    let case = case(options());
    let before = case.agent.store().stats().unwrap().visible_seq;
    let done = case.agent.remember_all(["one", "two", "three"]).unwrap();
    assert_eq!(done.len(), 3);
    let after = case.agent.store().stats().unwrap().visible_seq;
    assert!(after > before);
    let bad = [NewMemory::new("four"), NewMemory::new("five").tier("none")];
    let error = case.agent.remember_all(bad).unwrap_err();
    assert!(matches!(error, Error::InvalidOption { .. }), "{error}");
    assert!(error.to_string().contains("scratch, working, long-term"), "{error}");
    assert_eq!(texts(&case.agent, "working"), ["one", "three", "two"]);
}

#[test]
fn a_key_replaces_in_whichever_tier_the_older_memory_is() {
    let case = case(options());
    let key = |text: &str| NewMemory::new(text).namespace("ana").key("home");
    let old = case.agent.remember(key("lives in Lima").tier("long-term")).unwrap();
    case.agent.remember(NewMemory::new("lives in Rome").namespace("ben").key("home")).unwrap();
    let new = case.agent.remember(key("lives in Quito")).unwrap();
    assert_eq!(old.id, new.id);
    assert_eq!(texts(&case.agent, "long-term"), [""; 0]);
    assert_eq!(texts(&case.agent, "working"), ["lives in Quito", "lives in Rome"]);
}

#[test]
fn what_is_forgotten_is_in_no_tier_and_no_answer() {
    let case = case(options());
    let id = case.agent.remember(NewMemory::new("the code is 4711").pinned(true)).unwrap().id;
    let other = case.agent.remember(NewMemory::new("the code is 4712")).unwrap().id;
    assert!(case.agent.archive(other).unwrap());
    assert!(case.agent.forget(id).unwrap());
    assert!(!case.agent.forget(id).unwrap());
    assert_eq!(case.agent.forget_where(Filter::All).unwrap(), 1);
    assert_eq!(found(&case.agent, "code"), [""; 0]);
    assert!(case.agent.get(other).unwrap().is_none());
}

#[test]
fn a_rewritten_text_is_found_by_its_new_words_only() {
    let case = case(options());
    let id = case.agent.remember("meets Ben on Monday").unwrap().id;
    case.agent.remember("buys bread").unwrap();
    assert_eq!(case.agent.rewrite(id, "meets Carla on Sunday").unwrap(), Outcome::Updated);
    let answer = case.agent.recall("meets Carla on Sunday").run().unwrap();
    assert_eq!(answer.items[0].memory.id, id);
    assert!(answer.items[0].distance < 1e-3, "{}", answer.items[0].distance);
    assert_eq!(case.agent.rewrite(77u64, "nothing").unwrap(), Outcome::Missing);
    let patch = Patch::new().tag("seen");
    assert_eq!(case.agent.patch(id, patch).unwrap(), Outcome::Updated);
    assert_eq!(case.agent.get(id).unwrap().unwrap().tags, ["seen"]);
}

#[test]
fn a_superseded_fact_stays_with_the_end_of_its_validity() {
    let case = case(options());
    let old = case.agent.remember(NewMemory::new("lives in Lima").namespace("ana")).unwrap().id;
    let new = case.agent.supersede(old, "lives in Quito").unwrap().id;
    let (old, new) = (case.agent.get(old).unwrap().unwrap(), case.agent.get(new).unwrap().unwrap());
    assert_eq!(old.superseded_by, Some(new.id));
    assert_eq!(old.valid_to, Some(case.agent.store().now()));
    assert_eq!(new.namespace.as_deref(), Some("ana"));
    let error = case.agent.supersede(99u64, "nothing").unwrap_err();
    assert!(matches!(error, Error::NoMemory { .. }), "{error}");
    assert_eq!(texts(&case.agent, "working").len(), 2);
}

#[test]
fn feedback_moves_an_importance_within_bounds() {
    let case = case(options());
    let id = case.agent.remember(NewMemory::new("retry twice").importance(0.5)).unwrap().id;
    let mut last = 0.5;
    for _ in 0..40 {
        let now = case.agent.reinforce(id, Feedback::Worked).unwrap().unwrap();
        assert!(now >= last && now <= 0.95);
        last = now;
    }
    assert!(last > 0.94);
    for _ in 0..40 {
        last = case.agent.reinforce(id, Feedback::Failed).unwrap().unwrap();
    }
    assert!((0.05..0.06).contains(&last), "{last}");
    assert_eq!(case.agent.get(id).unwrap().unwrap().importance, last);
    assert_eq!(case.agent.reinforce(5u64, Feedback::Worked).unwrap(), None);
}

#[test]
fn an_importance_that_nobody_gave_is_estimated() {
    let case = case(options());
    let of = |text: &str| case.agent.remember(text).unwrap().importance;
    let fact = of("Flight LA2047 to Lima leaves on 3 May at 7:40");
    let talk = of("ok, thanks a lot!");
    assert!(fact > talk + 0.2, "{fact} and {talk}");
    let given = NewMemory::new("ok").importance(0.9);
    assert_eq!(case.agent.remember(given).unwrap().importance, 0.9);
    let without = crate::support::case(options().no_importance());
    assert_eq!(without.agent.remember("ok, thanks a lot!").unwrap().importance, 0.5);
}

/// An embedder that fails, or answers what it should not.
struct Broken(fn(&[&str]) -> Embedded);

type Embedded = Result<Vec<Vec<f32>>, BoxError>;

impl Embedder for Broken {
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, BoxError> {
        (self.0)(texts)
    }
    fn space(&self) -> &str {
        "broken"
    }
    fn dimension(&self) -> usize {
        4
    }
}

#[test]
fn an_embedder_that_fails_is_named_and_nothing_is_written() {
    let answers: [fn(&[&str]) -> Embedded; 4] = [
        |_| Err("no model".into()),
        |_| Ok(Vec::new()),
        |texts| Ok(vec![vec![1.0; 3]; texts.len()]),
        |texts| Ok(vec![vec![f32::NAN; 4]; texts.len()]),
    ];
    for answer in answers {
        let dir = tempfile::tempdir().unwrap();
        let agent = AgentOptions::new(Broken(answer)).open(dir.path().join("a.alt")).unwrap();
        let error = agent.remember("likes tea").unwrap_err();
        let is_typed =
            matches!(error, Error::Callback { part: "embedder", .. } | Error::InvalidVector { .. });
        assert!(is_typed, "{error}");
        assert!(agent.recall("tea").run().is_err());
        assert_eq!(texts(&agent, "working"), [""; 0]);
        agent.close().unwrap();
    }
}

#[test]
fn options_that_contradict_each_other_are_refused_before_anything_is_made() {
    use altiplano::agent::{Exit, Retention, Score};
    use std::time::Duration;
    let moving = |to: &str| Tier::new("a").exit(Exit::Move(to.to_owned()));
    let bad = [
        options().tiers([]),
        options().tiers([Tier::new("a"), Tier::new("a")]),
        options().tiers([Tier::new("")]),
        options().tiers([Tier::new("archive")]),
        options().tiers([moving("a")]),
        options().tiers([moving("b")]),
        options().tiers([Tier::new("a").retention(Retention::new().unless_important(2.0))]),
        options().tiers([Tier::new("a").retention(Retention::new().near_copies_first(-1.0))]),
        options().tiers([Tier::new("a")
            .retention(Retention::new().score(Score::new().half_life(Duration::ZERO)))]),
        options()
            .tiers([Tier::new("a").retention(Retention::new().score(Score::new().floor(7.0)))]),
        options().session_timeout(Duration::ZERO),
        options().duplicates(altiplano::agent::Duplicates::near(f32::NAN)),
    ];
    for options in bad {
        let dir = tempfile::tempdir().unwrap();
        let shown = format!("{options:?}");
        let error = options.open(dir.path().join("a.alt")).unwrap_err();
        assert!(matches!(error, Error::InvalidOption { .. }), "{shown}: {error}");
        assert!(!dir.path().join("a.alt").exists());
    }
}
