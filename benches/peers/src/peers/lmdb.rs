//! The environment that the two libraries on LMDB live in.

use std::path::Path;

use heed::{Env, EnvOpenOptions, WithoutTls};

use crate::peer::Result;

/// Address space, not memory.
const MAP_BYTES: usize = 64 << 30;

/// Opens the files in `dir`. The environment lives as long as the process, since readers borrow it.
pub fn open(dir: &Path) -> Result<&'static Env<WithoutTls>> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    // SAFETY: no one else writes the files of this run's own directory.
    let env = unsafe { options.map_size(MAP_BYTES).open(dir)? };
    Ok(Box::leak(Box::new(env)))
}
