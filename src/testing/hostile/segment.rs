//! Owns the target of segments and their deletes: every accessor, every kind of filter, and the
//! whole verification.

use std::sync::OnceLock;

use super::edits::Input;
use super::files::MemoryDisk;
use super::golden::{COLLECTIONS, Golden, NOW, len, regions, words_of_notes};
use super::repair;
use super::verdict::{Verdict, typed};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::filter::{Filter, Matcher};
use crate::format::header::FileKind;
use crate::format::manifest::{DeletesEntry, SegmentEntry};
use crate::format::names::FileName;
use crate::format::record;
use crate::ids::MemoryId;
use crate::segment::{
    Column, Field, Liveness, Row, RowBuffer, Rows, SealedSegment, WordList, read_deletes,
    verify_deletes,
};
use crate::words::Analyzer;

/// A whole segment, to compare with.
struct Whole {
    entry: &'static SegmentEntry,
    dimension: usize,
    segment: SealedSegment,
}

fn whole() -> &'static [Whole] {
    static WHOLE: OnceLock<Vec<Whole>> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let (golden, mut all) = (Golden::get(), Vec::new());
        let disk = golden.disk();
        for (name, dimension) in COLLECTIONS {
            for entry in &golden.collection(name).segments {
                let (store, file) = (golden.manifest.store, (entry.file, entry.len));
                let opened = SealedSegment::open(&disk, golden.dir, store, file, dimension, None);
                all.push(Whole { entry, dimension, segment: opened.unwrap() });
            }
        }
        // A segment with deletes comes first.
        all.sort_by_key(|whole| whole.entry.deletes.is_none());
        all
    })
}

/// Returns one filter of each kind, and some combinations.
fn filters() -> &'static [Matcher] {
    static FILTERS: OnceLock<Vec<Matcher>> = OnceLock::new();
    FILTERS.get_or_init(|| {
        let all = [
            Filter::All,
            Filter::namespace("user:0"),
            Filter::session("s"),
            Filter::kind("note"),
            Filter::tag("t0").not(),
            Filter::tags_all(["t0", "t1"]),
            Filter::key("k10"),
            Filter::created(Timestamp::from_millis(3)..NOW),
            Filter::event_time(Timestamp::from_millis(10)..Timestamp::from_millis(40)),
            Filter::importance_at_least(0.5),
            Filter::Pinned(true),
            Filter::ids([1u64, 10, 64, 500]),
            Filter::namespace("user:2").and(Filter::tag("t1")).or(Filter::key("k5")),
            Filter::field("n").between(3, 40.5),
            Filter::field("text").contains("3"),
            Filter::field("text").eq(Timestamp::EPOCH),
            Filter::field("list").contains(1),
            Filter::field("list[0]").none_of([0, 2]),
            Filter::field("nothing").exists(),
            Filter::valid_at(Timestamp::from_millis(30)),
            Filter::superseded(true).and(Filter::tokens(2..).not()),
            Filter::derived_from(7u64),
            Filter::has_session(),
            Filter::expires(NOW..),
            Filter::namespace_under("user:0"),
            // More names than there are posting lists.
            Filter::tags_any((0..200).map(|i| format!("t{i}"))),
        ];
        all.into_iter().map(Matcher::new).collect()
    })
}

/// Segments and their deletes.
pub(super) fn segment(data: &[u8]) -> Verdict {
    let (golden, mut input) = (Golden::get(), Input::new(data));
    let all = whole();
    let whole = &all[input.variant % all.len()];
    let deletes = whole.entry.deletes.as_ref().filter(|_| input.variant & 0x40 != 0);
    if let Some(deletes) = deletes {
        return damaged_deletes(golden, &mut input, whole, deletes);
    }
    let name = FileName::Segment(whole.entry.file).to_string();
    let mut bytes = golden.bytes(&name).clone();
    let regions = regions(&bytes);
    input.edit(&mut bytes, &regions);
    if input.repair {
        repair::repair(FileKind::Segment, &mut bytes);
    }
    let disk = MemoryDisk::default();
    let len = if input.repair { bytes.len() as u64 } else { whole.entry.len };
    disk.put(golden.dir, &name, bytes);
    let (store, file) = (golden.manifest.store, (whole.entry.file, len));
    let opened = SealedSegment::open(&disk, golden.dir, store, file, whole.dimension, None);
    match &opened {
        Err(error) => typed(error),
        Ok(segment) => ask(segment, &whole.segment, input.repair),
    }
    Verdict { accepted: opened.is_ok(), repaired: input.repair }
}

/// Compares an answer with the right one, unless the file was forged.
fn compare<T: PartialEq + std::fmt::Debug>(got: Result<T>, right: Result<T>, forged: bool) {
    match got {
        Err(error) => typed(&error),
        Ok(_) if forged => {}
        Ok(got) => assert_eq!(got, right.unwrap(), "a damaged file gave a wrong answer"),
    }
}

fn ask(segment: &SealedSegment, right: &SealedSegment, forged: bool) {
    let (mut a, mut b) = (RowBuffer::default(), RowBuffer::default());
    for row in (0..segment.rows().min(4096)).chain([segment.rows(), u32::MAX]) {
        let got = segment.row(row, &mut a);
        if let Ok(row) = &got {
            assert!(row.vector.iter().all(|x| x.is_finite()), "a vector that is no vector");
            if let Ok(memory) = record::decode_memory(row.id, row.vector.to_vec(), row.body) {
                let _ = memory.metadata_as::<super::golden::Note>();
            }
        }
        compare(got, right.row(row, &mut b), forged);
        compare(segment.vector(row, &mut a), right.vector(row, &mut b), forged);
        compare(segment.seq(row), right.seq(row), forged);
        compare(segment.expires_at(row), right.expires_at(row), forged);
        compare(segment.attributes(row, &mut a), right.attributes(row, &mut b), forged);
    }
    for id in [0u64, 1, 33, 64, 99, 100, 150, u64::MAX].map(MemoryId::from) {
        compare(segment.find(id), right.find(id), forged);
    }
    for filter in filters() {
        let got = segment.select(filter, &mut 0);
        if let Ok(rows) = &got {
            assert!(rows.max().is_none_or(|row| row < segment.rows()), "a row beyond the end");
        }
        compare(got, right.select(filter, &mut 0), forged);
    }
    ask_lists(segment, right, forged);
    ask_words(segment, right, forged);
    for now in [0, NOW.as_millis(), NOW.as_millis() + 60_000, i64::MAX] {
        let now = Timestamp::from_millis(now);
        compare(segment.unexpired(now), right.unexpired(now), forged);
    }
    compare(segment.verify(), Ok(()), forged);
}

/// Asks for the numbers of an order, and for names.
fn ask_lists(segment: &SealedSegment, right: &SealedSegment, forged: bool) {
    for column in [Column::Created, Column::Event, Column::Importance] {
        let numbers = |of: &SealedSegment, rows: &[Row]| {
            let mut numbers = Vec::new();
            of.order(column, rows, &mut numbers).map(|()| numbers)
        };
        let last = right.rows().saturating_sub(1);
        for rows in [vec![], vec![0], vec![0, 2, last], vec![last, u32::MAX]] {
            compare(numbers(segment, &rows), numbers(right, &rows), forged);
        }
    }
    for field in [Field::Namespace, Field::Session, Field::Kind, Field::Tag] {
        for prefix in ["", "user:", "t1"] {
            let names = |of: &SealedSegment| {
                let mut names = Vec::new();
                let each = of.names(field, prefix, &mut |name, rows| {
                    assert!(rows.max().is_none_or(|row| row < of.rows()), "a row beyond the end");
                    names.push((name.to_owned(), rows));
                });
                each.map(|_| names)
            };
            compare(names(segment), names(right), forged);
        }
    }
}

/// Asks for all words, and for some by name and by prefix.
fn ask_words(segment: &SealedSegment, right: &SealedSegment, forged: bool) {
    for analyzer in [words_of_notes(), Analyzer::default()] {
        let said = |of: &SealedSegment| {
            let mut said = Vec::new();
            let mut visit = |first: Row, list: &dyn WordList| {
                let rows = list.lengths()?.len() as Row;
                assert!(u64::from(first) + u64::from(rows) <= u64::from(of.rows()));
                let mut terms = Vec::new();
                for prefix in ["", "te", "1", "zebra"] {
                    list.each_from(prefix, &mut |word, term| {
                        terms.push((word.to_owned(), term));
                        terms.len() < 5000
                    })?;
                }
                for word in ["text", "12", "zebra"] {
                    terms.extend(list.find(word)?.map(|term| (word.to_owned(), term)));
                }
                for (word, term) in terms {
                    let found: Vec<(Row, u32)> = list.postings(&term)?.collect();
                    assert!(found.iter().all(|(row, _)| *row < rows), "a row beyond the end");
                    said.push((word, found));
                }
                Ok(())
            };
            of.words(analyzer, &mut visit, &mut 0).map(|()| said)
        };
        compare(said(segment), said(right), forged);
    }
}

fn damaged_deletes(
    golden: &Golden,
    input: &mut Input<'_>,
    whole: &Whole,
    deletes: &DeletesEntry,
) -> Verdict {
    let name = FileName::Deletes(deletes.file).to_string();
    let mut bytes = golden.bytes(&name).clone();
    let regions = regions(&bytes);
    input.edit(&mut bytes, &regions);
    if input.repair {
        repair::repair(FileKind::Deletes, &mut bytes);
    }
    let disk = golden.disk();
    let right = len(&disk, golden.dir, &name);
    let len = if input.repair { bytes.len() as u64 } else { right };
    let (store, file) = (golden.manifest.store, (deletes.file, len));
    let of = (whole.entry.file, whole.segment.rows());
    let right = read_deletes(&disk, golden.dir, store, (deletes.file, right), of);
    disk.put(golden.dir, &name, bytes);
    let got = read_deletes(&disk, golden.dir, store, file, of);
    let accepted = got.is_ok();
    if let Ok(found) = &got {
        let live = Liveness::without(of.1, &found.dead);
        assert_eq!(u64::from(live.dead()), found.dead.len());
        assert!(found.changed.iter().all(|(row, _)| *row < of.1));
    }
    compare(got, right, input.repair);
    if let Err(error) = verify_deletes(&disk, golden.dir, store, file, of) {
        typed(&error);
    }
    Verdict { accepted, repaired: input.repair }
}
