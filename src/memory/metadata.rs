//! Owns metadata: the caller's own value in a memory, as JSON text or as a typed value.
//! `format::codec` turns a typed value into bytes.

use serde::{Deserialize, Serialize};

use crate::fields::{self, MAX_DEPTH, NoObject, Path, PathFault};

/// The encoding of metadata bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetadataCodec {
    /// A `serde` type through bincode: compact, typed, not self-describing.
    Bincode,
    /// JSON text, for values whose shape is known only at run time.
    Json,
}

/// Encoded metadata with the caller's own schema number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Exported", from = "Exported")]
pub(crate) struct Metadata {
    pub(crate) codec: MetadataCodec,
    pub(crate) schema: u32,
    /// The shape of a bincode value's type, if it is known: see `format::shape`.
    pub(crate) shape: Option<Vec<u8>>,
    pub(crate) bytes: Vec<u8>,
    /// Why it is refused; the insert reports it. Metadata read from a store is not checked.
    pub(crate) fault: Option<Fault>,
}

/// Why an insert refuses metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The text is not JSON.
    NotJson(String),
    /// Objects and lists are nested in this number of levels.
    Deep(usize),
    /// The path of a field cannot be read.
    Path(String, PathFault),
    /// This path of a field that was to be set or removed names elements of a list.
    Element(String),
    /// The value of the field at this path cannot be JSON.
    NotFinite(String),
    /// The field at this path cannot be set, because the value at the second path is not an object.
    /// Without a second path, the metadata itself is not a JSON object.
    NoObject(String, Option<String>),
}

impl Metadata {
    /// Returns metadata from JSON text, which it checks.
    pub(super) fn json(text: String) -> Self {
        let fault = match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
            Err(error) => Some(Fault::NotJson(error.to_string())),
            // Only objects have fields, so other texts may be as deep as they like.
            Ok(_) if !text.trim_start().starts_with('{') => None,
            Ok(_) => {
                let depth = fields::depth(text.as_bytes());
                (depth > MAX_DEPTH).then_some(Fault::Deep(depth))
            }
        };
        let (codec, bytes) = (MetadataCodec::Json, text.into_bytes());
        Self { codec, schema: 0, shape: None, bytes, fault }
    }

    /// Returns the text, if the metadata is JSON.
    pub(super) fn text(&self) -> Option<&str> {
        match self.codec {
            MetadataCodec::Json => std::str::from_utf8(&self.bytes).ok(),
            MetadataCodec::Bincode => None,
        }
    }

    /// Removes the value at this path. Nothing happens if there is none, or if the metadata is not
    /// a JSON object.
    pub(super) fn remove(&mut self, path: &str) {
        match keys(path).map(|path| self.without(&path)) {
            Ok(Some(text)) => self.bytes = text.into_bytes(),
            Ok(None) => {}
            Err(fault) => self.refuse(fault),
        }
    }

    fn without(&self, path: &Path) -> Option<String> {
        fields::remove(self.text()?, &path.keys()?)
    }

    /// Sets the value at this path; `json` is the value, `None` if there is none in JSON.
    pub(super) fn put(&mut self, path: &str, json: Option<&str>) {
        match self.with(path, json) {
            Ok(text) => self.bytes = text.into_bytes(),
            Err(fault) => self.refuse(fault),
        }
    }

    fn with(&self, path: &str, json: Option<&str>) -> Result<String, Fault> {
        let json = json.ok_or_else(|| Fault::NotFinite(path.to_owned()))?;
        let parsed = keys(path)?;
        let keys = parsed.keys().unwrap_or_default();
        let depth = keys.len() + fields::depth(json.as_bytes());
        if depth > MAX_DEPTH {
            return Err(Fault::Deep(depth));
        }
        let text = self.text().ok_or_else(|| Fault::NoObject(path.to_owned(), None))?;
        fields::put(text, &keys, json).map_err(|NoObject(at)| {
            let at = keys.get(..at).filter(|keys| !keys.is_empty()).map(fields::path_of_keys);
            Fault::NoObject(path.to_owned(), at)
        })
    }

    /// Notes why the metadata is refused. The first reason stays.
    fn refuse(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }
}

/// Reads a path that may have keys alone.
pub(super) fn keys(path: &str) -> Result<Path, Fault> {
    let parsed = Path::parse(path).map_err(|fault| Fault::Path(path.to_owned(), fault))?;
    match parsed.keys() {
        Some(_) => Ok(parsed),
        None => Err(Fault::Element(path.to_owned())),
    }
}

/// Metadata in the form that `serde` writes.
#[derive(Serialize, Deserialize)]
enum Exported {
    Json(String),
    Typed { schema: u32, shape: Option<Vec<u8>>, bytes: Vec<u8> },
}

impl From<Metadata> for Exported {
    fn from(metadata: Metadata) -> Self {
        let Metadata { codec, schema, shape, bytes, .. } = metadata;
        match codec {
            MetadataCodec::Json => Self::Json(String::from_utf8_lossy(&bytes).into_owned()),
            MetadataCodec::Bincode => Self::Typed { schema, shape, bytes },
        }
    }
}

impl From<Exported> for Metadata {
    fn from(exported: Exported) -> Self {
        match exported {
            Exported::Json(text) => Self::json(text),
            Exported::Typed { schema, shape, bytes } => {
                Self { codec: MetadataCodec::Bincode, schema, shape, bytes, fault: None }
            }
        }
    }
}
