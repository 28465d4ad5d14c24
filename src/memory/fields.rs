//! Owns the setters and getters of single fields of metadata.

use super::data::Memory;
use super::metadata::Metadata;
use crate::fields::{self, FieldValue};

impl Memory {
    /// Sets a field of the metadata, for those who have no JSON: [`Filter::field`] finds it. If
    /// there is no metadata yet, it becomes a JSON object. A field of the same name is replaced,
    /// and the others stay as they are. A time is stored as RFC 3339 text.
    ///
    /// `name` is one key of at most [`Memory::MAX_NAME_BYTES`]. If it has dots or brackets, a path
    /// names it in quotes: `["a.b"]`. The insert reports a longer name, a value that is NaN or
    /// infinity, and metadata that is not a JSON object. O(metadata).
    ///
    /// ```
    /// use altiplano::{FieldValue, Memory};
    /// let memory = Memory::new(1, [0.5]).field("year", 2024).field("source", "email");
    /// assert_eq!(memory.metadata_as_json(), Some(r#"{"year":2024,"source":"email"}"#));
    /// assert_eq!(memory.field_value("year"), Some(FieldValue::Integer(2024)));
    /// ```
    ///
    /// [`Filter::field`]: crate::Filter::field
    #[must_use]
    pub fn field(self, name: impl AsRef<str>, value: impl Into<FieldValue>) -> Self {
        let json = value.into().to_json();
        self.put_field(name.as_ref(), json.as_deref())
    }

    /// Sets a field of the metadata to a list, as [`Memory::field`] does to a value.
    ///
    /// ```
    /// use altiplano::{Filter, Memory};
    /// let memory = Memory::new(1, [0.5]).field_list("cities", ["Lima", "Quito"]);
    /// assert_eq!(memory.field_values("cities").len(), 2);
    /// let found = Filter::field("cities").contains("Lima");
    /// # let _ = found;
    /// ```
    #[must_use]
    pub fn field_list<V: Into<FieldValue>>(
        self,
        name: impl AsRef<str>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values: Option<Vec<String>> =
            values.into_iter().map(|value| value.into().to_json()).collect();
        let json = values.map(|values| format!("[{}]", values.join(",")));
        self.put_field(name.as_ref(), json.as_deref())
    }

    /// Removes a field from the metadata, if it is there. O(metadata).
    ///
    /// ```
    /// use altiplano::Memory;
    /// let memory = Memory::new(1, [0.5]).field("year", 2024).field("draft", true);
    /// assert_eq!(memory.remove_field("draft").metadata_as_json(), Some(r#"{"year":2024}"#));
    /// ```
    #[must_use]
    pub fn remove_field(mut self, name: impl AsRef<str>) -> Self {
        if let Some(metadata) = &mut self.metadata {
            metadata.remove(name.as_ref());
        }
        self
    }

    fn put_field(mut self, name: &str, json: Option<&str>) -> Self {
        self.metadata.get_or_insert_with(|| Metadata::json("{}".to_owned())).put(name, json);
        self
    }

    /// Returns the value of a field at the top of the metadata. `None` if there is no such field,
    /// if it is a list or an object, or if the metadata is not a JSON object. O(metadata).
    pub fn field_value(&self, name: &str) -> Option<FieldValue> {
        fields::get(self.metadata_as_json()?, name)
    }

    /// Returns the elements of a list in a field at the top of the metadata, without lists and
    /// objects among them. Empty if there is no such list. O(metadata).
    pub fn field_values(&self, name: &str) -> Vec<FieldValue> {
        let list = self.metadata_as_json().and_then(|json| fields::get_list(json, name));
        list.unwrap_or_default()
    }
}
