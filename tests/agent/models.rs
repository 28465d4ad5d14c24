//! Owns the tests of a change to another model.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use altiplano::agent::{
    Agent, AgentOptions, BoxError, ConsolidateOptions, Embedder, Extractive, HashingEmbedder,
    NewMemory,
};
use altiplano::{Error, Filter, MemoryId};

use crate::support::{case, found, open, options, texts};

fn other() -> HashingEmbedder {
    HashingEmbedder::with_dimension(96).unwrap()
}

#[test]
fn memories_of_another_model_are_refused_until_they_are_embedded_anew() {
    let case = case(options());
    case.agent.remember("likes tea").unwrap();
    case.agent.remember(NewMemory::new("plays chess").tier("long-term").pinned(true)).unwrap();
    let archived = case.agent.remember("old news").unwrap().id;
    case.agent.archive(archived).unwrap();
    case.agent.close().unwrap();
    let path = case.dir.path().join("a.alt");
    let error = Agent::open(&path, other()).unwrap_err();
    assert!(matches!(error, Error::EmbeddingSpace { .. }), "{error}");
    let anew = AgentOptions::new(other()).background(false).reembed(true);
    let agent = open(anew, &case.clock, case.dir.path());
    assert_eq!(found(&agent, "tea")[0], "likes tea");
    let chess = agent.recall("chess").k(1).run().unwrap().items.remove(0);
    assert!(chess.tier == "long-term" && chess.memory.pinned);
    assert!(agent.restore(archived).unwrap());
    assert_eq!(found(&agent, "old news")[0], "old news");
    agent.close().unwrap();
    Agent::open(&path, other()).unwrap().close().unwrap();
}

#[test]
fn readers_are_served_while_memories_are_embedded_anew() {
    struct Slow {
        inner: HashingEmbedder,
        agent: Agent,
        calls: Arc<AtomicUsize>,
    }
    impl Embedder for Slow {
        fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, BoxError> {
            // In the middle of it, the agent answers by the old model, and takes new memories.
            if self.calls.fetch_add(1, Ordering::Relaxed) == 1 {
                assert_eq!(found(&self.agent, "note 7 about tea")[0], "note 7 about tea");
                self.agent.remember("a late note about coffee")?;
                let first = self.agent.recall("note 0 about tea").k(1).run()?.items.remove(0);
                self.agent.forget(first.memory.id)?;
            }
            self.inner.embed(texts)
        }
        fn space(&self) -> &str {
            self.inner.space()
        }
        fn dimension(&self) -> usize {
            self.inner.dimension()
        }
    }
    let case = case(options());
    for i in 0..300 {
        case.agent.remember(format!("note {i} about tea")).unwrap();
    }
    let calls = Arc::new(AtomicUsize::new(0));
    let slow = Slow { inner: other(), agent: case.agent.clone(), calls: Arc::clone(&calls) };
    let done = case.agent.reembed(slow).unwrap();
    assert_eq!((done.tiers, done.memories), (3, 301));
    assert_eq!(found(&case.agent, "late coffee")[0], "a late note about coffee");
    assert_eq!(found(&case.agent, "note 7 about tea")[0], "note 7 about tea");
    assert_eq!(texts(&case.agent, "working").len(), 300);
    assert!(!texts(&case.agent, "working").contains(&"note 0 about tea".to_owned()));
    assert_eq!(case.agent.collection("working").unwrap().settings().dimension, 96);
    // The collections beside the tiers are gone.
    let names = case.agent.store().collection_names();
    assert_eq!(names, ["agent.state", "archive", "long-term", "scratch", "working"]);
}

#[test]
fn a_model_that_fails_leaves_the_agent_as_it_was_and_the_next_call_goes_on() {
    struct Fails(AtomicUsize);
    impl Embedder for Fails {
        fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, BoxError> {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                2.. => Err("out of credit".into()),
                _ => other().embed(texts),
            }
        }
        fn space(&self) -> &str {
            other_space()
        }
        fn dimension(&self) -> usize {
            96
        }
    }
    fn other_space() -> &'static str {
        Box::leak(other().space().to_owned().into_boxed_str())
    }
    let case = case(options());
    for i in 0..200 {
        case.agent.remember(format!("note {i} about tea")).unwrap();
    }
    let error = case.agent.reembed(Fails(AtomicUsize::new(0))).unwrap_err();
    assert!(matches!(error, Error::Callback { part: "embedder", .. }), "{error}");
    assert_eq!(found(&case.agent, "note 9 about tea")[0], "note 9 about tea");
    let done = case.agent.reembed(other()).unwrap();
    assert_eq!(done.memories, 200 - 128, "what the first call did is not done again");
    assert_eq!(found(&case.agent, "note 9 about tea")[0], "note 9 about tea");
}

/// Gives the vectors of `HashingEmbedder` backwards.
struct Backwards(HashingEmbedder);

impl Embedder for Backwards {
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, BoxError> {
        let mut vectors = self.0.embed(texts)?;
        vectors.iter_mut().for_each(|vector| vector.reverse());
        Ok(vectors)
    }
    fn space(&self) -> &str {
        "backwards"
    }
    fn dimension(&self) -> usize {
        self.0.dimension()
    }
}

/// Changes its agent over to [`Backwards`] while it embeds, once.
struct Changes {
    inner: HashingEmbedder,
    agent: Arc<Mutex<Option<Agent>>>,
}

impl Embedder for Changes {
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, BoxError> {
        let agent = self.agent.lock().unwrap().take();
        if let Some(agent) = agent {
            agent.reembed(Backwards(HashingEmbedder::new()))?;
        }
        self.inner.embed(texts)
    }
    fn space(&self) -> &str {
        self.inner.space()
    }
    fn dimension(&self) -> usize {
        self.inner.dimension()
    }
}

/// Runs an operation during whose embedding the model changes. Checks that all vectors are of the
/// new model afterwards.
fn change_during(operation: impl FnOnce(&Agent)) {
    let waiting = Arc::new(Mutex::new(None));
    let changes = Changes { inner: HashingEmbedder::new(), agent: Arc::clone(&waiting) };
    let case = case(AgentOptions::new(changes).background(false));
    for text in ["likes green tea", "plays chess on Fridays", "flies to Lima in May"] {
        case.agent.remember(NewMemory::new(text).key(text).session("s")).unwrap();
    }
    *waiting.lock().unwrap() = Some(case.agent.clone());
    operation(&case.agent);
    assert!(waiting.lock().unwrap().is_none(), "the model did not change");
    for tier in ["working", "long-term"] {
        for memory in case.agent.collection(tier).unwrap().scan(Filter::All) {
            let memory = memory.unwrap();
            let text = memory.text.unwrap();
            let expected = &Backwards(HashingEmbedder::new()).embed(&[&text]).unwrap()[0];
            let cosine: f32 = memory.vector.iter().zip(expected).map(|(a, b)| a * b).sum();
            assert!(cosine > 0.99, "{text}: {cosine}");
        }
    }
}

#[test]
fn what_is_embedded_while_the_model_changes_is_embedded_anew() {
    let id = |key: &str| MemoryId::from_key_in("", key);
    change_during(|agent| {
        agent.remember("has a dog").unwrap();
    });
    change_during(|agent| {
        agent.rewrite(id("likes green tea"), "likes black tea").unwrap();
    });
    change_during(|agent| {
        let answer = agent.recall("plays chess on Fridays").words(false).run().unwrap();
        assert_eq!(answer.items[0].text(), "plays chess on Fridays");
        assert!(answer.items[0].distance < 0.01);
    });
    change_during(|agent| {
        let options = ConsolidateOptions::new();
        let all = Filter::session("s");
        let done = agent.consolidate(all, &Extractive::new(), &options).unwrap();
        assert_eq!((done.summaries.len(), done.sources.len()), (1, 3));
    });
    change_during(|agent| {
        agent.archive(id("flies to Lima in May")).unwrap();
        assert!(agent.restore(id("flies to Lima in May")).unwrap());
    });
}
