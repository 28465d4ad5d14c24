//! Owns `AgentOptions`: everything about an agent that can be replaced. `handle` opens one.

use std::sync::Arc;
use std::time::Duration;

use super::duplicates::Duplicates;
use super::event::EventListener;
use super::importance::{Importance, ImportanceEstimate};
use super::rank::Rank;
use super::session::EndPolicy;
use super::tier::{ARCHIVE, BESIDE, Exit, STATE, Tier};
use super::tokens::EstimatedTokens;
use super::traits::{ArchiveSink, Embedder, TokenCounter};
use crate::{Clock, Error, Language, Result, StoreOptions};

/// How an agent remembers. [`AgentOptions::open`] opens it.
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// use altiplano::agent::{AgentOptions, HashingEmbedder, Retention, Score, Tier};
///
/// // Never more than 256 MiB on the disk: what is worth least is forgotten.
/// let keep_best = Retention::new().score(Score::new());
/// let agent = AgentOptions::new(HashingEmbedder::new())
///     .disk_budget(256 << 20)
///     .tiers([Tier::scratch(), Tier::working(), Tier::long_term().retention(keep_best)])
///     .open(dir.path().join("agent.alt"))?;
/// # agent.close()
/// # }
/// ```
#[derive(Debug)]
pub struct AgentOptions {
    pub(super) embedder: Arc<dyn Embedder>,
    pub(super) store: StoreOptions,
    pub(super) disk_budget: Option<u64>,
    pub(super) tiers: Vec<Tier>,
    pub(super) rank: Rank,
    pub(super) importance: Option<Arc<dyn Importance>>,
    pub(super) counter: Arc<dyn TokenCounter>,
    pub(super) language: Option<Language>,
    pub(super) track_uses: bool,
    pub(super) duplicates: Duplicates,
    pub(super) archive_sink: Option<Arc<dyn ArchiveSink>>,
    pub(super) archive_limit: Option<u64>,
    pub(super) session_timeout: Option<Duration>,
    pub(super) end_policy: EndPolicy,
    pub(super) listener: Option<Arc<dyn EventListener>>,
    pub(super) background: bool,
    pub(super) reembed: bool,
}

impl AgentOptions {
    /// Returns the options of an agent with this model.
    pub fn new(embedder: impl Embedder + 'static) -> Self {
        Self {
            embedder: Arc::new(embedder),
            store: StoreOptions::new(),
            disk_budget: None,
            tiers: vec![Tier::scratch(), Tier::working(), Tier::long_term()],
            rank: Rank::distance(),
            importance: Some(Arc::new(ImportanceEstimate)),
            counter: Arc::new(EstimatedTokens),
            language: None,
            track_uses: true,
            duplicates: Duplicates::default(),
            archive_sink: None,
            archive_limit: None,
            session_timeout: None,
            end_policy: EndPolicy::default(),
            listener: None,
            background: true,
            reembed: false,
        }
    }

    /// Sets the options of the store beneath.
    #[must_use]
    pub fn store(mut self, options: StoreOptions) -> Self {
        self.store = options;
        self
    }

    /// Sets the source of time. Default = the system's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.store = self.store.clock(clock);
        self
    }

    /// Sets how many bytes the agent may take on the disk. When it is reached, tiers with a
    /// [`Score`](crate::agent::Score) forget what is worth least. If there is none, or if they are
    /// empty, writes are refused with [`Error::OverBudget`]. Default = no limit.
    #[must_use]
    pub fn disk_budget(mut self, bytes: u64) -> Self {
        self.store = self.store.disk_budget(bytes);
        self.disk_budget = Some(bytes);
        self
    }

    /// Sets the tiers, 1 to 16. Default = [`Tier::scratch`], [`Tier::working`] and
    /// [`Tier::long_term`]. The order is that in which memories grow old: the first tiers are
    /// searched first.
    #[must_use]
    pub fn tiers(mut self, tiers: impl IntoIterator<Item = Tier>) -> Self {
        self.tiers = tiers.into_iter().collect();
        self
    }

    /// Sets how recalls rank unless they say otherwise. Default = [`Rank::distance`].
    #[must_use]
    pub fn rank(mut self, rank: impl Into<Rank>) -> Self {
        self.rank = rank.into();
        self
    }

    /// Sets how the importance of a text is estimated if the caller gives none. Default =
    /// [`ImportanceEstimate`], which measures how much a text says.
    #[must_use]
    pub fn importance(mut self, estimate: impl Importance + 'static) -> Self {
        self.importance = Some(Arc::new(estimate));
        self
    }

    /// Leaves the importance at 0.5 if the caller gives none.
    #[must_use]
    pub fn no_importance(mut self) -> Self {
        self.importance = None;
        self
    }

    /// Sets how tokens are counted. Default = [`EstimatedTokens`].
    #[must_use]
    pub fn token_counter(mut self, counter: impl TokenCounter + 'static) -> Self {
        self.counter = Arc::new(counter);
        self
    }

    /// Sets the language by which words are stemmed. Default = words are compared as they are.
    #[must_use]
    pub const fn language(mut self, language: Language) -> Self {
        self.language = Some(language);
        self
    }

    /// Sets whether recalls are counted as uses of the memories. Default = true. Counting writes
    /// nothing during a recall: counts are kept in RAM and written by the background, and those of
    /// the last second are lost in a crash.
    #[must_use]
    pub const fn track_uses(mut self, track: bool) -> Self {
        self.track_uses = track;
        self
    }

    /// Sets what happens when a memory says the same as another. Default = it is reported.
    #[must_use]
    pub fn duplicates(mut self, duplicates: Duplicates) -> Self {
        self.duplicates = duplicates;
        self
    }

    /// Sets a sink that gets what goes into the archive, besides the archive itself.
    #[must_use]
    pub fn archive_sink(mut self, sink: impl ArchiveSink + 'static) -> Self {
        self.archive_sink = Some(Arc::new(sink));
        self
    }

    /// Sets how many bytes of texts and metadata the archive keeps; the oldest go first. Default =
    /// no limit.
    #[must_use]
    pub const fn archive_limit(mut self, bytes: u64) -> Self {
        self.archive_limit = Some(bytes);
        self
    }

    /// Ends sessions by themselves that did nothing for this long. Default = never.
    #[must_use]
    pub const fn session_timeout(mut self, time: Duration) -> Self {
        self.session_timeout = Some(time);
        self
    }

    /// Sets what becomes of the memories of a session that ends. Default = [`EndPolicy::Keep`].
    #[must_use]
    pub const fn end_policy(mut self, policy: EndPolicy) -> Self {
        self.end_policy = policy;
        self
    }

    /// Sets who is told what the agent does by itself.
    #[must_use]
    pub fn on_event(mut self, listener: impl EventListener + 'static) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// Sets whether a thread carries out the rules. Default = true. Without it,
    /// [`Agent::tidy`](crate::agent::Agent::tidy) does, and writers that find a tier far beyond its
    /// bounds. The threads of the store are another matter:
    /// [`StoreOptions::background`](crate::StoreOptions::background).
    #[must_use]
    pub const fn background(mut self, background: bool) -> Self {
        self.background = background;
        self
    }

    /// Embeds all memories anew when the agent is opened, if they are of another model. The open
    /// takes as long as that; one that is cut short goes on where it was. Default = false: such an
    /// open is refused. [`Agent::reembed`](crate::agent::Agent::reembed) does it while the agent is
    /// in use, for which the old model is needed as well.
    #[must_use]
    pub const fn reembed(mut self, reembed: bool) -> Self {
        self.reembed = reembed;
        self
    }

    /// Checks what can be checked without a store.
    pub(super) fn check(&self) -> Result<()> {
        let count = self.tiers.len();
        if !(1..=16).contains(&count) {
            return Err(Error::option("tiers", format!("there are {count}, not 1 to 16")));
        }
        for (at, tier) in self.tiers.iter().enumerate() {
            if tier.name.is_empty() || tier.name.len() > 200 {
                let bytes = tier.name.len();
                return Err(Error::option(
                    "tier",
                    format!("its name has {bytes} bytes, not 1 to 200"),
                ));
            }
            if [ARCHIVE, STATE].contains(&&*tier.name) || tier.name.ends_with(BESIDE) {
                return Err(Error::option("tier", format!("the name `{}` is taken", tier.name)));
            }
            if self.tiers[..at].iter().any(|other| other.name == tier.name) {
                return Err(Error::option("tiers", format!("two have the name `{}`", tier.name)));
            }
            tier.retention.check()?;
            self.check_exit(tier)?;
        }
        if self.session_timeout.is_some_and(|time| time.is_zero()) {
            return Err(Error::option("session_timeout", "it must not be zero"));
        }
        self.duplicates.check()
    }

    fn check_exit(&self, tier: &Tier) -> Result<()> {
        let Exit::Move(to) = &tier.exit else { return Ok(()) };
        let reason = if *to == tier.name {
            format!("the tier `{to}` moves to itself")
        } else if !self.tiers.iter().any(|other| other.name == *to) {
            format!("the tier `{}` moves to `{to}`, which is none", tier.name)
        } else {
            return Ok(());
        };
        Err(Error::option("exit", reason))
    }
}
