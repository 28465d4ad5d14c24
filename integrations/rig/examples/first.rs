//! The program of the README: puts two texts into a store and asks for one.

use altiplano::agent::HashingEmbedder;
use altiplano_rig::{VectorStore, embedding_model};
use rig_core::embeddings::EmbeddingsBuilder;
use rig_core::vector_store::{InsertDocuments, VectorSearchRequest, VectorStoreIndex};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = embedding_model(HashingEmbedder::new()); // or any model of rig
    let store = VectorStore::open(&altiplano::Store::open("agent.alt")?, "documents", 256)?;
    let texts = ["Ana likes green tea".to_owned(), "The exam is on 21 May".to_owned()];
    let texts = EmbeddingsBuilder::new(model.clone()).documents(texts)?.build().await?;
    store.insert_documents(texts).await?;

    let request = VectorSearchRequest::builder().query("when is the exam?").samples(1).build();
    println!("{}", store.index(model).top_n::<String>(request).await?[0].document);
    Ok(())
}
