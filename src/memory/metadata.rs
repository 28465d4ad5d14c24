//! Owns metadata: the caller's own value in a memory, as JSON text or as a typed value.
//! `format::codec` turns a typed value into bytes.

use serde::{Deserialize, Serialize};

use crate::fields::{self, MAX_DEPTH, MAX_PATH_BYTES};

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
    /// The name of a field has this number of bytes.
    LongName(usize),
    /// The value of the field of this name cannot be JSON.
    NotFinite(String),
    /// A field of this name was set, but the metadata is not a JSON object.
    NoObject(String),
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

    /// Removes the fields of this name from the object. Nothing happens if there is none, or if the
    /// metadata is not a JSON object.
    pub(super) fn remove(&mut self, name: &str) {
        if let Some(text) = self.text().and_then(|text| fields::remove(text, name)) {
            self.bytes = text.into_bytes();
        }
    }

    /// Sets a field of the object; `json` is its value, `None` if there is none in JSON.
    pub(super) fn put(&mut self, name: &str, json: Option<&str>) {
        if self.fault.is_some() {
            return;
        }
        let Some(json) = json else {
            self.fault = Some(Fault::NotFinite(name.to_owned()));
            return;
        };
        if name.len() > MAX_PATH_BYTES {
            self.fault = Some(Fault::LongName(name.len()));
            return;
        }
        match self.text().and_then(|text| fields::put(text, name, json)) {
            Some(text) => self.bytes = text.into_bytes(),
            None => self.fault = Some(Fault::NoObject(name.to_owned())),
        }
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
