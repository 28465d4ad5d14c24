//! Owns `LongTail`: messages that left the active history, to be found by meaning.
//!
//! Invariant: a message of a conversation is there once, however often it is handed over, also
//! after a restart. Its id is made of the conversation and the content.

use altiplano::MemoryId;
use rig_core::DynModel;
use rig_core::completion::Message;
use rig_core::embeddings::Embedding;
use rig_core::id::ConversationId;
use rig_core::memory::{DemotionHook, MemoryError};
use rig_core::operation::Embedding as EmbeddingOp;
use rig_core::wasm_compat::WasmBoxedFuture;
use serde::{Deserialize, Serialize};

use crate::blocking::blocking;
use crate::conversation::text_of;
use crate::document::{Document, memory_id};
use crate::{Error, VectorIndex, VectorStore};

/// A message that left the active history, as a document of the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Demoted {
    /// A hash of the conversation and the message.
    pub id: String,
    /// The conversation.
    pub conversation: String,
    /// What is said in the message: what was embedded.
    pub text: String,
    /// The message.
    pub message: Message,
}

/// Keeps messages that leave the active history of a conversation, so that an index finds them.
///
/// It embeds only what it has not kept yet. Handing over the same messages again changes nothing.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("agent.alt");
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use altiplano::agent::HashingEmbedder;
/// use altiplano_rig::{Demoted, LongTail, VectorStore, embedding_model};
/// use rig_core::completion::Message;
/// use rig_core::memory::DemotionHook;
/// use rig_core::vector_store::{VectorSearchRequest, VectorStoreIndex};
///
/// let store = altiplano::Store::open(path).unwrap();
/// let documents = VectorStore::open(&store, "long-tail", 256).unwrap();
/// let tail = LongTail::new(&documents, embedding_model(HashingEmbedder::new()));
/// tail.on_demote(&"ana".into(), vec![Message::user("I like green tea")]).await.unwrap();
///
/// let request = VectorSearchRequest::builder().query("tea").samples(1).build();
/// let found = tail.index().top_n::<Demoted>(request).await.unwrap();
/// assert_eq!(found[0].document.text, "I like green tea");
/// # })
/// ```
#[derive(Clone, Debug)]
pub struct LongTail {
    store: VectorStore,
    model: DynModel<EmbeddingOp>,
}

impl LongTail {
    /// Keeps messages in this store, with the vectors of this model.
    pub fn new(store: &VectorStore, model: impl Into<DynModel<EmbeddingOp>>) -> Self {
        Self { store: store.clone().id_field("id"), model: model.into() }
    }

    /// Returns an index that finds the messages, as [`Demoted`]. A filter on the field
    /// `conversation` limits it to one conversation.
    pub fn index(&self) -> VectorIndex {
        self.store.index(self.model.clone())
    }

    async fn keep(&self, id: &ConversationId, messages: Vec<Message>) -> Result<(), Error> {
        let mut demoted = Vec::with_capacity(messages.len());
        for message in messages {
            demoted.push(Demoted::new(id, message)?);
        }
        let collection = self.store.collection().clone();
        let missing = blocking(move || {
            let mut missing = Vec::new();
            for one in demoted {
                if !collection.contains(memory_id(&one.id, 0))? {
                    missing.push(one);
                }
            }
            Ok(missing)
        });
        let missing = missing.await?;
        let at_once = self.model.capabilities().max_documents.max(1);
        for part in missing.chunks(at_once) {
            let documents = self.embed(part).await?;
            self.store.write(documents).await?;
        }
        Ok(())
    }

    async fn embed(&self, messages: &[Demoted]) -> Result<Vec<Document>, Error> {
        let texts: Vec<String> = messages.iter().map(|one| one.text.clone()).collect();
        let failed = |reason: String| Error::Vector { reason };
        let response = self.model.call(texts).await;
        let embeddings = response.map_err(|error| failed(error.to_string()))?.embeddings;
        if embeddings.len() != messages.len() {
            let (got, asked) = (embeddings.len(), messages.len());
            return Err(failed(format!("{got} vectors for {asked} texts")));
        }
        let pairs: Vec<(&Demoted, Vec<Embedding>)> =
            messages.iter().zip(embeddings.into_iter().map(|embedding| vec![embedding])).collect();
        let documents = self.store.prepare(pairs)?;
        match documents.iter().all(Document::can_be_found) {
            true => Ok(documents),
            false => Err(failed("it is not finite, or has no direction".to_owned())),
        }
    }
}

impl Demoted {
    fn new(conversation: &ConversationId, message: Message) -> Result<Self, Error> {
        let conversation = conversation.as_str().to_owned();
        let json = serde_json::to_string(&message)?;
        // With the length in front, no two conversations and messages look the same.
        let key = format!("{}:{conversation}{json}", conversation.len());
        let id = MemoryId::from_key(&key).to_uuid_string();
        let text = text_of(&message);
        // A call of a tool or a picture has no text; its description is embedded.
        let text = if text.trim().is_empty() { json } else { text };
        Ok(Self { id, conversation, text, message })
    }
}

impl DemotionHook for LongTail {
    fn on_demote<'a>(
        &'a self,
        conversation_id: &'a ConversationId,
        messages: Vec<Message>,
    ) -> WasmBoxedFuture<'a, Result<(), MemoryError>> {
        Box::pin(async move { Ok(self.keep(conversation_id, messages).await?) })
    }
}
