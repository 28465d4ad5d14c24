//! Owns how the files of a model are read. Every error names the file.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::Error;

/// The folder of a model.
pub(crate) struct Folder<'a> {
    pub(crate) path: &'a Path,
    /// How to get its files.
    pub(crate) hint: &'static str,
}

impl Folder<'_> {
    /// Returns the path of a file.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Returns the bytes of a file.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        let file = self.file(name);
        std::fs::read(&file).map_err(|source| match source.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => {
                Error::Missing { file, hint: self.hint }
            }
            _ => Error::Unreadable { file, source },
        })
    }

    /// Returns the error of a file that is not what it should be.
    pub(crate) fn invalid(&self, name: &str, reason: impl ToString) -> Error {
        Error::Invalid { file: self.file(name), reason: reason.to_string(), hint: self.hint }
    }
}
