//! Owns the tests of opening: what is retried, what is rebuilt, and what remains of earlier
//! sessions.

use super::*;
use crate::Error;
use crate::store::read_only::open_for_reading;
use crate::testing::fault::{Fault, FaultDisk};

fn names(dir: &Path) -> Vec<FileName> {
    let listed = RealDisk.list(dir).unwrap();
    listed.iter().filter_map(|entry| FileName::parse(&entry.name)).collect()
}

#[test]
fn a_reader_tries_again_when_a_file_went_under_it_and_gives_up_in_the_end() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    drop(open(Arc::new(RealDisk), &dir).unwrap());
    let read = |skip, forever| {
        let disk = FaultDisk::default();
        disk.fail(Fault::Open, skip, forever);
        open_for_reading(Arc::new(disk), &dir, &StoreOptions::new()).map(drop)
    };
    read(0, false).unwrap();
    read(1, false).unwrap();
    assert!(matches!(read(0, true), Err(Error::Io { .. })));
}

#[test]
fn salts_differ_from_one_session_to_the_next_under_one_seed() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let mut salts = std::collections::HashSet::new();
    for _ in 0..4 {
        let options = StoreOptions::new().background(Background::Manual).seed(0);
        let store = open_for_writing(Arc::new(RealDisk), &dir, options).unwrap();
        let log = names(&dir).into_iter().find(|n| matches!(n, FileName::Log(_))).unwrap();
        let bytes = std::fs::read(dir.join(log.to_string())).unwrap();
        assert!(salts.insert(bytes[40..56].to_vec()), "the salt of {log} was used before");
        store.close().unwrap();
    }
}

#[test]
fn an_open_keeps_the_manifest_before_and_none_older() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    for _ in 0..3 {
        open(Arc::new(RealDisk), &dir).unwrap().close().unwrap();
    }
    let store = open(Arc::new(RealDisk), &dir).unwrap();
    let generation = store.engine.catalog.manifest().generation;
    let mut manifests = names(&dir);
    manifests.retain(|n| matches!(n, FileName::Manifest(_) | FileName::ManifestOld(_)));
    assert_eq!(manifests.len(), 2, "{manifests:?}");
    assert!(manifests.contains(&FileName::ManifestOld(generation - 1)), "{manifests:?}");
}

#[test]
fn a_path_that_is_not_there_is_no_matter_of_permissions() {
    let temp = scratch();
    let error = open(Arc::new(RealDisk), &temp.path().join("gone/a.alt")).unwrap_err();
    assert!(matches!(error, Error::InvalidOption { name: "path", .. }), "{error:?}");
}

#[test]
fn a_ballast_that_is_there_is_kept_and_an_empty_one_is_removed() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let open = |bytes| {
        let options = StoreOptions::new().background(Background::Manual).reserve_bytes(bytes);
        open_for_writing(Arc::new(RealDisk), &dir, options).unwrap().close().unwrap();
    };
    open(5000);
    let path = dir.join(FileName::Reserve.to_string());
    let mut marked = std::fs::read(&path).unwrap();
    marked[17] ^= 1;
    std::fs::write(&path, &marked).unwrap();
    open(5000);
    assert_eq!(std::fs::read(&path).unwrap(), marked, "it was written again");
    std::fs::write(&path, b"").unwrap();
    open(0);
    assert!(!path.exists());
}
