//! Owns `VectorStore`: documents with their embeddings in a collection.
//!
//! Invariant: the memories of a document are written together, in the place of all earlier ones.

use std::collections::HashMap;

use altiplano::{Batch, Collection, CollectionOptions, Metric, Store};
use rig_core::embeddings::Embedding;
use rig_core::operation::Embedding as EmbeddingOp;
use rig_core::vector_store::{InsertDocuments, VectorStoreError};
use rig_core::{DynModel, Embed};
use serde::Serialize;

use crate::blocking::blocking;
use crate::document::Document;
use crate::{Error, VectorIndex};

/// Bytes from which on a batch is written: half of what the store takes at once.
const BATCH_BYTES: usize = 32 << 20;

/// Documents with their embeddings, in a collection of an Altiplano store.
///
/// A document has an id: see [`id_field`](Self::id_field). Inserting it again replaces it, with all
/// its embeddings, in one step that no reader sees half of. A call with up to some 32 MiB of
/// documents is written as a whole or not at all; a larger one is written in such parts.
///
/// An embedding with NaN, infinity, or under cosine only zeros, is left out: no search could return
/// it. A document with no other embedding is in no search.
///
/// A document takes the space of its JSON, at most 1 MiB, once for each embedding. Clones are
/// handles of the same documents.
#[derive(Clone, Debug)]
pub struct VectorStore {
    collection: Collection,
    id_field: Option<String>,
}

impl VectorStore {
    /// Opens or creates a collection of documents that are compared by cosine. The dimension is the
    /// number of floats of the model's vectors.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the name or the dimension is not valid, or if the collection has another
    /// dimension or metric.
    pub fn open(store: &Store, name: &str, dimension: usize) -> Result<Self, Error> {
        let options = CollectionOptions::new(dimension, Metric::Cosine);
        Ok(Self::new(store.collection(name, options)?))
    }

    /// Uses a collection that is open, with its metric and all its other options. It should have
    /// nothing but documents in it.
    pub fn new(collection: Collection) -> Self {
        Self { collection, id_field: None }
    }

    /// Takes the ids of documents from a field of theirs: a text, a number or a bool. Without one,
    /// the id is a hash of the document, so that only equal documents replace each other. An id has
    /// at most 1,024 bytes.
    #[must_use]
    pub fn id_field(mut self, field: impl Into<String>) -> Self {
        self.id_field = Some(field.into());
        self
    }

    /// Returns an index that searches the documents with the vectors of a model. It must be the
    /// model that made the embeddings.
    pub fn index(&self, model: impl Into<DynModel<EmbeddingOp>>) -> VectorIndex {
        VectorIndex::new(self.clone(), model.into())
    }

    /// Returns the collection, for all that rig has no calls for: lists, deletes, lifetimes.
    pub fn collection(&self) -> &Collection {
        &self.collection
    }

    /// Removes a document. Returns true if it was there.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store fails.
    pub async fn remove(&self, id: &str) -> Result<bool, Error> {
        let (collection, id) = (self.collection.clone(), id.to_owned());
        blocking(move || Ok(collection.delete_by_key(&id)? > 0)).await
    }

    /// Prepares documents; of several with one id, the last one.
    pub(crate) fn prepare<D: Serialize>(
        &self,
        documents: Vec<(D, Vec<Embedding>)>,
    ) -> Result<Vec<Document>, Error> {
        let metric = self.collection.settings().metric;
        let id_field = self.id_field.as_deref();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut prepared: Vec<Document> = Vec::with_capacity(documents.len());
        for (document, embeddings) in documents {
            let document = Document::new(&document, embeddings, id_field, metric)?;
            match places.get(&document.id) {
                Some(&place) => prepared[place] = document,
                None => {
                    places.insert(document.id.clone(), prepared.len());
                    prepared.push(document);
                }
            }
        }
        Ok(prepared)
    }

    /// Writes documents.
    pub(crate) async fn write(&self, documents: Vec<Document>) -> Result<(), Error> {
        let collection = self.collection.clone();
        blocking(move || {
            let mut batch = Batch::new();
            for document in documents {
                batch = document.write(batch);
                if batch.bytes() >= BATCH_BYTES {
                    collection.apply(std::mem::take(&mut batch))?;
                }
            }
            if !batch.is_empty() {
                collection.apply(batch)?;
            }
            Ok(())
        })
        .await
    }
}

impl InsertDocuments for VectorStore {
    async fn insert_documents<D: Serialize + Embed + Send>(
        &self,
        documents: Vec<(D, Vec<Embedding>)>,
    ) -> Result<(), VectorStoreError> {
        let documents = self.prepare(documents)?;
        Ok(self.write(documents).await?)
    }
}
