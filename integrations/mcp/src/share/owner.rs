//! Owns the part of the process that has the store open: it carries out its own calls and those of
//! guests.
//!
//! Invariant: a call that found the store closed is not answered. The connection ends instead, and
//! the guest asks the next owner.

use std::path::PathBuf;
use std::sync::Arc;

use altiplano::agent::Agent;
use serde_json::Value;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, watch};

use super::Gone;
use super::frame;
use super::message::{Hello, Request, Response, VERSION, Welcome};
use super::place;
use crate::call::Call;
use crate::error::ToolError;
use crate::ops;

/// Most calls of one guest that are carried out at once.
const AT_ONCE: usize = 16;
/// Most answers of one guest that wait to be written.
const WAITING: usize = 64;

/// The process that has the store open.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    agent: Agent,
    embedder: String,
    /// Where guests connect; `None` if there is no such place.
    socket: Option<PathBuf>,
    /// True once the store is closed.
    is_over: watch::Sender<bool>,
}

impl Owner {
    /// Begins to serve an agent that was opened.
    pub(super) fn start(agent: Agent, embedder: String, places: &[PathBuf]) -> Self {
        let listener = match place::listen(places) {
            Ok(listener) => Some(listener),
            Err(error) => {
                eprintln!("altiplano-mcp: other servers cannot share the store: {error}");
                None
            }
        };
        let (listener, socket) = listener.unzip();
        let shared = Shared { agent, embedder, socket, is_over: watch::Sender::new(false) };
        let owner = Self { shared: Arc::new(shared) };
        if let Some(listener) = listener {
            tokio::spawn(accept(owner.clone(), listener));
        }
        owner
    }

    pub(super) fn is_over(&self) -> bool {
        *self.shared.is_over.borrow()
    }

    /// Waits until the store is closed.
    async fn over(&self) {
        let _ = self.shared.is_over.subscribe().wait_for(|over| *over).await;
    }

    /// Carries out a call.
    pub(super) async fn call(&self, call: Call) -> Result<Result<Value, ToolError>, Gone> {
        let agent = self.shared.agent.clone();
        let done = tokio::task::spawn_blocking(move || ops::run(&agent, &call)).await;
        let result = done.unwrap_or_else(|error| {
            Err(ToolError::new(format!("the call failed inside the server: {error}")))
        });
        match result {
            Err(error) if error.is_gone() => {
                self.shared.is_over.send_replace(true);
                Err(Gone)
            }
            result => Ok(result),
        }
    }

    /// Closes the store, so that a guest can take it over.
    pub(super) async fn close(&self) {
        // Before the lock of the store is released: the next owner makes a socket of its own.
        if let Some(socket) = &self.shared.socket
            && !self.is_over()
        {
            let _ = std::fs::remove_file(socket);
        }
        let agent = self.shared.agent.clone();
        let closed = tokio::task::spawn_blocking(move || agent.close()).await;
        if let Ok(Err(error)) = closed {
            eprintln!("altiplano-mcp: the store was not closed cleanly: {error}");
        }
        self.shared.is_over.send_replace(true);
    }
}

async fn accept(owner: Owner, listener: UnixListener) {
    loop {
        tokio::select! {
            guest = listener.accept() => match guest {
                Ok((stream, _)) => {
                    tokio::spawn(serve(owner.clone(), stream));
                }
                // Too many open files, for example.
                Err(error) => {
                    eprintln!("altiplano-mcp: a server cannot connect: {error}");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
            () = owner.over() => return,
        }
    }
}

/// Serves one guest until it leaves or the store is closed.
async fn serve(owner: Owner, stream: UnixStream) {
    tokio::select! {
        served = talk(&owner, stream) => if let Err(error) = served {
            eprintln!("altiplano-mcp: a guest left: {error}");
        },
        () = owner.over() => {}
    }
}

async fn talk(owner: &Owner, stream: UnixStream) -> std::io::Result<()> {
    if stream.peer_cred()?.uid() != place::own_user()? {
        return Err(std::io::Error::other("it is of another user"));
    }
    let (mut from, mut to) = stream.into_split();
    let Some(hello) = frame::read::<Hello>(&mut from).await? else { return Ok(()) };
    if let Some(reason) = refusal(&owner.shared.embedder, &hello) {
        return frame::write(&mut to, &Welcome::No { reason }).await;
    }
    frame::write(&mut to, &Welcome::Yes { process: std::process::id() }).await?;
    let (answers, mut waiting) = mpsc::channel::<Response>(WAITING);
    let writer = tokio::spawn(async move {
        while let Some(answer) = waiting.recv().await {
            if frame::write(&mut to, &answer).await.is_err() {
                return;
            }
        }
    });
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(request) = frame::read::<Request>(&mut from).await? {
        let Ok(permit) = Arc::clone(&at_once).acquire_owned().await else { break };
        let (owner, answers) = (owner.clone(), answers.clone());
        tokio::spawn(async move {
            if let Ok(result) = owner.call(request.call).await {
                let _ = answers.send(Response { number: request.number, result }).await;
            }
            drop(permit);
        });
    }
    drop(answers);
    let _ = writer.await;
    Ok(())
}

/// Returns why a guest cannot be served.
fn refusal(own: &str, hello: &Hello) -> Option<String> {
    if hello.version != VERSION {
        let reason = "another version of altiplano-mcp has the store open; end all servers of the \
                      store, and start them in the same version";
        return Some(reason.to_owned());
    }
    let theirs = &hello.embedder;
    (theirs != own).then(|| {
        let way_out = "start all servers of a store with the same model";
        format!("the store is open with the embedder {own:?}, not {theirs:?}; {way_out}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_of_another_version_or_model_is_refused() {
        let hello = |version, embedder: &str| Hello { version, embedder: embedder.to_owned() };
        assert_eq!(refusal("hashing", &hello(VERSION, "hashing")), None);
        assert!(refusal("hashing", &hello(VERSION + 1, "hashing")).unwrap().contains("version"));
        assert!(refusal("hashing", &hello(VERSION, "minilm")).unwrap().contains("minilm"));
    }
}
