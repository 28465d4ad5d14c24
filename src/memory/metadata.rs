//! Owns metadata: the caller's own value with a memory, as JSON text or as a typed value. How a
//! typed value becomes bytes is `format::codec`.

use serde::{Deserialize, Serialize};

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
    /// JSON text, checked.
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
