//! Owns the tests of sessions: what ends them, and what becomes of their memories.

use std::time::Duration;

use altiplano::Window;
use altiplano::agent::{AgentEvent, EndPolicy, NewMemory};

use crate::support::{Events, case, open, options, texts};

fn fill(agent: &altiplano::agent::Agent, policy: EndPolicy) -> altiplano::agent::Session {
    let session = agent.session_with("s", policy).unwrap();
    session.remember("said something").unwrap();
    session.remember(NewMemory::new("is allergic to nuts").pinned(true)).unwrap();
    session.scratch("step 3 of 5").unwrap();
    agent.remember("of another").unwrap();
    session
}

#[test]
fn a_session_ends_as_its_policy_says() {
    let cases: [(EndPolicy, &[&str], &[&str], u64); 3] = [
        (EndPolicy::Drop, &["is allergic to nuts", "of another"], &[], 2),
        (EndPolicy::Demote, &["is allergic to nuts", "of another"], &["said something"], 2),
        (EndPolicy::Keep, &["is allergic to nuts", "of another", "said something"], &[], 1),
    ];
    for (policy, working, long_term, left) in cases {
        let case = case(options());
        let session = fill(&case.agent, policy);
        assert_eq!(case.agent.open_sessions().unwrap(), [("s".to_owned(), policy)]);
        assert_eq!(session.end().unwrap(), left, "{policy}");
        assert_eq!(texts(&case.agent, "working"), working, "{policy}");
        assert_eq!(texts(&case.agent, "long-term"), long_term, "{policy}");
        assert_eq!(texts(&case.agent, "scratch"), [""; 0]);
        assert_eq!(case.agent.open_sessions().unwrap(), []);
    }
}

#[test]
fn a_session_that_is_dropped_ends() {
    let events = Events::default();
    let case = case(options().on_event(events.listener()).end_policy(EndPolicy::Drop));
    drop(fill(&case.agent, EndPolicy::Drop));
    assert_eq!(texts(&case.agent, "working"), ["is allergic to nuts", "of another"]);
    let ended = |event: &AgentEvent| matches!(event, AgentEvent::SessionEnded { session, by_itself: false, .. } if session == "s");
    assert_eq!(events.take().iter().filter(|event| ended(event)).count(), 1);
}

#[test]
fn the_next_open_ends_what_a_dead_process_left_open() {
    let case = case(options());
    std::mem::forget(fill(&case.agent, EndPolicy::Demote));
    case.agent.close().unwrap();
    let events = Events::default();
    let agent = open(options().on_event(events.listener()), &case.clock, case.dir.path());
    assert_eq!(texts(&agent, "long-term"), ["said something"]);
    assert_eq!(texts(&agent, "scratch"), [""; 0]);
    assert_eq!(agent.open_sessions().unwrap(), []);
    let by_itself =
        |event: &AgentEvent| matches!(event, AgentEvent::SessionEnded { by_itself: true, .. });
    assert!(events.take().iter().any(by_itself));
}

#[test]
fn a_session_that_does_nothing_for_too_long_ends_by_itself() {
    let hour = Duration::from_secs(3600);
    let case = case(options().session_timeout(hour).end_policy(EndPolicy::Drop));
    let session = fill(&case.agent, EndPolicy::Drop);
    case.clock.advance(hour / 2);
    session.remember("still here").unwrap();
    case.clock.advance(hour / 2 + Duration::from_secs(1));
    case.agent.tidy().unwrap();
    assert_eq!(case.agent.open_sessions().unwrap().len(), 1);
    case.clock.advance(hour);
    case.agent.tidy().unwrap();
    assert_eq!(case.agent.open_sessions().unwrap(), []);
    assert_eq!(texts(&case.agent, "working"), ["is allergic to nuts", "of another"]);
    // Its handle is a name; the end of what has ended does nothing.
    assert_eq!(session.end().unwrap(), 0);
}

#[test]
fn a_session_reads_its_newest_turns_again() {
    let case = case(options());
    let session = case.agent.session("s").unwrap();
    for i in 0..5 {
        session.remember(NewMemory::new(format!("turn {i}")).tokens(10)).unwrap();
        case.agent.remember("of another").unwrap();
    }
    let recent = |window| {
        let memories = session.recent(window).unwrap();
        memories.into_iter().map(|memory| memory.text.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(recent(Window::turns(2)), ["turn 3", "turn 4"]);
    assert_eq!(recent(Window::tokens(35)), ["turn 2", "turn 3", "turn 4"]);
}
