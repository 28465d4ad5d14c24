//! Owns how a decoder's error gets the path of its file: a decoder sees bytes and knows no file.

use std::path::Path;

use super::header::{FileHeader, HeaderError};
use super::{DecodeError, READ_VERSION};
use crate::error::{Error, Result};

/// Decodes the header at the start of a file's bytes; an error names the file.
pub(crate) fn read_header(path: &Path, bytes: &[u8]) -> Result<FileHeader> {
    FileHeader::decode(bytes).map_err(|e| header_error(path, e))
}

/// Adds the file's path to a header's error.
pub(crate) fn header_error(path: &Path, error: HeaderError) -> Error {
    match error {
        HeaderError::Decode(error) => decode_error(path, 0, error),
        HeaderError::TooNew(found) => {
            Error::UnsupportedFormat { file: path.to_owned(), found, supported: READ_VERSION }
        }
    }
}

/// Adds the file's path to a decoder's error. `start` is the file offset of the decoded bytes.
pub(crate) fn decode_error(path: &Path, start: u64, error: DecodeError) -> Error {
    Error::corrupt(path, start.saturating_add(error.offset), error.reason)
}
