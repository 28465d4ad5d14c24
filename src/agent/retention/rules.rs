//! Owns the rules of a tier about what it keeps, as plain data.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::score::Score;
use crate::{Error, Memory, Result, Timestamp, Window};

/// Which memories leave a tier. Several rules apply together; none is the default, and then
/// everything stays.
///
/// A pinned memory never leaves. A [group](crate::agent::NewMemory::group) leaves as a whole, and
/// not at all while one of it is pinned.
///
/// ```
/// use std::time::Duration;
/// use altiplano::agent::{Retention, Score};
///
/// // At most 256 MiB. What is worth least per byte leaves first.
/// let retention = Retention::new().max_bytes(256 << 20).score(Score::new());
/// // Nothing older than 90 days, unless it matters.
/// let days = Duration::from_secs(90 * 86_400);
/// let archive = Retention::new().max_age(days).unless_important(0.8);
/// # let _ = (retention, archive);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Retention {
    pub(in crate::agent) max_age: Option<Duration>,
    pub(in crate::agent) max_idle: Option<Duration>,
    pub(in crate::agent) max_count: Option<u64>,
    pub(in crate::agent) max_bytes: Option<u64>,
    pub(in crate::agent) window: Option<Window>,
    pub(in crate::agent) important: Option<f32>,
    pub(in crate::agent) score: Option<Score>,
    pub(in crate::agent) near_copies: Option<f32>,
    pub(in crate::agent) policy: Option<Arc<dyn RetentionPolicy>>,
}

/// A rule that made a memory leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub enum Rule {
    /// [`Retention::max_age`].
    Age,
    /// [`Retention::max_idle`].
    Idle,
    /// [`Retention::window`].
    Window,
    /// [`Retention::policy`].
    Policy,
    /// [`Retention::max_count`].
    Count,
    /// [`Retention::max_bytes`], or the disk budget of the agent.
    Bytes,
    /// It belongs to a group, and another of the group leaves.
    Group,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Age => "older than max_age",
            Self::Idle => "unused for max_idle",
            Self::Window => "outside of the window of its session",
            Self::Policy => "the policy lets it go",
            Self::Count => "worth least of more than max_count",
            Self::Bytes => "worth least of more bytes than there may be",
            Self::Group => "its group leaves",
        })
    }
}

/// What a [`RetentionPolicy`] says of a memory.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// The other rules decide.
    Undecided,
    /// It stays, whatever the other rules say.
    Keep,
    /// It leaves.
    Leave,
    /// The other rules decide, with this worth instead of the [`Score`].
    Worth(f32),
}

/// A rule of the caller's own.
///
/// ```
/// use altiplano::agent::{RetentionPolicy, Verdict};
/// use altiplano::{Memory, Timestamp};
///
/// /// Lets done tasks go.
/// #[derive(Debug)]
/// struct Done;
///
/// impl RetentionPolicy for Done {
///     fn verdict(&self, memory: &Memory, _now: Timestamp) -> Verdict {
///         match memory.tags.iter().any(|tag| tag == "done") {
///             true => Verdict::Leave,
///             false => Verdict::Undecided,
///         }
///     }
/// }
/// let task = Memory::new(1, []).tag("done");
/// assert_eq!(Done.verdict(&task, Timestamp::EPOCH), Verdict::Leave);
/// ```
pub trait RetentionPolicy: fmt::Debug + Send + Sync {
    /// Decides about a memory, which comes without its vector, its text and its bytes. It must not
    /// call the agent. About 1 µs is left for it if a million memories shall take a second.
    fn verdict(&self, memory: &Memory, now: Timestamp) -> Verdict;
}

impl Retention {
    /// Returns rules that keep everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets memories go that were made longer ago than this.
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Lets memories go that were neither made nor used for this long. Only
    /// [`Agent::recall`](crate::agent::Agent::recall) counts as a use.
    #[must_use]
    #[doc(alias = "sliding")]
    #[doc(alias = "time_to_idle")]
    pub const fn max_idle(mut self, time: Duration) -> Self {
        self.max_idle = Some(time);
        self
    }

    /// Keeps at most this many memories. Those worth least go first: see [`Retention::score`].
    ///
    /// The bound is looked at when the tier has grown by a 64th, and every minute. Then a 64th more
    /// goes than has to. A writer that finds the tier a 16th beyond it waits for that.
    #[must_use]
    pub const fn max_count(mut self, count: u64) -> Self {
        self.max_count = Some(count);
        self
    }

    /// Keeps at most this many bytes of memories: vectors, texts and metadata, without indexes.
    /// Those worth least per byte go first: see [`Retention::score`]. It is looked at when the tier
    /// has grown by a 64th, and every minute.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Keeps only the newest memories of each session. Memories without a session stay. A group
    /// that does not fit as a whole leaves as a whole.
    #[must_use]
    pub const fn window(mut self, window: Window) -> Self {
        self.window = Some(window);
        self
    }

    /// Exempts memories with at least this importance from [`max_age`](Self::max_age),
    /// [`max_idle`](Self::max_idle) and [`window`](Self::window).
    #[must_use]
    pub const fn unless_important(mut self, importance: f32) -> Self {
        self.important = Some(importance);
        self
    }

    /// Sets what a memory is worth. Without it, an older one is worth less than a newer one.
    ///
    /// With it, the tier also gives way when the
    /// [disk budget](crate::agent::AgentOptions::disk_budget) is reached. Without it, writes are
    /// refused then.
    #[must_use]
    pub const fn score(mut self, score: Score) -> Self {
        self.score = Some(score);
        self
    }

    /// Where memories worth least go: those first that a newer one says almost the same as, with a
    /// cosine of at least `similarity`. Costs a search for each memory that may go.
    #[must_use]
    pub const fn near_copies_first(mut self, similarity: f32) -> Self {
        self.near_copies = Some(similarity);
        self
    }

    /// Adds a rule of your own.
    #[must_use]
    pub fn policy(mut self, policy: impl RetentionPolicy + 'static) -> Self {
        self.policy = Some(Arc::new(policy));
        self
    }

    /// Returns true if the tier gives way when the disk budget is reached.
    pub(in crate::agent) const fn has_score(&self) -> bool {
        self.score.is_some()
    }

    /// Returns true if no rule can make a memory leave.
    pub(in crate::agent) const fn is_unbounded(&self) -> bool {
        self.max_age.is_none()
            && self.max_idle.is_none()
            && self.max_count.is_none()
            && self.max_bytes.is_none()
            && self.window.is_none()
            && self.policy.is_none()
    }

    pub(in crate::agent) fn check(&self) -> Result<()> {
        let share = |name, value: Option<f32>| match value {
            Some(value) if !(0.0..=1.0).contains(&value) => {
                Err(Error::option(name, format!("{value} is not between 0 and 1")))
            }
            _ => Ok(()),
        };
        share("unless_important", self.important)?;
        share("near_copies_first", self.near_copies)?;
        self.score.map_or(Ok(()), |score| score.check())
    }
}
