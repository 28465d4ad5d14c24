//! Several shared stores in one process, which find each other as several processes do.

use altiplano::agent::{Agent, HashingEmbedder};
use serde_json::json;
use tempfile::TempDir;

use super::{Settings, SharedStore};
use crate::call::{Op, Origin};
use crate::embedder::EmbedderChoice;

fn store(dir: &TempDir, reembed: bool) -> SharedStore {
    SharedStore::new(Settings {
        store: dir.path().join("memory.alt"),
        embedder: EmbedderChoice::Hashing,
        reembed,
        origin: Origin { max_tokens: 4_000, ..Origin::default() },
    })
}

fn op(tool: &str, arguments: serde_json::Value) -> Op {
    serde_json::from_value(json!({ tool: arguments })).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_takes_the_store_over_when_its_owner_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (store(&dir, false), store(&dir, false));
    let done = first.call(op("Remember", json!({ "text": "likes tea" }))).await.unwrap();
    let list = || op("ListMemories", json!({ "ids": [done["id"]] }));
    let page = second.call(list()).await.unwrap();
    assert_eq!(page["memories"][0]["text"], "likes tea");
    first.close().await;
    assert_eq!(second.call(list()).await.unwrap(), page);
    assert!(first.call(list()).await.unwrap_err().to_string().contains("ending"));
    // The new owner has guests of its own.
    let third = store(&dir, false);
    assert_eq!(third.call(list()).await.unwrap(), page);
    second.close().await;
    assert_eq!(third.call(list()).await.unwrap(), page);
    third.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_text_goes_through_a_guest_and_one_that_is_too_large_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (store(&dir, false), store(&dir, false));
    first.call(op("Stats", json!({}))).await.unwrap();
    let most = altiplano::Memory::MAX_CONTENT_BYTES;
    // Each byte takes six in JSON.
    let done =
        second.call(op("Remember", json!({ "text": "\u{1}".repeat(most / 8) }))).await.unwrap();
    let page = second.call(op("ListMemories", json!({ "ids": [done["id"]] }))).await.unwrap();
    assert_eq!(page["memories"][0]["text_cut"], true);
    let refused = second.call(op("Remember", json!({ "text": "x".repeat(most + 1) }))).await;
    assert!(refused.unwrap_err().to_string().contains("bytes"));
    second.close().await;
    first.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_another_model_is_refused_until_it_is_embedded_anew() {
    let dir = tempfile::tempdir().unwrap();
    let other = HashingEmbedder::with_dimension(64).unwrap();
    let agent = Agent::open(dir.path().join("memory.alt"), other).unwrap();
    agent.remember("Ana likes green tea").unwrap();
    agent.close().unwrap();
    let recall = || op("Recall", json!({ "query": "tea" }));
    let refused = store(&dir, false).call(recall()).await.unwrap_err().to_string();
    assert!(refused.contains("hashing-1-64") && refused.contains("--reembed"), "{refused}");
    let anew = store(&dir, true);
    let found = anew.call(recall()).await.unwrap();
    assert_eq!(found["memories"][0]["text"], "Ana likes green tea");
    anew.close().await;
    let after = store(&dir, false);
    assert_eq!(after.call(recall()).await.unwrap(), found);
    after.close().await;
}
