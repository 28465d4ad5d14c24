//! Owns the environment of the two libraries on LMDB.

use std::path::Path;

use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, WithoutTls};

use crate::peer::Result;

/// Address space, not memory.
const MAP_BYTES: usize = 64 << 30;

/// Opens the files in `dir`. The environment lives as long as the process, since readers borrow it.
pub fn open(dir: &Path) -> Result<&'static Env<WithoutTls>> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    // SAFETY: nobody else writes the files of this run's own directory.
    let env = unsafe { options.map_size(MAP_BYTES).open(dir)? };
    Ok(Box::leak(Box::new(env)))
}

/// Creates a database.
pub fn create<K: 'static, V: 'static>(
    env: &'static Env<WithoutTls>,
) -> Result<Database<'static, K, V>> {
    let made = env.create_databases_and_commit(env.write_txn()?, |opener, txn| {
        heed::Result::Ok(CommitOrAbort::<_, ()>::Commit(opener.create_database(txn, None)?))
    });
    Ok(made?.unwrap_commit())
}

/// Opens an existing database.
pub fn existing<K: 'static, V: 'static>(
    env: &'static Env<WithoutTls>,
) -> Result<Database<'static, K, V>> {
    let found = env.open_databases_and_commit(env.read_txn()?, |opener, txn| {
        heed::Result::Ok(CommitOrAbort::<_, ()>::Commit(opener.open_database(txn, None)?))
    });
    Ok(found?.unwrap_commit().ok_or("no database")?)
}
