//! Tests of the module above.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::format::record::encode_body;
use crate::ids::Seq;
use crate::map_vec::MapVec;
use crate::memory::Memory;
use crate::options::{Metric, Quantization};
use crate::segment::{Active, NewRow, Row, Rows};
use crate::vector::codes::CodeSpec;
use crate::words::{Analyzer, Language};

const PLAIN: Analyzer = Analyzer { language: None };
const ENGLISH: Analyzer = Analyzer { language: Some(Language::English) };

fn built(analyzer: Analyzer, texts: &[Option<String>]) -> MapVec<u8> {
    let mut builder = WordsBuilder::new(analyzer);
    texts.iter().for_each(|text| builder.add(text.as_deref()));
    builder.encode()
}

fn opened(bytes: &[u8], rows: usize) -> Words<InRam<'_>> {
    Words::open(InRam(bytes), rows as Row).unwrap()
}

/// What words say: for each word its rows, and the length of each row.
type Plain = (BTreeMap<String, Vec<(Row, u32)>>, Vec<u32>);

/// Returns the words of texts, collected in the plainest way.
fn plain(analyzer: Analyzer, texts: &[Option<String>]) -> Plain {
    let (mut all, mut lengths) = (Plain::default().0, Vec::new());
    for (row, text) in (0..).zip(texts) {
        let mut length = 0;
        analyzer.words(text.as_deref().unwrap_or_default(), &mut |word| {
            length += 1;
            let rows = all.entry(word.to_owned()).or_default();
            match rows.last_mut() {
                Some((last, count)) if *last == row => *count += 1,
                _ => rows.push((row, 1)),
            }
        });
        lengths.push(length);
    }
    (all, lengths)
}

/// Returns what words say that are read through their interface.
fn said(list: &dyn WordList) -> Result<Plain> {
    let (mut all, mut failed) = (BTreeMap::new(), None);
    list.each_from("", &mut |word, term| match list.postings(&term) {
        Ok(rows) => {
            let rows: Vec<(Row, u32)> = rows.collect();
            assert_eq!(rows.len(), term.documents as usize);
            all.insert(word.to_owned(), rows);
            true
        }
        Err(error) => {
            failed = Some(error);
            false
        }
    })?;
    let lengths = list.lengths()?.iter().map(|length| u32::from_le_bytes(*length)).collect();
    failed.map_or(Ok((all, lengths)), Err)
}

#[test]
fn golden_bytes() {
    let texts = [Some("tea Tea, mate"), None, Some("..."), Some("mate")];
    let bytes = built(PLAIN, &texts.map(|text| text.map(str::to_owned)));
    let mut expected = PLAIN.code().to_le_bytes().to_vec();
    for number in [4u32, 2, 2, 4, 0, 7, 0] {
        expected.extend(number.to_le_bytes()); // rows, documents, terms, tokens, names, reserved
    }
    for number in [3u32, 0, 0, 1, 4, 3, 7, 6] {
        expected.extend(number.to_le_bytes()); // lengths; ends of `mate`, of `tea`
    }
    expected.extend(b"matetea");
    expected.extend([2, 0, 3 << 1]); // two rows: 0, 3
    expected.extend([1, 1, 2]); // one row: 0, twice
    assert_eq!(bytes[..], expected);
    opened(&bytes, 4).check().unwrap();
}

#[test]
fn a_word_is_found_and_a_prefix_finds_its_words() {
    let texts = ["tea and mate", "teas", "Tee, teamwork"].map(|text| Some(text.to_owned()));
    let bytes = built(PLAIN, &texts);
    let words = opened(&bytes, 3);
    assert_eq!((words.documents(), words.tokens()), (3, 6));
    let rows = |word| words.find(word).unwrap().map(|t| words.postings(&t).unwrap().collect());
    assert_eq!(rows("teas"), Some(vec![(1, 1)]));
    assert_eq!(rows("and"), Some(vec![(0, 1)]));
    for missing in ["", "a", "te", "zebra", "teaz"] {
        assert_eq!(rows(missing), None, "{missing}");
    }
    let from = |prefix, most: usize| {
        let mut found = Vec::new();
        let each = words.each_from(prefix, &mut |word, _| {
            found.push(word.to_owned());
            found.len() < most
        });
        each.map(|()| found).unwrap()
    };
    assert_eq!(from("tea", 9), ["tea", "teamwork", "teas"]);
    assert_eq!(from("tea", 2), ["tea", "teamwork"]);
    assert!(from("b", 9).is_empty() && from("zebra", 9).is_empty());
}

#[test]
fn words_that_would_be_too_large_are_left_out() {
    let texts: Vec<Option<String>> = (0..40).map(|i| Some(format!("word{i} more"))).collect();
    let whole = built(PLAIN, &texts).len();
    for most in [whole, whole - 1, 400, 10] {
        let mut builder = WordsBuilder::new(PLAIN).with_most(most);
        texts.iter().for_each(|text| builder.add(text.as_deref()));
        let bytes = builder.encode();
        let words = opened(&bytes, 40);
        words.check().unwrap();
        let left_out = most < whole;
        assert_eq!(words.rows() == 0, left_out, "{most}");
        assert!(words.is_by(PLAIN) && bytes.len() <= most.max(HEAD));
        assert_eq!(words.find("more").unwrap().is_none(), left_out);
    }
}

#[test]
fn no_flipped_bit_and_no_cut_makes_a_reader_panic_or_name_a_row_beyond_the_end() {
    let texts: Vec<Option<String>> =
        (0..9).map(|i| Some(format!("a{} b{} b{} same ä{i}", i % 3, i % 4, i % 4))).collect();
    let whole = built(ENGLISH, &texts);
    let mut damaged = whole.to_vec();
    let ask = |bytes: &[u8]| {
        let Ok(words) = Words::open(InRam(bytes), 9) else { return };
        let sound = words.check().is_ok();
        let said = said(&words);
        assert!(said.is_ok() || !sound, "{said:?}");
        let moved = moved_words(&[Some(WordParts(vec![words]))], (0..9).map(|row| (0, row)));
        match moved {
            Ok(moved) => assert!(!sound || moved.unwrap()[..] == *bytes),
            Err(error) => assert!(!sound, "{error}"),
        }
        for rows in said.iter().flat_map(|(all, _)| all.values()) {
            assert!(rows.iter().all(|(row, _)| *row < 9), "{rows:?}");
        }
        for word in ["a1", "same", "ä8", "zebra"] {
            if let Ok(Some(term)) = words.find(word) {
                let _ = words.postings(&term).map(|rows| rows.count());
            }
        }
    };
    for bit in 0..whole.len() * 8 {
        damaged[bit / 8] ^= 1 << (bit % 8);
        ask(&damaged);
        damaged[bit / 8] ^= 1 << (bit % 8);
    }
    (0..whole.len()).for_each(|len| ask(&damaged[..len]));
    // Rows that are not those of the segment are refused at once.
    assert!(Words::open(InRam(&whole), 8).is_err() && Words::open(InRam(&whole), 10).is_err());
}

#[test]
fn a_row_takes_no_more_bytes_than_its_bound() {
    let letters: Vec<String> = ('a'..='z').chain('0'..='9').map(String::from).collect();
    let ideographs: String = (0x4E00..0x4E00 + 3000).filter_map(char::from_u32).collect();
    let texts = [
        String::new(),
        "a".to_owned(),
        letters.join(" "),
        ideographs,
        "² ³ ¹ ¼ ½ ¾ª º".repeat(9),
        "²³¹¼½¾".to_owned(),
        (0..2000).map(|i| format!("{i:x}.")).collect::<Vec<_>>().join(" "),
        "ȺİȾ ".repeat(50),
        "connected connections ".repeat(20),
    ];
    let bound = |texts: &[Option<String>]| -> usize {
        texts.iter().map(|text| row_bound(text.as_deref().unwrap_or_default().len())).sum()
    };
    for analyzer in [PLAIN, ENGLISH] {
        for text in &texts {
            for rows in [1, 2, 700] {
                let all = vec![Some(text.clone()); if text.len() > 300 { 1 } else { rows }];
                let taken = built(analyzer, &all).len();
                assert!(taken <= bound(&all), "{taken} of {}: {text:.20}", bound(&all));
            }
        }
        let all: Vec<Option<String>> = texts.iter().cloned().map(Some).collect();
        assert!(built(analyzer, &all).len() <= bound(&all));
    }
}

fn row(id: u64, text: Option<&str>) -> NewRow {
    let mut memory = Memory::new(id, [id as f32, 1.0]);
    if let Some(text) = text {
        memory = memory.text(text);
    }
    let body = encode_body(&memory, Timestamp::EPOCH, Timestamp::MAX);
    let (vector, expires_at) = (memory.vector, Timestamp::MAX);
    NewRow { id: id.into(), seq: Seq(id + 1), norm: 1.0, vector, body, expires_at }
}

fn text(id: u64) -> Option<String> {
    (id % 7 != 3).then(|| format!("row{} common word{} word{}", id, id % 5, id % 5))
}

/// Returns what all pieces say together, and how many rows were read for it.
fn pieces(rows: &dyn Rows, analyzer: Analyzer) -> (Plain, u64) {
    let (mut all, mut lengths, mut read) = (Plain::default().0, Vec::new(), 0);
    let mut visit = |first: Row, list: &dyn WordList| {
        let (some, more) = said(list)?;
        assert_eq!(first as usize, lengths.len(), "the pieces follow each other");
        lengths.extend(more);
        for (word, rows) in some {
            let rows = rows.into_iter().map(|(row, count)| (first + row, count));
            all.entry(word).or_insert_with(Vec::new).extend(rows);
        }
        Ok(())
    };
    rows.words(analyzer, &mut visit, &mut read).unwrap();
    ((all, lengths), read)
}

#[test]
fn a_memtable_has_the_words_of_its_rows_and_makes_those_by_other_rules() {
    let spec = CodeSpec::new(Quantization::Int8, Metric::L2, 2);
    let texts: Vec<Option<String>> = (0..600).map(text).collect();
    let add = |active: Active| {
        let rows = (0..).zip(&texts).map(|(id, text)| row(id, text.as_deref()));
        rows.fold(active, |active, row| active.push(vec![row]))
    };
    let active = add(Active::new(spec, None, Some(ENGLISH)));
    assert_eq!(pieces(&active, ENGLISH), (plain(ENGLISH, &texts), 0));
    assert_eq!(pieces(&active, PLAIN), (plain(PLAIN, &texts), 600));
    let bound = (0..).zip(&texts).map(|(id, text)| active.row_bytes(&row(id, text.as_deref())));
    let without = add(Active::new(spec, None, None));
    assert_eq!(pieces(&without, ENGLISH), (plain(ENGLISH, &texts), 600));
    let taken = active.heap_bytes() - without.heap_bytes();
    assert!(taken > 600 * 8 && active.heap_bytes() <= bound.sum(), "{taken}");
    // The other words, and none.
    let other = active.with_words(Some(PLAIN));
    assert_eq!(pieces(&other, PLAIN), (plain(PLAIN, &texts), 0));
    for id in 0..600 {
        assert_eq!(other.find(id.into()).unwrap(), [id as Row]);
    }
    let none = other.with_words(None);
    assert_eq!(pieces(&none, PLAIN).1, 600);
    assert!(none.heap_bytes() + 600 * 8 < other.heap_bytes());
}

#[test]
fn the_words_of_a_memtable_move_with_its_rows() {
    let spec = CodeSpec::new(Quantization::Int8, Metric::L2, 2);
    let texts: Vec<Option<String>> = (0..600).map(text).collect();
    let rows: Vec<NewRow> = (0..).zip(&texts).map(|(id, text)| row(id, text.as_deref())).collect();
    let empty = Active::new(spec, None, Some(ENGLISH));
    let active = rows.chunks(7).fold(empty, |active, rows| active.push(rows.to_vec()));
    assert!(active.block_rows().len() > 1, "words come in parts");
    // Every third row is dead, and the others come in another order.
    let order = || (0..600).rev().filter(|row| row % 3 != 0).map(|row: Row| (0, row));
    let kept: Vec<Option<String>> = order().map(|(_, row)| texts[row as usize].clone()).collect();
    let new = moved_words(&[active.word_parts(ENGLISH).unwrap()], order()).unwrap().unwrap();
    assert_eq!(new[..], built(ENGLISH, &kept)[..]);
    assert!(active.word_parts(PLAIN).unwrap().is_none(), "words by other rules");
    assert!(active.with_words(None).word_parts(ENGLISH).unwrap().is_none(), "no words");
    assert!(moved_words(&[], std::iter::empty()).unwrap().is_none());
}

#[test]
fn rows_without_words_come_in_bounded_pieces() {
    let spec = CodeSpec::new(Quantization::None, Metric::L2, 2);
    let long: String = (0..60_000).map(|i| format!("w{i:x} ")).collect();
    let rows = (0..12).map(|id| row(id, Some(&long))).collect();
    let active = Active::new(spec, None, None).push(rows);
    let (mut firsts, mut read) = (BTreeSet::new(), 0);
    let mut visit = |first: Row, list: &dyn WordList| {
        assert!(list.tokens() > 0 && firsts.insert(first));
        Ok(())
    };
    active.words(PLAIN, &mut visit, &mut read).unwrap();
    assert!(firsts.len() > 1 && firsts.contains(&0) && read == 12, "{firsts:?}");
}

fn texts() -> impl Strategy<Value = Vec<Option<String>>> {
    let word = prop::sample::select(vec![
        "tea",
        "teas",
        "Tea",
        "mate",
        "x",
        "Ä",
        "ä",
        "北京",
        "1.5",
        "connected",
        "connection",
        "…",
    ]);
    let text = prop::collection::vec(word, 0..9).prop_map(|words| words.join(" "));
    prop::collection::vec(prop::option::weighted(0.8, text), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn words_say_what_a_plain_map_says(texts in texts(), english in any::<bool>()) {
        let analyzer = if english { ENGLISH } else { PLAIN };
        let bytes = built(analyzer, &texts);
        let words = opened(&bytes, texts.len());
        words.check().unwrap();
        let (all, lengths) = plain(analyzer, &texts);
        prop_assert_eq!(words.documents() as usize, lengths.iter().filter(|n| **n > 0).count());
        prop_assert_eq!(words.tokens(), lengths.iter().map(|n| u64::from(*n)).sum::<u64>());
        for (word, rows) in &all {
            let term = words.find(word).unwrap().unwrap();
            prop_assert_eq!(term.documents as usize, rows.len());
            let found: Vec<(Row, u32)> = words.postings(&term).unwrap().collect();
            prop_assert_eq!(&found, rows);
        }
        prop_assert_eq!(said(&words).unwrap(), (all, lengths));
    }

    #[test]
    fn merged_words_are_those_that_are_built_at_once(
        texts in texts(), cuts in prop::collection::vec(0..40usize, 0..5)
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(texts.len())).collect();
        cuts.extend([0, texts.len()]);
        cuts.sort_unstable();
        let parts: Vec<MapVec<u8>> =
            cuts.windows(2).map(|part| built(ENGLISH, &texts[part[0]..part[1]])).collect();
        let rows = cuts.windows(2).map(|part| part[1] - part[0]);
        let parts: Vec<Words<InRam<'_>>> =
            parts.iter().zip(rows).map(|(bytes, rows)| opened(bytes, rows)).collect();
        prop_assert_eq!(&merge(&parts).unwrap().unwrap()[..], &built(ENGLISH, &texts)[..]);
    }

    /// Rows of several inputs are mixed, in any order, and some stay behind. The first input has
    /// its words in two parts.
    #[test]
    fn moved_words_are_those_that_are_built_of_the_rows_that_move(
        texts in texts(), to in prop::collection::vec((0..3usize, any::<bool>(), any::<u8>()), 40),
        cut in 0..40usize
    ) {
        // The input and the row of each text.
        let mut rows: Vec<Vec<Option<String>>> = vec![Vec::new(); 3];
        let mut order = Vec::new();
        for (text, (input, moves, place)) in texts.iter().zip(&to) {
            order.extend(moves.then_some((*place, *input, rows[*input].len())));
            rows[*input].push(text.clone());
        }
        order.sort_unstable();
        let kept: Vec<Option<String>> =
            order.iter().map(|(_, input, row)| rows[*input][*row].clone()).collect();
        let parts = |input: &Vec<Option<String>>, cut: usize| {
            let (a, b) = input.split_at(cut.min(input.len()));
            [a, b].map(|texts| (built(ENGLISH, texts), texts.len()))
        };
        let stored = [parts(&rows[0], cut), parts(&rows[1], 0), parts(&rows[2], 0)];
        let stored = stored.each_ref().map(|parts| {
            let words = parts.iter().map(|(bytes, rows)| opened(bytes, *rows));
            Some(WordParts(words.collect()))
        });
        let order = || order.iter().map(|(_, input, row)| (*input, *row as Row));
        let new = moved_words(&stored, order()).unwrap().unwrap();
        prop_assert_eq!(&new[..], &built(ENGLISH, &kept)[..]);
        let [first, second, _] = stored;
        prop_assert!(moved_words(&[first, second, None], order()).unwrap().is_none());
    }
}
