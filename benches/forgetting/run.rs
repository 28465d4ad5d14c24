//! Owns the agent that forgets by a policy, and what its recalls still find.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use altiplano::agent::{
    Agent, AgentOptions, BoxError, Duplicates, Embedder, NewMemory, Rank, Retention,
    RetentionPolicy, Score, Tier, Verdict,
};
use altiplano::{
    Background, Durability, Fields, Filter, ManualClock, Memory, MemoryId, StoreOptions, Timestamp,
};
use bench_tools::vectors::Rng;

use crate::corpus::Corpus;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The one tier.
const TIER: &str = "all";
/// The name of the model of a corpus.
const SPACE: &str = "corpus";
/// Cosine from which on a memory is a near copy.
const COPY: f32 = 0.95;
/// Numbers of memories at which recall is measured.
pub(crate) const DEPTHS: [usize; 3] = [5, 10, 20];

/// By what memories leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Age,
    Random(u64),
    Score,
    ScoreWithoutImportance,
    ScoreAndCopies,
}

impl Policy {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Random(_) => "random",
            Self::Score => "score",
            Self::ScoreWithoutImportance => "score-no-importance",
            Self::ScoreAndCopies => "score+copies",
        }
    }

    fn retention(self, count: u64) -> Retention {
        let rules = Retention::new().max_count(count);
        match self {
            Self::Age => rules,
            Self::Random(seed) => rules.policy(ByLot(seed)),
            Self::Score => rules.score(Score::new()),
            Self::ScoreWithoutImportance => rules.policy(AllEqual),
            Self::ScoreAndCopies => rules.score(Score::new()).near_copies_first(COPY),
        }
    }
}

/// Gives each memory a worth by lot.
#[derive(Debug)]
struct ByLot(u64);

impl RetentionPolicy for ByLot {
    fn verdict(&self, memory: &Memory, _now: Timestamp) -> Verdict {
        let id = memory.id.as_u128();
        Verdict::Worth(Rng::new(self.0 ^ (id as u64) ^ (id >> 64) as u64).unit() as f32)
    }
}

/// The score as if all memories mattered the same.
#[derive(Debug)]
struct AllEqual;

impl RetentionPolicy for AllEqual {
    fn verdict(&self, memory: &Memory, now: Timestamp) -> Verdict {
        let mut equal = memory.clone();
        equal.importance = 0.5;
        Verdict::Worth(Score::new().of(&equal, now))
    }
}

/// Knows the vectors of the questions, and of no other text.
struct Questions {
    vectors: HashMap<String, Vec<f32>>,
    dimension: usize,
}

impl Embedder for Questions {
    fn embed(&self, texts: &[&str]) -> std::result::Result<Vec<Vec<f32>>, BoxError> {
        let one = |text: &&str| self.vectors.get(*text).cloned().ok_or("an unknown text".into());
        texts.iter().map(one).collect()
    }

    fn space(&self) -> &str {
        SPACE
    }

    fn dimension(&self) -> usize {
        self.dimension
    }
}

fn options(corpus: &Corpus, clock: Arc<ManualClock>, retention: Retention) -> AgentOptions {
    let vectors = corpus.questions.iter().map(|one| (one.text.clone(), one.vector.clone()));
    let dimension = corpus.said[0].vector.len();
    let tier = Tier::new(TIER).retention(retention);
    AgentOptions::new(Questions { vectors: vectors.collect(), dimension })
        .store(StoreOptions::new().background(Background::Manual).seed(1))
        .clock(clock)
        .background(false)
        .duplicates(Duplicates::off())
        .tiers([tier.durability(Durability::buffered(Duration::from_secs(3600)))])
}

/// Remembers a whole corpus, each memory at its time. Returns the ids.
pub(crate) fn remember(corpus: &Corpus, dir: &Path) -> Result<Vec<MemoryId>> {
    let clock = Arc::new(ManualClock::new(corpus.said[0].time));
    let agent = options(corpus, clock.clone(), Retention::new()).open(dir)?;
    let mut ids = Vec::with_capacity(corpus.said.len());
    let mut now = corpus.said[0].time;
    for (number, said) in corpus.said.iter().enumerate() {
        clock.advance(said.time.since(now));
        now = said.time;
        // A key makes the id, and with it the lots, the same in every run.
        let memory = NewMemory::new(&said.text).namespace(&said.namespace).key(number.to_string());
        ids.push(agent.remember(memory.vector(said.vector.clone()))?.id);
        while agent.store().run_pending_tasks()? {}
    }
    agent.close()?;
    Ok(ids)
}

/// What a ranking finds.
pub(crate) struct Found {
    pub(crate) ranking: &'static str,
    pub(crate) search: &'static str,
    /// Share of the evidence among the first memories, for each of [`DEPTHS`].
    pub(crate) recall: [f64; DEPTHS.len()],
}

/// What is left after a policy.
pub(crate) struct Left {
    /// Share of the evidence that is still there.
    pub(crate) surviving: f64,
    /// Share of the questions with evidence that is still there.
    pub(crate) answerable: f64,
    pub(crate) found: Vec<Found>,
}

/// Lets memories go until `count` are left, and asks all questions.
pub(crate) fn forget_and_ask(
    corpus: &Corpus,
    ids: &[MemoryId],
    dir: &Path,
    (policy, count): (Policy, u64),
) -> Result<Left> {
    let end = corpus.said.last().ok_or("there are no memories")?.time;
    let retention = policy.retention(count);
    let agent = options(corpus, Arc::new(ManualClock::new(end)), retention).open(dir)?;
    agent.tidy()?;
    let tier = agent.collection(TIER)?;
    // A little more leaves than has to, by every policy alike.
    let left = tier.len()?;
    if left > count || left < count - count / 32 {
        return Err(format!("{left} memories are left, not {count}").into());
    }
    let kept: std::result::Result<HashSet<MemoryId>, altiplano::Error> =
        tier.scan(Filter::All).fields(Fields::None).map(|memory| Ok(memory?.id)).collect();
    let kept = kept?;
    let (mut all, mut still, mut answerable) = (0, 0, 0);
    for question in &corpus.questions {
        let alive = question.evidence.iter().filter(|at| kept.contains(&ids[**at])).count();
        (all, still) = (all + question.evidence.len(), still + alive);
        answerable += usize::from(alive > 0);
    }
    let mut found = Vec::new();
    for (ranking, rank) in rankings() {
        for (search, words) in [("vector", false), ("hybrid", true)] {
            let recall = ask(corpus, ids, &agent, &rank, words)?;
            found.push(Found { ranking, search, recall });
        }
    }
    agent.close()?;
    Ok(Left {
        surviving: f64::from(still as u32) / f64::from(all as u32),
        answerable: f64::from(answerable as u32) / corpus.questions.len() as f64,
        found,
    })
}

fn rankings() -> [(&'static str, Rank); 5] {
    [
        ("distance", Rank::distance()),
        ("time_weighted", Rank::time_weighted(0.01)),
        ("multiplicative", Rank::multiplicative().into()),
        ("gated", Rank::gated().into()),
        ("generative_agents", Rank::generative_agents().into()),
    ]
}

/// Asks all questions. Returns the share of each question's evidence among the first memories, as
/// the mean over the questions.
fn ask(
    corpus: &Corpus,
    ids: &[MemoryId],
    agent: &Agent,
    rank: &Rank,
    words: bool,
) -> Result<[f64; DEPTHS.len()]> {
    let mut recall = [0.0; DEPTHS.len()];
    let deepest = DEPTHS[DEPTHS.len() - 1];
    for question in &corpus.questions {
        let recalled = agent.recall(&*question.text).namespace(&question.namespace).words(words);
        let answer = recalled.rank(rank.clone()).k(deepest).peek().run()?;
        for (sum, depth) in recall.iter_mut().zip(DEPTHS) {
            let first = || answer.items.iter().take(depth).map(|item| item.memory.id);
            let hits = question.evidence.iter().filter(|at| first().any(|id| id == ids[**at]));
            *sum += hits.count() as f64 / question.evidence.len() as f64;
        }
    }
    Ok(recall.map(|sum| sum / corpus.questions.len() as f64))
}
