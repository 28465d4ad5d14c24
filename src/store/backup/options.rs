//! Owns the options of a backup.

use crate::store::verify::VerifyLevel;

/// How [`Store::backup_with`](crate::Store::backup_with) copies and checks.
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # let store = altiplano::Store::open(dir.path().join("agent.alt"))?;
/// use altiplano::{BackupOptions, VerifyLevel};
/// let options = BackupOptions::new().copy(true).verify(VerifyLevel::Full);
/// let report = store.backup_with(dir.path().join("backup.alt"), &options)?;
/// assert_eq!(report.files_linked, 0);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupOptions {
    pub(super) copy: bool,
    pub(super) verify: VerifyLevel,
}

impl BackupOptions {
    /// Returns the defaults: hard links where they are possible, and [`VerifyLevel::Quick`].
    pub const fn new() -> Self {
        Self { copy: false, verify: VerifyLevel::Quick }
    }

    /// Sets whether all bytes are copied, even where hard links are possible. Default = false. A
    /// copy survives damage of the store's own files on the same medium. Files that an earlier
    /// backup left there stay as they are.
    #[must_use]
    pub const fn copy(mut self, copy: bool) -> Self {
        self.copy = copy;
        self
    }

    /// Sets how much of the copy is verified before it is put in force. Default =
    /// [`VerifyLevel::Quick`]. Copied bytes are compared with what was read in any case.
    #[must_use]
    pub const fn verify(mut self, level: VerifyLevel) -> Self {
        self.verify = level;
        self
    }
}

impl Default for BackupOptions {
    fn default() -> Self {
        Self::new()
    }
}
