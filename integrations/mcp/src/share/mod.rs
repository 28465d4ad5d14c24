//! Owns how several server processes share one store: who opens it, who connects to whom, and what
//! becomes of a call when the owner dies.
//!
//! The lock of the store decides who the owner is. All others are guests of the owner. When it
//! goes, even by SIGKILL, each guest tries to open the store; one of them succeeds and the rest
//! connect to it. A call that was under way is made again under the same name, so that a write is
//! done once.

mod frame;
mod guest;
mod message;
mod owner;
mod place;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use altiplano::agent::Agent;
use altiplano::{Error, MemoryId, Store};
use serde_json::Value;
use tokio::sync::{Mutex, Notify};

use crate::call::{Call, Op, Origin};
use crate::embedder::EmbedderChoice;
use crate::error::ToolError;
use guest::{Guest, NoGuest};
use owner::Owner;

/// How long a process looks for an owner or for the lock before it gives up.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// First and longest pause between two looks.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));
/// How often a call is made before it is given up. Each time, an owner must have died.
const ATTEMPTS: usize = 50;

/// The call was not answered, because the store or its owner went away.
#[derive(Debug)]
struct Gone;

/// How a process reaches the store.
#[derive(Clone, Debug)]
enum Role {
    Owner(Owner),
    Guest(Guest),
}

/// What the store is opened with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory of the store.
    pub store: PathBuf,
    /// The model.
    pub embedder: EmbedderChoice,
    /// Whether memories of another model get new vectors.
    pub reembed: bool,
    /// What goes with every call.
    pub origin: Origin,
}

/// The store, as one of several processes reaches it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SharedStore {
    settings: Arc<Settings>,
    state: Arc<Mutex<State>>,
    /// Told when the store is reached.
    reached: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    role: Option<Role>,
    /// The last failure to reach the store, so that calls that waited for it do not wait again.
    failure: Option<(Instant, ToolError)>,
    is_closed: bool,
}

impl Role {
    fn is_over(&self) -> bool {
        match self {
            Self::Owner(owner) => owner.is_over(),
            Self::Guest(guest) => guest.is_over(),
        }
    }

    async fn call(&self, call: Call) -> Result<Result<Value, ToolError>, Gone> {
        match self {
            Self::Owner(owner) => owner.call(call).await,
            Self::Guest(guest) => guest.call(call).await,
        }
    }
}

impl SharedStore {
    /// Returns a store that is not reached yet. The first call does that, or
    /// [`SharedStore::follow`].
    pub fn new(settings: Settings) -> Self {
        Self { settings: Arc::new(settings), state: Arc::default(), reached: Arc::default() }
    }

    /// Opens the store or connects to its owner, and follows an owner that goes at once, not at the
    /// next call. Returns when the store is closed.
    pub async fn follow(self) {
        loop {
            match self.role(Instant::now()).await {
                Ok(Role::Guest(guest)) => guest.over().await,
                Ok(Role::Owner(_)) => self.reached.notified().await,
                Err(error) => {
                    if self.state.lock().await.is_closed {
                        return;
                    }
                    eprintln!("altiplano-mcp: {error}");
                    self.reached.notified().await;
                }
            }
        }
    }

    /// Carries out a tool.
    ///
    /// # Errors
    ///
    /// What keeps it from being carried out, for the model to read.
    pub async fn call(&self, op: Op) -> Result<Value, ToolError> {
        let origin = self.settings.origin.clone();
        let mut call = Call { op, origin, write: MemoryId::unique(), is_retry: false };
        for _ in 0..ATTEMPTS {
            let role = self.role(Instant::now()).await?;
            if let Ok(result) = role.call(call.clone()).await {
                return result;
            }
            call.is_retry = true;
        }
        Err(ToolError::new("the processes that open the store keep ending; look into their logs"))
    }

    /// Leaves the store, so that another process can take it over at once.
    pub async fn close(&self) {
        let mut state = self.state.lock().await;
        state.is_closed = true;
        if let Some(Role::Owner(owner)) = state.role.take() {
            owner.close().await;
        }
    }

    /// Returns how the store is reached, and reaches it if need be.
    async fn role(&self, asked: Instant) -> Result<Role, ToolError> {
        let mut state = self.state.lock().await;
        if state.is_closed {
            return Err(ToolError::new("the server is ending"));
        }
        match &state.role {
            Some(role) if !role.is_over() => return Ok(role.clone()),
            // A store that cannot be written any more is opened again.
            Some(Role::Owner(owner)) => owner.close().await,
            _ => {}
        }
        state.role = None;
        if let Some((at, error)) = &state.failure
            && *at > asked
        {
            return Err(error.clone());
        }
        let role = self.find_role().await;
        match &role {
            Ok(found) => {
                state.role = Some(found.clone());
                self.reached.notify_one();
            }
            Err(error) => state.failure = Some((Instant::now(), error.clone())),
        }
        role
    }

    async fn find_role(&self) -> Result<Role, ToolError> {
        let end = Instant::now() + PATIENCE;
        let (mut pause, longest) = PAUSES;
        loop {
            let settings = Arc::clone(&self.settings);
            let opened = tokio::task::spawn_blocking(move || open(&settings)).await;
            let opened = opened.map_err(|error| ToolError::new(error.to_string()))?;
            let places = place::candidates(&self.settings.store).unwrap_or_default();
            let embedder = self.settings.embedder.name();
            match opened {
                Ok(agent) => {
                    return Ok(Role::Owner(Owner::start(agent, embedder.to_owned(), &places)));
                }
                Err(NotOpened::Locked) => {}
                Err(NotOpened::Failed(error)) => return Err(error),
            }
            match Guest::connect(&places, embedder).await {
                Ok(guest) => return Ok(Role::Guest(guest)),
                Err(NoGuest::Refused(reason)) => return Err(ToolError::new(reason)),
                Err(NoGuest::Nobody) => {}
            }
            if Instant::now() >= end {
                return Err(ToolError::new(format!(
                    "the store {} is open in another program, or in a server that is still opening \
                     it; try again in a moment, or end that program",
                    self.settings.store.display()
                )));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }
}

/// Why the store was not opened.
enum NotOpened {
    Locked,
    Failed(ToolError),
}

/// Opens the store, and loads the model only if the store is not open elsewhere.
fn open(settings: &Settings) -> Result<Agent, NotOpened> {
    let store = Store::open(&settings.store).map_err(|error| match error {
        Error::Locked { .. } => NotOpened::Locked,
        error => NotOpened::Failed(error.into()),
    })?;
    let options = settings.embedder.options().map_err(NotOpened::Failed)?;
    let opened = options.reembed(settings.reembed).open_in(&store);
    opened.map_err(|error| NotOpened::Failed(error.into()))
}
