//! Conversations, and the long tail of messages that left them.

mod common;

use std::sync::atomic::Ordering;

use altiplano::Store;
use altiplano_rig::{Conversations, Demoted, LongTail, VectorStore, embedding_model};
use common::{Fixed, run};
use rig_core::completion::Message;
use rig_core::id::ConversationId;
use rig_core::memory::{ConversationMemory, DemotionHook, InMemoryConversationMemory};
use rig_core::vector_store::VectorStoreIndex;
use rig_core::vector_store::request::{Filter, SearchFilter, VectorSearchRequest};
use serde_json::json;

/// Messages of several kinds.
fn messages(count: usize) -> Vec<Message> {
    let one = |n: usize| match n % 3 {
        0 => Message::user(format!("question {n}")),
        1 => Message::assistant(format!("answer {n}")),
        _ => Message::system(format!("note {n}")),
    };
    (0..count).map(one).collect()
}

#[test]
fn conversations_are_as_in_the_memory_of_rig() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.alt");
    let store = Store::open(&path).unwrap();
    let ours = Conversations::open(&store, "conversations").unwrap();
    let theirs = InMemoryConversationMemory::new();
    let long = "x".repeat(5_000);
    let names: Vec<ConversationId> =
        ["ana", "", "ben", &long, "sha256:x"].into_iter().map(ConversationId::from).collect();
    run(async {
        for (turn, count) in [3, 0, 1, 2_500, 2].into_iter().enumerate() {
            for name in &names[turn % 2..] {
                ours.append(name, messages(count)).await.unwrap();
                theirs.append(name, messages(count)).await.unwrap();
            }
        }
        ours.clear(&names[2]).await.unwrap();
        theirs.clear(&names[2]).await.unwrap();
        ours.clear(&"nobody".into()).await.unwrap();
        for name in &names {
            assert_eq!(ours.load(name).await.unwrap(), theirs.load(name).await.unwrap());
        }
    });
    drop(ours);
    store.close().unwrap();
    let store = Store::open(&path).unwrap();
    let again = Conversations::open(&store, "conversations").unwrap();
    run(async {
        for name in &names {
            assert_eq!(again.load(name).await.unwrap(), theirs.load(name).await.unwrap());
        }
        assert!(again.load(&names[2]).await.unwrap().is_empty());
    });
}

#[test]
fn appends_of_tasks_are_not_mixed() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("agent.alt")).unwrap();
    let conversations = Conversations::open(&store, "conversations").unwrap();
    run(async {
        let tasks: Vec<_> = (0..8)
            .map(|task| {
                let conversations = conversations.clone();
                tokio::spawn(async move {
                    let part = (0..5).map(|n| Message::user(format!("{task} {n}"))).collect();
                    conversations.append(&"ana".into(), part).await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let loaded = conversations.load(&"ana".into()).await.unwrap();
        assert_eq!(loaded.len(), 40);
        for part in loaded.chunks(5) {
            let texts: Vec<String> = part.iter().map(|one| one.rag_text().unwrap()).collect();
            let task = texts[0].split(' ').next().unwrap();
            let expected: Vec<String> = (0..5).map(|n| format!("{task} {n}")).collect();
            assert_eq!(texts, expected);
        }
    });
}

#[test]
fn a_message_is_kept_once_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.alt");
    let (ana, ben) = (ConversationId::from("ana"), ConversationId::from("ben"));
    let said = || vec![Message::user("1 0 0"), Message::assistant("0 1 0"), Message::user("1 0 0")];
    let count = std::sync::Arc::default();
    for round in 0..2 {
        let store = Store::open(&path).unwrap();
        let documents = VectorStore::open(&store, "tail", 3).unwrap();
        let fixed = Fixed { count: std::sync::Arc::clone(&count) };
        let tail = LongTail::new(&documents, embedding_model(fixed));
        run(async {
            tail.on_demote(&ana, said()).await.unwrap();
            tail.on_demote(&ana, said()).await.unwrap();
            tail.on_demote(&ana, Vec::new()).await.unwrap();
            tail.on_demote(&ben, said()[..1].to_vec()).await.unwrap();
        });
        assert_eq!(documents.collection().len().unwrap(), 3, "round {round}");
        // What is kept is not embedded again. The first time, "1 0 0" is there twice.
        assert_eq!(count.load(Ordering::Relaxed), 4);
        run(async {
            let request = VectorSearchRequest::builder().query("1 0 0").samples(9);
            let request = request.filter(Filter::eq("conversation", json!("ana"))).build();
            let found = tail.index().top_n::<Demoted>(request).await.unwrap();
            assert_eq!(found.len(), 2);
            assert_eq!(found[0].document.message, said()[0]);
            assert_eq!(found[1].document.message, said()[1]);
        });
        count.store(4, Ordering::Relaxed);
        drop((tail, documents));
        store.close().unwrap();
    }
}

#[test]
fn a_message_that_cannot_be_embedded_is_an_error_and_not_lost_silently() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("agent.alt")).unwrap();
    let documents = VectorStore::open(&store, "tail", 3).unwrap();
    let tail = LongTail::new(&documents, Fixed::model());
    run(async {
        for text in ["0 0 0", "NaN 1 1", "no numbers"] {
            let error = tail.on_demote(&"ana".into(), vec![Message::user(text)]).await.unwrap_err();
            assert!(error.to_string().contains("no usable vector"), "{error}");
        }
    });
    assert_eq!(documents.collection().len().unwrap(), 0);
}
