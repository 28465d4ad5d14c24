//! An agent of rig that remembers in the next process: `agent STORE TEXT`. Its conversation and
//! what was said in earlier ones are in the store. The language model is a mock that says "noted";
//! the program prints what rig sends to it.
//!
//! `cargo run --example agent -- agent.alt "The exam is on 21 May"`, then ask.

use altiplano::agent::HashingEmbedder;
use altiplano_rig::{Conversations, LongTail, VectorStore, embedding_model};
use rig_agent::prelude::*;
use rig_core::memory::DemotionHook;
use rig_core::test_utils::{MockCompletionModel, sent_documents};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, path, text] = &arguments[..] else { return Err("usage: agent STORE TEXT".into()) };

    let store = altiplano::Store::open(path)?;
    let conversations = Conversations::open(&store, "conversations")?;
    let documents = VectorStore::open(&store, "long-tail", 256)?;
    let tail = LongTail::new(&documents, embedding_model(HashingEmbedder::new()));

    let model = MockCompletionModel::text("noted");
    let agent = AgentBuilder::new(model.clone())
        .preamble("You are helpful.")
        .memory(conversations)
        .conversation("ana")
        .dynamic_context(1, tail.index())
        .build();
    let answer = agent.prompt(text.as_str()).run().await?;

    // Everything goes to the long tail at once; usually, a policy demotes what is old.
    tail.on_demote(&"ana".into(), vec![Message::user(text.as_str())]).await?;
    for request in model.requests() {
        let history = &request.chat_history;
        for text in history.iter().filter_map(Message::rag_text) {
            println!("message: {text}");
        }
        for (_, text) in sent_documents(&request) {
            println!("document: {text}");
        }
    }
    println!("answer: {}", answer.output());
    Ok(())
}
