//! Tests of the module above.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use roaring::RoaringBitmap;

use super::*;
use crate::Memory;
use crate::clock::Timestamp;
use crate::disk::{OpenFiles, RealDisk};
use crate::error::{Error, Result};
use crate::filter::{Filter, Matcher};
use crate::format::header::{FileHeader, FileKind, StoreId};
use crate::format::names::FileName;
use crate::format::record::encode_body;
use crate::format::table::SectionTable;
use crate::ids::{FileId, MemoryId, Seq};
use crate::memory::Change;
use crate::options::{Metric, Quantization};
use crate::section::{Check, SectionWriter};
use crate::vector::codes::{CodeSpec, Queries};

const STORE: StoreId = StoreId([1; 16]);

fn header(kind: FileKind) -> FileHeader {
    FileHeader { kind, store: STORE, file: FileId(1), salt: [0; 16] }
}

fn row(id: u64, of: Memory, expires_at: Timestamp) -> NewRow {
    let body = encode_body(&of, Timestamp::from_millis(id as i64 * 10 - 300), expires_at);
    let vector = vec![id as f32, 1.0];
    NewRow { id: id.into(), seq: Seq(id + 100), norm: 1.0, vector, body, expires_at }
}

fn memory(i: u64) -> Memory {
    let mut memory = Memory::new(i, [0.0, 0.0]).text(format!("text {i}"));
    if i.is_multiple_of(2) {
        memory = memory.namespace(format!("n{}", i % 4));
        memory = memory.event_time(Timestamp::from_millis(i as i64 - 30));
    }
    for t in 0..i % 3 {
        memory = memory.tag(format!("t{t}"));
    }
    if i.is_multiple_of(5) {
        memory = memory.key(format!("k{i}")).kind("note").session("s").pinned(true);
    }
    if i % 4 < 3 {
        memory = memory.field("n", i).field_list("list", [i % 3, i % 4]).tokens(i as u32);
        memory = memory.derived_from([i / 2]).valid(Some(Timestamp::from_millis(i as i64)), None);
    }
    if i % 6 == 1 {
        memory = memory.superseded_by(i + 1);
    }
    memory.importance((i % 11) as f32 / 10.0)
}

fn rows(n: u64) -> Vec<NewRow> {
    let expiry = |i| {
        if i % 7 == 3 { Timestamp::from_millis(1_000 + i as i64) } else { Timestamp::MAX }
    };
    (0..n).map(|i| row(i, memory(i), expiry(i))).collect()
}

fn active(rows: Vec<NewRow>) -> Active {
    let spec = CodeSpec::new(Quantization::Int8, Metric::L2, 2);
    rows.into_iter().fold(Active::new(spec, None, None), |active, row| active.push(vec![row]))
}

struct Source(Active);

impl RowSource for Source {
    fn rows(&self) -> Row {
        self.0.rows()
    }

    fn row<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<RowRef<'a>> {
        self.0.row(row, buffer)
    }

    fn body<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<&'a [u8]> {
        self.0.body(row, buffer)
    }
}

fn seal(dir: &Path, active: &Active) -> SealedSegment {
    let source = Source(active.clone());
    let header = header(FileKind::Segment);
    let len = write_segment(&RealDisk, dir, &header, (2, None), &source, &mut |_| Ok(())).unwrap();
    open(dir, len, false).unwrap()
}

/// Opens a segment that is read through its map, or from the open file.
fn open(dir: &Path, len: u64, to_read: bool) -> Result<SealedSegment> {
    let permit = OpenFiles::new(usize::from(to_read)).permit();
    SealedSegment::open(&RealDisk, dir, STORE, (FileId(1), len), 2, permit)
}

/// Returns whether a row is the same in a segment and in a memtable, if the segment's row can be
/// read.
fn row_is(sealed: &SealedSegment, active: &Active, row: Row) -> Result<bool> {
    let (mut a, mut b) = (RowBuffer::default(), RowBuffer::default());
    let whole = sealed.row(row, &mut a)? == active.row(row, &mut b)?;
    let attributes = sealed.attributes(row, &mut a)? == active.attributes(row, &mut b)?;
    Ok(whole && attributes && sealed.vector(row, &mut a)? == active.vector(row, &mut b)?)
}

#[test]
fn an_active_segment_keeps_its_rows_and_its_clones_do_not_change() {
    let mut versions = vec![active(Vec::new())];
    for new in rows(700) {
        versions.push(versions.last().unwrap().push(vec![new]));
    }
    let mut buffer = RowBuffer::default();
    for (n, version) in versions.iter().enumerate().step_by(37) {
        assert_eq!(version.rows() as usize, n);
        for i in 0..n as Row {
            assert_eq!(version.row(i, &mut buffer).unwrap().id, MemoryId::from(u64::from(i)));
        }
        assert!(version.row(n as Row, &mut buffer).is_err());
    }
    let last = versions.last().unwrap();
    let mut seen = Vec::new();
    let mut queries = Queries::new(Metric::L2, vec![0.0, 1.0]);
    last.scan(&mut queries, f32::INFINITY, |_, _, row| {
        seen.push(row);
        f32::INFINITY
    });
    assert!(seen.into_iter().eq(0..700));
    let twice = last.push(rows(3));
    assert_eq!(twice.find(MemoryId::from(1u64)).unwrap(), [701, 1]);
}

#[test]
fn blocks_of_long_bodies_end_early_and_are_not_merged() {
    let spec = CodeSpec::new(Quantization::Int8, Metric::L2, 2);
    let long =
        |i: u64| row(i, Memory::new(i, [0.0, 0.0]).text("x".repeat(400 << 10)), Timestamp::MAX);
    let wanted: Vec<NewRow> = (0..7).map(long).chain(rows(40)).collect();
    // Each block takes rows until it has 1 MiB.
    let mut active = Active::new(spec, None, None).push(wanted[..7].to_vec());
    assert_eq!(active.block_rows(), [3, 3, 1]);
    for new in &wanted[7..] {
        active = active.push(vec![new.clone()]);
    }
    assert_eq!(active.block_rows()[..2], [3, 3]);
    assert!(active.block_rows().len() < 20, "{:?}", active.block_rows());
    assert_eq!(active.rows() as usize, wanted.len());
    let mut buffer = RowBuffer::default();
    for (at, wanted) in (0..).zip(&wanted) {
        let stored = active.row(at, &mut buffer).unwrap();
        assert!(stored.body == wanted.body, "row {at}");
        assert_eq!(
            (stored.id, stored.seq, stored.vector),
            (wanted.id, wanted.seq, &wanted.vector[..])
        );
        assert_eq!(active.expires_at(at).unwrap(), wanted.expires_at);
    }
    let counted: usize = wanted.iter().map(|row| active.row_bytes(row)).sum();
    assert_eq!(active.heap_bytes(), counted);
    // Empty bodies have a place, too.
    let empty = |id| NewRow { body: Vec::new(), ..row(id, memory(id), Timestamp::MAX) };
    let bare = Active::new(spec, None, None).push(vec![
        empty(1),
        row(2, memory(2), Timestamp::MAX),
        empty(3),
    ]);
    let lens = (0..3).map(|at| bare.row(at, &mut buffer).unwrap().body.len());
    assert!(lens.eq([0, row(2, memory(2), Timestamp::MAX).body.len(), 0]));
}

#[test]
fn a_sealed_segment_says_what_the_active_one_said() {
    let dir = tempfile::tempdir().unwrap();
    let active = active(rows(300));
    let len = seal(dir.path(), &active).len();
    let mut buffer = RowBuffer::default();
    for sealed in [false, true].map(|to_read| open(dir.path(), len, to_read).unwrap()) {
        sealed.verify().unwrap();
        for i in 0..300 {
            assert!(row_is(&sealed, &active, i).unwrap(), "row {i}");
            assert_eq!(sealed.find(MemoryId::from(u64::from(i))).unwrap(), [i]);
        }
        assert!(sealed.find(MemoryId::from(300u64)).unwrap().is_empty());
        assert!(sealed.row(300, &mut buffer).is_err());
        assert!(sealed.vector(u32::MAX, &mut buffer).is_err());
        for now in [0, 1_010, 5_000].map(Timestamp::from_millis) {
            assert_eq!(sealed.unexpired(now).unwrap(), active.unexpired(now).unwrap());
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed_or_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let active = active(rows(12));
    let sealed = seal(dir.path(), &active);
    let len = sealed.len();
    drop(sealed);
    let path = dir.path().join("seg-0000000000000001");
    let bytes = std::fs::read(&path).unwrap();
    for (i, to_read) in (0..bytes.len()).flat_map(|i| [(i, false), (i, true)]) {
        let mut damaged = bytes.clone();
        damaged[i] ^= 1 << (i % 8);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, &damaged).unwrap();
        let Ok(sealed) = open(dir.path(), len, to_read) else { continue };
        for row in 0..12 {
            if let Ok(same) = row_is(&sealed, &active, row) {
                assert!(same, "byte {i}");
            }
            if let Ok(found) = sealed.find(MemoryId::from(u64::from(row))) {
                assert_eq!(found, [row], "byte {i}");
            }
        }
        for filter in [Filter::tag("t1"), Filter::field("n").ge(3), Filter::tokens(2..7)] {
            let filter = Matcher::new(filter);
            if let Ok(found) = sealed.select(&filter, &mut 0) {
                assert_eq!(found, active.select(&filter, &mut 0).unwrap(), "byte {i}");
            }
        }
        let padding = bytes[i] == 0 && sealed.verify().is_ok();
        assert!(padding || sealed.verify().is_err(), "byte {i} is covered by nothing");
    }
}

#[test]
fn deletes_and_locators_come_back_and_belong_to_their_segment() {
    let dir = tempfile::tempdir().unwrap();
    let dead: RoaringBitmap = [1, 5, 9].into_iter().collect();
    let header_ = header(FileKind::Deletes);
    let end = Some(Timestamp::from_millis(1 << 41).into());
    let lasting = Change { seq: Seq(300), expiry: end, ..Change::default() };
    let raised = Change { seq: Seq(4), importance: Some(0.75), ..Change::default() };
    for changed in [vec![], vec![(0, lasting), (4, raised), (9, lasting.then(raised))]] {
        let (of, changes) = ((FileId(7), 10), changed.iter().copied());
        let len = write_deletes(&RealDisk, dir.path(), &header_, of, &dead, changes).unwrap();
        let read = |of| read_deletes(&RealDisk, dir.path(), STORE, (FileId(1), len), of);
        assert_eq!(read(of).unwrap(), DeadAndChanged { dead: dead.clone(), changed });
        std::fs::remove_file(dir.path().join("del-0000000000000001")).unwrap();
    }
    let (of, lost) = ((FileId(7), 10), [(10, raised)].into_iter());
    let len = write_deletes(&RealDisk, dir.path(), &header_, of, &dead, lost).unwrap();
    let read = |of| read_deletes(&RealDisk, dir.path(), STORE, (FileId(1), len), of);
    assert!(matches!(read((FileId(7), 10)), Err(Error::Corrupt { .. })), "a row that is not there");
    assert!(matches!(read((FileId(8), 10)), Err(Error::Corrupt { .. })));

    let mut builder = LocatorBuilder::new();
    builder.push([(FileId(5), 0), (FileId(6), 3)]);
    builder.push([]);
    builder.push([(FileId(6), 4)]);
    let len = builder.write(&RealDisk, dir.path(), &header(FileKind::Locator)).unwrap();
    let open = |nodes| Locator::open(&RealDisk, dir.path(), STORE, (FileId(1), len), nodes);
    let locator = open(3).unwrap();
    locator.verify().unwrap();
    let nodes: Vec<_> = locator.nodes().collect();
    assert_eq!(nodes, [vec![(FileId(5), 0), (FileId(6), 3)], vec![], vec![(FileId(6), 4)]]);
    assert!(locator.entries(9).next().is_none());
    assert!(open(4).is_err());
}

/// Valid checksums only prove that a writer wrote these bytes.
#[test]
fn rows_that_no_memory_can_be_are_damage_whatever_their_checksums_say() {
    let dir = tempfile::tempdir().unwrap();
    let bad = NewRow { vector: vec![f32::NAN, 1.0], ..row(1, memory(1), Timestamp::MAX) };
    let sealed = seal(dir.path(), &active(vec![row(0, memory(0), Timestamp::MAX), bad]));
    let mut buffer = RowBuffer::default();
    assert!(sealed.row(0, &mut buffer).is_ok());
    assert!(matches!(sealed.row(1, &mut buffer), Err(Error::Corrupt { .. })));
    assert!(matches!(sealed.vector(1, &mut buffer), Err(Error::Corrupt { .. })));
    let source = Source(active(vec![rows(1).remove(0), rows(1).remove(0)]));
    let (dir, header) = (tempfile::tempdir().unwrap(), header(FileKind::Segment));
    let twice = write_segment(&RealDisk, dir.path(), &header, (2, None), &source, &mut |_| Ok(()));
    assert!(matches!(twice, Err(Error::Corrupt { .. })));
}

/// Overlapping lists would be walked once for each node.
#[test]
fn a_locator_whose_lists_overlap_is_refused_when_it_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let offsets = [0u32, 3, 0, 3];
    let header = header(FileKind::Locator);
    let name = FileName::Locator(FileId(1));
    let mut writer = SectionWriter::create(&RealDisk, dir.path(), name, &header).unwrap();
    writer.section(1, Check::Blocks, &7u64.to_le_bytes()).unwrap();
    writer.section(2, Check::Blocks, bytemuck::cast_slice(&offsets)).unwrap();
    writer.section(3, Check::Blocks, &[0; 24]).unwrap();
    let file = (FileId(1), writer.finish().unwrap());
    let opened = Locator::open(&RealDisk, dir.path(), STORE, file, 3);
    assert!(matches!(opened, Err(Error::Corrupt { .. })));
}

fn filters() -> impl Strategy<Value = Filter> {
    let leaf = prop_oneof![
        Just(Filter::All),
        (0..5u32).prop_map(|i| Filter::namespace(format!("n{i}"))),
        Just(Filter::session("s")),
        Just(Filter::kind("note")),
        (0..4u32).prop_map(|i| Filter::tag(format!("t{i}"))),
        Just(Filter::tags_all(["t0", "t1"])),
        (0..20u32).prop_map(|i| Filter::key(format!("k{i}"))),
        (-300..300i64, -300..300i64).prop_map(|(a, b)| Filter::created(
            Timestamp::from_millis(a)..Timestamp::from_millis(b)
        )),
        (-30..30i64).prop_map(|a| Filter::event_time(Timestamp::from_millis(a)..)),
        (-30..30i64).prop_map(|a| Filter::event_time(..=Timestamp::from_millis(a))),
        (0..11u8).prop_map(|a| Filter::importance_at_least(f32::from(a) / 10.0)),
        any::<bool>().prop_map(Filter::Pinned),
        prop::collection::vec(0..80u64, 0..5).prop_map(Filter::ids),
        (0..80u64).prop_map(|n| Filter::field("n").lt(n)),
        (0..5u64).prop_map(|n| Filter::field("list").contains(n)),
        (0..5u64).prop_map(|n| Filter::field("list[1]").ne(n)),
        Just(Filter::field("n").exists()),
        (0..80i64).prop_map(|at| Filter::valid_at(Timestamp::from_millis(at))),
        any::<bool>().prop_map(Filter::superseded),
        (0..40u64).prop_map(Filter::derived_from),
        Just(Filter::has_session()),
        (1_000..1_080i64).prop_map(|at| Filter::expires(Timestamp::from_millis(at)..)),
        (0..80u32).prop_map(|n| Filter::tokens(..n)),
        Just(Filter::namespace_under("n2/")),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::Or),
            inner.prop_map(Filter::not),
        ]
    })
}

#[test]
fn segments_answer_filters_as_they_are_meant_row_by_row() {
    let dir = tempfile::tempdir().unwrap();
    let active = active(rows(60));
    let sealed = seal(dir.path(), &active);
    let matches = |filter: &Matcher, row| {
        filter.matches(&active.attributes(row, &mut RowBuffer::default()).unwrap())
    };
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    runner
        .run(&filters(), |filter| {
            let filter = Matcher::new(filter);
            let meant: BTreeMap<Row, bool> =
                (0..60).map(|row| (row, matches(&filter, row))).collect();
            let meant: RoaringBitmap =
                meant.into_iter().filter(|(_, yes)| *yes).map(|(row, _)| row).collect();
            prop_assert_eq!(&active.select(&filter, &mut 0).unwrap(), &meant);
            prop_assert_eq!(&sealed.select(&filter, &mut 0).unwrap(), &meant);
            Ok(())
        })
        .unwrap();
}

/// Regression: a repair took rows out of files that older versions must refuse.
#[test]
fn rows_of_a_file_that_this_version_must_refuse_were_salvaged() {
    let dir = tempfile::tempdir().unwrap();
    let segment = seal(dir.path(), &active(rows(20)));
    let path = dir.path().join(FileName::Segment(FileId(1)).to_string());
    let whole = std::fs::read(&path).unwrap();
    let salvaged = |bytes: &[u8]| {
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
        SalvagedSegment::open(&RealDisk, dir.path(), STORE, FileId(1), segment.rows(), 2)
    };
    assert!(salvaged(&whole).is_ok());

    let mut newer = whole.clone();
    newer[10] = crate::format::READ_VERSION as u8 + 1;
    let crc = crate::format::crc32(&[&newer[..124]]);
    newer[124..128].copy_from_slice(&crc.to_le_bytes());
    assert!(matches!(salvaged(&newer), Err(Error::Corrupt { offset: 10, .. })));

    let mut table = SectionTable::decode(&whole).unwrap();
    let last = table.entries.last_mut().unwrap();
    last.kind = 200;
    let end = (last.offset + last.len) as usize;
    let mut unknown = whole[..end].to_vec();
    unknown.extend(table.encode());
    assert!(matches!(salvaged(&unknown), Err(Error::Corrupt { .. })));
}
