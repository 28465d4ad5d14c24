//! Owns the target of whole stores. Several files are damaged at once, and the store is opened,
//! searched, verified, compacted, written to, closed and opened again.

use std::sync::Arc;

use super::edits::Input;
use super::files::MemoryDisk;
use super::golden::{COLLECTIONS, Golden, len, options, regions, vector};
use super::repair;
use super::verdict::Verdict;
use crate::collection::Collection;
use crate::error::Error;
use crate::filter::Filter;
use crate::format::header::FileKind;
use crate::format::manifest::Manifest;
use crate::format::names::FileName;
use crate::search::SearchMode;
use crate::store::{Store, open_for_writing};
use crate::{Direction, Fields, GroupBy, Memory, Order, Window};

/// Most jobs that run on one damaged store.
const MAX_JOBS: usize = 20;

/// A whole directory.
pub(super) fn store(data: &[u8]) -> Verdict {
    let (golden, mut input) = (Golden::get(), Input::new(data));
    let disk = golden.disk();
    damage(golden, &disk, &mut input);
    let opened = open_for_writing(Arc::new(disk.clone()), golden.dir, options().create(false));
    let accepted = opened.is_ok();
    match opened {
        Err(error) => expected(&error),
        Ok(store) => {
            use_it(&store, input.repair);
            note(store.close());
            // The resulting store opens, or says why it does not.
            let again = open_for_writing(Arc::new(disk), golden.dir, options());
            match again {
                Ok(store) => read(&store, input.repair),
                Err(error) => expected(&error),
            }
        }
    }
    Verdict { accepted, repaired: input.repair }
}

/// Damages some files, or removes them.
fn damage(golden: &Golden, disk: &MemoryDisk, input: &mut Input<'_>) {
    let names: Vec<&String> = golden.files.keys().collect();
    let mut edits = 0;
    while input.more() && edits < 16 {
        let name = names[usize::from(input.byte()) % names.len()];
        let kind = FileName::parse(name).and_then(kind_of).unwrap();
        let mut bytes = disk.copy(golden.dir, name);
        let regions = match kind {
            FileKind::Manifest => vec![0..128, 128..144, 144..bytes.len()],
            FileKind::Log => {
                golden.logs.iter().find(|log| log.name == *name).unwrap().regions.clone()
            }
            _ => regions(golden.bytes(name)),
        };
        input.edit_once(&mut bytes, &regions);
        if input.repair {
            repair::repair(kind, &mut bytes);
        }
        disk.put(golden.dir, name, bytes);
        edits += 1;
    }
    if input.repair {
        name_new_lengths(golden, disk);
    }
    if input.variant == 0xFF {
        disk.put(golden.dir, "log-ffffffffffffffff", Vec::new());
    }
}

fn kind_of(name: FileName) -> Option<FileKind> {
    Some(match name {
        FileName::Manifest(_) => FileKind::Manifest,
        FileName::Log(_) => FileKind::Log,
        FileName::Segment(_) => FileKind::Segment,
        FileName::Deletes(_) => FileKind::Deletes,
        FileName::Index(_) => FileKind::Index,
        FileName::Locator(_) => FileKind::Locator,
        FileName::Lock
        | FileName::Reserve
        | FileName::Unfinished
        | FileName::ManifestTmp(_)
        | FileName::ManifestOld(_) => return None,
    })
}

/// Sets the manifest's file lengths to the current ones. Otherwise the lengths alone would refuse
/// the files.
fn name_new_lengths(golden: &Golden, disk: &MemoryDisk) {
    let name = golden.manifest_name();
    let bytes = disk.copy(golden.dir, &name);
    let Ok(mut manifest) = Manifest::decode(&bytes) else { return };
    let len = |name: FileName| len(disk, golden.dir, &name.to_string());
    for collection in &mut manifest.collections {
        for segment in &mut collection.segments {
            segment.len = len(FileName::Segment(segment.file));
            if let Some(deletes) = &mut segment.deletes {
                deletes.len = len(FileName::Deletes(deletes.file));
            }
        }
        for index in &mut collection.indexes {
            index.index_len = len(FileName::Index(index.index));
            index.locator_len = len(FileName::Locator(index.locator));
        }
    }
    disk.put(golden.dir, &name, manifest.encode([5; 16]).unwrap());
}

fn use_it(store: &Store, forged: bool) {
    read(store, forged);
    note(store.verify());
    for name in store.collection_names() {
        let Some(collection) = store.get_collection(&name) else { continue };
        let dimension = collection.settings().dimension.min(64);
        if let Some(id) = note(collection.insert(Memory::new(300u64, vector(300, dimension)))) {
            assert!(matches!(id, crate::Outcome::Inserted | crate::Outcome::Replaced));
        }
        note(collection.delete(7u64));
        note(collection.delete_where(Filter::namespace("user:0")));
    }
    for _ in 0..MAX_JOBS {
        if !matches!(note(store.run_pending_tasks()), Some(true)) {
            break;
        }
    }
    note(store.compact());
    read(store, forged);
}

/// Reads everything that can be read, by every way to it.
fn read(store: &Store, forged: bool) {
    note(store.stats());
    for name in store.collection_names() {
        let Some(collection) = store.get_collection(&name) else { continue };
        for memory in collection.iter().take(4096) {
            if let Some(memory) = note(memory) {
                right(&name, &memory, forged);
            }
        }
        note(collection.len());
        for id in [0u64, 5, 60, 205] {
            if let Some(Some(memory)) = note(collection.get(id)) {
                right(&name, &memory, forged);
            }
        }
        search(&name, &collection, forged);
        list(&name, &collection, forged);
    }
}

fn search(name: &str, collection: &Collection, forged: bool) {
    let dimension = collection.settings().dimension;
    for (at, path) in [SearchMode::Auto, SearchMode::Graph, SearchMode::Scan].iter().enumerate() {
        let query = vector(500 + at as u64, dimension);
        let all = collection.search(&query).k(5).mode(*path).fields(Fields::All);
        let some = collection.search(&query).k(3).mode(*path).filter(Filter::tag("t0"));
        for (search, with_vector) in [(all, true), (some, false)] {
            let Some(hits) = note(search.run()) else { continue };
            let mut ids: Vec<u128> = hits.iter().map(|hit| hit.id.as_u128()).collect();
            ids.sort_unstable();
            ids.dedup();
            assert!(forged || ids.len() == hits.len(), "a memory takes two places");
            for memory in hits.iter().filter(|_| with_vector).filter_map(|hit| hit.memory.as_ref())
            {
                right(name, memory, forged);
            }
        }
    }
}

/// Lists memories in every order, page by page, and counts them.
fn list(name: &str, collection: &Collection, forged: bool) {
    for order in [Order::Created, Order::EventTime, Order::Importance, Order::Key] {
        let mut after = None;
        for _ in 0..40 {
            let list = collection.list().order(order, Direction::Descending).limit(64);
            let Some(page) = note(list.after(after).fields(Fields::All).run()) else { break };
            page.memories.iter().for_each(|memory| right(name, memory, forged));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    note(collection.recent("s0", Window::tokens(100)));
    note(collection.count(Filter::tag("t0")));
    note(collection.namespaces("user:0", 1));
    note(collection.sessions("user:0"));
    note(collection.tags());
    note(collection.kinds());
    match collection.near(5u64).k(3).group_by(GroupBy::Namespace, 2).run_groups() {
        Err(Error::NoMemory { .. }) => {}
        result => drop(note(result)),
    }
}

/// Without forgery, every memory is byte by byte one that was inserted.
fn right(name: &str, memory: &Memory, forged: bool) {
    assert!(memory.vector.iter().all(|x| x.is_finite()));
    let own = memory.id.as_u128() == 300;
    if forged || own {
        return;
    }
    let (name, _) = COLLECTIONS.into_iter().find(|(known, _)| *known == name).unwrap();
    let versions = Golden::get().versions.get(&(name, memory.id));
    let known = versions.is_some_and(|versions| versions.contains(memory));
    assert!(known, "a memory came back that was never put in: {memory:?}");
}

/// Accepts errors of the expected kinds.
fn note<T>(result: crate::Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            expected(&error);
            None
        }
    }
}

/// Checks an error: only those that damage, or writes to a damaged store, may cause are expected.
fn expected(error: &Error) {
    let fits = matches!(
        error,
        Error::Corrupt { .. }
            | Error::UnsupportedFormat { .. }
            | Error::Io { .. }
            | Error::CommitUnknown { .. }
            | Error::Poisoned { .. }
            | Error::OverBudget { .. }
            | Error::InvalidVector { .. }
            | Error::Metadata { .. }
    );
    assert!(fits, "damage is reported as {error:?}");
}
