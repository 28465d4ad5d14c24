//! Owns `Tier`: a named part of an agent's memory with rules of its own, and `Exit`, where its
//! memories go when a rule says that they leave.

use std::time::Duration;

use super::retention::Retention;
use crate::Durability;

/// The name of the volatile tier that an agent has unless it is told otherwise.
pub(super) const SCRATCH: &str = "scratch";
/// The name of the tier that new memories go to.
pub(super) const WORKING: &str = "working";
/// The name of the tier for what is kept long.
pub(super) const LONG_TERM: &str = "long-term";

/// The name of the archive, which is no tier.
pub(super) const ARCHIVE: &str = "archive";
/// The name of the collection of what an agent must know after a crash.
pub(super) const STATE: &str = "agent.state";
/// The end of the name of a collection that is going to take the place of a tier.
pub(super) const BESIDE: &str = "~new";

const DAY: Duration = Duration::from_secs(86_400);
/// How long a note in the scratch tier lives.
const SCRATCH_LIFE: Duration = DAY;
/// How long a memory of the working tier stays there unused.
const WORKING_IDLE: Duration = Duration::from_secs(30 * 86_400);

/// Where memories go that leave a tier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// Nowhere: they are forgotten.
    #[default]
    Forget,
    /// Into the archive, where no recall finds them: see
    /// [`Agent::restore`](crate::agent::Agent::restore).
    Archive,
    /// Into the tier with this name.
    Move(String),
}

/// A part of an agent's memory: a collection of its own, with its own rules.
///
/// An agent has three unless [`AgentOptions::tiers`](crate::agent::AgentOptions::tiers) gives it
/// others: [`Tier::scratch`], [`Tier::working`] and [`Tier::long_term`].
///
/// ```
/// use std::time::Duration;
/// use altiplano::agent::{Exit, Retention, Tier};
///
/// let week = Duration::from_secs(7 * 86_400);
/// let tier = Tier::new("episodes")
///     .retention(Retention::new().max_age(week).unless_important(0.8))
///     .exit(Exit::Archive);
/// assert_eq!(tier.name(), "episodes");
/// ```
#[derive(Clone, Debug)]
pub struct Tier {
    pub(super) name: String,
    pub(super) in_memory: bool,
    pub(super) default_ttl: Option<Duration>,
    pub(super) durability: Option<Durability>,
    pub(super) retention: Retention,
    pub(super) exit: Exit,
    pub(super) is_recalled: bool,
}

impl Tier {
    /// Returns a tier that keeps everything. The name has 1 to 200 bytes.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            in_memory: false,
            default_ttl: None,
            durability: None,
            retention: Retention::new(),
            exit: Exit::Forget,
            is_recalled: true,
        }
    }

    /// Returns the tier `scratch`: in RAM, gone with the process, and after a day at the latest.
    /// For what a task needs until it is done. The end of a session empties it.
    pub fn scratch() -> Self {
        Self::new(SCRATCH).in_memory().default_ttl(SCRATCH_LIFE)
    }

    /// Returns the tier `working`, for what is new. What was not used for 30 days moves to
    /// `long-term`.
    pub fn working() -> Self {
        let retention = Retention::new().max_idle(WORKING_IDLE);
        Self::new(WORKING).retention(retention).exit(Exit::Move(LONG_TERM.to_owned()))
    }

    /// Returns the tier `long-term`. It keeps everything, until you give it a [`Retention`].
    pub fn long_term() -> Self {
        Self::new(LONG_TERM)
    }

    /// Keeps the tier in RAM only. Its memories are gone when the agent is closed.
    #[must_use]
    pub const fn in_memory(mut self) -> Self {
        self.in_memory = true;
        self
    }

    /// Sets the lifetime of memories that have none of their own: see
    /// [`CollectionOptions::default_ttl`](crate::CollectionOptions::default_ttl). Readers no longer
    /// see an expired memory, and no [`Exit`] applies to it.
    #[must_use]
    pub const fn default_ttl(mut self, ttl: Duration) -> Self {
        self.default_ttl = Some(ttl);
        self
    }

    /// Sets what a write waits for. Default = [`Durability::Sync`].
    #[must_use]
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// Sets which memories leave the tier, and when. Default = none.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Sets where they go. Default = [`Exit::Forget`].
    #[must_use]
    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Sets whether [`Agent::recall`](crate::agent::Agent::recall) looks into the tier unless it
    /// names tiers. Default = true.
    #[must_use]
    pub const fn recalled(mut self, is_recalled: bool) -> Self {
        self.is_recalled = is_recalled;
        self
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }
}
