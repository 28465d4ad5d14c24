//! What the tests share: documents, embeddings, and a model whose vectors are in its texts.
#![allow(dead_code, reason = "each test uses a part")]

use altiplano::agent::{BoxError, Embedder};
use rig_core::DynModel;
use rig_core::Embed;
use rig_core::embeddings::{EmbedError, Embedding, TextEmbedder};
use rig_core::operation::Embedding as EmbeddingOp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A document that is any JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JsonDocument(pub Value);

impl Embed for JsonDocument {
    fn embed(&self, embedder: &mut TextEmbedder) -> Result<(), EmbedError> {
        embedder.embed(self.0.to_string());
        Ok(())
    }
}

/// An embedder whose texts are their vectors: "1 0 2". It counts the texts.
#[derive(Default)]
pub struct Fixed {
    pub count: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl Fixed {
    pub fn model() -> DynModel<EmbeddingOp> {
        altiplano_rig::embedding_model(Self::default())
    }
}

impl Embedder for Fixed {
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, BoxError> {
        self.count.fetch_add(texts.len(), std::sync::atomic::Ordering::Relaxed);
        let one = |text: &&str| text.split(' ').map(|x| Ok(x.parse()?)).collect();
        texts.iter().map(one).collect()
    }

    fn space(&self) -> &str {
        "fixed"
    }

    fn dimension(&self) -> usize {
        3
    }
}

pub fn embedding(text: &str, vector: impl Into<Vec<f64>>) -> Embedding {
    Embedding { document: text.to_owned(), vec: vector.into() }
}

/// Runs a future as an application on tokio does.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap().block_on(future)
}

/// Returns how many cases of a property are tried: ten times as many if all is to be tested.
pub fn cases(usual: u32) -> u32 {
    let full = std::env::var("ALTIPLANO_INTEGRATIONS").is_ok_and(|value| value == "full");
    if full { usual * 10 } else { usual }
}
