//! Owns the arguments of the tools. Their doc comments are what the model reads in the schemas.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Which memories. All conditions must hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Select {
    /// Only memories of this namespace and of those below it ("user:42" includes "user:42/work").
    /// Default: the namespace of the server, if it has one. "*" means all namespaces.
    pub namespace: Option<String>,
    /// Only memories of this session.
    pub session: Option<String>,
    /// Only memories of this kind, such as "fact", "preference" or "event".
    pub kind: Option<String>,
    /// Only memories that have all of these tags.
    pub tags: Option<Vec<String>>,
    /// Only memories made since then: "2026-05-01", "2026-05-01T09:30:00Z", or "7d" for 7 days ago.
    pub since: Option<String>,
    /// Only memories made before then; the forms of "since".
    pub until: Option<String>,
    /// Only memories at least this important, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_importance: Option<f32>,
    /// Only pinned memories, or with false those that are not pinned.
    pub pinned: Option<bool>,
    /// Only memories whose metadata has these values, by path: {"source.channel": "chat"}. A list
    /// means one of its values. An object holds tests: {"year": {"gte": 2020, "lt": 2030}}, with
    /// eq, ne, lt, lte, gt, gte, in, not_in, contains, starts_with, exists.
    pub metadata: Option<Map<String, Value>>,
}

/// The arguments of `remember`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Remember {
    /// What to remember: one fact, preference, decision or event, in words that make sense without
    /// the conversation around it. Write names, dates and numbers out.
    pub text: String,
    /// Whom or what it belongs to: a user, an agent, a project, such as "user:42" or "project/web".
    /// Default: the namespace of the server.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The conversation or task it is from.
    #[serde(default)]
    pub session: Option<String>,
    /// What kind of thing it is, such as "fact", "preference", "event", "decision".
    #[serde(default)]
    pub kind: Option<String>,
    /// Labels to find it by later.
    #[serde(default)]
    pub tags: Option<Vec<String>>,
    /// More about it, as an object of texts, numbers, booleans, lists of these, and objects.
    #[serde(default)]
    pub metadata: Option<Map<String, Value>>,
    /// How much it matters, 0 to 1. Default: estimated from the text.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(default)]
    pub importance: Option<f32>,
    /// How long it is kept, such as "30m", "12h", "90d". Default: for ever.
    #[serde(default)]
    pub ttl: Option<String>,
    /// Keeps it whatever the rules of the store say. Only forget removes it.
    #[serde(default)]
    pub pinned: Option<bool>,
    /// A name of your own for this memory, such as "home-address". Remembering again under the same
    /// key and namespace replaces what was there.
    #[serde(default)]
    pub key: Option<String>,
    /// When the thing happened, if that is not now: "2026-05-01" or "2026-05-01T09:30:00Z".
    #[serde(default)]
    pub event_time: Option<String>,
    /// The id of a memory that is not true any more because of this one. It is kept as history, and
    /// recall leaves it out.
    #[serde(default)]
    pub supersedes: Option<String>,
}

/// The arguments of `recall`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Recall {
    /// What you want to know, as a question or as key words.
    pub query: String,
    /// The most memories to return, 1 to 200. Default: 10.
    #[schemars(range(min = 1, max = 200))]
    #[serde(default)]
    pub k: Option<u32>,
    /// Leaves out memories that fit the query less than this, 0 to 1. Default: 0.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(default)]
    pub min_relevance: Option<f32>,
    /// Prefers memories that say different things over near copies. Default: false.
    #[serde(default)]
    pub diverse: Option<bool>,
    /// Also returns memories that newer ones superseded. Default: false.
    #[serde(default)]
    pub include_superseded: Option<bool>,
    /// The most tokens of the answer. Default: what the server was started with.
    #[schemars(range(min = 200, max = 100000))]
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// Which memories.
    #[serde(flatten)]
    pub select: Select,
}

/// The arguments of `forget`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Forget {
    /// The ids of the memories to forget, as recall and list_memories return them.
    #[serde(default)]
    pub ids: Option<Vec<String>>,
    /// Only says what would be forgotten, and changes nothing. Default: false.
    #[serde(default)]
    pub dry_run: Option<bool>,
    /// Which memories, if no ids are given. At least one condition is needed.
    #[serde(flatten)]
    pub select: Select,
}

/// The arguments of `update`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Update {
    /// The id of the memory, as recall and list_memories return it.
    pub id: String,
    /// A new text.
    #[serde(default)]
    pub text: Option<String>,
    /// Moves it to this namespace.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Sets the session.
    #[serde(default)]
    pub session: Option<String>,
    /// Sets the kind.
    #[serde(default)]
    pub kind: Option<String>,
    /// Replaces all tags.
    #[serde(default)]
    pub tags: Option<Vec<String>>,
    /// Adds these tags.
    #[serde(default)]
    pub add_tags: Option<Vec<String>>,
    /// Removes these tags.
    #[serde(default)]
    pub remove_tags: Option<Vec<String>>,
    /// Sets these values of the metadata and keeps the others. null removes a value.
    #[serde(default)]
    pub metadata: Option<Map<String, Value>>,
    /// How much it matters, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(default)]
    pub importance: Option<f32>,
    /// How long it is kept from now on, such as "90d", or "never" to keep it for ever.
    #[serde(default)]
    pub ttl: Option<String>,
    /// Pins or unpins it.
    #[serde(default)]
    pub pinned: Option<bool>,
    /// When the thing happened.
    #[serde(default)]
    pub event_time: Option<String>,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ListOrder {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
    /// The most important first.
    Importance,
    /// By when the things happened, the latest first; those without such a time come last.
    EventTime,
}

/// The arguments of `list_memories`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListMemories {
    /// Only memories with these ids: reads them in full.
    #[serde(default)]
    pub ids: Option<Vec<String>>,
    /// "newest" (default), "oldest", "importance", or "event_time".
    #[serde(default)]
    pub order: Option<ListOrder>,
    /// The most memories of a page, 1 to 200. Default: 20.
    #[schemars(range(min = 1, max = 200))]
    #[serde(default)]
    pub limit: Option<u32>,
    /// The next_cursor of the page before. Give the other arguments as for that page.
    #[serde(default)]
    pub cursor: Option<String>,
    /// The most tokens of the answer. Default: what the server was started with.
    #[schemars(range(min = 200, max = 100000))]
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// Which memories.
    #[serde(flatten)]
    pub select: Select,
}

/// The arguments of `list_sessions`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListSessions {
    /// Only sessions of exactly this namespace. Default: the namespace of the server, if it has
    /// one. "*" means all namespaces.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The most sessions of a page, 1 to 200. Default: 50.
    #[schemars(range(min = 1, max = 200))]
    #[serde(default)]
    pub limit: Option<u32>,
    /// The next_cursor of the page before.
    #[serde(default)]
    pub cursor: Option<String>,
    /// The most tokens of the answer. Default: what the server was started with.
    #[schemars(range(min = 200, max = 100000))]
    #[serde(default)]
    pub max_tokens: Option<u32>,
}

/// The arguments of `stats`: none.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Stats {}
