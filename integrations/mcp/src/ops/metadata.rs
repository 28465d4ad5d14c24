//! Owns how metadata that a model gives becomes fields, and back. The objects `agent` and `mcp` in
//! the metadata belong to the layers below: no call sets them and no answer shows them.

use altiplano::agent::NewMemory;
use altiplano::{FieldValue, Memory, MemoryId, Patch};
use serde_json::{Map, Value};

use crate::error::ToolError;

/// Objects that calls do not reach.
const RESERVED: [&str; 2] = ["agent", "mcp"];
/// Where a memory has the name of the call that wrote it.
pub(super) const WRITE: &str = "mcp.write";

/// What is done with one value.
enum Change {
    Set(FieldValue),
    List(Vec<FieldValue>),
    Remove,
}

/// Returns a value that is no object and no list.
pub(super) fn scalar(value: &Value) -> Option<FieldValue> {
    match value {
        Value::Null => Some(FieldValue::Null),
        Value::Bool(value) => Some((*value).into()),
        Value::String(text) => Some(text.into()),
        Value::Number(number) => {
            let whole = number.as_i64().map(FieldValue::from);
            let large = || number.as_u64().map(FieldValue::from);
            whole.or_else(large).or_else(|| number.as_f64().map(FieldValue::from))
        }
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// Collects the changes that an object means, by path.
fn changes(object: &Map<String, Value>) -> Result<Vec<(String, Change)>, ToolError> {
    if let Some(name) = RESERVED.iter().find(|name| object.contains_key(**name)) {
        let reason = format!("the name {name:?} is taken by the server; use another");
        return Err(ToolError::argument("metadata", reason));
    }
    let mut found = Vec::new();
    collect("", object, &mut found)?;
    Ok(found)
}

fn collect(
    prefix: &str,
    object: &Map<String, Value>,
    found: &mut Vec<(String, Change)>,
) -> Result<(), ToolError> {
    // The store refuses what is nested deeper, and this must end before the stack does.
    if prefix.matches('[').count() > 64 {
        return Err(ToolError::argument("metadata", "it is nested in more than 64 levels"));
    }
    for (key, value) in object {
        let path = format!("{prefix}[{}]", Value::String(key.clone()));
        match value {
            Value::Object(inner) => collect(&path, inner, found)?,
            Value::Null => found.push((path, Change::Remove)),
            Value::Array(list) => {
                let values = list.iter().map(scalar).collect::<Option<Vec<_>>>();
                let values = values.ok_or_else(|| {
                    let reason = format!("{key}: a list holds texts, numbers and booleans only");
                    ToolError::argument("metadata", reason)
                })?;
                found.push((path, Change::List(values)));
            }
            value => found.extend(scalar(value).map(|value| (path, Change::Set(value)))),
        }
    }
    Ok(())
}

/// Sets the single values of an object on a new memory. Returns a patch with the lists, if there
/// are any: a new memory takes single values only.
pub(super) fn of_new(
    mut new: NewMemory,
    object: &Map<String, Value>,
) -> Result<(NewMemory, Option<Patch>), ToolError> {
    let mut lists = None;
    for (path, change) in changes(object)? {
        match change {
            Change::Set(value) => new = new.field(path, value),
            Change::List(values) => {
                lists = Some(lists.unwrap_or_else(Patch::new).field_list(path, values));
            }
            Change::Remove => {}
        }
    }
    Ok((new, lists))
}

/// Adds the changes that an object means to a patch.
pub(super) fn of_patch(mut patch: Patch, object: &Map<String, Value>) -> Result<Patch, ToolError> {
    for (path, change) in changes(object)? {
        patch = match change {
            Change::Set(value) => patch.field(path, value),
            Change::List(values) => patch.field_list(path, values),
            Change::Remove => patch.remove_field(path),
        };
    }
    Ok(patch)
}

/// Marks a new memory with the name of the call that writes it.
pub(super) fn marked(new: NewMemory, write: MemoryId) -> NewMemory {
    new.field(WRITE, write.to_uuid_string())
}

/// Returns the metadata of a memory that calls may see.
pub(super) fn shown(memory: &Memory) -> Map<String, Value> {
    let json = memory.metadata_as_json().unwrap_or("{}");
    let mut object: Map<String, Value> = serde_json::from_str(json).unwrap_or_default();
    RESERVED.iter().for_each(|name| _ = object.remove(*name));
    object
}
