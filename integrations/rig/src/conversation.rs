//! Owns `Conversations`: messages by conversation, in the order in which they were said.
//!
//! A message is a memory: its session is the conversation, its bytes are the message as JSON, and
//! its text is what is said in it. The vector says nothing.

use altiplano::{
    Batch, Collection, CollectionOptions, Cursor, Filter, Memory, MemoryId, Metric, Store,
};
use rig_core::completion::Message;
use rig_core::id::ConversationId;
use rig_core::memory::{ConversationMemory, MemoryError};
use rig_core::wasm_compat::WasmBoxedFuture;

use crate::Error;
use crate::blocking::blocking;

/// What the memories of messages have as their kind.
const KIND: &str = "message";

/// Messages that are read at once.
const PAGE: usize = 1_000;

/// Longest name of a session that is the id of its conversation, in bytes.
const MAX_NAME: usize = 900;

/// The histories of conversations, in a collection of an Altiplano store. They are there again in
/// the next process.
///
/// Messages of one call are written together. They are returned in the order in which they were
/// written. Which of them a model sees is for a policy of rig, or for lifetimes and
/// [`collection`](Self::collection). Clones are handles of the same conversations.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("agent.alt");
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use altiplano_rig::Conversations;
/// use rig_core::completion::Message;
/// use rig_core::memory::ConversationMemory;
///
/// let store = altiplano::Store::open(path).unwrap();
/// let conversations = Conversations::open(&store, "conversations").unwrap();
/// let ana = "ana".into();
/// conversations.append(&ana, vec![Message::user("I like green tea")]).await.unwrap();
/// assert_eq!(conversations.load(&ana).await.unwrap(), [Message::user("I like green tea")]);
/// # })
/// ```
#[derive(Clone, Debug)]
pub struct Conversations {
    collection: Collection,
}

impl Conversations {
    /// Opens or creates a collection of messages.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the name is not valid, or if the collection has another dimension or
    /// metric.
    pub fn open(store: &Store, name: &str) -> Result<Self, Error> {
        let collection = store.collection(name, CollectionOptions::new(1, Metric::L2))?;
        Ok(Self { collection })
    }

    /// Returns the collection, for all that rig has no calls for. The session of a memory is the
    /// conversation.
    pub fn collection(&self) -> &Collection {
        &self.collection
    }
}

/// Returns the name of the session of a conversation. An id that is too long for one is hashed.
fn session(id: &ConversationId) -> String {
    let id = id.as_str();
    if (1..=MAX_NAME).contains(&id.len()) && !id.starts_with("sha256:") {
        return id.to_owned();
    }
    format!("sha256:{}", MemoryId::from_key(id).to_uuid_string())
}

/// Returns the filter for the messages of a conversation.
fn of(session: &str) -> Filter {
    Filter::session(session).and(Filter::kind(KIND))
}

fn append(collection: &Collection, session: &str, messages: &[Message]) -> Result<(), Error> {
    let mut batch = Batch::new();
    for message in messages {
        let memory = Memory::new(MemoryId::unique(), [0.0])
            .session(session)
            .kind(KIND)
            .text(text_of(message))
            .bytes(serde_json::to_vec(message)?);
        batch = batch.insert(memory);
    }
    if !batch.is_empty() {
        collection.apply(batch)?;
    }
    Ok(())
}

fn load(collection: &Collection, session: &str) -> Result<Vec<Message>, Error> {
    let mut messages = Vec::new();
    let mut next: Option<Cursor> = None;
    loop {
        let list = collection.list().filter(of(session)).oldest_first();
        let page = list.limit(PAGE).after(next).run()?;
        for memory in &page.memories {
            messages.push(serde_json::from_slice(memory.bytes.as_deref().unwrap_or_default())?);
        }
        next = page.next;
        if next.is_none() {
            return Ok(messages);
        }
    }
}

/// Returns what is said in a message, without pictures, tools and other parts.
pub(crate) fn text_of(message: &Message) -> String {
    use rig_core::completion::message::{AssistantContent, UserContent};
    let mut parts: Vec<&str> = Vec::new();
    match message {
        Message::System { content } => parts.push(content),
        Message::User { content } => parts.extend(content.iter().filter_map(|part| match part {
            UserContent::Text(text) => Some(text.text.as_str()),
            _ => None,
        })),
        Message::Assistant(turn) => {
            parts.extend(turn.content.iter().filter_map(|part| match part {
                AssistantContent::Text(text) => Some(text.text.as_str()),
                _ => None,
            }));
        }
    }
    parts.join("\n")
}

impl ConversationMemory for Conversations {
    fn load<'a>(
        &'a self,
        conversation_id: &'a ConversationId,
    ) -> WasmBoxedFuture<'a, Result<Vec<Message>, MemoryError>> {
        let (collection, session) = (self.collection.clone(), session(conversation_id));
        Box::pin(async move { Ok(blocking(move || load(&collection, &session)).await?) })
    }

    fn append<'a>(
        &'a self,
        conversation_id: &'a ConversationId,
        messages: Vec<Message>,
    ) -> WasmBoxedFuture<'a, Result<(), MemoryError>> {
        let (collection, session) = (self.collection.clone(), session(conversation_id));
        Box::pin(
            async move { Ok(blocking(move || append(&collection, &session, &messages)).await?) },
        )
    }

    fn clear<'a>(
        &'a self,
        conversation_id: &'a ConversationId,
    ) -> WasmBoxedFuture<'a, Result<(), MemoryError>> {
        let (collection, session) = (self.collection.clone(), session(conversation_id));
        Box::pin(async move {
            let clear = move || collection.delete_where(of(&session)).map_err(Error::from);
            blocking(clear).await?;
            Ok(())
        })
    }
}
