//! Owns the JSON schemas of arguments and answers, in a form that every client reads: no
//! references, no formats of numbers, no `null` types. And it brings arguments into that form,
//! because models write `"5"` for 5 and one tag for a list of one.

use rmcp::model::JsonObject;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::error::ToolError;

/// Returns the schema of the arguments of a tool.
pub fn of_input<T: JsonSchema>() -> JsonObject {
    let mut schema = plain(SchemaSettings::draft2020_12(), T::json_schema);
    schema.entry("properties").or_insert_with(|| json!({}));
    // Unknown arguments are refused, with the names that there are.
    schema.insert("additionalProperties".to_owned(), Value::Bool(false));
    schema
}

/// Returns the schema of the answer of a tool.
pub fn of_output<T: JsonSchema>() -> JsonObject {
    plain(SchemaSettings::draft2020_12().for_serialize(), T::json_schema)
}

fn plain(
    settings: SchemaSettings,
    of: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
) -> JsonObject {
    let settings = settings.with(|settings| settings.inline_subschemas = true);
    let mut schema = of(&mut settings.into_generator()).to_value();
    simplify(&mut schema);
    match schema {
        Value::Object(mut object) => {
            object.remove("description");
            object
        }
        _ => JsonObject::new(),
    }
}

/// Removes what some clients do not understand.
fn simplify(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.remove("format");
            object.remove("$schema");
            if object.get("title").is_some_and(Value::is_string) {
                object.remove("title");
            }
            if object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|one| one != "null");
                if let [one] = &mut types[..] {
                    let one = one.take();
                    object.insert("type".to_owned(), one);
                }
            }
            unwrap_choice(object);
            object.values_mut().for_each(simplify);
            if let Some(text) = object.get("description").and_then(Value::as_str) {
                let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
                object.insert("description".to_owned(), Value::String(flat));
            }
        }
        Value::Array(list) => list.iter_mut().for_each(simplify),
        _ => {}
    }
}

/// Makes one list of names of a choice between named constants, and drops the choice of `null`.
fn unwrap_choice(object: &mut JsonObject) {
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|one| one.get("type").is_none_or(|kind| kind != "null"));
        if let [Value::Object(only)] = &mut choices[..] {
            let only = std::mem::take(only);
            object.remove("anyOf");
            for (key, value) in only {
                object.entry(key).or_insert(value);
            }
        }
    }
    let names = object.get("oneOf").and_then(Value::as_array).and_then(|choices| {
        choices.iter().map(|one| one.get("const").cloned()).collect::<Option<Vec<_>>>()
    });
    if let Some(names) = names {
        object.remove("oneOf");
        object.insert("type".to_owned(), json!("string"));
        object.insert("enum".to_owned(), Value::Array(names));
    }
}

/// Brings arguments into the form that the schema asks for: reads numbers, booleans, lists and
/// objects from texts where the schema wants them, and drops `null`.
///
/// # Errors
///
/// An argument that the schema does not have.
pub fn coerce(schema: &JsonObject, arguments: JsonObject) -> Result<JsonObject, ToolError> {
    let empty = JsonObject::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let mut coerced = JsonObject::new();
    for (name, value) in arguments {
        let Some(property) = properties.get(&name) else {
            let names: Vec<&str> = properties.keys().map(String::as_str).collect();
            let reason = format!("there is no such argument; there are {}", names.join(", "));
            return Err(ToolError::argument(&name, reason));
        };
        if !value.is_null() {
            let kind = property.get("type").and_then(Value::as_str).unwrap_or_default();
            coerced.insert(name, coerced_to(kind, value));
        }
    }
    Ok(coerced)
}

fn coerced_to(kind: &str, value: Value) -> Value {
    let read =
        |text: &str, fits: fn(&Value) -> bool| serde_json::from_str(text.trim()).ok().filter(fits);
    match (kind, value) {
        ("integer" | "number", Value::String(text)) => {
            read(&text, Value::is_number).unwrap_or(Value::String(text))
        }
        ("boolean", Value::String(text)) => {
            read(&text.to_lowercase(), Value::is_boolean).unwrap_or(Value::String(text))
        }
        ("object", Value::String(text)) => {
            read(&text, Value::is_object).unwrap_or(Value::String(text))
        }
        ("array", Value::String(text)) => {
            read(&text, Value::is_array).unwrap_or_else(|| json!([text]))
        }
        // 10.0 is a whole number.
        ("integer", Value::Number(number)) => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => json!(float as i64),
            _ => Value::Number(number),
        },
        ("string", Value::Number(number)) => Value::String(number.to_string()),
        (_, value) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{ListMemories, Recall, Remember};
    use crate::output::Listed;

    fn object(value: Value) -> JsonObject {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn schemas_are_plain_and_keep_their_descriptions() {
        let all = [of_input::<Recall>(), of_input::<ListMemories>(), of_output::<Listed>()];
        for schema in &all {
            let text = serde_json::to_string(schema).unwrap();
            for word in ["$ref", "$defs", "\"format\"", "anyOf", "oneOf", "\"null\"", "\"title\""] {
                assert!(!text.contains(word), "{word} in {text}");
            }
        }
        let recall = &all[0]["properties"];
        assert_eq!(recall["k"]["type"], "integer");
        assert_eq!(
            recall["tags"],
            json!({
                "type": "array",
                "items": { "type": "string" },
                "description": "Only memories that have all of these tags.",
            })
        );
        assert_eq!(all[0]["required"], json!(["query"]));
        let order = &all[1]["properties"]["order"];
        assert_eq!(order["enum"], json!(["newest", "oldest", "importance", "event_time"]));
    }

    #[test]
    fn arguments_of_the_wrong_type_are_read_where_they_can_be() {
        let given = json!({
            "query": 2024, "k": "5", "tags": "food", "diverse": "True", "session": null,
            "metadata": "{\"a\":1}", "min_relevance": "0.5",
        });
        let read = coerce(&of_input::<Recall>(), object(given)).unwrap();
        let expected = json!({
            "query": "2024", "k": 5, "tags": ["food"], "diverse": true,
            "metadata": {"a": 1}, "min_relevance": 0.5,
        });
        assert_eq!(Value::Object(read), expected);
        let given = object(json!({ "k": "many", "tags": "[\"a\",\"b\"]" }));
        let read = coerce(&of_input::<Recall>(), given).unwrap();
        assert_eq!(Value::Object(read), json!({ "k": "many", "tags": ["a", "b"] }));
    }

    #[test]
    fn an_unknown_argument_is_named_with_those_that_there_are() {
        let error = coerce(&of_input::<Remember>(), object(json!({ "content": "x" })));
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("content: ") && error.contains("text, "), "{error}");
    }
}
