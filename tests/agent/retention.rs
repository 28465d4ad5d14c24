//! Owns the tests of the rules of tiers: which memories leave, why, and where they go.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use altiplano::agent::{
    Agent, AgentEvent, Cause, Exit, NewMemory, Retention, RetentionPolicy, Rule, Score, Tier,
    Verdict,
};
use altiplano::{Memory, Timestamp, Window};

use crate::support::{Case, DAY, Events, case, options, texts};

fn one_tier(retention: Retention) -> Case {
    case(options().tiers([Tier::working().retention(retention).exit(Exit::Forget)]))
}

fn important(text: &str, importance: f32) -> NewMemory {
    NewMemory::new(text).importance(importance)
}

#[test]
fn without_rules_nothing_is_forgotten_and_stats_say_so() {
    let case = case(options());
    case.agent.remember("something old").unwrap();
    case.clock.advance(1000 * DAY);
    case.agent.tidy().unwrap();
    // It moved, because it was not used.
    assert_eq!(texts(&case.agent, "long-term"), ["something old"]);
    case.clock.advance(100_000 * DAY);
    assert_eq!(case.agent.tidy().unwrap(), 0);
    let stats = case.agent.stats().unwrap();
    let unbounded = |name: &str| stats.tiers.iter().find(|t| t.name == name).unwrap().is_unbounded;
    assert!(unbounded("long-term") && !unbounded("scratch"));
    assert!(stats.to_string().contains("nothing bounds it"), "{stats}");
}

#[test]
fn age_takes_what_is_old_unless_it_matters_or_is_pinned() {
    let case = one_tier(Retention::new().max_age(30 * DAY).unless_important(0.8));
    case.agent.remember(important("old talk", 0.2)).unwrap();
    case.agent.remember(important("old goal", 0.9)).unwrap();
    case.agent.remember(important("old name", 0.1).pinned(true)).unwrap();
    case.clock.advance(31 * DAY);
    case.agent.remember(important("new talk", 0.2)).unwrap();
    let plan = case.agent.plan().unwrap();
    assert_eq!((plan.leaving.len(), plan.leaving[0].rule), (1, Rule::Age));
    assert_eq!(texts(&case.agent, "working").len(), 4, "a plan changes nothing");
    assert_eq!(case.agent.tidy().unwrap(), 1);
    assert_eq!(texts(&case.agent, "working"), ["new talk", "old goal", "old name"]);
}

#[test]
fn a_use_keeps_a_memory_from_being_idle() {
    let case = one_tier(Retention::new().max_idle(10 * DAY));
    case.agent.remember("Ana likes tea").unwrap();
    case.agent.remember("Ben plays chess").unwrap();
    case.clock.advance(9 * DAY);
    let answer = case.agent.recall("likes tea").k(1).run().unwrap();
    assert_eq!(answer.items[0].text(), "Ana likes tea");
    // Uses are written by the background.
    while case.agent.store().run_pending_tasks().unwrap() {}
    case.clock.advance(2 * DAY);
    assert_eq!(case.agent.tidy().unwrap(), 1);
    assert_eq!(texts(&case.agent, "working"), ["Ana likes tea"]);
    let memory = case.agent.get(answer.items[0].memory.id).unwrap().unwrap();
    assert_eq!(memory.uses, 1);
}

#[test]
fn a_peek_and_an_agent_that_does_not_track_count_no_use() {
    for track in [true, false] {
        let case = case(options().track_uses(track));
        let id = case.agent.remember("Ana likes tea").unwrap().id;
        case.agent.recall("tea").peek().run().unwrap();
        if !track {
            case.agent.recall("tea").run().unwrap();
        }
        while case.agent.store().run_pending_tasks().unwrap() {}
        assert_eq!(case.agent.get(id).unwrap().unwrap().uses, 0);
    }
}

#[test]
fn of_too_many_the_worth_least_leave() {
    let case = one_tier(Retention::new().max_count(3).score(Score::new()));
    for i in 0..10u8 {
        let importance = f32::from((i * 7) % 10) / 10.0;
        case.agent.remember(important(&format!("note {importance}"), importance)).unwrap();
    }
    let plan = case.agent.plan().unwrap();
    assert!(plan.is_complete && plan.leaving.iter().all(|one| one.rule == Rule::Count));
    assert!(plan.leaving.windows(2).all(|pair| pair[0].score <= pair[1].score));
    assert_eq!(case.agent.tidy().unwrap(), 7);
    assert_eq!(texts(&case.agent, "working"), ["note 0.7", "note 0.8", "note 0.9"]);
    assert_eq!(case.agent.tidy().unwrap(), 0);
}

#[test]
fn without_a_score_the_oldest_leave() {
    let case = one_tier(Retention::new().max_count(2));
    for i in 0..5 {
        case.agent.remember(important(&format!("note {i}"), 1.0 - i as f32 / 10.0)).unwrap();
        case.clock.advance(DAY);
    }
    case.agent.tidy().unwrap();
    assert_eq!(texts(&case.agent, "working"), ["note 3", "note 4"]);
}

#[test]
fn of_too_many_bytes_the_worth_least_per_byte_leave() {
    let case = one_tier(Retention::new().max_bytes(28 << 10).score(Score::new()));
    let long = "word ".repeat(1500);
    case.agent.remember(important(&format!("a {long}"), 0.6)).unwrap();
    for i in 0..12 {
        case.agent.remember(important(&format!("short {i}"), 0.3)).unwrap();
    }
    assert_eq!(case.agent.tidy().unwrap(), 0);
    case.agent.remember(important(&format!("b {long}"), 0.9)).unwrap();
    assert!(case.agent.tidy().unwrap() >= 1);
    let left = texts(&case.agent, "working");
    assert!(!left.iter().any(|text| text.starts_with("a ")), "the long one of little worth leaves");
    assert_eq!(left.iter().filter(|text| text.starts_with("short")).count(), 12);
    let stored = case.agent.collection("working").unwrap().iter();
    let after: u64 = stored.map(|memory| memory.unwrap().stored_bytes().unwrap()).sum();
    assert!(after <= 28 << 10, "{after}");
}

#[test]
fn a_window_keeps_the_newest_turns_of_each_session_and_splits_no_group() {
    let case = one_tier(Retention::new().window(Window::turns(3)));
    let turn = |session: &str, text: &str| NewMemory::new(text).session(session);
    case.agent.remember(turn("a", "hello")).unwrap();
    case.agent.remember(turn("a", "call the tool").group("call 1")).unwrap();
    for text in ["result of the tool", "more of it"] {
        case.agent.remember(turn("a", text).group("call 1")).unwrap();
        case.clock.advance(DAY);
    }
    case.agent.remember(turn("a", "so it is")).unwrap();
    case.agent.remember(turn("b", "other session")).unwrap();
    case.agent.remember("no session").unwrap();
    case.agent.tidy().unwrap();
    // The window holds "so it is", "more of it", "result of the tool"; the call is outside, so its
    // results leave with it.
    assert_eq!(texts(&case.agent, "working"), ["no session", "other session", "so it is"]);
}

#[test]
fn a_group_with_a_pinned_member_stays() {
    let case = one_tier(Retention::new().max_age(DAY));
    case.agent.remember(NewMemory::new("call").session("a").group("g")).unwrap();
    case.agent.remember(NewMemory::new("result").session("a").group("g").pinned(true)).unwrap();
    case.agent.remember(NewMemory::new("alone").session("a").group("h")).unwrap();
    case.clock.advance(2 * DAY);
    case.agent.tidy().unwrap();
    assert_eq!(texts(&case.agent, "working"), ["call", "result"]);
}

#[test]
fn near_copies_leave_first_where_asked() {
    let rules = Retention::new().max_count(3).score(Score::new());
    for (near, expected) in [
        (
            false,
            [
                "the meeting is at ten o'clock on Monday in room 5",
                "the meeting is at ten o'clock on Monday in room 5!",
                "zebras are striped",
            ],
        ),
        (
            true,
            [
                "a word of little worth",
                "the meeting is at ten o'clock on Monday in room 5!",
                "zebras are striped",
            ],
        ),
    ] {
        let rules = if near { rules.clone().near_copies_first(0.9) } else { rules.clone() };
        let case = one_tier(rules);
        for (text, importance) in [
            ("the meeting is at ten o'clock on Monday in room 5", 0.5),
            ("the meeting is at ten o'clock on Monday in room 5!", 0.5),
            ("a word of little worth", 0.3),
            ("zebras are striped", 0.6),
        ] {
            case.agent.remember(important(text, importance)).unwrap();
        }
        case.agent.tidy().unwrap();
        assert_eq!(texts(&case.agent, "working"), expected, "near copies first: {near}");
    }
}

#[test]
fn a_near_copy_of_somebody_else_makes_nobody_forget() {
    let rules = Retention::new().max_count(3).score(Score::new()).near_copies_first(0.9);
    for (first, second) in [(Some("ana"), Some("ben")), (None, Some("ben")), (Some("ana"), None)] {
        let case = one_tier(rules.clone());
        for (text, importance, namespace) in [
            ("the meeting is at ten o'clock on Monday", 0.5, first),
            ("the meeting is at ten o'clock on Monday", 0.5, second),
            ("a word of little worth", 0.3, first),
            ("zebras are striped", 0.6, second),
        ] {
            let mut memory = important(text, importance);
            if let Some(name) = namespace {
                memory = memory.namespace(name);
            }
            case.agent.remember(memory).unwrap();
        }
        case.agent.tidy().unwrap();
        let left = texts(&case.agent, "working");
        assert!(!left.contains(&"a word of little worth".to_owned()), "{left:?}");
    }
}

/// What is outside of a window stayed where near copies leave first.
#[test]
fn a_window_holds_where_near_copies_leave_first() {
    let rules = Retention::new().window(Window::turns(1)).max_count(3).near_copies_first(0.9);
    let case = one_tier(rules.score(Score::new()));
    for i in 0..3 {
        case.agent.remember(important(&format!("turn {i}"), 0.9).session("a")).unwrap();
        case.clock.advance(DAY);
    }
    for text in ["zebras are striped", "apples are round"] {
        case.agent.remember(important(text, 0.2)).unwrap();
    }
    case.agent.tidy().unwrap();
    assert_eq!(texts(&case.agent, "working"), ["apples are round", "turn 2", "zebras are striped"]);
}

#[derive(Debug)]
struct Tags;

impl RetentionPolicy for Tags {
    fn verdict(&self, memory: &Memory, _: Timestamp) -> Verdict {
        let has = |name: &str| memory.tags.iter().any(|tag| tag == name);
        match () {
            () if has("done") => Verdict::Leave,
            () if has("keep") => Verdict::Keep,
            () if has("low") => Verdict::Worth(0.0001),
            () => Verdict::Undecided,
        }
    }
}

#[test]
fn a_policy_of_the_callers_own_decides() {
    let case = one_tier(Retention::new().max_count(2).score(Score::new()).policy(Tags));
    case.agent.remember(important("done", 0.9).tag("done")).unwrap();
    case.agent.remember(important("kept", 0.0).tag("keep")).unwrap();
    case.agent.remember(important("low", 0.9).tag("low")).unwrap();
    case.agent.remember(important("plain", 0.5)).unwrap();
    case.agent.tidy().unwrap();
    assert_eq!(texts(&case.agent, "working"), ["kept", "plain"]);
}

#[test]
fn whatever_leaves_is_told_with_its_cause() {
    let events = Events::default();
    let rules = Retention::new().max_count(1).max_age(10 * DAY).score(Score::new());
    let tier = Tier::working().retention(rules).exit(Exit::Move("long-term".to_owned()));
    let case = case(options().tiers([tier, Tier::long_term()]).on_event(events.listener()));
    let old = case.agent.remember(important("old", 0.9)).unwrap().id;
    case.clock.advance(11 * DAY);
    let low = case.agent.remember(important("low", 0.1)).unwrap().id;
    case.agent.remember(important("high", 0.9)).unwrap();
    case.agent.tidy().unwrap();
    let told: Vec<_> = events
        .take()
        .into_iter()
        .filter_map(|event| match event {
            AgentEvent::Moved { from, to, cause, ids, .. } => Some((from, to, cause, ids)),
            _ => None,
        })
        .collect();
    let moved =
        |rule, id| ("working".to_owned(), "long-term".to_owned(), Cause::Rule(rule), vec![id]);
    assert_eq!(told, [moved(Rule::Age, old), moved(Rule::Count, low)]);
    assert_eq!(texts(&case.agent, "long-term"), ["low", "old"]);
}

/// The listener was called while the rules were carried out, and waited for itself.
#[test]
fn a_listener_may_call_the_agent() {
    let (agent, noted) = (Arc::new(OnceLock::<Agent>::new()), Arc::new(AtomicUsize::new(0)));
    let (own, count) = (Arc::clone(&agent), Arc::clone(&noted));
    let listener = move |event: &AgentEvent| {
        if let (AgentEvent::Forgotten { .. }, Some(agent)) = (event, own.get()) {
            count.fetch_add(1, Ordering::Relaxed);
            agent.remember("something was forgotten").unwrap();
            agent.tidy().unwrap();
        }
    };
    let tier = Tier::working().retention(Retention::new().max_age(DAY)).exit(Exit::Forget);
    let case = case(options().tiers([tier]).on_event(listener));
    agent.set(case.agent.clone()).unwrap();
    case.agent.remember("old").unwrap();
    case.clock.advance(2 * DAY);
    case.agent.tidy().unwrap();
    assert_eq!(noted.load(Ordering::Relaxed), 1);
    assert_eq!(texts(&case.agent, "working"), ["something was forgotten"]);
}

#[test]
fn a_writer_that_is_far_beyond_the_bounds_carries_the_rules_out() {
    let case = one_tier(Retention::new().max_count(100).score(Score::new()));
    for i in 0..1000 {
        case.agent
            .remember(NewMemory::new(format!("note {i}")).vector(crate::common::vector(i, 256)))
            .unwrap();
        let count = case.agent.collection("working").unwrap().len().unwrap();
        assert!(count <= 100 + 100 / 16 + 65, "{count} after {i}");
    }
}
