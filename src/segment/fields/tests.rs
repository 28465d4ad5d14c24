//! Tests of the module above.

use std::ops::Range;

use roaring::RoaringBitmap;

use super::answer::Answer;
use super::*;
use crate::clock::Timestamp;
use crate::fields::FieldValue;
use crate::filter::{Attributes, Filter, Matcher};
use crate::format::DecodeError;
use crate::format::record::{attributes, encode_body};
use crate::ids::MemoryId;
use crate::memory::Memory;

const DIMENSION: usize = 2;

fn memory(i: u64) -> Memory {
    let mut memory = Memory::new(i, [0.0; DIMENSION]);
    if !i.is_multiple_of(10) {
        memory = memory
            .field("n", i as f64 / 2.0)
            .field("text", ["tea", "coffee", "mate"][i as usize % 3])
            .field_list("list", [i % 4, i % 4, i % 5]);
    }
    if i.is_multiple_of(3) {
        memory = memory.valid(Some(Timestamp::from_millis(i as i64)), None).tokens(i as u32);
    }
    if i.is_multiple_of(4) {
        memory = memory.derived_from([7u64, i]).superseded_by(1u64);
    }
    memory
}

fn bodies(rows: u64) -> Vec<Vec<u8>> {
    (0..rows).map(|i| encode_body(&memory(i), Timestamp::EPOCH, Timestamp::MAX)).collect()
}

fn of(row: usize, body: &[u8]) -> Attributes<'_> {
    attributes(MemoryId::from(row as u64), body).unwrap()
}

fn section(bodies: &[Vec<u8>]) -> Vec<u8> {
    let mut builder = FieldsBuilder::new(bodies.len() as Row, DIMENSION);
    (0..).zip(bodies).for_each(|(row, body)| builder.add(row, &of(row as usize, body)));
    builder.encode()
}

fn stored<'a>(bytes: &'a [u8]) -> Fields<impl Fn(Range<usize>) -> Result<&'a [u8], DecodeError>> {
    Fields::new(|part| bytes.get(part).ok_or(DecodeError::new(0, "it passes the end")))
}

fn filters() -> Vec<Filter> {
    let field = Filter::field;
    vec![
        field("n").eq(3),
        field("n").between(2, 20.5),
        field("n").ne(3),
        field("n").exists(),
        field("text").one_of(["tea", "mate"]),
        field("text").starts_with("c"),
        field("text").contains("ea"),
        field("text").lt("tea"),
        field("list").contains(4),
        field("list[*]").none_of([0]),
        field("nothing").exists(),
        field("text").ge(Timestamp::EPOCH),
        Filter::valid_at(Timestamp::from_millis(31)),
        Filter::superseded(false),
        Filter::derived_from(7u64),
        Filter::tokens(9..=30),
    ]
}

#[test]
fn columns_answer_as_the_rows_do() {
    let bodies = bodies(200);
    let bytes = section(&bodies);
    let fields = stored(&bytes);
    fields.check(200, bytes.len()).unwrap();
    for filter in filters() {
        let matcher = Matcher::new(filter.clone());
        let holds = |row: &Row| matcher.matches(&of(*row as usize, &bodies[*row as usize]));
        let wanted: RoaringBitmap = (0..200).filter(holds).collect();
        assert!(!needs_rows(&fields, &filter).unwrap());
        assert_eq!(answer(&fields, 200, &filter).unwrap(), Answer::Rows(wanted), "{filter:?}");
    }
    let position = Filter::field("list[1]").eq(3);
    assert!(needs_rows(&fields, &position).unwrap());
    let among = (0..200).filter(|i| i % 10 != 0 && (i % 4 == 3 || i % 5 == 3)).collect();
    assert_eq!(answer(&fields, 200, &position).unwrap(), Answer::Among(among));
}

#[test]
fn golden_bytes() {
    let memories = [
        Memory::new(1u64, [0.0; DIMENSION]).field("a", 1).superseded_by(7u64),
        Memory::new(2u64, [0.0; DIMENSION]),
        Memory::new(3u64, [0.0; DIMENSION]).field_list("a", [FieldValue::from("x"), true.into()]),
    ];
    let body = |memory: &Memory| encode_body(memory, Timestamp::EPOCH, Timestamp::MAX);
    let bytes = section(&memories.each_ref().map(body));
    let number = |n: u32| n.to_le_bytes();
    let mut expected = Vec::new();
    [3, 0, 0, 0].map(number).iter().for_each(|n| expected.extend(n)); // head
    // Names and columns: of `.superseded`, `a` and `a[*]`.
    let places = [64, 11, 75, 22, 97, 1, 98, 44, 142, 4, 146, 36];
    places.map(number).iter().for_each(|n| expected.extend(n));
    expected.extend(b".superseded");
    [1, 1, 2, 1].map(number).iter().for_each(|n| expected.extend(n));
    expected.extend([2, 1]); // true
    expected.extend(number(0));
    expected.extend(b"a");
    [2, 2, 1, 12, 1, 2].map(number).iter().for_each(|n| expected.extend(n));
    expected.extend([0, 3, 0xBF, 0xF0, 0, 0, 0, 0, 0, 0, 0x80, 0]); // a list; 1
    [2, 0].map(number).iter().for_each(|n| expected.extend(n));
    expected.extend(b"a[*]");
    [2, 2, 2, 4, 1, 2].map(number).iter().for_each(|n| expected.extend(n));
    expected.extend([2, 1, 4, b'x']); // true, "x"
    [2, 2].map(number).iter().for_each(|n| expected.extend(n));
    assert_eq!(bytes, expected);
}

#[test]
fn damage_is_an_error_or_another_answer_and_never_a_panic() {
    let bytes = section(&bodies(40));
    for i in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[i] ^= 0x41;
        let fields = stored(&damaged);
        let _ = fields.check(40, damaged.len());
        for filter in filters() {
            let _ = needs_rows(&fields, &filter);
            match answer(&fields, 40, &filter) {
                Ok(Answer::Rows(rows) | Answer::Among(rows)) => {
                    assert!(rows.max().is_none_or(|row| row < 40), "a row beyond the end");
                }
                Ok(Answer::Unknown) | Err(_) => {}
            }
        }
        let cut = stored(&bytes[..i]);
        assert!(cut.check(40, i).is_err());
    }
}

#[test]
fn what_is_out_of_order_or_beyond_the_rows_is_found() {
    let bytes = section(&bodies(40));
    assert!(stored(&bytes).check(39, bytes.len()).is_err(), "a row that is not there");
    assert!(stored(&bytes).check(40, bytes.len() + 1).is_err(), "bytes behind the columns");
    let mut swapped = bytes.clone();
    let (first, rest) = swapped[HEAD..].split_at_mut(ENTRY);
    first.swap_with_slice(&mut rest[..ENTRY]);
    assert!(stored(&swapped).check(40, bytes.len()).is_err());
    for (at, number) in [(0, u32::MAX), (4, 2), (8, 1), (12, 1)] {
        let mut head = bytes.clone();
        head[at..at + 4].copy_from_slice(&number.to_le_bytes());
        assert!(stored(&head).check(40, bytes.len()).is_err(), "byte {at}");
    }
}

#[test]
fn the_largest_columns_are_left_out_and_the_bytes_stay_within_the_limit() {
    let rows = 3_000u64;
    let memory = |i: u64| {
        let memory = Memory::new(i, [0.0; DIMENSION]).field("id", i).field("few", i % 3);
        memory.field("long", format!("{i:0>200}"))
    };
    let body = |i: u64| encode_body(&memory(i), Timestamp::EPOCH, Timestamp::MAX);
    let bodies: Vec<Vec<u8>> = (0..rows).map(body).collect();
    let bytes = section(&bodies);
    assert!(bytes.len() <= limit(rows as Row, DIMENSION), "{} bytes", bytes.len());
    let fields = stored(&bytes);
    fields.check(rows as Row, bytes.len()).unwrap();
    assert_eq!(fields.left_out().unwrap(), 2);
    for (path, left_out) in [("long", true), ("id", true), ("few", false), ("none", false)] {
        let filter = Filter::field(path).exists();
        assert_eq!(needs_rows(&fields, &filter).unwrap(), left_out, "{path}");
        let unknown = answer(&fields, rows as Row, &filter).unwrap() == Answer::Unknown;
        assert_eq!(unknown, left_out, "{path}");
    }
    // Equal rows make equal files.
    assert_eq!(section(&bodies), bytes);
}
