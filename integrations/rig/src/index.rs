//! Owns `VectorIndex`: searches for documents.
//!
//! A document's score is that of its best embedding, and documents of equal score are ordered by
//! their ids. The store finds the nearest embeddings in f32. The index takes some more than needed,
//! computes their scores in f64 and orders them by that.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::fmt;

use altiplano::{Fields, Filter, Hit, Memory, Metric};
use rig_core::DynModel;
use rig_core::Embed;
use rig_core::embeddings::Embedding;
use rig_core::operation::Embedding as EmbeddingOp;
use rig_core::vector_store::request::Filter as RigFilter;
use rig_core::vector_store::{
    InsertDocuments, VectorSearchIdResult, VectorSearchRequest, VectorSearchResult,
    VectorStoreError, VectorStoreIndex,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::blocking::blocking;
use crate::document::{KIND, narrow, similarity};
use crate::filter::translate;
use crate::{Error, VectorStore};

/// Most hits of one search of the store.
const MAX_HITS: usize = 1 << 20;

/// By how much distances in f32 may be wrong, relative to 1 or to the distance.
const SLACK: f32 = 1e-5;

/// A [`VectorStore`] with the model that embeds questions.
///
/// Results are the same as those of rig's `InMemoryVectorStore` on the same documents, with every
/// filter, within the rounding of vectors to f32. Scores are cosines, and for collections with
/// other metrics the product or 1 / (1 + distance²). From some 30,000 embeddings on, a graph finds
/// them, with a recall of 0.95 or more; [`exact`](Self::exact) measures all.
#[derive(Clone)]
pub struct VectorIndex {
    store: VectorStore,
    model: DynModel<EmbeddingOp>,
    only: Filter,
    exact: bool,
}

/// A document that was found.
struct Found {
    score: f64,
    id: String,
    json: String,
}

/// What is looked for.
struct Question {
    vector: Vec<f32>,
    samples: u64,
    threshold: Option<f64>,
    filter: Option<RigFilter<Value>>,
}

impl VectorIndex {
    pub(crate) fn new(store: VectorStore, model: DynModel<EmbeddingOp>) -> Self {
        Self { store, model, only: Filter::kind(KIND), exact: false }
    }

    /// Searches only documents that match a filter of Altiplano, beside that of each request.
    #[must_use]
    pub fn only(mut self, filter: Filter) -> Self {
        self.only = self.only.and(filter);
        self
    }

    /// Measures every embedding, whatever that costs.
    #[must_use]
    pub fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    /// Returns the documents that are searched.
    pub fn store(&self) -> &VectorStore {
        &self.store
    }

    async fn find(
        &self,
        request: VectorSearchRequest<RigFilter<Value>>,
    ) -> Result<Vec<Found>, VectorStoreError> {
        if request.samples() == 0 {
            return Ok(Vec::new());
        }
        let query = self.model.embed_text(request.query()).await?;
        let metric = self.store.collection().settings().metric;
        // Nothing is like a question without a direction.
        let Some(vector) = narrow(&query.vec, metric) else { return Ok(Vec::new()) };
        let question = Question {
            vector,
            samples: request.samples(),
            threshold: request.threshold(),
            filter: request.filter().cloned(),
        };
        let index = self.clone();
        Ok(blocking(move || index.answer(&question)).await?)
    }

    fn answer(&self, question: &Question) -> Result<Vec<Found>, Error> {
        let embeddings = self.store.collection().len()?;
        let samples = question.samples.min(embeddings);
        if samples == 0 {
            return Ok(Vec::new());
        }
        let most = MAX_HITS as u64 - 1;
        if samples > most {
            return Err(Error::Samples { requested: question.samples, most });
        }
        let wanted = samples as usize;
        let mut k = (wanted + 1).next_power_of_two();
        loop {
            let hits = self.search(question, k)?;
            if k == MAX_HITS || hits.len() < k || has_enough(&hits, wanted) {
                return Ok(rank(hits, question, self.metric(), wanted));
            }
            k = (k * 2).min(MAX_HITS);
        }
    }

    fn search(&self, question: &Question, k: usize) -> Result<Vec<Hit>, Error> {
        let collection = self.store.collection();
        let search = collection.search(&question.vector).k(k).fields(Fields::All);
        let mut search = search.filter(self.only.clone());
        if self.exact {
            search = search.exact();
        }
        if let Some(filter) = &question.filter {
            let translated = translate(filter);
            search = search.filter(translated.filter);
            if !translated.is_exact {
                search = search.filter_fn(|memory| satisfies(memory, filter));
            }
        }
        if let (Metric::Cosine, Some(threshold @ -1.0..=1.0)) = (self.metric(), question.threshold)
        {
            search = search.min_score(threshold as f32 - 10.0 * SLACK);
        }
        Ok(search.run()?)
    }

    fn metric(&self) -> Metric {
        self.store.collection().settings().metric
    }
}

/// Decides as rig does.
fn satisfies(memory: &Memory, filter: &RigFilter<Value>) -> bool {
    let json = memory.metadata_as_json().unwrap_or("null");
    serde_json::from_str(json).is_ok_and(|document| filter.satisfies(&document))
}

/// Returns true if the hits are of as many documents as are wanted, and go on until no further one
/// could be among them.
fn has_enough(hits: &[Hit], wanted: usize) -> bool {
    let mut documents = HashSet::new();
    let last = hits.iter().find(|hit| {
        documents.insert(key(hit));
        documents.len() == wanted
    });
    let (Some(last), Some(end)) = (last, hits.last()) else { return false };
    end.distance > last.distance + SLACK * last.distance.abs().max(1.0)
}

fn key(hit: &Hit) -> &str {
    hit.memory.as_ref().and_then(|memory| memory.key.as_deref()).unwrap_or_default()
}

/// Returns the best documents by their scores in f64.
fn rank(hits: Vec<Hit>, question: &Question, metric: Metric, wanted: usize) -> Vec<Found> {
    let mut best: HashMap<String, Found> = HashMap::new();
    for memory in hits.into_iter().filter_map(|hit| hit.memory) {
        let score = similarity(metric, &question.vector, &memory.vector);
        let is_low = question.threshold.is_some_and(|threshold| score < threshold);
        if !score.is_finite() || is_low {
            continue;
        }
        let json = memory.metadata_as_json().unwrap_or("null").to_owned();
        let id = memory.key.unwrap_or_default();
        match best.get_mut(&id) {
            Some(found) => found.score = found.score.max(score),
            None => {
                best.insert(id.clone(), Found { score, id, json });
            }
        }
    }
    let mut found: Vec<Found> = best.into_values().collect();
    // All scores are finite, so they have an order.
    let by_score = |a: &Found, b: &Found| b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal);
    found.sort_by(|a, b| by_score(a, b).then_with(|| a.id.cmp(&b.id)));
    found.truncate(wanted);
    found
}

impl VectorStoreIndex for VectorIndex {
    type Filter = RigFilter<Value>;

    async fn top_n<T: DeserializeOwned + Send>(
        &self,
        request: VectorSearchRequest<Self::Filter>,
    ) -> Result<Vec<VectorSearchResult<T>>, VectorStoreError> {
        let mut results = Vec::new();
        for Found { score, id, json } in self.find(request).await? {
            results.push(VectorSearchResult { score, id, document: serde_json::from_str(&json)? });
        }
        Ok(results)
    }

    async fn top_n_ids(
        &self,
        request: VectorSearchRequest<Self::Filter>,
    ) -> Result<Vec<VectorSearchIdResult>, VectorStoreError> {
        let found = self.find(request).await?.into_iter();
        Ok(found.map(|Found { score, id, .. }| VectorSearchIdResult { score, id }).collect())
    }
}

impl InsertDocuments for VectorIndex {
    async fn insert_documents<D: Serialize + Embed + Send>(
        &self,
        documents: Vec<(D, Vec<Embedding>)>,
    ) -> Result<(), VectorStoreError> {
        self.store.insert_documents(documents).await
    }
}

impl fmt::Debug for VectorIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VectorIndex")
            .field("store", &self.store)
            .field("model", &self.model)
            .field("only", &self.only)
            .field("exact", &self.exact)
            .finish()
    }
}
