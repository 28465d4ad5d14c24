//! Owns the tests of consolidation and of clusters.

use altiplano::agent::{BoxError, ConsolidateOptions, Exit, Extractive, NewMemory, Summarizer};
use altiplano::{Error, Filter, Memory};

use crate::support::{case, found, options, texts};

/// Joins the texts, after those of the summary before.
struct Join;

impl Summarizer for Join {
    fn summarize(
        &self,
        memories: &[Memory],
        carry: Option<&Memory>,
    ) -> Result<Vec<String>, BoxError> {
        let all = carry.into_iter().chain(memories).filter_map(|memory| memory.text.as_deref());
        Ok(vec![all.collect::<Vec<_>>().join("; ")])
    }
}

struct Fails;

impl Summarizer for Fails {
    fn summarize(&self, _: &[Memory], _: Option<&Memory>) -> Result<Vec<String>, BoxError> {
        Err("no model".into())
    }
}

#[test]
fn a_session_becomes_a_summary_with_its_sources_and_goes_on_from_it() {
    let case = case(options());
    let turn = |text: &str| NewMemory::new(text).session("s").namespace("ana").importance(0.4);
    for text in ["one", "two"] {
        case.agent.remember(turn(text)).unwrap();
    }
    case.agent.remember(turn("pinned").pinned(true)).unwrap();
    case.agent.remember("of another").unwrap();
    let options = ConsolidateOptions::new();
    let filter = || Filter::session("s");
    let done = case.agent.consolidate(filter(), &Join, &options).unwrap();
    assert_eq!((done.summaries.len(), done.sources.len()), (1, 2));
    assert_eq!(texts(&case.agent, "working"), ["of another", "pinned"]);
    assert_eq!(texts(&case.agent, "long-term"), ["one; two"]);
    assert_eq!(texts(&case.agent, "archive"), ["one", "two"]);
    let summary = case.agent.get(done.summaries[0]).unwrap().unwrap();
    assert_eq!(summary.derived_from, done.sources);
    assert_eq!(summary.kind.as_deref(), Some("summary"));
    assert_eq!(
        (summary.session.as_deref(), summary.namespace.as_deref()),
        (Some("s"), Some("ana"))
    );
    assert_eq!(found(&case.agent, "one; two")[0], "one; two");

    for text in ["three", "four"] {
        case.agent.remember(turn(text)).unwrap();
    }
    case.agent.consolidate(filter(), &Join, &options).unwrap();
    assert!(texts(&case.agent, "long-term").contains(&"one; two; three; four".to_owned()));
}

#[test]
fn too_few_sources_or_nothing_to_say_changes_nothing() {
    let case = case(options());
    case.agent.remember(NewMemory::new("one").session("s")).unwrap();
    let few = case.agent.consolidate(Filter::session("s"), &Join, &ConsolidateOptions::new());
    assert_eq!(few.unwrap().sources, []);
    case.agent.remember(NewMemory::new("two").session("s")).unwrap();
    let error =
        case.agent.consolidate(Filter::All, &Fails, &ConsolidateOptions::new()).unwrap_err();
    assert!(matches!(error, Error::Callback { part: "summarizer", .. }), "{error}");
    let bad = ConsolidateOptions::new().max_sources(0);
    assert!(case.agent.consolidate(Filter::All, &Join, &bad).is_err());
    let none = ConsolidateOptions::new().to("none");
    assert!(case.agent.consolidate(Filter::All, &Join, &none).is_err());
    assert_eq!(texts(&case.agent, "working"), ["one", "two"]);
    assert_eq!(texts(&case.agent, "long-term"), [""; 0]);
}

#[test]
fn sources_can_be_forgotten_or_move_instead() {
    for (exit, forgotten, moved) in
        [(Exit::Forget, true, false), (Exit::Move("long-term".to_owned()), false, true)]
    {
        let case = case(options());
        case.agent.remember("Flight LA2047 to Lima leaves on 3 May.").unwrap();
        case.agent.remember("ok, thanks").unwrap();
        let options = ConsolidateOptions::new().sources(exit);
        let done = case.agent.consolidate(Filter::All, &Extractive::new(), &options).unwrap();
        assert_eq!(done.sources.len(), 2);
        assert_eq!(texts(&case.agent, "working"), [""; 0]);
        assert_eq!(texts(&case.agent, "archive"), [""; 0]);
        let long_term = texts(&case.agent, "long-term");
        assert!(long_term.iter().any(|text| text.contains("LA2047")), "{long_term:?}");
        assert_eq!(long_term.contains(&"ok, thanks".to_owned()), moved);
        assert_eq!(case.agent.get(done.sources[0]).unwrap().is_none(), forgotten);
    }
}

#[test]
fn a_group_is_consolidated_as_a_whole_or_not_at_all() {
    let case = case(options());
    let of = |text: &str, group: &str| NewMemory::new(text).session("s").group(group);
    case.agent.remember(of("weather in Lima?", "a").tag("asked")).unwrap();
    case.agent.remember(of("19 degrees in Lima", "a")).unwrap();
    case.agent.remember(of("weather in Quito?", "b").tag("asked")).unwrap();
    case.agent.remember(of("14 degrees in Quito", "b").pinned(true)).unwrap();
    case.agent.remember(NewMemory::new("of another")).unwrap();
    let asked = Filter::tag("asked");
    let done = case.agent.consolidate(asked, &Join, &ConsolidateOptions::new()).unwrap();
    assert_eq!(done.sources.len(), 2);
    assert_eq!(texts(&case.agent, "archive"), ["19 degrees in Lima", "weather in Lima?"]);
    let left = ["14 degrees in Quito", "of another", "weather in Quito?"];
    assert_eq!(texts(&case.agent, "working"), left);
}

#[test]
fn memories_about_the_same_thing_form_clusters() {
    let case = case(options());
    for i in 0..4 {
        case.agent.remember(format!("the meeting with Carla is in room {i}")).unwrap();
        case.agent.remember(format!("{i} kilos of apples from the market")).unwrap();
    }
    case.agent.remember("zebras").unwrap();
    let clusters = case.agent.clusters("working", Filter::All, 0.6, 3).unwrap();
    assert_eq!(clusters.len(), 2, "{clusters:?}");
    for cluster in &clusters {
        assert_eq!(cluster.members.len(), 4);
        assert_eq!(cluster.members[0], cluster.center, "the oldest is the center");
        let ids = Filter::ids(cluster.members.iter().copied());
        let topic = |memory: Memory| memory.text.unwrap().contains("apples");
        let collection = case.agent.collection("working").unwrap();
        let of_apples = collection.scan(ids).filter(|m| topic(m.as_ref().unwrap().clone())).count();
        assert!(of_apples == 0 || of_apples == 4);
    }
    assert_eq!(case.agent.clusters("working", Filter::All, 0.6, 5).unwrap(), []);
    assert!(case.agent.clusters("none", Filter::All, 0.6, 5).is_err());
}
