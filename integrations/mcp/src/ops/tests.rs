//! Calls on an open agent, as the server makes them.

use altiplano::MemoryId;
use altiplano::agent::{Agent, HashingEmbedder, Tier};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::run;
use crate::call::{Call, Op, Origin};

struct Fixture {
    agent: Agent,
    origin: Origin,
    _dir: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let agent = Agent::open(dir.path().join("memory.alt"), HashingEmbedder::new()).unwrap();
        Self { agent, origin: Origin { max_tokens: 4_000, ..Origin::default() }, _dir: dir }
    }

    fn confined(mut self, namespace: &str) -> Self {
        self.origin.namespace = Some(namespace.to_owned());
        self.origin.is_confined = true;
        self
    }

    fn call(&self, tool: &str, arguments: Value) -> Call {
        let op: Op = serde_json::from_value(json!({ tool: arguments })).unwrap();
        Call { op, origin: self.origin.clone(), write: MemoryId::unique(), is_retry: false }
    }

    fn run(&self, tool: &str, arguments: Value) -> Value {
        run(&self.agent, &self.call(tool, arguments)).unwrap()
    }

    fn refusal(&self, tool: &str, arguments: Value) -> String {
        run(&self.agent, &self.call(tool, arguments)).unwrap_err().to_string()
    }

    fn count(&self) -> u64 {
        self.run("Stats", json!({}))["memories"].as_u64().unwrap()
    }
}

#[test]
fn a_second_attempt_finds_what_the_first_one_wrote() {
    let fixture = Fixture::new();
    let arguments = json!({
        "text": "likes tea", "metadata": { "year": 2024, "parts": [1, 2] }, "ttl": "90d",
    });
    let mut call = fixture.call("Remember", arguments);
    let first = run(&fixture.agent, &call).unwrap();
    call.is_retry = true;
    assert_eq!(run(&fixture.agent, &call).unwrap(), first);
    assert_eq!(fixture.count(), 1);
    // A first attempt that wrote nothing.
    call.write = MemoryId::unique();
    assert_ne!(run(&fixture.agent, &call).unwrap()["id"], first["id"]);
    assert_eq!(fixture.count(), 2);
}

#[test]
fn a_second_attempt_ends_what_the_first_one_began() {
    let fixture = Fixture::new();
    let mut call = fixture.call("Remember", json!({ "text": "likes tea" }));
    run(&fixture.agent, &call).unwrap();
    // As if the owner had died before it wrote the list.
    let whole = json!({ "Remember": { "text": "likes tea", "metadata": { "parts": [1, 2] } } });
    call.op = serde_json::from_value(whole).unwrap();
    call.is_retry = true;
    let id = run(&fixture.agent, &call).unwrap()["id"].clone();
    let page = fixture.run("ListMemories", json!({ "ids": [id] }));
    assert_eq!(page["memories"][0]["metadata"], json!({ "parts": [1, 2] }));
    assert_eq!(fixture.count(), 1);
}

#[test]
fn a_second_attempt_to_supersede_does_it_once() {
    let fixture = Fixture::new();
    let old = fixture.run("Remember", json!({ "text": "lives in Lima" }))["id"].clone();
    let mut call = fixture.call("Remember", json!({ "text": "lives in Quito", "supersedes": old }));
    let new = run(&fixture.agent, &call).unwrap();
    call.is_retry = true;
    assert_eq!(run(&fixture.agent, &call).unwrap()["id"], new["id"]);
    let page = fixture.run("ListMemories", json!({ "ids": [old] }));
    assert_eq!(page["memories"][0]["superseded_by"], new["id"]);
    assert_eq!(fixture.count(), 2);
}

#[test]
fn the_name_of_a_call_is_not_shown() {
    let fixture = Fixture::new();
    let metadata = json!({ "a.b": { "c": "x" }, "n": 1.5, "yes": true });
    fixture.run("Remember", json!({ "text": "likes tea", "metadata": metadata }));
    let page = fixture.run("Recall", json!({ "query": "tea" }));
    assert_eq!(page["memories"][0]["metadata"], metadata);
}

#[test]
fn a_confined_server_reaches_its_namespace_only() {
    let fixture = Fixture::new();
    let theirs = fixture.run("Remember", json!({ "text": "tea of others", "namespace": "b" }));
    let beside = fixture.run("Remember", json!({ "text": "tea beside", "namespace": "ab" }));
    let none = fixture.run("Remember", json!({ "text": "tea of nobody" }));
    let fixture = fixture.confined("a");
    let own = fixture.run("Remember", json!({ "text": "own tea" }));
    let below = fixture.run("Remember", json!({ "text": "own tea below", "namespace": "a/x" }));
    let found = fixture.run("Recall", json!({ "query": "tea" }));
    let ids = |found: &Value| -> Vec<Value> {
        found["memories"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect()
    };
    assert_eq!(ids(&found).len(), 2);
    assert!([&own, &below].iter().all(|one| ids(&found).contains(&one["id"])));
    for namespace in ["b", "ab", "*"] {
        let with = |more: Value| {
            let mut arguments = more;
            arguments["namespace"] = namespace.into();
            arguments
        };
        fixture.refusal("Recall", with(json!({ "query": "tea" })));
        fixture.refusal("Remember", with(json!({ "text": "x" })));
        fixture.refusal("ListMemories", with(json!({})));
        fixture.refusal("ListSessions", with(json!({})));
        fixture.refusal("Forget", with(json!({ "kind": "x" })));
        fixture.refusal("Update", with(json!({ "id": own["id"] })));
    }
    for other in [&theirs, &beside, &none] {
        let id = &other["id"];
        assert!(fixture.refusal("Update", json!({ "id": id, "text": "x" })).contains("no memory"));
        fixture.refusal("Remember", json!({ "text": "x", "supersedes": id }));
        let done = fixture.run("Forget", json!({ "ids": [id] }));
        assert_eq!((&done["forgotten"], &done["missing"]), (&json!(0), &json!([id])));
        assert_eq!(ids(&fixture.run("ListMemories", json!({ "ids": [id] }))).len(), 0);
    }
    let stats = fixture.run("Stats", json!({}));
    assert_eq!(stats["memories"], 2);
    let names: Vec<&Value> =
        stats["namespaces"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["a", "a/x"]);
}

#[test]
fn a_list_has_one_order_over_all_tiers() {
    let fixture = Fixture::new();
    let mut ids = Vec::new();
    for number in 0..30 {
        let done = fixture.run("Remember", json!({ "text": format!("note {number}") }));
        let id = done["id"].as_str().unwrap().to_owned();
        if number % 3 == 0 {
            let tier = Tier::long_term().name().to_owned();
            assert!(fixture.agent.move_to(id.parse::<MemoryId>().unwrap(), &tier).unwrap());
        }
        ids.push(id);
    }
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let page = fixture.run("ListMemories", json!({ "limit": 4, "cursor": cursor }));
        let memories = page["memories"].as_array().unwrap();
        seen.extend(memories.iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        // What is written meanwhile moves nothing.
        fixture.run("Remember", json!({ "text": "later" }));
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    let created = |id: &String| {
        let memory = fixture.agent.get(id.parse::<MemoryId>().unwrap()).unwrap().unwrap();
        memory.created_at
    };
    assert!(seen.iter().zip(&seen[1..]).all(|(one, next)| created(one) >= created(next)));
    seen.sort();
    ids.sort();
    assert_eq!(seen, ids);
}

#[test]
fn a_refused_update_changes_nothing() {
    let fixture = Fixture::new();
    let id = fixture.run("Remember", json!({ "text": "likes tea" }))["id"].clone();
    for wrong in [
        json!({ "id": id, "text": "likes coffee", "importance": 2.0 }),
        json!({ "id": id, "text": "likes coffee", "ttl": "soon" }),
        json!({ "id": id, "text": "likes coffee", "metadata": { "mcp": {} } }),
        json!({ "id": id, "text": "likes coffee", "tags": ["x".repeat(2_000)] }),
        json!({ "id": id }),
    ] {
        fixture.refusal("Update", wrong);
    }
    let page = fixture.run("ListMemories", json!({ "ids": [id] }));
    assert_eq!(page["memories"][0]["text"], "likes tea");
}

#[test]
fn deep_and_large_metadata_is_refused() {
    let fixture = Fixture::new();
    let deep = (0..100).fold(json!(1), |inner, _| json!({ "x": inner }));
    for wrong in [json!({ "a": deep }), json!({ "a": [[1]] }), json!({ "a": "x".repeat(2 << 20) })]
    {
        fixture.refusal("Remember", json!({ "text": "x", "metadata": wrong }));
    }
    assert_eq!(fixture.count(), 0);
}
