//! Owns the tests of a disk budget: with a score it forgets, without one it refuses.

use altiplano::agent::{Duplicates, Exit, NewMemory, Retention, Score, Tier};
use altiplano::{Background, Budget, Error, StoreOptions};

use crate::common::size::sized;
use crate::common::vector;
use crate::support::{case, options, texts};

/// The least that a store accepts.
const BUDGET: u64 = 32 << 20;

fn note(i: u64) -> NewMemory {
    let text = format!("note {i} {}", "and so on ".repeat(600));
    NewMemory::new(text).vector(vector(i, 256)).importance((i % 10) as f32 / 10.0)
}

fn store() -> StoreOptions {
    StoreOptions::new().background(Background::Auto).reserve_bytes(64 << 10)
}

#[test]
fn writing_for_ever_under_a_budget_with_a_score_is_never_refused() {
    let best = Retention::new().score(Score::new());
    let tier = Tier::working().retention(best).exit(Exit::Forget);
    let options = options().store(store()).disk_budget(BUDGET).tiers([tier]);
    let case = case(options.duplicates(Duplicates::off()));
    case.agent.remember(NewMemory::new("the name is Ana").pinned(true).importance(0.0)).unwrap();
    let count = sized("memories under a budget", 6_000, 40_000, 400_000) as u64;
    for first in (0..count).step_by(50) {
        case.agent.remember_all((first..first + 50).map(note)).unwrap();
        let stats = case.agent.store().stats().unwrap();
        assert!(stats.disk_bytes <= BUDGET, "{} after {first}", stats.disk_bytes);
    }
    let left = texts(&case.agent, "working");
    assert!(left.contains(&"the name is Ana".to_owned()));
    assert!(left.len() as u64 * 7000 < BUDGET && left.len() > 1000, "{}", left.len());
    // What is left is what matters.
    let mean = |from: u64, to: u64| {
        let all = case.agent.collection("working").unwrap();
        let range = altiplano::Filter::importance(from as f32 / 10.0..to as f32 / 10.0);
        all.count(range).unwrap()
    };
    assert!(mean(5, 10) > 4 * mean(0, 5), "{} and {}", mean(5, 10), mean(0, 5));
}

#[test]
fn without_a_score_a_write_over_the_budget_is_refused_and_loses_nothing() {
    let options = options().store(store()).disk_budget(BUDGET).tiers([Tier::new("working")]);
    let case = case(options.duplicates(Duplicates::off()));
    let mut acknowledged = 0;
    let error = loop {
        match case.agent.remember_all((acknowledged..acknowledged + 50).map(note)) {
            Ok(_) => acknowledged += 50,
            Err(error) => break error,
        }
        assert!(acknowledged < 100_000);
    };
    assert!(matches!(error, Error::OverBudget { budget: Budget::Disk, .. }), "{error}");
    assert_eq!(texts(&case.agent, "working").len() as u64, acknowledged);
}
