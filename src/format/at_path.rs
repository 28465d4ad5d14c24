//! Owns how errors of decoders get the path of their file: a decoder sees bytes and knows no file.

use std::path::Path;

use super::header::{FileHeader, HeaderError};
use super::{DecodeError, READ_VERSION};
use crate::error::{Error, Result};

/// Reads the header at the start of a file's bytes.
pub(crate) fn read_header(path: &Path, bytes: &[u8]) -> Result<FileHeader> {
    FileHeader::decode(bytes).map_err(|e| header_error(path, e))
}

/// Adds the file's name to a header's error.
pub(crate) fn header_error(path: &Path, error: HeaderError) -> Error {
    match error {
        HeaderError::Decode(error) => decode_error(path, 0, error),
        HeaderError::TooNew(found) => {
            Error::UnsupportedFormat { file: path.to_owned(), found, supported: READ_VERSION }
        }
    }
}

/// Adds the file's name to a decoder's error in bytes that begin at `start`.
pub(crate) fn decode_error(path: &Path, start: u64, error: DecodeError) -> Error {
    Error::corrupt(path, start.saturating_add(error.offset), error.reason)
}
