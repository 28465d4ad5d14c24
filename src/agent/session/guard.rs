//! Owns `Session`: a conversation or a task, which ends when the value is dropped.

use crate::agent::event::AgentEvent;
use crate::agent::handle::Agent;
use crate::agent::new_memory::NewMemory;
use crate::agent::recall::Recall;
use crate::agent::remember::Remembered;
use crate::agent::tier::SCRATCH;
use crate::{Memory, Result, Window};

use super::end::{begin, end_as_begun, touch};
use super::policy::EndPolicy;

/// An open session: what it remembers carries its name.
///
/// It ends when it is dropped, or by [`Session::end`], which tells whether that worked. If the
/// process dies, the next open of the agent ends it. What becomes of its memories is said by the
/// [`EndPolicy`](crate::agent::EndPolicy).
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// use altiplano::Window;
/// use altiplano::agent::{Agent, EndPolicy, HashingEmbedder};
/// let agent = Agent::open(dir.path().join("agent.alt"), HashingEmbedder::new())?;
/// let chat = agent.session_with("chat-1", EndPolicy::Demote)?;
/// chat.remember("Ana asks for a table for two")?;
/// chat.scratch("the form has five fields")?;
/// assert_eq!(chat.recent(Window::turns(5))?.len(), 1);
/// // The scratch goes, the rest moves to the tier `long-term`.
/// assert_eq!(chat.end()?, 2);
/// # agent.close()
/// # }
/// ```
#[derive(Debug)]
pub struct Session {
    agent: Agent,
    id: String,
    has_ended: bool,
}

impl Agent {
    /// Begins a session: see [`Session`](crate::agent::Session). It ends as the agent's
    /// [end policy](crate::agent::AgentOptions::end_policy) says.
    ///
    /// # Errors
    ///
    /// As [`Collection::insert`](crate::Collection::insert).
    pub fn session(&self, id: impl Into<String>) -> Result<Session> {
        self.session_with(id, self.core().options.end_policy)
    }

    /// Begins a session that ends by this policy.
    ///
    /// # Errors
    ///
    /// As [`Collection::insert`](crate::Collection::insert).
    pub fn session_with(&self, id: impl Into<String>, policy: EndPolicy) -> Result<Session> {
        let id = id.into();
        begin(self.core(), &id, policy)?;
        Ok(Session { agent: self.clone(), id, has_ended: false })
    }
}

impl Session {
    /// Returns the id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Remembers a text of this session.
    ///
    /// # Errors
    ///
    /// As [`Agent::remember`].
    pub fn remember(&self, memory: impl Into<NewMemory>) -> Result<Remembered> {
        self.agent.remember(memory.into().session(&self.id))
    }

    /// Notes something in the tier `scratch`, for as long as the session lasts.
    ///
    /// # Errors
    ///
    /// As [`Agent::remember`]; [`Error::InvalidOption`](crate::Error::InvalidOption) if the agent
    /// has no tier of that name.
    pub fn scratch(&self, memory: impl Into<NewMemory>) -> Result<Remembered> {
        self.agent.remember(memory.into().session(&self.id).tier(SCRATCH))
    }

    /// Returns the newest memories of this session in the tier of new memories, the oldest first.
    ///
    /// # Errors
    ///
    /// As [`Collection::recent`](crate::Collection::recent).
    pub fn recent(&self, window: Window) -> Result<Vec<Memory>> {
        touch(self.agent.core(), &self.id);
        self.agent.core().first_tier().collection().recent(&self.id, window)
    }

    /// Asks for memories of any session. [`Recall::session`] limits it to this one.
    pub fn recall(&self, question: impl Into<String>) -> Recall<'_> {
        touch(self.agent.core(), &self.id);
        self.agent.recall(question)
    }

    /// Ends the session. Returns how many memories left their tiers.
    ///
    /// # Errors
    ///
    /// As [`Collection::apply`](crate::Collection::apply). The session is still open then: drop
    /// the value, or open the agent again.
    pub fn end(mut self) -> Result<u64> {
        self.has_ended = true;
        end_as_begun(self.agent.core(), &self.id)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        match end_as_begun(self.agent.core(), &self.id) {
            // The next open ends it.
            Ok(_) | Err(crate::Error::Closed) => {}
            Err(error) => self.agent.core().tell(&AgentEvent::Failed { reason: error.to_string() }),
        }
    }
}
