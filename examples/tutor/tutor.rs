//! The tutor: an agent, its clock, and what it does in a session, a week and a term. Owns the
//! policies. They see what is said and how the tutor rates it, and never the questions.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use altiplano::agent::{
    Agent, AgentEvent, AgentOptions, ConsolidateOptions, EndPolicy, Exit, Extractive, NewMemory,
    PromptTemplate, Rank, Retention, Score, Session, Tier,
};
use altiplano::{
    Background, Clock, Durability, FieldValue, Filter, ManualClock, MemoryId, Patch, StoreOptions,
    Timestamp,
};
use bench_tools::measure::{Rss, allocated_bytes};

use crate::data::{Data, Turn};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const MINUTE: Duration = Duration::from_secs(60);
const WEEK: Duration = Duration::from_secs(7 * 86_400);
pub(crate) const WEEKS: usize = 12;
/// A Monday in January 2026, 00:00.
const START: Timestamp = Timestamp::from_millis(1_767_571_200_000);
/// What is older than a term and a fortnight goes into the archive.
const OLD: Duration = Duration::from_secs(14 * 7 * 86_400);
/// Bytes of what is kept long: about what one term leaves.
const LONG_TERM: u64 = 400 << 10;
/// Bytes of what the archive keeps.
const ARCHIVE: u64 = 128 << 10;
/// Cosine from which on exercises are about the same thing, and how many make a theme.
const THEME: (f32, usize) = (0.5, 3);
/// Importance of an exercise. It is full of numbers, which an estimate takes for facts, but once it
/// is done it matters less than anything that the learner tells.
const EXERCISE: f32 = 0.2;
/// Part of the sentences of a lesson that its summary keeps.
const SUMMARY: f32 = 0.5;
/// Tokens of each part of a prompt.
const PROMPT: usize = 300;

/// What the tutor holds at the end of a week.
pub(crate) struct Week {
    /// Live memories of each tier, the archive last.
    pub(crate) tiers: Vec<u64>,
    pub(crate) disk: u64,
    /// Anonymous memory of the process.
    pub(crate) anonymous: u64,
}

impl Week {
    pub(crate) fn live(&self) -> u64 {
        self.tiers.iter().sum()
    }
}

pub(crate) struct Tutor<'a> {
    data: &'a Data,
    agent: Agent,
    clock: Arc<ManualClock>,
    has_policies: bool,
    /// The memories of this term by the lines of the data.
    ids: HashMap<usize, MemoryId>,
    left: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl<'a> Tutor<'a> {
    /// Opens a tutor. Without policies it has one tier that keeps everything.
    pub(crate) fn open(data: &'a Data, dir: &Path, has_policies: bool) -> Result<Self> {
        let clock = Arc::new(ManualClock::new(START));
        // The weeks pass in a second, so what the background does is called by hand.
        let store = StoreOptions::new().background(Background::Manual).reserve_bytes(0).seed(1);
        let options = AgentOptions::new(data.model.clone())
            .store(store)
            .clock(clock.clone())
            .background(false)
            .rank(Rank::multiplicative())
            .tiers(if has_policies { tiers() } else { vec![fast(Tier::new("working"))] });
        let options = if has_policies { options.archive_limit(ARCHIVE) } else { options };
        let left = Arc::new(Mutex::new(BTreeMap::new()));
        let agent = options.on_event(counter(Arc::clone(&left))).open(dir)?;
        Ok(Self { data, agent, clock, has_policies, ids: HashMap::new(), left })
    }

    /// Returns how many memories left a tier, by the tier and the reason.
    pub(crate) fn left(&self) -> BTreeMap<String, usize> {
        self.left.lock().map(|left| left.clone()).unwrap_or_default()
    }

    /// Returns the names of the tiers that [`Week::tiers`] counts.
    pub(crate) fn tiers(&self) -> Result<Vec<String>> {
        Ok(self.agent.stats()?.tiers.into_iter().map(|tier| tier.name).collect())
    }

    /// Teaches one learner for twelve weeks. `after` gets the state at the end of each week.
    pub(crate) fn term(&mut self, learner: &str, dir: &Path, weeks: &mut Vec<Week>) -> Result<()> {
        let begin = self.clock.wall();
        self.ids.clear();
        for number in 1..=WEEKS {
            let mut lesson: Vec<&Turn> = Vec::new();
            for turn in self.data.turns.iter().filter(|turn| turn.week == number) {
                if lesson.last().is_some_and(|last| last.session != turn.session) {
                    self.lesson(learner, begin, &std::mem::take(&mut lesson))?;
                }
                lesson.push(turn);
            }
            self.lesson(learner, begin, &lesson)?;
            self.wait_until(begin + WEEK * number as u32);
            weeks.push(self.end_of_week(learner, dir)?);
        }
        Ok(())
    }

    fn wait_until(&self, moment: Timestamp) {
        self.clock.advance(moment.since(self.clock.wall()));
    }

    /// One session, from its first turn to what becomes of them all.
    fn lesson(&mut self, learner: &str, begin: Timestamp, turns: &[&Turn]) -> Result<()> {
        let Some(first) = turns.first() else { return Ok(()) };
        let name = format!("{learner}/{}", first.session);
        self.wait_until(begin + MINUTE * first.minute as u32);
        if !self.has_policies {
            for turn in turns {
                self.wait_until(begin + MINUTE * turn.minute as u32);
                self.agent.remember(memory(learner, turn).session(&name))?;
            }
            return Ok(());
        }
        // If the process dies during the lesson, the next open of the agent ends it.
        let session = self.agent.session_with(&name, EndPolicy::Demote)?;
        // What the tutor knows about what it is going to say. These uses count.
        session.recall(&*first.text).namespace(learner).token_budget(PROMPT).run()?;
        for turn in turns {
            self.wait_until(begin + MINUTE * turn.minute as u32);
            let id = self.remember(&session, learner, turn)?;
            self.ids.insert(turn.line, id);
        }
        // Episodes: the talk becomes a few sentences. What the tutor rated stays as it is.
        let talk = Filter::session(&name).and(Filter::field("agent.estimated").eq(true));
        let summarizer = Extractive::new().max_share(SUMMARY);
        self.agent.consolidate(talk, &summarizer, &ConsolidateOptions::new())?;
        // The rest moves to what is kept long, and the scratch goes.
        session.end()?;
        Ok(())
    }

    fn remember(&self, session: &Session, learner: &str, turn: &Turn) -> Result<MemoryId> {
        if turn.kind == "exercise" {
            // The blackboard: for this lesson only, and wiped at its end.
            session.scratch(NewMemory::new(&turn.text).namespace(learner).kind("blackboard"))?;
        }
        let mut memory = memory(learner, turn).session(session.id());
        if turn.pinned {
            // Pinned memories do not move at the end of the session.
            memory = memory.pinned(true).tier("long-term");
        }
        // A fact that took the place of another: the old one stays, with the end of its validity.
        if let Some(old) = turn.replaces.and_then(|line| self.ids.get(&line)) {
            match self.agent.supersede(*old, memory.clone()) {
                // The rules have let it go.
                Err(altiplano::Error::NoMemory { .. }) => {}
                done => return Ok(done?.id),
            }
        }
        Ok(self.agent.remember(memory)?.id)
    }

    /// What the tutor does on Sundays.
    fn end_of_week(&mut self, learner: &str, dir: &Path) -> Result<Week> {
        if self.has_policies {
            self.find_themes(learner)?;
            self.agent.tidy()?;
        }
        // What was forgotten leaves every file now, and not within a day.
        let store = self.agent.store();
        while store.run_pending_tasks()? {}
        store.purge()?;
        let stats = self.agent.stats()?;
        Ok(Week {
            tiers: stats.tiers.iter().map(|tier| tier.memories).collect(),
            disk: allocated_bytes(dir)?,
            anonymous: Rss::now().unwrap_or_default().anon_bytes,
        })
    }

    /// Semantic summaries: exercises about the same thing become one memory of it. A task and its
    /// answers stay together.
    fn find_themes(&self, learner: &str) -> Result<()> {
        let exercises = Filter::namespace(learner).and(Filter::kind("exercise"));
        let (similarity, members) = THEME;
        let clusters = self.agent.clusters("long-term", exercises.clone(), similarity, members)?;
        let options =
            ConsolidateOptions::new().from("long-term").to("long-term").min_sources(members);
        for cluster in clusters {
            let mut groups = Vec::new();
            for id in cluster.members {
                let group = self.agent.get(id)?.and_then(|found| found.field_value("agent.group"));
                if let Some(FieldValue::Text(group)) = group {
                    groups.push(group);
                }
            }
            let theme = exercises.clone().and(Filter::field("agent.group").one_of(groups));
            self.agent.consolidate(theme, &Extractive::new(), &options)?;
        }
        Ok(())
    }

    /// After the exams nothing of this learner has to stay whatever the rules say.
    pub(crate) fn say_goodbye(&self, learner: &str) -> Result<()> {
        let pinned = Filter::namespace(learner).and(Filter::pinned(true));
        self.agent.collection("long-term")?.update_where(pinned, Patch::new().pinned(false))?;
        Ok(())
    }

    /// Returns what a model would be given with a question: what is pinned, the facts and
    /// exercises, and the summaries, each within a budget of its own.
    fn prompt(&self, learner: &str, question: &str) -> Result<String> {
        let template = PromptTemplate::default().header("").item("- {date}: {text}")?;
        let summary = || Filter::kind("summary");
        let mut prompt = String::new();
        for part in [Filter::pinned(true), summary().not(), summary()] {
            let recall = self.agent.recall(question).namespace(learner).filter(part);
            // What no longer holds is kept, but not told.
            let recall = recall.filter(Filter::superseded(false)).template(template.clone());
            // An exam is no use: it must not change what is kept.
            prompt += &recall.token_budget(PROMPT).peek().run()?.to_prompt();
            prompt.push('\n');
        }
        Ok(prompt)
    }

    /// Asks all questions of a learner. Returns those whose answer no recalled memory had.
    pub(crate) fn exam(&self, learner: &str) -> Result<Vec<&'a str>> {
        let mut wrong = Vec::new();
        for question in &self.data.questions {
            let prompt = self.prompt(learner, &question.text)?;
            if !prompt.to_lowercase().contains(&question.answer) {
                wrong.push(&*question.text);
            }
        }
        Ok(wrong)
    }

    /// Checks every byte, and closes the agent.
    pub(crate) fn close(self) -> Result<()> {
        let report = self.agent.store().verify()?;
        if !report.is_clean() {
            return Err(format!("the files are damaged: {:?}", report.problems).into());
        }
        Ok(self.agent.close()?)
    }
}

/// Counts what the agent tells of memories that leave their tiers.
fn counter(left: Arc<Mutex<BTreeMap<String, usize>>>) -> impl Fn(&AgentEvent) + Send + Sync {
    move |event| {
        let (tier, cause, count) = match event {
            AgentEvent::Forgotten { tier, cause, ids, .. } => (tier, cause, ids.len()),
            AgentEvent::Moved { from, cause, ids, .. } => (from, cause, ids.len()),
            _ => return,
        };
        if let Ok(mut left) = left.lock() {
            *left.entry(format!("{tier}: {cause}")).or_default() += count;
        }
    }
}

/// Returns a turn as it is remembered, with the tutor's rating if there is one.
fn memory(learner: &str, turn: &Turn) -> NewMemory {
    let mut memory = NewMemory::new(&turn.text).namespace(learner).kind(&turn.kind);
    let exercise = (turn.kind == "exercise").then_some(EXERCISE);
    if let Some(importance) = turn.importance.or(exercise) {
        memory = memory.importance(importance);
    }
    if let Some(group) = &turn.group {
        memory = memory.group(group);
    }
    memory
}

/// The tiers of a tutor with policies.
fn tiers() -> Vec<Tier> {
    let kept = Retention::new().max_age(OLD).max_bytes(LONG_TERM).score(Score::new());
    let long_term = Tier::long_term().retention(kept).exit(Exit::Archive);
    vec![Tier::scratch(), fast(Tier::working()), fast(long_term)]
}

/// A power cut may cost the last hour; a crash of the process may cost nothing.
fn fast(tier: Tier) -> Tier {
    tier.durability(Durability::buffered(Duration::from_secs(3600)))
}
