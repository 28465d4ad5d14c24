//! Owns the tests of a log whose checksums all hold but whose content is impossible. An open names
//! the file and stops, and a repair lists what it leaves out.

use std::path::Path;
use std::sync::Arc;

use super::{collections, memory, open, scratch};
use crate::disk::RealDisk;
use crate::filter::{Filter, Matcher};
use crate::format::op::{Op, OpKind};
use crate::format::record::encode_body;
use crate::ids::{CollectionId, Seq};
use crate::{Background, Error, Memory, MemoryId, StoreOptions, Timestamp};

/// Creates a closed store with one memory, and one more operation in its log.
fn store_with(dir: &Path, kind: OpKind, of: Option<CollectionId>) {
    let store = open(Arc::new(RealDisk), dir).unwrap();
    let [notes, _] = collections(&store).unwrap();
    notes.insert(memory(1, "there")).unwrap();
    let seq = Seq(store.engine.progress.last_seq().0 + 1);
    let op = Op { collection: of.unwrap_or(notes.core.id), seq, kind };
    let mut token = store.engine.log.hold();
    store.engine.log.append_copied(token.as_mut().unwrap(), &[op]).unwrap();
    drop(token);
    store.close().unwrap();
}

fn insert(id: u64, vector: Vec<f32>, body: Option<Vec<u8>>) -> OpKind {
    let whole = || encode_body(&Memory::new(id, [0.0]), Timestamp::MIN, Timestamp::MAX);
    OpKind::Insert { id: id.into(), norm: 1.0, vector, body: body.unwrap_or_else(whole) }
}

/// Returns the memories of the store after an open, or why it does not open.
fn opened(kind: OpKind, of: Option<CollectionId>) -> Result<Vec<MemoryId>, String> {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    store_with(&dir, kind, of);
    match open(Arc::new(RealDisk), &dir) {
        Ok(store) => {
            let notes = store.get_collection("notes").unwrap();
            Ok(notes.iter().map(|memory| memory.unwrap().id).collect())
        }
        Err(Error::Corrupt { file, reason, .. }) => {
            assert!(file.file_name().unwrap().to_string_lossy().starts_with("log-"), "{file:?}");
            Err(reason)
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn an_operation_that_cannot_be_stops_the_open_and_is_named_i5() {
    let id = |n: u64| MemoryId::from(n);
    assert_eq!(opened(insert(2, vec![1.0, 2.0], None), None), Ok(vec![id(1), id(2)]));
    assert_eq!(opened(OpKind::Delete { id: id(1) }, None), Ok(Vec::new()));
    assert_eq!(opened(OpKind::DeleteIds { ids: vec![id(1), id(5)] }, None), Ok(Vec::new()));
    assert_eq!(opened(OpKind::DeleteIds { ids: vec![id(0)] }, None), Ok(vec![id(1)]));
    let wide = opened(insert(2, vec![1.0, 2.0, 3.0], None), None).unwrap_err();
    assert_eq!(wide, "a logged vector has 3 dimensions, its collection 2");
    let garbage = opened(insert(2, vec![1.0, 2.0], Some(vec![0xFF; 5])), None).unwrap_err();
    assert!(garbage.starts_with("the body of a logged row"), "{garbage}");
    let unknown = opened(insert(2, vec![1.0, 2.0], None), Some(CollectionId(99))).unwrap_err();
    assert!(unknown.contains("the manifest does not know"), "{unknown}");
}

/// Earlier versions accepted ranges that are refused now. Memories that such ranges deleted stay
/// deleted.
#[test]
fn a_logged_filter_that_is_refused_now_does_what_it_did() {
    let moment = Timestamp::from_millis;
    let nothing = [
        Filter::importance_at_least(f32::NAN),
        Filter::created(moment(9)..moment(3)),
        Filter::event_time(moment(9)..moment(3)),
    ];
    for filter in nothing {
        let deleted = |filter: Filter| {
            let (filter, now) = (Matcher::new(filter), Timestamp::MIN);
            opened(OpKind::DeleteWhere { filter, now }, None)
        };
        assert_eq!(deleted(filter.clone()), Ok(vec![MemoryId::from(1u64)]));
        assert_eq!(deleted(filter.not()), Ok(Vec::new()));
    }
}

#[test]
fn a_repair_brings_nothing_back_that_a_list_of_ids_deleted() {
    let temp = scratch();
    let (dir, to) = (temp.path().join("a.alt"), temp.path().join("b.alt"));
    store_with(&dir, OpKind::DeleteIds { ids: vec![1u64.into(), 5u64.into()] }, None);
    let options = StoreOptions::new().background(Background::Manual).reserve_bytes(0);
    options.repair(&dir, &to).unwrap();
    let store = open(Arc::new(RealDisk), &to).unwrap();
    assert!(store.get_collection("notes").unwrap().is_empty().unwrap());
}

#[test]
fn a_repair_lists_rows_of_a_collection_that_no_manifest_names() {
    let temp = scratch();
    let (dir, to) = (temp.path().join("a.alt"), temp.path().join("b.alt"));
    store_with(&dir, insert(7, vec![1.0], None), Some(CollectionId(99)));
    let options = StoreOptions::new().background(Background::Manual).reserve_bytes(0);
    let report = options.repair(&dir, &to).unwrap();
    let lost: Vec<_> = report.lost.iter().map(|loss| (loss.rows, loss.ids.clone())).collect();
    assert_eq!(lost, [(Some(1), vec![MemoryId::from(7u64)])]);
    let store = open(Arc::new(RealDisk), &to).unwrap();
    assert_eq!(store.get_collection("notes").unwrap().len().unwrap(), 1);
}
