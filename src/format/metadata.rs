//! Owns the bytes of metadata within the body of a row. Layout: `format.md`, "Body".

use super::DecodeError;
use super::cursor::Cursor;
use crate::memory::{Metadata, MetadataCodec};

/// Codes for the encoding of metadata.
mod codec {
    pub(super) const BINCODE: u8 = 1;
    pub(super) const JSON: u8 = 2;
    /// Bincode after a description of the type.
    pub(super) const SHAPED: u8 = 3;
}

/// Encodes metadata with its codec.
pub(super) fn encode(metadata: &Metadata) -> Vec<u8> {
    let codec = match (metadata.codec, &metadata.shape) {
        (MetadataCodec::Bincode, None) => codec::BINCODE,
        (MetadataCodec::Bincode, Some(_)) => codec::SHAPED,
        (MetadataCodec::Json, _) => codec::JSON,
    };
    let mut bytes = vec![codec];
    bytes.extend_from_slice(&metadata.schema.to_le_bytes());
    if let (codec::SHAPED, Some(shape)) = (codec, &metadata.shape) {
        bytes.extend_from_slice(&(shape.len() as u32).to_le_bytes());
        bytes.extend_from_slice(shape);
    }
    bytes.extend_from_slice(&metadata.bytes);
    bytes
}

/// Decodes what [`encode`] wrote. `at` is where it lies in the body.
pub(super) fn decode(bytes: &[u8], at: &Cursor<'_>) -> Result<Metadata, DecodeError> {
    let mut value = Cursor::new(bytes);
    let codec = value.u8()?;
    let schema = value.u32()?;
    let (codec, shape) = match codec {
        codec::BINCODE => (MetadataCodec::Bincode, None),
        codec::JSON => (MetadataCodec::Json, None),
        codec::SHAPED => {
            let len = value.length()?;
            (MetadataCodec::Bincode, Some(value.bytes(len)?.to_vec()))
        }
        _ => return Err(at.error("metadata is of an unknown codec")),
    };
    let bytes = value.bytes(value.remaining())?.to_vec();
    Ok(Metadata { codec, schema, shape, bytes, fault: None })
}

/// Returns the text of metadata that is JSON. What is wrong with other metadata is found where it
/// is decoded.
pub(super) fn json(bytes: &[u8]) -> Option<&[u8]> {
    let (codec, rest) = bytes.split_first()?;
    (*codec == codec::JSON).then(|| rest.get(size_of::<u32>()..))?
}
