//! Owns what the tools return. Their doc comments are what the model reads in the schemas. A field
//! without a value is left out.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// A memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Item {
    /// Names the memory in update and forget.
    pub id: String,
    /// What was remembered.
    pub text: String,
    /// True if the text was cut to fit: read it by list_memories with its id and more max_tokens.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub text_cut: bool,
    /// How well it fits the query, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relevance: Option<f64>,
    /// Whom or what it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The conversation or task it is from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// What kind of thing it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// How much it matters, 0 to 1.
    pub importance: f64,
    /// Whether it is kept whatever the rules say.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// When it was remembered, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// When the thing happened, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_time: Option<String>,
    /// When it will be gone, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// The id of the memory that replaced it as a fact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
    /// More about it.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// True if metadata and labels were left out to fit.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub details_cut: bool,
}

/// The answer of `remember`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Remembered {
    /// The id of the new memory.
    pub id: String,
    /// Its importance: given, or estimated.
    pub importance: f64,
    /// The id of an older memory with the same text. Both are there: forget one of them if only
    /// one is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<String>,
    /// When it will be gone, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// The answer of `recall`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Recalled {
    /// The memories, most useful first.
    pub memories: Vec<Item>,
    /// How many more were found and left out to stay within max_tokens.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: u64,
    /// What was cut, and how to get it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The answer of `forget`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Forgotten {
    /// How many memories were forgotten, or would be.
    pub forgotten: u64,
    /// True if nothing was changed.
    pub dry_run: bool,
    /// Ids that were asked for and are not there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// In a dry run: some of the memories that would be forgotten, the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub memories: Vec<Item>,
    /// What else there is to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The answer of `update`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Updated {
    /// The memory as it is now.
    pub memory: Item,
}

/// The answer of `list_memories`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Listed {
    /// The memories of the page, in the order that was asked for.
    pub memories: Vec<Item>,
    /// For the argument cursor of the next call. If it is missing, this was the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// What was cut, and how to get it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct SessionItem {
    /// Its name.
    pub session: String,
    /// How many memories it has.
    pub memories: u64,
    /// When its newest memory was made, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
}

/// The answer of `list_sessions`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Sessions {
    /// The sessions of the page, by name.
    pub sessions: Vec<SessionItem>,
    /// For the argument cursor of the next call. If it is missing, this was the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// What was cut, and how to get it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A name, and how many memories have it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Count {
    /// The name.
    pub name: String,
    /// How many memories have it.
    pub memories: u64,
}

/// The answer of `stats`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Statistics {
    /// How many memories there are in the namespace of the server, or in all.
    pub memories: u64,
    /// Namespaces with the most memories, at most 20.
    pub namespaces: Vec<Count>,
    /// Kinds with the most memories, at most 20.
    pub kinds: Vec<Count>,
    /// Tags with the most memories, at most 20.
    pub tags: Vec<Count>,
    /// How many sessions there are.
    pub sessions: u64,
    /// Bytes on the disk, of the whole store.
    pub disk_bytes: u64,
    /// The model that makes the vectors.
    pub embedder: String,
    /// Where the store is.
    pub store: String,
    /// The id of the process that has the store open.
    pub owner_process: u32,
    /// The version of the server that has the store open.
    pub version: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}
