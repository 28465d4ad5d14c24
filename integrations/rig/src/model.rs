//! Owns `embedding_model`: an embedder of Altiplano as an embedding model of rig.

use std::sync::Arc;

use altiplano::agent::Embedder;
use futures::stream;
use rig_core::driver::{Exchange, Local, Opened, Opening, Step, Transport};
use rig_core::embeddings::{Embedding, EmbeddingResponse};
use rig_core::operation::Embedding as EmbeddingOp;
use rig_core::wire::Capabilities;
use rig_core::{DynModel, Model, ProviderError};

use crate::Error;
use crate::blocking::blocking;

/// Texts of one call: enough for models that embed in batches, and little to wait for.
const MAX_TEXTS: usize = 64;

/// Makes an embedding model of rig of an [`Embedder`], for example of `altiplano_embed::MiniLm`. It
/// computes on tokio's threads for blocking work.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use altiplano::agent::HashingEmbedder;
/// let model = altiplano_rig::embedding_model(HashingEmbedder::new());
/// assert_eq!(model.embed_text("Ana likes green tea").await.unwrap().vec.len(), 256);
/// # })
/// ```
pub fn embedding_model(embedder: impl Embedder + 'static) -> DynModel<EmbeddingOp> {
    let capabilities = Capabilities::embedding(MAX_TEXTS, embedder.dimension());
    let wire = Local::new("altiplano").with_id(embedder.space()).with_capabilities(capabilities);
    Model::new(wire, Runtime(Arc::new(embedder))).erase()
}

#[derive(Clone)]
struct Runtime(Arc<dyn Embedder>);

impl Transport<Local<EmbeddingOp>> for Runtime {
    fn send(&self, texts: Vec<String>, _exchange: Exchange) -> Opening<Step<EmbeddingOp>> {
        let embedder = Arc::clone(&self.0);
        Opening::new(async move {
            let embeddings = blocking(move || embed(&*embedder, texts)).await;
            let embeddings =
                embeddings.map_err(|error| ProviderError::Provider(error.to_string()))?;
            let response = EmbeddingResponse::new(embeddings);
            Ok(Opened::new(stream::iter([Ok::<_, ProviderError>(Step::End(response))])))
        })
    }
}

fn embed(embedder: &dyn Embedder, texts: Vec<String>) -> Result<Vec<Embedding>, Error> {
    let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
    let vectors = embedder.embed(&borrowed);
    let vectors = vectors.map_err(|error| Error::Vector { reason: error.to_string() })?;
    if vectors.len() != texts.len() {
        let reason = format!("{} vectors for {} texts", vectors.len(), texts.len());
        return Err(Error::Vector { reason });
    }
    let wide = |vector: Vec<f32>| vector.into_iter().map(f64::from).collect();
    let pairs = texts.into_iter().zip(vectors);
    Ok(pairs.map(|(document, vector)| Embedding { document, vec: wide(vector) }).collect())
}
