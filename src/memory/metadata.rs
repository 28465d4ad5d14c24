//! Owns metadata: the caller's own value in a memory, as JSON text or as a typed value.
//! `format::codec` turns a typed value into bytes.

use serde::{Deserialize, Serialize};

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
    /// Why the text is not JSON; the insert reports it. Text read from a store is not checked.
    pub(crate) fault: Option<String>,
}

impl Metadata {
    /// Returns metadata from JSON text, which it checks.
    pub(super) fn json(text: String) -> Self {
        let fault = serde_json::from_str::<serde::de::IgnoredAny>(&text).err();
        Self {
            codec: MetadataCodec::Json,
            schema: 0,
            shape: None,
            bytes: text.into_bytes(),
            fault: fault.map(|error| error.to_string()),
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
