//! Owns where the socket of a store is: in its directory, or, where that path is too long for a
//! socket, in a directory of the user under `/tmp`, by a name made of the path of the store.
//!
//! Invariant: every process that names the same store, by whatever path, finds the same places in
//! the same order. Nobody else may write to them.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use altiplano::MemoryId;
use tokio::net::{UnixListener, UnixStream};

/// Most bytes of the path of a socket: 104 with a zero at the end on macOS, 108 on Linux. A new one
/// has `NEW` behind its name until it listens.
const MOST: usize = 103 - NEW.len();
const NAME: &str = "mcp.sock";
const NEW: &str = ".new";

/// Returns the places where the socket may be. The store's directory exists.
pub(super) fn candidates(store: &Path) -> io::Result<Vec<PathBuf>> {
    let store = store.canonicalize()?;
    let beside = store.join(NAME);
    let mut all = Vec::new();
    if beside.as_os_str().len() <= MOST {
        all.push(beside);
    }
    // An id made of a text has 128 bits of a cryptographic hash.
    let id = MemoryId::from_key(&store.to_string_lossy()).as_u128();
    all.push(
        Path::new("/tmp").join(format!("altiplano-{}", own_user()?)).join(format!("{id:032x}")),
    );
    Ok(all)
}

/// Returns the number of the user that runs this process.
pub(super) fn own_user() -> io::Result<u32> {
    let (one, _other) = UnixStream::pair()?;
    Ok(one.peer_cred()?.uid())
}

/// Begins to listen at the first place that can be had. Only the process that has the store open
/// calls this, so a socket that is there already is of a process that died.
pub(super) fn listen(places: &[PathBuf]) -> io::Result<(UnixListener, PathBuf)> {
    let mut last = io::ErrorKind::NotFound.into();
    for place in places {
        match listen_at(place) {
            Ok(listener) => return Ok((listener, place.clone())),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn listen_at(place: &Path) -> io::Result<UnixListener> {
    if place.file_name().is_some_and(|name| name != NAME)
        && let Some(dir) = place.parent()
    {
        make_private(dir)?;
    }
    let mut new = place.to_owned().into_os_string();
    new.push(NEW);
    let new = PathBuf::from(new);
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&new)?;
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600))?;
    // It has its name only once it listens and once only its user may connect.
    std::fs::rename(&new, place)?;
    Ok(listener)
}

/// Makes a directory that only this user may enter, or checks that it is one.
fn make_private(dir: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Not through a link that somebody else made.
    let found = std::fs::symlink_metadata(dir)?;
    if found.is_dir() && found.uid() == own_user()? && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    let reason = format!("{} is not a directory of this user alone", dir.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use altiplano::agent::{Agent, HashingEmbedder};

    #[tokio::test]
    async fn a_short_path_has_its_socket_beside_and_a_long_one_has_not() {
        let dir = tempfile::tempdir().unwrap();
        let short = candidates(dir.path()).unwrap();
        assert_eq!(short[0], dir.path().canonicalize().unwrap().join(NAME));
        let long = dir.path().join("x".repeat(120));
        std::fs::create_dir(&long).unwrap();
        let places = candidates(&long).unwrap();
        assert_eq!(places.len(), 1);
        assert!(places[0].as_os_str().len() <= MOST);
        assert_eq!(places, candidates(&dir.path().join(".").join("x".repeat(120))).unwrap());
    }

    #[tokio::test]
    async fn a_socket_of_a_dead_process_is_replaced_and_only_its_user_may_connect() {
        let dir = tempfile::tempdir().unwrap();
        let places = candidates(dir.path()).unwrap();
        let (first, place) = listen(&places).unwrap();
        drop(first);
        assert!(UnixStream::connect(&place).await.is_err());
        let (_second, again) = listen(&places).unwrap();
        assert_eq!(place, again);
        assert!(UnixStream::connect(&place).await.is_ok());
        assert_eq!(std::fs::metadata(&place).unwrap().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_store_takes_no_notice_of_the_socket_in_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("memory.alt");
        let agent = Agent::open(&path, HashingEmbedder::new()).unwrap();
        agent.remember("likes tea").unwrap();
        let (_listener, place) = listen(&candidates(&path).unwrap()).unwrap();
        assert_eq!(place.parent(), Some(&*path.canonicalize().unwrap()));
        assert!(agent.store().verify().unwrap().is_clean());
        agent.store().backup(dir.path().join("copy.alt")).unwrap();
        agent.close().unwrap();
        for store in ["memory.alt", "copy.alt"] {
            let agent = Agent::open(dir.path().join(store), HashingEmbedder::new()).unwrap();
            assert_eq!(agent.recall("tea").run().unwrap().items.len(), 1);
        }
        assert!(place.exists());
    }

    #[tokio::test]
    async fn a_directory_that_others_may_enter_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let open = dir.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(make_private(&open).is_err());
        let link = dir.path().join("link");
        let own = dir.path().join("own");
        make_private(&own).unwrap();
        std::os::unix::fs::symlink(&own, &link).unwrap();
        assert!(make_private(&link).is_err());
        assert!(make_private(&own).is_ok());
    }
}
