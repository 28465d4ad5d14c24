//! The cases that a vector store must not get wrong, one by one.

mod common;

use std::sync::Arc;

use altiplano::agent::HashingEmbedder;
use altiplano::{CollectionOptions, Metric, Store};
use altiplano_rig::{VectorStore, embedding_model};
use common::{Fixed, JsonDocument, embedding, run};
use rig_core::embeddings::{Embedding, EmbeddingsBuilder};
use rig_core::test_utils::MockEmbeddings;
use rig_core::tool::PortableTool;
use rig_core::vector_store::request::{Filter, SearchFilter};
use rig_core::vector_store::{
    InsertDocuments, VectorSearchRequest, VectorStoreError, VectorStoreIndex,
};
use serde_json::{Value, json};

type Request = VectorSearchRequest<Filter<Value>>;

fn ask(query: &str, samples: u64) -> Request {
    VectorSearchRequest::builder().query(query).samples(samples).build()
}

fn document(id: &str, text: &str, vectors: &[[f64; 3]]) -> (JsonDocument, Vec<Embedding>) {
    let embeddings = vectors.iter().map(|vector| embedding(text, vector.to_vec())).collect();
    (JsonDocument(json!({"id": id, "text": text})), embeddings)
}

struct Opened {
    store: VectorStore,
    _dir: tempfile::TempDir,
}

fn open() -> Opened {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("agent.alt")).unwrap();
    let store = VectorStore::open(&store, "documents", 3).unwrap().id_field("id");
    Opened { store, _dir: dir }
}

async fn ids(store: &VectorStore, query: &str, samples: u64) -> Vec<String> {
    let index = store.index(Fixed::model());
    let found = index.top_n_ids(ask(query, samples)).await.unwrap();
    found.into_iter().map(|one| one.id).collect()
}

#[test]
fn the_best_embedding_of_a_document_counts_once() {
    run(async {
        let opened = open();
        let documents = vec![
            document("many", "x", &[[-1.0, 0.0, 0.0], [1.0, 0.1, 0.0], [1.0, 0.0, 0.0]]),
            document("one", "y", &[[1.0, 1.0, 0.0]]),
        ];
        opened.store.insert_documents(documents).await.unwrap();
        let index = opened.store.index(Fixed::model());
        let found = index.top_n::<Value>(ask("1 0 0", 5)).await.unwrap();
        let scores: Vec<(&str, f64)> = found.iter().map(|one| (&*one.id, one.score)).collect();
        assert_eq!(scores[0], ("many", 1.0));
        assert_eq!((scores.len(), scores[1].0), (2, "one"));
        assert_eq!(found[0].document["text"], "x");
        // Enough documents are found however many embeddings the first one has.
        let many: Vec<[f64; 3]> = (0..200).map(|x| [1.0, f64::from(x) / 1e4, 0.0]).collect();
        opened.store.insert_documents(vec![document("many", "x", &many)]).await.unwrap();
        assert_eq!(ids(&opened.store, "1 0 0", 2).await, ["many", "one"]);
    });
}

#[test]
fn writing_again_removes_what_was_there_and_leaves_others() {
    run(async {
        let opened = open();
        let store = &opened.store;
        let first = document("a", "old", &[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
        let other = document("b", "other", &[[0.0, 1.0, 0.0]]);
        store.insert_documents(vec![first, other]).await.unwrap();
        store.insert_documents(vec![document("a", "new", &[[0.0, 0.0, 1.0]])]).await.unwrap();
        assert_eq!(store.collection().len().unwrap(), 2);
        let index = store.index(Fixed::model());
        let found = index.top_n::<Value>(ask("1 0 0", 5)).await.unwrap();
        let found: Vec<_> = found.iter().map(|one| (&*one.id, one.score)).collect();
        assert_eq!(found, [("a", 0.0), ("b", 0.0)]);
        let found = index.top_n::<Value>(ask("0 0 1", 1)).await.unwrap();
        assert_eq!(found[0].document, json!({"id": "a", "text": "new"}));
        // The last of several documents with one id is the one that counts.
        let twice = vec![
            document("a", "third", &[[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]),
            document("a", "fourth", &[[1.0, 0.0, 0.0]]),
        ];
        store.insert_documents(twice).await.unwrap();
        assert_eq!(store.collection().len().unwrap(), 2);
        assert!(store.remove("a").await.unwrap());
        assert!(!store.remove("a").await.unwrap());
        assert_eq!(ids(store, "1 0 0", 5).await, ["b"]);
    });
}

#[test]
fn vectors_without_a_direction_never_rank() {
    run(async {
        let opened = open();
        let documents = vec![
            document("zero", "", &[[0.0, 0.0, 0.0]]),
            document("nan", "", &[[f64::NAN, 1.0, 0.0]]),
            document("infinite", "", &[[f64::INFINITY, 1.0, 0.0]]),
            document("mixed", "", &[[0.0; 3], [-1.0, 0.0, 0.0]]),
            document("huge", "", &[[1e200, 0.0, 0.0]]),
            document("tiny", "", &[[1e-200, 1e-200, 0.0]]),
            document("none", "", &[]),
        ];
        opened.store.insert_documents(documents).await.unwrap();
        assert_eq!(ids(&opened.store, "1 0 0", 9).await, ["huge", "tiny", "mixed"]);
        for question in ["0 0 0", "NaN 0 0", "inf 0 0"] {
            assert!(ids(&opened.store, question, 9).await.is_empty(), "{question}");
        }
        // A document that cannot be found any more takes its former embeddings with it.
        opened.store.insert_documents(vec![document("huge", "", &[[0.0; 3]])]).await.unwrap();
        assert_eq!(ids(&opened.store, "1 0 0", 9).await, ["tiny", "mixed"]);
    });
}

#[test]
fn equal_scores_are_ordered_by_id_also_where_the_answer_ends() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("agent.alt")).unwrap();
        let store = VectorStore::open(&store, "documents", 10).unwrap().id_field("id");
        let vector = MockEmbeddings::embed(vec!["x".into()]).embeddings.remove(0);
        let documents = (0..500).rev().map(|number| {
            (JsonDocument(json!({"id": format!("doc{number:03}")})), vec![vector.clone()])
        });
        store.insert_documents(documents.collect()).await.unwrap();
        let index = store.index(MockEmbeddings::model());
        let found = index.top_n_ids(ask("anything", 3)).await.unwrap();
        let ids: Vec<&str> = found.iter().map(|one| &*one.id).collect();
        assert_eq!(ids, ["doc000", "doc001", "doc002"]);
    });
}

#[test]
fn no_samples_no_documents_and_too_many_samples() {
    run(async {
        let opened = open();
        assert!(ids(&opened.store, "1 0 0", 5).await.is_empty());
        opened.store.insert_documents(vec![document("a", "", &[[1.0, 0.0, 0.0]])]).await.unwrap();
        assert!(ids(&opened.store, "1 0 0", 0).await.is_empty());
        assert_eq!(ids(&opened.store, "1 0 0", u64::MAX).await, ["a"]);
    });
}

#[test]
fn filters_of_any_depth_and_with_long_keys() {
    run(async {
        let opened = open();
        let documents = (0..50).map(|n| {
            let long = "k".repeat(2_000);
            let value = json!({"id": format!("{n:02}"), "n": n, long: n});
            (JsonDocument(value), vec![embedding("", [1.0, 0.0, 0.0])])
        });
        opened.store.insert_documents(documents.collect()).await.unwrap();
        let index = opened.store.index(Fixed::model());
        let find = async |filter: Filter<Value>| -> Vec<String> {
            let request = VectorSearchRequest::builder().query("1 0 0").samples(50);
            let found = index.top_n_ids(request.filter(filter).build()).await.unwrap();
            found.into_iter().map(|one| one.id).collect()
        };
        let long = Filter::gt("k".repeat(2_000), json!(47));
        assert_eq!(find(long).await, ["48", "49"]);
        let wide = (0..1_000).map(|n| Filter::eq("n", json!(n * 7))).reduce(Filter::or).unwrap();
        assert_eq!(find(wide).await.len(), 8);
        let mut deep = Filter::eq("n", json!(7));
        for _ in 0..60 {
            deep = Filter::lt("n", json!(9)).and(Filter::eq("n", json!(8)).or(deep));
        }
        assert_eq!(find(deep).await, ["07", "08"]);
    });
}

#[test]
fn an_index_can_be_limited_to_a_filter_of_the_store() {
    run(async {
        let opened = open();
        let documents =
            ["a", "b"].map(|id| document(id, id, &[[1.0, 0.0, 0.0]])).into_iter().collect();
        opened.store.insert_documents(documents).await.unwrap();
        let only = altiplano::Filter::field("text").eq("b");
        let index = opened.store.index(Fixed::model()).only(only).exact();
        let found = index.top_n_ids(ask("1 0 0", 5)).await.unwrap();
        assert_eq!(found.iter().map(|one| &*one.id).collect::<Vec<_>>(), ["b"]);
    });
}

#[test]
fn ids_are_those_of_the_field_or_hashes() {
    run(async {
        let opened = open();
        let put = async |value: Value| {
            let documents = vec![(JsonDocument(value), vec![embedding("", [1.0, 0.0, 0.0])])];
            opened.store.insert_documents(documents).await
        };
        put(json!({"id": 7})).await.unwrap();
        put(json!({"id": true})).await.unwrap();
        assert_eq!(ids(&opened.store, "1 0 0", 5).await, ["7", "true"]);
        for bad in [json!({}), json!({"id": null}), json!({"id": [1]}), json!({"id": ""}), json!(1)]
        {
            let error = put(bad).await.unwrap_err();
            assert!(matches!(&error, VectorStoreError::MissingIdError(_)), "{error}");
            assert!(error.to_string().contains("\"id\""), "{error}");
        }
        let error = put(json!({"id": "x".repeat(2_000)})).await.unwrap_err();
        assert!(matches!(&error, VectorStoreError::DatastoreError(_)), "{error}");
        assert_eq!(ids(&opened.store, "1 0 0", 5).await, ["7", "true"]);

        // Without a field, equal documents are one, whatever kind of JSON they are.
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("agent.alt")).unwrap();
        let store = VectorStore::open(&store, "documents", 3).unwrap();
        let values = [json!("text"), json!(5), json!([1]), json!({"a": 1}), json!(null), json!(5)];
        for value in values {
            let document = (JsonDocument(value), vec![embedding("", [1.0, 0.0, 0.0])]);
            store.insert_documents(vec![document]).await.unwrap();
        }
        let index = store.index(Fixed::model());
        let found = index.top_n::<Value>(ask("1 0 0", 9)).await.unwrap();
        assert_eq!(found.len(), 5);
        assert!(found.iter().any(|one| one.document == json!("text")));
    });
}

#[test]
fn errors_say_what_is_wrong_and_nothing_is_written() {
    run(async {
        let opened = open();
        let good = document("good", "", &[[1.0, 0.0, 0.0]]);
        let bad = (JsonDocument(json!({"id": "bad"})), vec![embedding("", [1.0, 0.0])]);
        let error = opened.store.insert_documents(vec![good, bad]).await.unwrap_err();
        assert!(error.to_string().contains('3') && error.to_string().contains('2'), "{error}");
        assert_eq!(opened.store.collection().len().unwrap(), 0);

        opened.store.insert_documents(vec![document("a", "", &[[1.0, 0.0, 0.0]])]).await.unwrap();
        let index = opened.store.index(Fixed::model());
        let error = index.top_n::<u32>(ask("1 0 0", 1)).await.unwrap_err();
        assert!(matches!(error, VectorStoreError::JsonError(_)));
        let error = index.top_n::<Value>(ask("no numbers", 1)).await.unwrap_err();
        assert!(matches!(error, VectorStoreError::EmbeddingError(_)), "{error}");
    });
}

#[test]
fn an_index_is_a_tool() {
    run(async {
        let opened = open();
        let documents =
            vec![document("a", "x", &[[1.0, 0.0, 0.0]]), document("b", "y", &[[1.0, 0.0, 0.0]])];
        opened.store.insert_documents(documents).await.unwrap();
        let index = opened.store.index(Fixed::model());
        let arguments = json!({"query": "1 0 0", "samples": 5, "filter": {"eq": ["text", "y"]}});
        let found = index.call(serde_json::from_value(arguments).unwrap()).await.unwrap();
        assert_eq!(found.iter().map(|one| &*one.id).collect::<Vec<_>>(), ["b"]);
    });
}

#[test]
fn tasks_share_a_store_and_readers_see_whole_documents() {
    run(async {
        let opened = open();
        let store = Arc::new(opened.store.clone());
        let writers = (0..4).map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for round in 0..10 {
                    let vectors =
                        vec![[1.0, 0.0, f64::from(writer)]; 1 + (round + writer) as usize % 3];
                    let one = document("shared", &format!("{writer} {round}"), &vectors);
                    let own = document(&format!("own {writer}"), "", &[[0.0, 1.0, 0.0]]);
                    store.insert_documents(vec![one, own]).await.unwrap();
                    let seen = ids(&store, "1 0 0", 10).await;
                    assert_eq!(seen.iter().filter(|id| *id == "shared").count(), 1);
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        assert_eq!(ids(&store, "1 1 1", 10).await.len(), 5);
    });
}

#[test]
fn documents_are_there_for_the_next_process_and_without_tokio() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.alt");
    let model = || embedding_model(HashingEmbedder::new());
    let texts = ["Ana likes green tea", "The exam is on 21 May"].map(str::to_owned);
    {
        let store = Store::open(&path).unwrap();
        let documents = VectorStore::open(&store, "documents", 256).unwrap();
        run(async {
            let builder = EmbeddingsBuilder::new(model()).documents(texts.clone()).unwrap();
            documents.insert_documents(builder.build().await.unwrap()).await.unwrap();
        });
        drop(documents);
        store.close().unwrap();
    }
    let store = Store::open(&path).unwrap();
    let index = VectorStore::open(&store, "documents", 256).unwrap().index(model());
    let found = futures::executor::block_on(index.top_n::<String>(ask("green tea", 1))).unwrap();
    assert_eq!(found[0].document, texts[0]);
    // Another dimension or metric is refused at once.
    assert!(VectorStore::open(&store, "documents", 128).is_err());
    let options = CollectionOptions::new(256, Metric::L2);
    assert!(store.collection("documents", options).is_err());
}
