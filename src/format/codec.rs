//! Owns the use of bincode, and is the only file that names it. Bincode encodes metadata, filters
//! and manifest bodies; the rest of the format is laid out by hand. Decoding has a byte limit and
//! must consume its whole input. Callers check a checksum first.

use std::marker::PhantomData;

use bincode::config::{self, Config};
use bincode::error::{DecodeError, EncodeError};
use bincode::serde::{DecodeError as TypeError, EncodeError as ShapeError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::shape::{self, Checked, Shape};
use crate::error::{Error, Result};
use crate::memory::{Memory, Metadata, MetadataCodec};

/// Largest number of bytes that one call encodes or decodes.
const LIMIT: usize = 64 << 20;
/// The limit for inputs of at most this many bytes. Bincode reserves memory for a text by its
/// stored length, up to the limit. A few bytes must not make it reserve much.
const SMALL: usize = 64 << 10;

/// Returns bincode's settings: fixed-size little-endian integers. These are the bytes of bincode 1,
/// which other codecs can read too.
fn configuration<const MOST: usize>() -> impl Config {
    config::legacy().with_limit::<MOST>()
}

/// Encodes any `serde` type.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    bincode::serde::encode_to_vec(value, configuration::<LIMIT>())
        .map_err(|e| Error::Metadata { reason: not_encoded(e) })
}

/// Decodes `bytes` and refuses any that are left over.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let decoded = if bytes.len() <= SMALL {
        bincode::serde::decode_from_slice(bytes, configuration::<SMALL>())
    } else {
        bincode::serde::decode_from_slice(bytes, configuration::<LIMIT>())
    };
    whole(bytes, decoded)
}

/// As [`decode`], and checks the type `T` against the stored `shape`.
fn decode_shaped<T: DeserializeOwned>(shape: &[u8], bytes: &[u8]) -> Result<T> {
    let shape =
        Shape::decode(shape).map_err(|e| Error::Metadata { reason: e.reason.to_owned() })?;
    let seed = Checked::new(PhantomData::<T>, &shape);
    let decoded = if bytes.len() <= SMALL {
        bincode::serde::seed_decode_from_slice(seed, bytes, configuration::<SMALL>())
    } else {
        bincode::serde::seed_decode_from_slice(seed, bytes, configuration::<LIMIT>())
    };
    whole(bytes, decoded)
}

fn whole<T>(bytes: &[u8], decoded: std::result::Result<(T, usize), DecodeError>) -> Result<T> {
    let (value, used) = decoded.map_err(|e| Error::Metadata { reason: not_decoded(e) })?;
    if used != bytes.len() {
        let left = bytes.len().abs_diff(used);
        let reason = format!("the value as stored has {left} bytes more than its type");
        return Err(Error::Metadata { reason });
    }
    Ok(value)
}

/// Why some types of `serde` cannot be typed metadata, in the words of `serde`'s documentation.
const NOT_BY_POSITION: &str = "typed metadata is stored by position, without names, so it does not \
     support `serde_json::Value`, `#[serde(flatten)]`, and untagged or internally tagged enums";

/// Says in words of the caller why a value could not be encoded.
fn not_encoded(error: EncodeError) -> String {
    match error {
        // `flatten` turns a struct into a map whose length is not known beforehand.
        EncodeError::Serde(ShapeError::SequenceMustHaveLength) => NOT_BY_POSITION.to_owned(),
        EncodeError::OtherString(reason) => reason,
        other => format!("the value cannot be encoded ({other})"),
    }
}

/// Says in words of the caller why bytes could not be decoded.
fn not_decoded(error: DecodeError) -> String {
    match error {
        DecodeError::OtherString(reason) => reason,
        DecodeError::Serde(
            TypeError::AnyNotSupported
            | TypeError::IdentifierNotSupported
            | TypeError::IgnoredAnyNotSupported,
        ) => NOT_BY_POSITION.to_owned(),
        DecodeError::UnexpectedEnd { .. } => {
            "the value as stored has fewer fields than its type".to_owned()
        }
        DecodeError::LimitExceeded => "a stored length is larger than the limit".to_owned(),
        other => format!("the stored bytes are no value of this type ({other})"),
    }
}

/// Returns the error for a type that typed metadata does not support, with the way out.
fn not_stored(error: Error) -> Error {
    match error {
        Error::Metadata { reason } => {
            Error::Metadata { reason: format!("{reason}; store it with Memory::metadata_json") }
        }
        other => other,
    }
}

impl Memory {
    /// Sets typed metadata, with schema number 0: see [`Memory::metadata_with_schema`] for the
    /// types that it supports. [`Memory::metadata_as`] returns it.
    ///
    /// Typed metadata has no fields: no [`Filter::field`](crate::Filter::field) finds the memory,
    /// and [`Memory::field`] is refused. Where values are to be found, set them with
    /// [`Memory::field`] or [`Memory::metadata_json`] instead.
    ///
    /// # Errors
    ///
    /// As for [`Memory::metadata_with_schema`].
    #[doc(alias = "set_metadata")]
    pub fn metadata<T: Serialize + DeserializeOwned>(self, value: &T) -> Result<Self> {
        self.metadata_with_schema(0, value)
    }

    /// Sets typed metadata with a schema number, by which the caller distinguishes versions of `T`.
    /// The value takes at most [`Memory::MAX_METADATA_BYTES`] of bincode.
    ///
    /// Values are stored by position. That is compact, but right only for a type that does not
    /// change. The names and kinds of the type's fields are stored with each value, unless they
    /// take more than 64 KiB. They are compared when the value is read. For types that change,
    /// prefer [`Memory::metadata_json`]: there, fields may be added, removed or reordered.
    ///
    /// Types that `serde` reads by looking at what is stored are not supported:
    /// `serde_json::Value`, `#[serde(flatten)]`, and enums that are untagged or internally tagged.
    /// Nor is `#[serde(skip_serializing_if)]`. Store such values with [`Memory::metadata_json`].
    ///
    /// # Errors
    ///
    /// [`Error::Metadata`] for a type that is not supported, which is noticed here and not when it
    /// is read. [`Error::LimitExceeded`] past [`Memory::MAX_METADATA_BYTES`].
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # use altiplano::Memory;
    /// #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    /// struct Source { page: u32, url: String }
    /// let source = Source { page: 3, url: "https://example.org".into() };
    /// let memory = Memory::new(1, [0.5]).metadata_with_schema(1, &source)?;
    /// assert_eq!(memory.metadata_as::<Source>()?, Some(source));
    /// # Ok(()) }
    /// ```
    pub fn metadata_with_schema<T>(mut self, schema: u32, value: &T) -> Result<Self>
    where
        T: Serialize + DeserializeOwned,
    {
        let bytes = encode(value).map_err(not_stored)?;
        if bytes.len() > Memory::MAX_METADATA_BYTES {
            let (got, way_out) = ((bytes.len(), "bytes"), "make it shorter");
            return Err(Error::limit("the metadata", got, Memory::MAX_METADATA_BYTES, way_out));
        }
        // `Serialize` and `Deserialize` of one type may disagree. Then no shape is stored, and the
        // value must pass a plain decoding.
        let shape = shape::of(value).filter(|shape| decode_shaped::<T>(shape, &bytes).is_ok());
        if shape.is_none()
            && let Err(error) = decode::<T>(&bytes)
        {
            return Err(not_stored(error));
        }
        let codec = MetadataCodec::Bincode;
        self.metadata = Some(Metadata { codec, schema, shape, bytes, fault: None });
        Ok(self)
    }

    /// Returns the metadata as a `T`, whether it was stored typed or as JSON. Returns `None` if
    /// there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Metadata`] if the metadata is not a `T`. JSON is read as `serde_json` reads it. If
    /// the fields of `T` differ from the stored ones of typed metadata in name, order, kind or
    /// number, the error names one that differs. Variants of enums are compared by name. Version
    /// 0.1 stored no names: its values are read by position, without that check. The rest of the
    /// memory is not affected.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # use altiplano::Memory;
    /// # use serde::{Deserialize, Serialize};
    /// #[derive(Serialize, Deserialize)]
    /// struct Before { from: u32, to: u32 }
    /// #[derive(Serialize, Deserialize)]
    /// struct Now { to: u32, from: u32 }
    /// let memory = Memory::new(1, [0.5]).metadata(&Before { from: 1, to: 2 })?;
    /// let error = memory.metadata_as::<Now>().err().unwrap();
    /// assert!(error.to_string().contains("`from`"));
    /// # Ok(()) }
    /// ```
    pub fn metadata_as<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        match &self.metadata {
            None => Ok(None),
            Some(Metadata { codec: MetadataCodec::Json, bytes, .. }) => {
                serde_json::from_slice(bytes).map(Some).map_err(|error| Error::Metadata {
                    reason: format!("the JSON is not of this type: {error}"),
                })
            }
            Some(Metadata { shape: Some(shape), bytes, .. }) => {
                decode_shaped(shape, bytes).map(Some)
            }
            Some(metadata) => decode(&metadata.bytes).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_bytes_and_huge_lengths_are_errors() {
        let mut bytes = encode(&7u32).unwrap();
        bytes.push(0);
        assert!(decode::<u32>(&bytes).is_err());
        assert!(decode::<Vec<u64>>(&u64::MAX.to_le_bytes()).is_err());
        // Decoding fails before it reserves 32 MiB for a text that cannot be there.
        let error = decode::<String>(&(32u64 << 20).to_le_bytes()).unwrap_err();
        assert!(error.to_string().contains("larger than the limit"), "{error}");
    }

    #[test]
    fn metadata_may_have_so_many_bytes_and_not_one_more() {
        // A text is stored behind its length, in eight bytes.
        let with = |len: usize| Memory::new(1u64, [1.0]).metadata(&"a".repeat(len - 8));
        assert!(with(Memory::MAX_METADATA_BYTES).is_ok());
        let error = with(Memory::MAX_METADATA_BYTES + 1).unwrap_err();
        assert!(matches!(error, Error::LimitExceeded { .. }), "{error}");
    }
}
