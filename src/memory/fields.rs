//! Owns the setters and getters of single fields of metadata.

use super::data::Memory;
use super::metadata::{Metadata, keys};
use crate::fields::{self, FieldValue, Path};

impl Memory {
    /// Sets a field of the metadata, for those who have no JSON: [`Filter::field`] finds it. If
    /// there is no metadata yet, it becomes a JSON object. A value at the same path is replaced,
    /// and the others stay as they are. A time is stored as RFC 3339 text.
    ///
    /// The path is that of [`Filter::field`], which has [the syntax](crate::Filter::field).
    /// All calls that set, remove and read fields take such paths. `source.channel` is the key
    /// `channel` in the object `source`, which is made if it is not there. A key with a dot is
    /// quoted: `["a.b"]`. No call sets a single element of a list.
    ///
    /// The insert reports what cannot be set, and nothing is written: [`Error::InvalidOption`] for
    /// a path that cannot be read or that names elements of a list (`a[0]`, `a[*]`), for a step
    /// through a value that is not an object, for metadata that is not a JSON object, and for NaN
    /// and infinity; [`Error::LimitExceeded`] for a path of more than [`Memory::MAX_NAME_BYTES`]
    /// or 64 keys. O(metadata) for each key of the path.
    ///
    /// ```
    /// use altiplano::{FieldValue, Memory};
    /// let memory = Memory::new(1, [0.5]).field("year", 2024).field("source.channel", "email");
    /// let json = r#"{"year":2024,"source":{"channel":"email"}}"#;
    /// assert_eq!(memory.metadata_as_json(), Some(json));
    /// assert_eq!(memory.field_value("year"), Some(FieldValue::Integer(2024)));
    /// assert_eq!(memory.field_value("source.channel"), Some("email".into()));
    /// let quoted = Memory::new(2, [0.5]).field(r#"["source.channel"]"#, "email");
    /// assert_eq!(quoted.metadata_as_json(), Some(r#"{"source.channel":"email"}"#));
    /// ```
    ///
    /// [`Filter::field`]: crate::Filter::field
    /// [`Error::InvalidOption`]: crate::Error::InvalidOption
    /// [`Error::LimitExceeded`]: crate::Error::LimitExceeded
    #[must_use]
    pub fn field(mut self, path: impl AsRef<str>, value: impl Into<FieldValue>) -> Self {
        self.set_field(path, value);
        self
    }

    /// Sets a field of the metadata in place, as [`Memory::field`] does. Use it in the closure of
    /// [`Collection::update`](crate::Collection::update).
    ///
    /// ```
    /// use altiplano::Memory;
    /// let mut memory = Memory::new(1, [0.5]).field("visits", 1);
    /// memory.set_field("visits", 2);
    /// assert_eq!(memory.metadata_as_json(), Some(r#"{"visits":2}"#));
    /// ```
    pub fn set_field(&mut self, path: impl AsRef<str>, value: impl Into<FieldValue>) {
        self.put_field(path.as_ref(), value.into().to_json().as_deref());
    }

    /// Sets a field of the metadata to a list, as [`Memory::field`] does to a value. The path has
    /// [the same syntax](Self::field).
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
        mut self,
        path: impl AsRef<str>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.set_field_list(path, values);
        self
    }

    /// Sets a field of the metadata to a list in place, as [`Memory::field_list`] does.
    ///
    /// ```
    /// use altiplano::Memory;
    /// let mut memory = Memory::new(1, [0.5]);
    /// memory.set_field_list("cities", ["Lima", "Quito"]);
    /// assert_eq!(memory.metadata_as_json(), Some(r#"{"cities":["Lima","Quito"]}"#));
    /// ```
    pub fn set_field_list<V: Into<FieldValue>>(
        &mut self,
        path: impl AsRef<str>,
        values: impl IntoIterator<Item = V>,
    ) {
        let values: Option<Vec<String>> =
            values.into_iter().map(|value| value.into().to_json()).collect();
        let json = values.map(|values| format!("[{}]", values.join(",")));
        self.put_field(path.as_ref(), json.as_deref());
    }

    /// Removes a field from the metadata, if it is there: a value, a list or an object. The objects
    /// on the way to it stay. The path has [the same syntax](Self::field) as that of the setter,
    /// and the insert refuses the same paths. O(metadata) for each key of the path.
    ///
    /// ```
    /// use altiplano::Memory;
    /// let memory = Memory::new(1, [0.5]).field("year", 2024).field("draft", true);
    /// assert_eq!(memory.remove_field("draft").metadata_as_json(), Some(r#"{"year":2024}"#));
    /// ```
    #[must_use]
    pub fn remove_field(mut self, path: impl AsRef<str>) -> Self {
        let path = path.as_ref();
        match &mut self.metadata {
            Some(metadata) => metadata.remove(path),
            // Without metadata there is nothing to remove, but a bad path is reported all the same.
            none => {
                if keys(path).is_err() {
                    none.insert(Metadata::json("{}".to_owned())).remove(path);
                }
            }
        }
        self
    }

    fn put_field(&mut self, path: &str, json: Option<&str>) {
        self.metadata.get_or_insert_with(|| Metadata::json("{}".to_owned())).put(path, json);
    }

    /// Returns the value of a field. The path has [the same syntax](crate::Filter::field) as
    /// that of a filter, positions such as `people[0].name` included. O(metadata) for each step.
    ///
    /// `None` if there is no value, if it is a list or an object, if the path may name several
    /// values (`people[*].name`) or cannot be read, and if the metadata is not a JSON object.
    ///
    /// ```
    /// use altiplano::Memory;
    /// let memory = Memory::new(1, [0.5]).field("visits.total", 3);
    /// assert_eq!(memory.field_value("visits.total").and_then(|v| v.as_i64()), Some(3));
    /// ```
    pub fn field_value(&self, path: &str) -> Option<FieldValue> {
        let path = Path::parse(path).ok().filter(|path| !path.names_many())?;
        fields::values(self.metadata_as_json()?, &path).pop()
    }

    /// Returns the elements of the list at a path, or the values at a path that names several, such
    /// as `people[*].name`. Lists and objects among them are left out. Empty if there are none.
    /// The path has [the same syntax](crate::Filter::field) as that of a filter.
    /// O(metadata) for each step.
    pub fn field_values(&self, path: &str) -> Vec<FieldValue> {
        let (Some(json), Ok(path)) = (self.metadata_as_json(), Path::parse(path)) else {
            return Vec::new();
        };
        let path = if path.names_many() { path } else { path.elements() };
        fields::values(json, &path)
    }
}
