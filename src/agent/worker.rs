//! Owns the thread that carries out the rules of an agent, and its bell.
//!
//! Invariant: the thread holds the agent only while it works, so an agent that nobody uses any more
//! is closed.

use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::core::{Core, lock};
use super::event::AgentEvent;
use super::tidy::tidy;
use crate::Error;

/// The longest time between two passes.
const EVERY: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct State {
    is_closed: bool,
    /// A pass was asked for.
    is_asked: bool,
}

#[derive(Debug, Default)]
struct Bell {
    state: Mutex<State>,
    rings: Condvar,
}

/// The thread of an agent.
#[derive(Debug)]
pub(super) struct Worker {
    bell: Arc<Bell>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Worker {
    /// Starts the thread.
    pub(super) fn start(core: &Arc<Core>) -> Result<Self, Error> {
        let bell = Arc::new(Bell::default());
        let (core, own) = (Arc::downgrade(core), Arc::clone(&bell));
        let thread = thread::Builder::new()
            .name("altiplano-agent".to_owned())
            .spawn(move || work(&core, &own))
            .map_err(|error| Error::Callback { part: "thread", source: error.into() })?;
        Ok(Self { bell, thread: Mutex::new(Some(thread)) })
    }

    /// Asks for a pass.
    pub(super) fn ring(&self) {
        lock(&self.bell.state).is_asked = true;
        self.bell.rings.notify_all();
    }

    /// Ends the thread, and waits for it unless it is the caller.
    pub(super) fn close(&self) {
        lock(&self.bell.state).is_closed = true;
        self.bell.rings.notify_all();
        if let Some(thread) = lock(&self.thread).take()
            && thread.thread().id() != thread::current().id()
        {
            // A panic of a listener ended it; there is nothing left to do about that.
            drop(thread.join());
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.close();
    }
}

fn work(core: &Weak<Core>, bell: &Bell) {
    loop {
        let state = lock(&bell.state);
        let is_quiet = |state: &mut State| !state.is_closed && !state.is_asked;
        let waited = bell.rings.wait_timeout_while(state, EVERY, is_quiet);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_asked = false;
        if state.is_closed {
            return;
        }
        drop(state);
        let Some(core) = core.upgrade() else { return };
        match tidy(&core) {
            Ok(_) => {}
            Err(Error::Closed) => return,
            Err(error) => core.tell(&AgentEvent::Failed { reason: error.to_string() }),
        }
    }
}
