//! Owns metadata: the caller's own value with a memory, as JSON text or as a typed value. How a typed
//! value becomes bytes is `format::codec`.

use serde::{Deserialize, Serialize};

use super::Memory;

/// How metadata bytes are to be read.
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
    /// What the type of a bincode value looked like, if that is known: see `format::shape`.
    pub(crate) shape: Option<Vec<u8>>,
    pub(crate) bytes: Vec<u8>,
    /// Why the text is not JSON. An insert reports it. Text that a store gave back is not checked.
    pub(crate) fault: Option<String>,
}

impl Metadata {
    fn json(text: String) -> Self {
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

/// Metadata as `serde` writes it.
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

impl Memory {
    /// Sets metadata as JSON text, for values whose type changes or is known only at run time. The
    /// text is kept as it is, numbers included. At most [`Memory::MAX_METADATA_BYTES`]. Text that is
    /// not JSON is an [`Error::InvalidOption`](crate::Error::InvalidOption) at the insert, which names
    /// line and column. O(text).
    #[must_use]
    pub fn metadata_json(mut self, json: impl Into<String>) -> Self {
        self.metadata = Some(Metadata::json(json.into()));
        self
    }

    /// The metadata's schema number, if there is metadata: 0 for JSON.
    pub fn metadata_schema(&self) -> Option<u32> {
        self.metadata.as_ref().map(|m| m.schema)
    }

    /// The metadata as JSON text, if it was given as such.
    pub fn metadata_as_json(&self) -> Option<&str> {
        let metadata = self.metadata.as_ref()?;
        match metadata.codec {
            MetadataCodec::Json => std::str::from_utf8(&metadata.bytes).ok(),
            MetadataCodec::Bincode => None,
        }
    }
}
