//! Owns `Recall`: which memories an agent needs for a question, ranked, and as many as fit.

use std::fmt;

use super::answer::{Answer, Found, candidates};
use super::candidate::Recalled;
use super::core::{Core, OpenTier, embed};
use super::pack::{LeftOut, LeftOutReason, Packing};
use super::prompt::PromptTemplate;
use super::rank::{Rank, mmr};
use super::traits::Embedder;
use crate::{Error, Fields, Filter, Result};

/// Default number of memories.
const K: usize = 10;
/// Default number of memories where a budget of tokens bounds them.
const K_OF_BUDGET: usize = 64;
/// Candidates of each tier, for each memory that is wanted.
const POOL_FACTOR: usize = 4;
/// Least number of candidates of each tier.
const LEAST_POOL: usize = 64;

/// What each tier found, and whether a tier has more.
type AllFound<'a> = (Vec<Found<'a>>, bool);

enum Question {
    Text(String),
    Vector { space: String, vector: Vec<f32> },
}

/// A recall that is being configured. [`Agent::recall`](crate::agent::Agent::recall) creates it,
/// and [`Recall::run`] carries it out.
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// use altiplano::agent::{Agent, HashingEmbedder, Rank};
/// let agent = Agent::open(dir.path().join("agent.alt"), HashingEmbedder::new())?;
/// agent.remember("likes green tea")?;
/// agent.remember("plays chess on Fridays")?;
/// let recall = agent.recall("which tea?").k(3).rank(Rank::multiplicative());
/// let answer = recall.token_budget(200).run()?;
/// assert_eq!(answer.items[0].text(), "likes green tea");
/// println!("{}", answer.to_prompt());
/// # agent.close()
/// # }
/// ```
#[must_use = "a recall does nothing until it is run"]
pub struct Recall<'a> {
    core: &'a Core,
    question: Question,
    k: Option<usize>,
    filter: Filter,
    rank: Rank,
    diversity: Option<f32>,
    token_budget: Option<usize>,
    truncate: bool,
    template: PromptTemplate,
    tiers: Option<Vec<String>>,
    min_relevance: f32,
    pool: Option<usize>,
    words: bool,
    counts: bool,
}

impl<'a> Recall<'a> {
    pub(super) fn text(core: &'a Core, question: String) -> Self {
        Self::new(core, Question::Text(question))
    }

    pub(super) fn vector(core: &'a Core, space: String, vector: Vec<f32>) -> Self {
        Self::new(core, Question::Vector { space, vector })
    }

    fn new(core: &'a Core, question: Question) -> Self {
        Self {
            core,
            question,
            k: None,
            filter: Filter::All,
            rank: core.options.rank.clone(),
            diversity: None,
            token_budget: None,
            truncate: false,
            template: PromptTemplate::default(),
            tiers: None,
            min_relevance: 0.0,
            pool: None,
            words: cfg!(feature = "text"),
            counts: core.options.track_uses,
        }
    }

    /// Sets the most memories that are returned. Default = 10, and 64 with a
    /// [token budget](Self::token_budget).
    pub const fn k(mut self, k: usize) -> Self {
        self.k = Some(k);
        self
    }

    fn most(&self) -> usize {
        let default = if self.token_budget.is_some() { K_OF_BUDGET } else { K };
        self.k.unwrap_or(default)
    }

    /// Limits the recall to memories that match. Several filters must all match.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = std::mem::replace(&mut self.filter, Filter::All).and(filter);
        self
    }

    /// Limits the recall to memories of this namespace.
    pub fn namespace(self, name: impl Into<String>) -> Self {
        self.filter(Filter::namespace(name))
    }

    /// Limits the recall to memories of this session.
    pub fn session(self, name: impl Into<String>) -> Self {
        self.filter(Filter::session(name))
    }

    /// Limits the recall to memories of this kind.
    pub fn kind(self, name: impl Into<String>) -> Self {
        self.filter(Filter::kind(name))
    }

    /// Sets how the memories are ranked. Default = as [`AgentOptions::rank`] says.
    ///
    /// [`AgentOptions::rank`]: crate::agent::AgentOptions::rank
    pub fn rank(mut self, rank: impl Into<Rank>) -> Self {
        self.rank = rank.into();
        self
    }

    /// Prefers memories that say different things: `lambda` weighs the score against the similarity
    /// to what was chosen before, 1 for the score alone, 0 for diversity alone. The formula is that
    /// of maximal marginal relevance: Carbonell and Goldstein, SIGIR 1998.
    pub const fn mmr(mut self, lambda: f32) -> Self {
        self.diversity = Some(lambda);
        self
    }

    /// Returns only as many memories as fit into this many tokens, counted on the prompt that
    /// [`Answer::to_prompt`] renders. Memories go in by rank; one that does not fit is left out,
    /// and a shorter one behind it may still go in.
    pub const fn token_budget(mut self, tokens: usize) -> Self {
        self.token_budget = Some(tokens);
        self
    }

    /// Cuts the text of the first memory that does not fit, instead of leaving it out.
    pub const fn truncate(mut self, truncate: bool) -> Self {
        self.truncate = truncate;
        self
    }

    /// Sets how the prompt is rendered and what its tokens are counted on.
    pub fn template(mut self, template: PromptTemplate) -> Self {
        self.template = template;
        self
    }

    /// Looks into these tiers only. Default = all that are
    /// [recalled](crate::agent::Tier::recalled).
    pub fn tiers<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.tiers = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Leaves out memories that fit the question less than this: see [`Recalled::relevance`].
    pub const fn min_relevance(mut self, relevance: f32) -> Self {
        self.min_relevance = relevance;
        self
    }

    /// Sets how many candidates of each tier are ranked. Default = four times the number of
    /// memories, and at least 64.
    pub const fn pool(mut self, candidates: usize) -> Self {
        self.pool = Some(candidates);
        self
    }

    /// Sets whether the words of the question are looked for, besides its meaning. Default = true,
    /// where words are indexed.
    pub const fn words(mut self, words: bool) -> Self {
        self.words = words;
        self
    }

    /// Does not count as a use of what is returned.
    pub const fn peek(mut self) -> Self {
        self.counts = false;
        self
    }

    /// Returns the memories, most useful first.
    ///
    /// # Errors
    ///
    /// [`Error::Callback`] if the embedder failed. [`Error::EmbeddingSpace`] or
    /// [`Error::Dimension`] if a vector is of another model. [`Error::InvalidOption`] for a tier
    /// that does not exist and for a number out of range. The errors of
    /// [`Search::run`](crate::Search::run).
    pub fn run(self) -> Result<Answer> {
        if self.diversity.is_some_and(|lambda| !(0.0..=1.0).contains(&lambda)) {
            return Err(Error::option("mmr", "lambda is not between 0 and 1"));
        }
        let tiers = self.tiers_of()?;
        let k = self.most();
        let pool = self.pool.unwrap_or((k * POOL_FACTOR).max(LEAST_POOL)).max(k);
        let (found, pool_exhausted) = loop {
            if let Some(found) = self.search_all(&tiers, pool)? {
                break found;
            }
        };
        let mut candidates = candidates(found, pool_exhausted);
        candidates.retain(|one| one.relevance >= self.min_relevance);
        self.rank.rank(&mut candidates, self.core.now());
        let ranked = candidates.len();
        let (items, mut left_out) = self.choose(candidates, k);
        let mut answer = Answer {
            items,
            tokens_used: 0,
            truncated: false,
            left_out: Vec::new(),
            pool: ranked,
            pool_exhausted,
            template: self.template.clone(),
        };
        if let Some(budget) = self.token_budget {
            let packing =
                Packing::new(budget).truncate(self.truncate).template(self.template.clone());
            let packed = packing.pack(answer.items, self.core.options.counter.as_ref());
            (answer.items, answer.tokens_used) = (packed.items, packed.tokens_used);
            answer.truncated = packed.truncated;
            left_out.extend(packed.left_out);
        }
        answer.left_out = left_out;
        if self.counts {
            note_uses(self.core, &answer.items)?;
        }
        Ok(answer)
    }

    /// Returns the hits of all tiers, and whether one of them has more than these. `None` if the
    /// agent changed over to another model meanwhile.
    fn search_all(&self, tiers: &[&'a OpenTier], pool: usize) -> Result<Option<AllFound<'a>>> {
        let model = self.core.embedder();
        let vector = self.vector_of(model.as_ref())?;
        let (mut all, mut is_exhausted) = (Vec::new(), false);
        let _still = self.core.still();
        if !self.core.is_model(&model) {
            return Ok(None);
        }
        for open in tiers {
            let found = self.search(open, &vector, pool)?;
            is_exhausted |= found.hits.len() >= pool;
            all.push(found);
        }
        Ok(Some((all, is_exhausted)))
    }

    fn vector_of(&self, own: &dyn Embedder) -> Result<Vec<f32>> {
        match &self.question {
            Question::Text(text) => Ok(embed(own, &[text])?.pop().unwrap_or_default()),
            Question::Vector { space, vector } => {
                if own.space() != space {
                    let (expected, got) = (own.space().to_owned(), space.clone());
                    return Err(Error::EmbeddingSpace { expected, got });
                }
                Ok(vector.clone())
            }
        }
    }

    fn tiers_of(&self) -> Result<Vec<&'a OpenTier>> {
        match &self.tiers {
            Some(names) => names.iter().map(|name| self.core.tier(name)).collect(),
            None => Ok(self.core.tiers.iter().filter(|open| open.tier.is_recalled).collect()),
        }
    }

    fn search<'t>(&self, open: &'t OpenTier, vector: &[f32], pool: usize) -> Result<Found<'t>> {
        let collection = open.collection();
        // Diversity compares vectors.
        let fields = if self.diversity.is_some() { Fields::All } else { Fields::Payload };
        let search = collection.search(vector).k(pool).filter(self.filter.clone());
        let search = search.fields(fields).peek();
        let found = match &self.question {
            Question::Text(text) if self.words && collection.settings().text_index.is_some() => {
                match search.text(text.as_str()).pool(pool).explain() {
                    // A question of more words than a query may have is asked by its vector.
                    Err(Error::LimitExceeded { .. }) => {
                        let search = collection.search(vector).k(pool).filter(self.filter.clone());
                        search.fields(fields).peek().explain()
                    }
                    done => done,
                }
            }
            _ => search.explain(),
        };
        let (hits, explanation) = found?;
        Ok(Found { tier: open.name(), hits, words: explanation.text })
    }

    /// Chooses the best `k`.
    fn choose(&self, ranked: Vec<Recalled>, k: usize) -> (Vec<Recalled>, Vec<LeftOut>) {
        let Some(lambda) = self.diversity else {
            let (mut items, mut left_out) = (ranked, Vec::new());
            if items.len() > k {
                let rest = items.split_off(k);
                left_out.extend(
                    rest.iter().map(|one| LeftOut::new(one.memory.id, LeftOutReason::Limit)),
                );
            }
            return (items, left_out);
        };
        let all: Vec<LeftOut> =
            ranked.iter().map(|one| LeftOut::new(one.memory.id, LeftOutReason::Similar)).collect();
        let mut items = mmr::mmr(ranked, lambda, k);
        for one in &mut items {
            one.memory.vector = Vec::new();
        }
        let left_out =
            all.into_iter().filter(|out| items.iter().all(|one| one.memory.id != out.id));
        let left_out = left_out.collect();
        (items, left_out)
    }
}

impl fmt::Debug for Recall<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recall")
            .field("k", &self.most())
            .field("rank", &self.rank)
            .finish_non_exhaustive()
    }
}

/// Counts the use of what was returned, in RAM.
fn note_uses(core: &Core, items: &[Recalled]) -> Result<()> {
    for open in &core.tiers {
        let of_tier = items.iter().filter(|one| one.tier == open.name()).map(|one| one.memory.id);
        let ids: Vec<_> = of_tier.collect();
        if !ids.is_empty() {
            open.collection().note_uses(ids);
        }
    }
    Ok(())
}
