//! A vector store, a memory of conversations and a long tail for [rig](rig_core), kept by the
//! Altiplano store.
//!
//! | type | trait of rig |
//! |---|---|
//! | [`VectorStore`] | `InsertDocuments` |
//! | [`VectorIndex`] | `VectorStoreIndex`, `InsertDocuments`, and so `PortableTool` |
//! | [`Conversations`] | `ConversationMemory` |
//! | [`LongTail`] | `DemotionHook` |
//! | [`embedding_model`] | makes an embedding model of an `altiplano::agent::Embedder` |
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("agent.alt");
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! use altiplano::agent::HashingEmbedder;
//! use altiplano_rig::{VectorStore, embedding_model};
//! use rig_core::embeddings::EmbeddingsBuilder;
//! use rig_core::vector_store::{InsertDocuments, VectorSearchRequest, VectorStoreIndex};
//!
//! let model = embedding_model(HashingEmbedder::new());
//! let store = VectorStore::open(&altiplano::Store::open(path)?, "documents", 256)?;
//! let texts = ["Ana likes green tea".to_owned(), "The exam is on 21 May".to_owned()];
//! let texts = EmbeddingsBuilder::new(model.clone()).documents(texts)?.build().await?;
//! store.insert_documents(texts).await?;
//!
//! let index = store.index(model);
//! let request = VectorSearchRequest::builder().query("when is the exam?").samples(1).build();
//! let found = index.top_n::<String>(request).await?;
//! assert_eq!(found[0].document, "The exam is on 21 May");
//! # Ok(()) })
//! # }
//! ```
//!
//! Calls of the store run on tokio's threads for blocking work. Outside of tokio they run in place.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod blocking;
mod conversation;
mod document;
mod error;
mod filter;
mod index;
mod long_tail;
mod model;
mod store;

pub use conversation::Conversations;
pub use error::Error;
pub use index::VectorIndex;
pub use long_tail::{Demoted, LongTail};
pub use model::embedding_model;
pub use store::VectorStore;
