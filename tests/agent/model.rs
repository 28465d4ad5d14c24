//! Owns the test that an agent agrees with a model of plain maps, over random calls of all kinds:
//! each memory is in one place, the one that the calls lead to, and nothing is lost or comes back.

use std::collections::BTreeMap;

use altiplano::agent::{
    Agent, AgentOptions, ConsolidateOptions, Duplicates, EndPolicy, Exit, Extractive, NewMemory,
    Retention, Score, Session, Tier,
};
use altiplano::{Filter, MemoryId};

use crate::common::Rng;
use crate::common::size::sized;
use crate::support::{Case, DAY, case, open, options};

const TIERS: [&str; 2] = ["working", "long-term"];
const MOST_IN_LONG_TERM: u64 = 40;

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    place: &'static str,
    text: String,
    session: Option<u64>,
    pinned: bool,
}

type Model = BTreeMap<MemoryId, Entry>;

fn agent_options() -> AgentOptions {
    let best = Retention::new().max_count(MOST_IN_LONG_TERM).score(Score::new());
    let old = Retention::new().max_age(30 * DAY);
    options().duplicates(Duplicates::off()).tiers([
        Tier::working().retention(old).exit(Exit::Move("long-term".to_owned())),
        Tier::long_term().retention(best).exit(Exit::Archive),
    ])
}

struct Run {
    case: Case,
    model: Model,
    rng: Rng,
    sessions: BTreeMap<u64, (EndPolicy, Session)>,
    next: u64,
}

impl Run {
    fn agent(&self) -> &Agent {
        &self.case.agent
    }

    fn any(&mut self, of: impl Fn(&Entry) -> bool) -> Option<MemoryId> {
        let ids: Vec<MemoryId> =
            self.model.iter().filter(|(_, one)| of(one)).map(|(id, _)| *id).collect();
        let at = self.rng.below(ids.len().max(1) as u64) as usize;
        ids.get(at).copied()
    }

    fn remember(&mut self) {
        self.next += 1;
        let (pinned, number) = (self.rng.below(12) == 0, self.rng.below(4));
        let session = Some(number).filter(|number| self.sessions.contains_key(number));
        let text = format!("note {} of {}", self.next, self.rng.below(1000));
        let place = TIERS[usize::from(self.rng.below(5) == 0)];
        let new = NewMemory::new(&*text).pinned(pinned).tier(place);
        let done = match session {
            Some(number) => self.sessions[&number].1.remember(new),
            None => self.agent().remember(new),
        };
        self.model.insert(done.unwrap().id, Entry { place, text, session, pinned });
    }

    /// Ends a session, or begins one.
    fn session(&mut self) {
        let number = self.rng.below(4);
        let Some((policy, session)) = self.sessions.remove(&number) else {
            let policy =
                [EndPolicy::Drop, EndPolicy::Demote, EndPolicy::Keep][self.rng.below(3) as usize];
            let session = self.agent().session_with(number.to_string(), policy).unwrap();
            self.sessions.insert(number, (policy, session));
            return;
        };
        session.end().unwrap();
        self.ended(number, policy);
    }

    fn ended(&mut self, number: u64, policy: EndPolicy) {
        let is_of =
            |one: &Entry| one.session == Some(number) && !one.pinned && one.place == "working";
        match policy {
            EndPolicy::Drop => self.model.retain(|_, one| !is_of(one)),
            EndPolicy::Demote => self
                .model
                .values_mut()
                .filter(|one| is_of(one))
                .for_each(|one| one.place = "long-term"),
            _ => {}
        }
    }

    fn tidy(&mut self) {
        if self.rng.below(3) == 0 {
            self.case.clock.advance(10 * DAY);
        }
        let plan = self.agent().plan().unwrap();
        let planned: Vec<(MemoryId, String)> =
            plan.leaving.iter().map(|one| (one.id, one.tier.clone())).collect();
        for (id, tier) in &planned {
            let one = &self.model[id];
            assert!(one.place == *tier && !one.pinned, "{one:?} is planned");
        }
        self.agent().tidy().unwrap();
        // What moved into the long-term tier can push others out, so the rules say where all are.
        let places = self.places();
        for (id, one) in &mut self.model {
            let now = places[id].0;
            let allowed: &[&str] = match one.place {
                _ if one.pinned => &[one.place],
                "working" => &["working", "long-term", "archive"],
                "long-term" => &["long-term", "archive"],
                _ => &["archive"],
            };
            assert!(allowed.contains(&now), "{one:?} is in {now}");
            one.place = now;
        }
        let most =
            MOST_IN_LONG_TERM.max(self.model.values().filter(|one| one.pinned).count() as u64);
        assert!(self.agent().collection("long-term").unwrap().len().unwrap() <= most);
    }

    fn consolidate(&mut self) {
        let number = self.rng.below(4);
        let filter = Filter::session(number.to_string());
        let done = self
            .agent()
            .consolidate(filter, &Extractive::new(), &ConsolidateOptions::new().min_sources(3))
            .unwrap();
        for id in &done.sources {
            let one = self.model.get_mut(id).unwrap();
            assert!(one.session == Some(number) && !one.pinned && one.place == "working");
            one.place = "archive";
        }
        for id in done.summaries {
            let memory = self.agent().get(id).unwrap().unwrap();
            assert_eq!(memory.derived_from, done.sources);
            let text = memory.text.unwrap();
            let session = Some(number);
            self.model.insert(id, Entry { place: "long-term", text, session, pinned: false });
        }
    }

    /// Closes and opens again; sessions end.
    fn reopen(&mut self) {
        let sessions = std::mem::take(&mut self.sessions);
        for (number, (policy, session)) in sessions {
            std::mem::forget(session);
            self.ended(number, policy);
        }
        self.case.agent.clone().close().unwrap();
        self.case.agent = open(agent_options(), &self.case.clock, self.case.dir.path());
    }

    fn step(&mut self) {
        match self.rng.below(20) {
            0..=9 => self.remember(),
            10 => self.session(),
            11 => self.tidy(),
            12 => {
                if let Some(id) = self.any(|_| true) {
                    assert!(self.agent().forget(id).unwrap());
                    self.model.remove(&id);
                }
            }
            13 | 14 => {
                let to = TIERS[self.rng.below(2) as usize];
                if let Some(id) = self.any(|one| one.place != "archive") {
                    assert!(self.agent().move_to(id, to).unwrap());
                    self.model.get_mut(&id).unwrap().place = to;
                }
            }
            15 => {
                if let Some(id) = self.any(|one| one.place != "archive") {
                    let moved = self.agent().archive(id).unwrap();
                    let one = self.model.get_mut(&id).unwrap();
                    assert_eq!(moved, !one.pinned);
                    one.place = if moved { "archive" } else { one.place };
                }
            }
            16 => {
                if let Some(id) = self.any(|one| one.place == "archive") {
                    assert!(self.agent().restore(id).unwrap());
                    let place = self.places()[&id].0;
                    assert!(TIERS.contains(&place));
                    self.model.get_mut(&id).unwrap().place = place;
                }
            }
            17 => self.consolidate(),
            18 => while self.agent().store().run_pending_tasks().unwrap() {},
            _ => {
                if self.rng.below(4) == 0 {
                    self.reopen();
                }
            }
        }
    }

    /// Returns where each memory is, and its text.
    fn places(&self) -> BTreeMap<MemoryId, (&'static str, String)> {
        let mut found = BTreeMap::new();
        for place in ["working", "long-term", "archive"] {
            let collection = self.agent().store().get_collection(place).unwrap();
            for memory in collection.iter() {
                let memory = memory.unwrap();
                let text = memory.text.clone().unwrap_or_default();
                let before = found.insert(memory.id, (place, text));
                assert_eq!(before, None, "{} is in two places", memory.id);
            }
        }
        found
    }

    fn check(&mut self) {
        let wanted: BTreeMap<MemoryId, (&str, String)> =
            self.model.iter().map(|(id, one)| (*id, (one.place, one.text.clone()))).collect();
        assert_eq!(self.places(), wanted);
        // Whatever is in a tier is found by its own text, and nothing else is.
        if let Some(id) = self.any(|_| true) {
            let one = self.model[&id].clone();
            let answer = self.agent().recall(&*one.text).k(1000).peek().run().unwrap();
            let is_found = answer.items.iter().any(|found| found.memory.id == id);
            assert_eq!(is_found, one.place != "archive", "{one:?}");
            let in_tiers = self.model.values().filter(|one| one.place != "archive").count();
            assert_eq!(answer.items.len(), in_tiers.min(1000));
        }
    }
}

#[test]
fn an_agent_agrees_with_a_model() {
    for seed in 0..sized("agents against a model", 6, 40, 400) as u64 {
        let (sessions, rng) = (BTreeMap::new(), Rng(seed));
        let mut run =
            Run { case: case(agent_options()), model: Model::new(), rng, sessions, next: 0 };
        for step in 0..150 {
            run.step();
            if step % 10 == 9 {
                run.check();
            }
        }
        run.reopen();
        run.check();
    }
}
