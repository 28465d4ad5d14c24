//! Owns the check of the order of operations, as in the journal test of SQLite. It is asserted on
//! every trace, whether or not a crash would have exposed it.

use std::path::Path;

use crate::format::manifest::Manifest;
use crate::format::names::FileName;
use crate::testing::sim::{FileSystem, Op, OpKind};

/// Returns what is wrong with an operation, given the files after it.
pub(super) fn check(op: &Op, files: &FileSystem) -> Option<String> {
    let (name, dir) = (FileName::parse(op.path.file_name()?.to_str()?)?, op.path.parent()?);
    match (op.kind, name) {
        (OpKind::Rename, FileName::Manifest(_)) if op.ok => {
            let manifest = manifest(files, dir, name)?;
            let loose = manifest.files().find(|file| {
                let path = dir.join(file.to_string());
                // A log grows after it is named, but its name must be durable all the same.
                let named = files.durable_names(dir).contains(&file.to_string());
                *file != name
                    && !(named && (matches!(file, FileName::Log(_)) || files.is_durable(&path)))
            });
            loose.map(|file| format!("{op} names {file}, which is not durable"))
        }
        (OpKind::Remove, _) if op.ok => {
            // The newest manifest that is certain to survive a power cut must not need the file.
            let durable = files.durable_names(dir);
            let newest = durable.iter().filter_map(|n| FileName::parse(n));
            let newest = newest.filter(|n| matches!(n, FileName::Manifest(_))).max()?;
            let needed = manifest(files, dir, newest)?.files().any(|file| file == name);
            needed.then(|| format!("{op} removes what {newest} names"))
        }
        _ => None,
    }
}

fn manifest(files: &FileSystem, dir: &Path, name: FileName) -> Option<Manifest> {
    let bytes = files.read(&dir.join(name.to_string())).ok()?;
    Manifest::decode(bytes).ok()
}
