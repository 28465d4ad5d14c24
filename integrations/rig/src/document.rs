//! Owns how a document and its embeddings become memories, and how alike two vectors are.
//!
//! A document is one memory for each embedding. All of them have the document's id as their key and
//! the whole document as metadata, so that a filter finds its fields. The id of a memory is made of
//! the document's id and the embedding's number, and the text is what was embedded.

use altiplano::{Batch, Filter, Memory, MemoryId, Metric};
use rig_core::embeddings::Embedding;
use serde::Serialize;
use serde_json::Value;

use crate::Error;

/// What the memories of documents have as their kind.
pub(crate) const KIND: &str = "document";

/// Largest and smallest size of a vector's largest number that needs no scaling.
const RANGE: std::ops::RangeInclusive<f64> = 1e-15..=1e15;

/// A document that is ready to be written.
pub(crate) struct Document {
    pub(crate) id: String,
    json: String,
    /// The texts and their vectors. None of them is one that no search could return.
    vectors: Vec<(String, Vec<f32>)>,
}

impl Document {
    pub(crate) fn new(
        document: &impl Serialize,
        embeddings: Vec<Embedding>,
        id_field: Option<&str>,
        metric: Metric,
    ) -> Result<Self, Error> {
        let value = serde_json::to_value(document)?;
        let json = value.to_string();
        let id = match id_field {
            Some(field) => id_of(&value, field)?,
            None => MemoryId::from_key(&json).to_uuid_string(),
        };
        let usable = |embedding: Embedding| {
            let vector = narrow(&embedding.vec, metric)?;
            Some((embedding.document, vector))
        };
        let vectors = embeddings.into_iter().filter_map(usable).collect();
        Ok(Self { id, json, vectors })
    }

    /// Returns true if a search can find the document.
    pub(crate) fn can_be_found(&self) -> bool {
        !self.vectors.is_empty()
    }

    /// Adds the document to a batch, in the place of what has its id.
    pub(crate) fn write(self, batch: Batch) -> Batch {
        let mut batch = batch.delete_where(Filter::key(&self.id));
        for (number, (text, vector)) in self.vectors.into_iter().enumerate() {
            let memory = Memory::new(memory_id(&self.id, number), vector)
                .key(&self.id)
                .kind(KIND)
                .metadata_json(&self.json)
                .text(text);
            batch = batch.insert(memory);
        }
        batch
    }
}

/// Returns the id of the memory of a document's embedding.
pub(crate) fn memory_id(document: &str, number: usize) -> MemoryId {
    MemoryId::from_key(&format!("{number}:{document}"))
}

/// Returns the id that a document has in a field.
fn id_of(document: &Value, field: &str) -> Result<String, Error> {
    let fault = |reason| Err(Error::Id { field: field.to_owned(), reason });
    match document.get(field) {
        Some(Value::String(id)) if id.is_empty() => fault("is an empty text"),
        Some(Value::String(id)) => Ok(id.clone()),
        Some(id @ (Value::Number(_) | Value::Bool(_))) => Ok(id.to_string()),
        Some(_) => fault("is null, a list or an object"),
        None => fault("is missing"),
    }
}

/// Returns a vector as the store keeps it. `None` if no search could return it: if it has a number
/// that is not finite, or no direction under cosine.
pub(crate) fn narrow(vector: &[f64], metric: Metric) -> Option<Vec<f32>> {
    if vector.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let largest = vector.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
    // Under cosine the length does not matter, so it need not leave the range of f32.
    let scale = match metric {
        Metric::Cosine if largest == 0.0 => return None,
        Metric::Cosine if !RANGE.contains(&largest) => largest,
        _ => 1.0,
    };
    Some(vector.iter().map(|x| (x / scale) as f32).collect())
}

/// Returns how alike two vectors are, in f64: the cosine, the product, or 1 / (1 + distance²), as
/// the scores of the store.
pub(crate) fn similarity(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(x, y)| (f64::from(*x), f64::from(*y)));
    let dot = || pairs().map(|(x, y)| x * y).sum::<f64>();
    match metric {
        Metric::Cosine => {
            let length = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            dot() / (length(a) * length(b))
        }
        Metric::L2 => 1.0 / (1.0 + pairs().map(|(x, y)| (x - y).powi(2)).sum::<f64>()),
        _ => dot(),
    }
}
