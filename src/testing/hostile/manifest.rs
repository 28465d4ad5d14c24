//! Owns the target of manifests: the file and its body.

use super::edits::Input;
use super::files::MemoryDisk;
use super::golden::Golden;
use super::repair;
use super::verdict::{Verdict, typed};
use crate::disk::Disk;
use crate::format::header::FileKind;
use crate::manifest::Found;

/// The manifest's file and body.
pub(super) fn manifest(data: &[u8]) -> Verdict {
    let (golden, mut input) = (Golden::get(), Input::new(data));
    let name = golden.manifest_name();
    let mut bytes = golden.bytes(&name).clone();
    let regions = [0..128, 128..144, 144..bytes.len(), 144..200];
    input.edit(&mut bytes, &regions);
    if input.repair {
        repair::repair(FileKind::Manifest, &mut bytes);
    }
    let disk = MemoryDisk::default();
    disk.put(golden.dir, &name, bytes);
    let found = crate::manifest::load(&disk as &dyn Disk, golden.dir);
    match &found {
        Err(error) => typed(error),
        Ok(Found::Nothing) => panic!("a manifest was passed over"),
        Ok(Found::Manifest(found)) => {
            assert!(input.repair || **found == golden.manifest, "another manifest came back");
            let again = found.encode([0; 16]).unwrap();
            let again = crate::format::manifest::Manifest::decode(&again).unwrap();
            assert_eq!(again, **found);
            assert!(found.files().count() >= found.log.len());
        }
    }
    Verdict { accepted: found.is_ok(), repaired: input.repair }
}
