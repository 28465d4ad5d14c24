//! Owns the tests of power cuts during everything that the agent layer writes: at every operation
//! on a simulated disk, in every state that the cut may leave, the agent opens and what its docs
//! promise holds.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::agent::{
    Agent, AgentOptions, ConsolidateOptions, Embedder, EndPolicy, Exit, Extractive,
    HashingEmbedder, NewMemory, Retention, Score, Tier,
};
use crate::store::open_for_writing;
use crate::sync::lock_std;
use crate::testing::sim::{FileSystem, SimDisk};
use crate::testing::size::sized;
use crate::{Background, Clock, Filter, ManualClock, Memory, Result, StoreOptions, Timestamp};

const BEGIN: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const DAY: Duration = Duration::from_secs(86_400);

/// Where each text is.
type Census = BTreeMap<String, Vec<String>>;

/// Something that an agent does, and what must hold after a power cut at any moment of it.
struct Scenario {
    name: &'static str,
    options: fn() -> AgentOptions,
    /// After a cut.
    reopened: fn() -> AgentOptions,
    before: fn(&Agent, &ManualClock) -> Result<()>,
    act: fn(&Agent) -> Result<()>,
    holds: fn(&Agent, &Census) -> std::result::Result<(), String>,
}

fn new_disk() -> SimDisk {
    let mut files = FileSystem::default();
    files.make_dir(Path::new("sim"));
    files.sync_dir(Path::new("")).unwrap();
    SimDisk::new(files, 7)
}

fn open(disk: &SimDisk, clock: &Arc<ManualClock>, options: AgentOptions) -> Result<Agent> {
    let store = StoreOptions::new()
        .background(Background::Manual)
        .reserve_bytes(1500)
        .clock(Arc::clone(clock) as Arc<dyn Clock>)
        .seed(11);
    let store = open_for_writing(Arc::new(disk.clone()), Path::new("sim/a.alt"), store)?;
    options.background(false).open_in(&store)
}

fn census(agent: &Agent) -> Result<Census> {
    let mut census = Census::new();
    for name in ["working", "long-term", "archive"] {
        let collection = agent.store().get_collection(name).expect(name);
        for memory in collection.iter() {
            let memory = memory?;
            let place = if memory.kind.as_deref() == Some("summary") { "summary" } else { name };
            let text = memory.text.clone().unwrap_or_default();
            census.entry(text).or_default().push(place.to_owned());
        }
    }
    Ok(census)
}

/// Cuts the power at every operation of a scenario. Returns how many states it looked at.
fn cut_everywhere(scenario: &Scenario) -> usize {
    let (disk, clock) = (new_disk(), Arc::new(ManualClock::new(BEGIN)));
    let agent = open(&disk, &clock, (scenario.options)()).unwrap();
    (scenario.before)(&agent, &clock).unwrap();
    let points = Arc::new(Mutex::new(vec![disk.files()]));
    let seen = Arc::clone(&points);
    disk.observe(move |_, files| lock_std(&seen).push(files.clone()));
    (scenario.act)(&agent).unwrap();
    agent.store().sync().unwrap();
    while agent.store().run_pending_tasks().unwrap() {}
    disk.no_observer();
    let now = clock.wall();
    drop(agent);
    let (points, mut looked_at, mut cases) = (lock_std(&points), HashSet::new(), 0);
    assert!(points.len() > 3, "{}: {} operations", scenario.name, points.len());
    for (at, files) in points.iter().enumerate() {
        for image in files.images(at as u64, sized("random images of power cuts", 0, 2, 8)) {
            if !looked_at.insert(image.files.fingerprint()) {
                continue;
            }
            cases += 1;
            let (disk, clock) = (SimDisk::new(image.files, 3), Arc::new(ManualClock::new(now)));
            let context = || format!("{}, point {at}, {}", scenario.name, image.label);
            let agent = open(&disk, &clock, (scenario.reopened)())
                .unwrap_or_else(|error| panic!("{}: {error}", context()));
            let found = census(&agent).unwrap();
            if let Err(wrong) = (scenario.holds)(&agent, &found) {
                panic!("{}: {wrong}\n{found:?}", context());
            }
            assert_eq!(agent.open_sessions().unwrap(), [], "{}", context());
            // It goes on.
            agent.remember("after the cut").unwrap();
            agent.tidy().unwrap();
            agent.close().unwrap();
        }
    }
    cases
}

fn plain() -> AgentOptions {
    AgentOptions::new(HashingEmbedder::new())
}

/// Remembers texts: `turn 0` to `turn n - 1`, the first of them pinned.
fn turns(agent: &Agent, n: usize, session: &str) -> Result<()> {
    let one = |i| NewMemory::new(format!("turn {i}")).session(session).pinned(i == 0);
    agent.remember_all((0..n).map(one))?;
    agent.remember("of nobody")?;
    Ok(())
}

/// Returns an error unless each of these texts is in exactly one of some places.
fn each_in_one_of(
    found: &Census,
    texts: &[String],
    places: &[&str],
) -> std::result::Result<(), String> {
    for text in texts {
        match found.get(text).map(Vec::as_slice) {
            Some([place]) if places.contains(&&**place) => {}
            other => return Err(format!("`{text}` is in {other:?}, not in one of {places:?}")),
        }
    }
    Ok(())
}

fn turn_texts(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|i| format!("turn {i}")).collect()
}

fn run(scenario: &Scenario, least: usize) {
    let cases = cut_everywhere(scenario);
    assert!(cases >= least, "{}: {cases} states", scenario.name);
}

#[test]
fn a_session_whose_memories_are_dropped_ends_whole() {
    run(
        &Scenario {
            name: "end by dropping",
            options: plain,
            reopened: plain,
            before: |agent, _| {
                let session = agent.session_with("s", EndPolicy::Drop)?;
                // The process forgets it, so that the end is another's to make.
                std::mem::forget(session);
                turns(agent, 6, "s")
            },
            act: |agent| {
                let session = agent.session_with("s", EndPolicy::Drop)?;
                session.end().map(drop)
            },
            holds: |_, found| {
                each_in_one_of(found, &["of nobody".into(), "turn 0".into()], &["working"])?;
                // The open ended it, if the end itself did not.
                match turn_texts(1, 6).iter().find(|text| found.contains_key(*text)) {
                    Some(text) => Err(format!("`{text}` is still there")),
                    None => Ok(()),
                }
            },
        },
        10,
    );
}

#[test]
fn a_session_whose_memories_are_demoted_loses_none() {
    run(
        &Scenario {
            name: "end by demoting",
            options: plain,
            reopened: plain,
            before: |agent, _| {
                std::mem::forget(agent.session_with("s", EndPolicy::Demote)?);
                turns(agent, 6, "s")
            },
            act: |agent| agent.session_with("s", EndPolicy::Demote)?.end().map(drop),
            holds: |_, found| {
                each_in_one_of(found, &["of nobody".into(), "turn 0".into()], &["working"])?;
                each_in_one_of(found, &turn_texts(1, 6), &["long-term"])
            },
        },
        10,
    );
}

fn at_most_three() -> AgentOptions {
    let best = Retention::new().max_count(3).score(Score::new());
    plain().tiers([Tier::working().retention(best).exit(Exit::Forget), Tier::long_term()])
}

#[test]
fn a_rule_that_forgets_takes_no_more_than_it_says() {
    run(
        &Scenario {
            name: "forget by count",
            options: at_most_three,
            reopened: at_most_three,
            before: |agent, _| turns(agent, 8, "s"),
            act: |agent| agent.tidy().map(drop),
            holds: |agent, found| {
                each_in_one_of(found, &["turn 0".into()], &["working"])?;
                match found.len() {
                    n if n < 3 => Err(format!("{n} memories are left of at least 3")),
                    _ => {
                        let left = agent.tidy().map_err(|error| error.to_string())?;
                        match census(agent).map_err(|error| error.to_string())?.len() {
                            3 => Ok(()),
                            n => Err(format!("{n} are left after {left} more left")),
                        }
                    }
                }
            },
        },
        3,
    );
}

fn moves_after_a_day() -> AgentOptions {
    let old = Retention::new().max_age(DAY);
    let exit = Exit::Move("long-term".to_owned());
    plain().tiers([Tier::working().retention(old).exit(exit), Tier::long_term()])
}

fn archives_after_a_day() -> AgentOptions {
    let old = Retention::new().max_age(DAY).unless_important(0.9);
    plain().tiers([Tier::working().retention(old).exit(Exit::Archive), Tier::long_term()])
}

#[test]
fn a_memory_that_moves_between_tiers_is_in_one_of_them() {
    run(
        &Scenario {
            name: "move by age",
            options: moves_after_a_day,
            reopened: moves_after_a_day,
            before: |agent, clock| {
                turns(agent, 6, "s")?;
                clock.advance(2 * DAY);
                Ok(())
            },
            act: |agent| agent.tidy().map(drop),
            holds: |_, found| {
                each_in_one_of(found, &["turn 0".into()], &["working"])?;
                each_in_one_of(found, &turn_texts(1, 6), &["working", "long-term"])
            },
        },
        3,
    );
}

#[test]
fn a_memory_on_its_way_into_the_archive_is_in_one_place() {
    run(
        &Scenario {
            name: "archive by age",
            options: archives_after_a_day,
            reopened: archives_after_a_day,
            before: |agent, clock| {
                turns(agent, 6, "s")?;
                agent.remember(NewMemory::new("important").importance(0.95))?;
                clock.advance(2 * DAY);
                Ok(())
            },
            act: |agent| agent.tidy().map(drop),
            holds: |_, found| {
                each_in_one_of(found, &["turn 0".into(), "important".into()], &["working"])?;
                each_in_one_of(found, &turn_texts(1, 6), &["working", "archive"])
            },
        },
        3,
    );
}

#[test]
fn a_memory_on_its_way_back_from_the_archive_is_in_one_place() {
    run(
        &Scenario {
            name: "restore",
            options: plain,
            reopened: plain,
            before: |agent, _| {
                turns(agent, 3, "s")?;
                let id = id_of(agent, "turn 1");
                assert!(agent.archive(id)?);
                Ok(())
            },
            act: |agent| {
                let id = id_of(agent, "turn 1");
                assert!(agent.restore(id)?);
                Ok(())
            },
            holds: |_, found| each_in_one_of(found, &turn_texts(0, 3), &["working", "archive"]),
        },
        3,
    );
}

fn id_of(agent: &Agent, text: &str) -> crate::MemoryId {
    let all = ["working", "long-term", "archive"].map(|name| agent.store().get_collection(name));
    let mut all = all.into_iter().flatten().flat_map(|collection| collection.iter());
    let found = all.find_map(|m| m.ok().filter(|m: &Memory| m.text.as_deref() == Some(text)));
    found.expect(text).id
}

#[test]
fn of_a_consolidation_either_the_sources_or_the_summary_is_there() {
    run(
        &Scenario {
            name: "consolidate",
            options: plain,
            reopened: plain,
            before: |agent, _| turns(agent, 6, "s"),
            act: |agent| {
                let options = ConsolidateOptions::new();
                let done = agent.consolidate(Filter::session("s"), &Extractive::new(), &options)?;
                assert_eq!(done.sources.len(), 5);
                Ok(())
            },
            holds: |_, found| {
                let places: Vec<&String> = found.values().flatten().collect();
                let summaries = places.iter().filter(|place| **place == "summary").count();
                let sources = turn_texts(1, 6);
                match summaries {
                    0 => each_in_one_of(found, &sources, &["working"]),
                    _ => {
                        let archived = |text: &&String| {
                            found.get(*text).is_some_and(|at| at.contains(&"archive".to_owned()))
                        };
                        match sources.iter().all(|text| archived(&text)) {
                            true => Ok(()),
                            false => Err("there is a summary, and a source is not away".into()),
                        }
                    }
                }
            },
        },
        3,
    );
}

#[test]
fn a_fact_and_the_one_that_it_takes_the_place_of_change_together() {
    run(
        &Scenario {
            name: "supersede",
            options: plain,
            reopened: plain,
            before: |agent, _| {
                turns(agent, 2, "s")?;
                agent.move_to(id_of(agent, "turn 1"), "long-term").map(drop)
            },
            act: |agent| agent.supersede(id_of(agent, "turn 1"), "the new fact").map(drop),
            holds: |agent, found| {
                each_in_one_of(found, &["turn 1".into()], &["long-term"])?;
                let old = agent.get(id_of(agent, "turn 1")).unwrap().unwrap();
                match (old.superseded_by.is_some(), found.contains_key("the new fact")) {
                    (a, b) if a == b => Ok(()),
                    other => Err(format!("named and there: {other:?}")),
                }
            },
        },
        3,
    );
}

#[test]
fn a_key_has_one_memory_whatever_its_tier() {
    run(
        &Scenario {
            name: "replace by key",
            options: plain,
            reopened: plain,
            before: |agent, _| {
                agent.remember(NewMemory::new("lives in Lima").key("home").tier("long-term"))?;
                turns(agent, 2, "s")
            },
            act: |agent| agent.remember(NewMemory::new("lives in Quito").key("home")).map(drop),
            holds: |_, found| match (found.get("lives in Lima"), found.get("lives in Quito")) {
                (Some(old), None) if *old == ["long-term"] => Ok(()),
                (None, Some(new)) if *new == ["working"] => Ok(()),
                other => Err(format!("{other:?}")),
            },
        },
        3,
    );
}

fn another_model() -> AgentOptions {
    AgentOptions::new(HashingEmbedder::with_dimension(48).unwrap()).reembed(true)
}

#[test]
fn a_change_of_the_model_loses_nothing_and_mixes_nothing() {
    run(
        &Scenario {
            name: "reembed",
            options: plain,
            reopened: another_model,
            before: |agent, _| {
                turns(agent, 5, "s")?;
                agent.move_to(id_of(agent, "turn 1"), "long-term").map(drop)
            },
            act: |agent| {
                let done = agent.reembed(HashingEmbedder::with_dimension(48).unwrap())?;
                assert_eq!(done.memories, 6);
                Ok(())
            },
            holds: |agent, found| {
                each_in_one_of(found, &turn_texts(0, 5), &["working", "long-term"])?;
                let model = HashingEmbedder::with_dimension(48).unwrap();
                for tier in ["working", "long-term"] {
                    let collection = agent.collection(tier).unwrap();
                    let space = collection.settings().embedding_space;
                    if space.as_deref() != Some(model.space()) {
                        return Err(format!("{tier} is of {space:?}"));
                    }
                    for memory in collection.iter() {
                        let memory = memory.unwrap();
                        let text = memory.text.clone().unwrap_or_default();
                        let wanted = model.embed(&[&text]).unwrap().remove(0);
                        let near =
                            wanted.iter().zip(&memory.vector).all(|(a, b)| (a - b).abs() < 1e-4);
                        if !near {
                            return Err(format!("`{text}` has a vector of another model"));
                        }
                    }
                }
                Ok(())
            },
        },
        10,
    );
}
