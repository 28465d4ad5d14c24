//! Owns what the tests of agents share: agents with a clock of their own, and ways to look into
//! their tiers.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use altiplano::agent::{Agent, AgentEvent, AgentOptions, HashingEmbedder};
use altiplano::{Clock, Filter, ManualClock};

use crate::common::START;

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// An agent in a directory of its own, with a clock that stands still and no thread.
pub(crate) struct Case {
    pub(crate) agent: Agent,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) dir: tempfile::TempDir,
}

pub(crate) fn options() -> AgentOptions {
    AgentOptions::new(HashingEmbedder::new()).background(false)
}

pub(crate) fn case(options: AgentOptions) -> Case {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::new(START)));
    let agent = open(options, &clock, dir.path());
    Case { agent, clock, dir }
}

pub(crate) fn open(options: AgentOptions, clock: &Arc<ManualClock>, dir: &Path) -> Agent {
    options.clock(Arc::clone(clock) as Arc<dyn Clock>).open(dir.join("a.alt")).unwrap()
}

/// Returns the texts of a tier or of the archive, sorted.
pub(crate) fn texts(agent: &Agent, tier: &str) -> Vec<String> {
    let collection = agent.store().get_collection(tier).expect(tier);
    let all = collection.scan(Filter::All);
    let mut texts: Vec<String> =
        all.map(|memory| memory.unwrap().text.unwrap_or_default()).collect();
    texts.sort();
    texts
}

/// Returns the texts that a recall finds, in its order.
pub(crate) fn found(agent: &Agent, question: &str) -> Vec<String> {
    let answer = agent.recall(question).run().unwrap();
    answer.into_iter().map(|one| one.text().to_owned()).collect()
}

/// Collects the events of an agent.
#[derive(Clone, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<AgentEvent>>>);

impl Events {
    pub(crate) fn listener(&self) -> impl Fn(&AgentEvent) + Send + Sync + 'static {
        let all = Arc::clone(&self.0);
        move |event| all.lock().unwrap().push(event.clone())
    }

    pub(crate) fn take(&self) -> Vec<AgentEvent> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
