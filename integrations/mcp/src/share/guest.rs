//! Owns the part of a process that has found the store open in another one: it hands its calls on.
//!
//! Invariant: when the connection ends, every call that waits learns it at once.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot, watch};

use super::Gone;
use super::frame;
use super::message::{Hello, Request, Response, VERSION, Welcome};
use super::place;
use crate::call::Call;
use crate::error::ToolError;

/// How long the owner may take to say whether it takes calls.
const GREETING: Duration = Duration::from_millis(500);
/// How long a call may take before the guest stops waiting. Nothing that works takes so long.
const ANSWER: Duration = Duration::from_secs(30);
/// Most calls that wait to be sent.
const WAITING: usize = 64;

type Answers = HashMap<u64, oneshot::Sender<Result<Value, ToolError>>>;

/// A connection to the owner.
#[derive(Clone, Debug)]
pub(super) struct Guest {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    owner: u32,
    next: AtomicU64,
    frames: mpsc::Sender<Vec<u8>>,
    /// `None` once the connection has ended.
    answers: Mutex<Option<Answers>>,
    is_over: watch::Sender<bool>,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum NoGuest {
    /// Nobody listens, or not any more.
    Nobody,
    /// The owner does not take calls of this process.
    Refused(String),
}

impl Guest {
    /// Connects to the owner.
    pub(super) async fn connect(places: &[PathBuf], embedder: &str) -> Result<Self, NoGuest> {
        for place in places {
            let Ok(stream) = UnixStream::connect(place).await else { continue };
            match tokio::time::timeout(GREETING, greet(stream, embedder)).await {
                Ok(Err(NoGuest::Nobody)) | Err(_) => {}
                Ok(result) => return result,
            }
        }
        Err(NoGuest::Nobody)
    }

    pub(super) fn is_over(&self) -> bool {
        *self.shared.is_over.borrow()
    }

    /// Waits until the connection ends.
    pub(super) async fn over(&self) {
        let _ = self.shared.is_over.subscribe().wait_for(|over| *over).await;
    }

    /// Hands a call to the owner.
    pub(super) async fn call(&self, call: Call) -> Result<Result<Value, ToolError>, Gone> {
        let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let frame = match frame::encode(&Request { number, call }) {
            Ok(frame) => frame,
            Err(error) => return Ok(Err(ToolError::new(error.to_string()))),
        };
        let answer = self.shared.expect(number).ok_or(Gone)?;
        if self.shared.frames.send(frame).await.is_err() {
            // The receiving side may not have seen it yet, and nobody shall ask this owner again.
            self.shared.end();
            return Err(Gone);
        }
        let answered = tokio::time::timeout(ANSWER, answer).await;
        self.shared.with_answers(|answers| _ = answers.remove(&number));
        match answered {
            Ok(answer) => answer.map_err(|_| Gone),
            Err(_) => Ok(Err(ToolError::new(format!(
                "process {}, which has the store open, did not answer for {} seconds; whether the \
                 call was carried out is not known; end that process, and look before you try again",
                self.shared.owner,
                ANSWER.as_secs()
            )))),
        }
    }
}

impl Shared {
    /// Notes that an answer is awaited; `None` if none can come any more.
    fn expect(&self, number: u64) -> Option<oneshot::Receiver<Result<Value, ToolError>>> {
        let (sender, receiver) = oneshot::channel();
        self.with_answers(|answers| _ = answers.insert(number, sender)).map(|()| receiver)
    }

    fn with_answers<T>(&self, change: impl FnOnce(&mut Answers) -> T) -> Option<T> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(change)
    }

    /// Ends the connection. Dropping the senders tells those that wait.
    fn end(&self) {
        self.is_over.send_replace(true);
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

async fn greet(stream: UnixStream, embedder: &str) -> Result<Guest, NoGuest> {
    let nobody = |_| NoGuest::Nobody;
    let (peer, own) = (stream.peer_cred().map_err(nobody)?, place::own_user().map_err(nobody)?);
    if peer.uid() != own {
        return Err(NoGuest::Refused("the socket of the store is of another user".to_owned()));
    }
    let (mut from, mut to) = stream.into_split();
    let hello = Hello { version: VERSION, embedder: embedder.to_owned() };
    frame::write(&mut to, &hello).await.map_err(nobody)?;
    let owner = match frame::read(&mut from).await.map_err(nobody)? {
        Some(Welcome::Yes { process }) => process,
        Some(Welcome::No { reason }) => return Err(NoGuest::Refused(reason)),
        None => return Err(NoGuest::Nobody),
    };
    let (frames, waiting) = mpsc::channel(WAITING);
    let shared = Arc::new(Shared {
        owner,
        next: AtomicU64::new(0),
        frames,
        answers: Mutex::new(Some(HashMap::new())),
        is_over: watch::Sender::new(false),
    });
    tokio::spawn(send(to, waiting));
    tokio::spawn(receive(from, Arc::clone(&shared)));
    Ok(Guest { shared })
}

async fn send(mut to: OwnedWriteHalf, mut waiting: mpsc::Receiver<Vec<u8>>) {
    use tokio::io::AsyncWriteExt;
    while let Some(frame) = waiting.recv().await {
        // The receiving side learns that the connection has ended.
        if to.write_all(&frame).await.is_err() {
            return;
        }
    }
}

async fn receive(mut from: OwnedReadHalf, shared: Arc<Shared>) {
    while let Ok(Some(Response { number, result })) = frame::read(&mut from).await {
        if let Some(Some(waiting)) = shared.with_answers(|answers| answers.remove(&number)) {
            let _ = waiting.send(result);
        }
    }
    shared.end();
}
