//! Owns the check of words: the words of every part, in RAM and on disk, are those of its texts.

use super::model::NAMES;
use crate::Store;
use crate::error::Result;
use crate::format::record;
use crate::segment::{Row, RowBuffer, Rows, WordList};
use crate::words::Analyzer;

/// Checks the words of every collection whose texts are indexed.
pub(super) fn check_words(store: &Store) -> Result<(), String> {
    for name in NAMES {
        let Some(collection) = store.get_collection(name) else { continue };
        let Some(analyzer) = collection.core.options().analyzer() else { continue };
        for (rows, _) in collection.core.snapshot().parts() {
            of_part(rows, analyzer).map_err(|e| format!("words of {name}: {e}"))?;
        }
    }
    Ok(())
}

fn of_part(rows: &dyn Rows, analyzer: Analyzer) -> Result<(), String> {
    let (mut wrong, mut next) = (None, 0);
    let mut visit = |first: Row, words: &dyn WordList| {
        let lengths = words.lengths()?;
        if first != next {
            wrong = Some(format!("a piece begins with row {first} instead of {next}"));
        }
        next = first + lengths.len() as Row;
        for (row, length) in (0..).zip(lengths) {
            let found = words_of(rows, first + row, analyzer)?;
            let mut right = u32::from_le_bytes(*length) as usize == found.len();
            for word in &found {
                let count = found.iter().filter(|w| *w == word).count() as u32;
                let term = words.find(word)?;
                right &= match &term {
                    Some(term) => words.postings(term)?.any(|posting| posting == (row, count)),
                    None => false,
                };
            }
            if !right {
                wrong = Some(format!("row {} of {} rows has others", first + row, rows.rows()));
            }
        }
        Ok(())
    };
    rows.words(analyzer, &mut visit, &mut 0).map_err(|e| e.to_string())?;
    if next != rows.rows() {
        wrong = Some(format!("the pieces have {next} rows of {}", rows.rows()));
    }
    wrong.map_or(Ok(()), Err)
}

fn words_of(rows: &dyn Rows, row: Row, analyzer: Analyzer) -> Result<Vec<String>> {
    let (mut buffer, mut words) = (RowBuffer::default(), Vec::new());
    let text = record::text_of(rows.body(row, &mut buffer)?);
    let text = text.map_err(|e| crate::Error::internal(e.reason))?.unwrap_or_default();
    analyzer.words(text, &mut |word| words.push(word.to_owned()));
    Ok(words)
}
