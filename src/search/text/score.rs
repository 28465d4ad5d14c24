//! Owns the scores of rows by words: BM25 as in Robertson and Zaragoza, "The Probabilistic
//! Relevance Framework: BM25 and Beyond", Foundations and Trends in Information Retrieval 3 (2009),
//! section 3, with the rarity of a word as `ln(1 + (N - n + 0.5) / (n + 0.5))`, which is never
//! negative. N is the number of visible memories with a word, and n of those with this word.
//!
//! Invariant: N, n and the mean length are of all visible rows, counted anew for each search. In
//! parts where every row is visible they are stored; in others the postings are counted, which
//! reads them twice.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::filter::{Filter, Matcher};
use crate::format::record;
use crate::ids::MemoryId;
use crate::index::TopK;
use crate::options::TextIndex;
use crate::search::eligible::{Eligible, visible};
use crate::search::hit::{TextSearch, WordCount};
use crate::search::run::Near;
use crate::search::text::asked::{Asked, Part, words};
use crate::segment::{Row, RowBuffer, Rows, Term, WordList};
use crate::snapshot::{Place, Snapshot};
use crate::words::Analyzer;

/// What a search by words runs on.
#[derive(Clone, Copy)]
pub(in crate::search) struct TextGround<'a> {
    pub(in crate::search) snapshot: &'a Snapshot,
    pub(in crate::search) eligible: &'a Eligible<'a>,
    pub(in crate::search) now: Timestamp,
    pub(in crate::search) index: &'a TextIndex,
    pub(in crate::search) analyzer: &'a Analyzer,
    pub(in crate::search) asked: &'a Asked,
}

/// The result of a search by words.
pub(in crate::search) struct Scored {
    /// The best rows. In place of a distance they have their score, negated.
    pub(in crate::search) best: Vec<Near>,
    /// The scores of the places that were asked about; 0 for a row that does not match.
    pub(in crate::search) of: Vec<f32>,
}

/// The rows of some words in a piece.
enum Found {
    Nowhere,
    Word(Term),
    /// The rows of several words, ascending, with how often these occur.
    Words(Vec<(Row, u32)>),
}

/// Some rows of a part, with where each part of the query is in them.
struct Piece<'a> {
    start: Row,
    list: Box<dyn WordList + 'a>,
    found: Vec<Found>,
}

/// A part of the snapshot.
struct Ground<'a> {
    rows: &'a dyn Rows,
    /// One bit for each row that is visible; `None` if all are.
    seen: Option<Vec<u64>>,
    pieces: Vec<Piece<'a>>,
}

/// What scores depend on beside a row.
#[derive(Default)]
struct Statistics {
    documents: u64,
    tokens: u64,
    /// For each part of the query, in how many documents it is.
    with: Vec<u64>,
    /// Postings that were read.
    read: u64,
    /// Rows whose words were made for this search.
    made: u64,
}

/// Returns the `k` rows with the best scores of those that are eligible and match, best first, ties
/// by id, and the scores of `also`.
pub(in crate::search) fn score(
    ground: TextGround<'_>,
    k: usize,
    also: &[Place],
) -> Result<(Scored, TextSearch)> {
    let (mut statistics, mut parts) = (Statistics::default(), Vec::new());
    statistics.with = vec![0; ground.asked.parts.len()];
    for (rows, live) in ground.snapshot.parts() {
        let all = Matcher::new(Filter::All);
        let seen = match visible(rows, live, ground.now, &all, &mut 0)? {
            Some((words, _)) => Some(words),
            None if live.dead() == 0 => None,
            None => Some(live.words().collect()),
        };
        let pieces = rows.words(ground.analyzer, &mut statistics.made)?;
        let mut part = Ground { rows, seen, pieces: Vec::new() };
        for (start, list) in pieces {
            let find = |part: &Part| find(&*list, part, &mut statistics.read);
            let found = ground.asked.parts.iter().map(find).collect::<Result<_>>()?;
            part.pieces.push(Piece { start, list, found });
        }
        part.count(&mut statistics)?;
        parts.push(part);
    }
    let mut scorer = Scorer::new(ground, &statistics, k, also);
    for (at, part) in parts.iter().enumerate() {
        scorer.part(at, part, &mut statistics.read)?;
    }
    ground.eligible.check()?;
    let best = scorer.best.into_sorted();
    let best = best.into_iter().map(|(key, (id, place))| (key, id, place)).collect();
    let words = ground.asked.parts.iter().zip(&statistics.with);
    let told = TextSearch {
        documents: statistics.documents,
        words: words
            .map(|(part, documents)| WordCount {
                word: part.word.clone(),
                is_prefix: part.is_prefix,
                documents: *documents,
            })
            .collect(),
        matches: scorer.matches,
        postings: statistics.read,
        words_from_rows: statistics.made,
    };
    Ok((Scored { best, of: scorer.of }, told))
}

/// Finds a part of a query in some rows.
fn find(list: &dyn WordList, part: &Part, read: &mut u64) -> Result<Found> {
    if !part.is_prefix {
        return Ok(list.find(&part.word)?.map_or(Found::Nowhere, Found::Word));
    }
    let mut terms = Vec::new();
    list.each_from(&part.word, &mut |_, term| {
        terms.push(term);
        true
    })?;
    let mut rows = Vec::new();
    for term in &terms {
        rows.extend(list.postings(term)?);
    }
    *read += rows.len() as u64;
    rows.sort_unstable();
    let mut merged: Vec<(Row, u32)> = Vec::new();
    for (row, times) in rows {
        match merged.last_mut().filter(|last| last.0 == row) {
            Some(last) => last.1 = last.1.saturating_add(times),
            None => merged.push((row, times)),
        }
    }
    Ok(if merged.is_empty() { Found::Nowhere } else { Found::Words(merged) })
}

/// Calls `visit` with each row of a piece that has these words, and how often.
fn each(piece: &Piece<'_>, found: &Found, mut visit: impl FnMut(Row, u32)) -> Result<()> {
    match found {
        Found::Nowhere => {}
        Found::Word(term) => {
            piece.list.postings(term)?.for_each(|(row, times)| visit(piece.start + row, times));
        }
        Found::Words(rows) => {
            rows.iter().for_each(|(row, times)| visit(piece.start + row, *times));
        }
    }
    Ok(())
}

fn has(words: &[u64], row: Row) -> bool {
    words.get(row as usize / 64).is_some_and(|word| word & (1 << (row % 64)) != 0)
}

impl Ground<'_> {
    /// Adds the visible rows of this part to the statistics.
    fn count(&self, statistics: &mut Statistics) -> Result<()> {
        for piece in &self.pieces {
            statistics.documents += u64::from(piece.list.documents());
            statistics.tokens += piece.list.tokens();
            if let Some(seen) = &self.seen {
                let lengths = piece.list.lengths()?;
                for (row, length) in (piece.start..).zip(lengths) {
                    let length = u32::from_le_bytes(*length);
                    if length > 0 && !has(seen, row) {
                        statistics.documents = statistics.documents.saturating_sub(1);
                        statistics.tokens = statistics.tokens.saturating_sub(length.into());
                    }
                }
            }
            for (with, found) in statistics.with.iter_mut().zip(&piece.found) {
                *with += match (&self.seen, found) {
                    (None, Found::Word(term)) => u64::from(term.documents),
                    (None, Found::Words(rows)) => rows.len() as u64,
                    (_, Found::Nowhere) => 0,
                    (Some(seen), found) => {
                        let (mut count, mut read) = (0, 0);
                        each(piece, found, |row, _| {
                            read += 1;
                            count += u64::from(has(seen, row));
                        })?;
                        statistics.read += read;
                        count
                    }
                };
            }
        }
        Ok(())
    }
}

/// Scores in the making.
struct Scorer<'a> {
    ground: TextGround<'a>,
    /// The weight of each part of the query.
    weights: Vec<f32>,
    /// `k1 (1 - b)`, and `k1 b` per word of a row.
    norm: (f32, f32),
    needed: u32,
    best: TopK<(MemoryId, Place)>,
    matches: u64,
    also: &'a [Place],
    of: Vec<f32>,
    /// For each row of a part: its score, and how many of the required words it has.
    scores: Vec<f32>,
    have: Vec<u32>,
    /// The rows with a score.
    touched: Vec<Row>,
}

impl<'a> Scorer<'a> {
    fn new(
        ground: TextGround<'a>,
        statistics: &Statistics,
        k: usize,
        also: &'a [Place],
    ) -> Self {
        let total = statistics.documents as f64;
        let mean = (statistics.tokens as f64 / total.max(1.0)).max(1.0);
        let (k1, b) = (f64::from(ground.index.k1), f64::from(ground.index.b));
        let weight = |(part, with): (&Part, &u64)| {
            let with = *with as f64;
            let rarity = (1.0 + (total - with + 0.5).max(0.0) / (with + 0.5)).ln();
            (rarity * (k1 + 1.0) * f64::from(part.times)) as f32
        };
        let largest = ground.snapshot.parts().map(|(rows, _)| rows.rows()).max().unwrap_or(0);
        let needed = ground.asked.parts.iter().filter(|part| part.required).count() as u32;
        // Zeroed memory that is not touched is not taken from the system.
        Self {
            weights: ground.asked.parts.iter().zip(&statistics.with).map(weight).collect(),
            norm: ((k1 * (1.0 - b)) as f32, (k1 * b / mean) as f32),
            needed,
            best: TopK::new(k),
            matches: 0,
            also,
            of: vec![0.0; also.len()],
            scores: vec![0.0; largest as usize],
            have: vec![0; if needed > 0 { largest as usize } else { 0 }],
            touched: Vec::new(),
            ground,
        }
    }

    /// Scores the eligible rows of a part.
    fn part(&mut self, at: usize, part: &Ground<'_>, read: &mut u64) -> Result<()> {
        for piece in &part.pieces {
            let lengths = piece.list.lengths()?;
            for (group, found) in piece.found.iter().enumerate() {
                let required = self.ground.asked.parts[group].required;
                let (weight, (base, per_word)) = (self.weights[group], self.norm);
                let mut postings = 0;
                let (scores, have, touched) = (&mut self.scores, &mut self.have, &mut self.touched);
                each(piece, found, |row, times| {
                    postings += 1;
                    let Some(score) = scores.get_mut(row as usize) else { return };
                    let length = lengths.get((row - piece.start) as usize);
                    let length = length.map_or(0, |length| u32::from_le_bytes(*length));
                    if *score == 0.0 {
                        touched.push(row);
                    }
                    let times = times as f32;
                    *score += weight * times / (times + base + per_word * length as f32);
                    if required && let Some(have) = have.get_mut(row as usize) {
                        *have += 1;
                    }
                })?;
                *read += postings;
            }
        }
        self.answer_for(at, part)?;
        self.take_best(at, part)
    }

    /// Notes the scores of the places of this part that were asked about.
    fn answer_for(&mut self, at: usize, part: &Ground<'_>) -> Result<()> {
        let mut buffer = RowBuffer::default();
        for (i, place) in self.also.iter().enumerate() {
            let (Place::Memtable(_, row) | Place::Segment(_, row)) = *place;
            if self.ground.snapshot.place(at, row) != *place {
                continue;
            }
            let score = self.scores.get(row as usize).copied().unwrap_or_default();
            let whole = self.have.get(row as usize).is_none_or(|have| *have == self.needed);
            if score > 0.0 && whole && self.has_phrases(part.rows, row, &mut buffer)? {
                self.of[i] = score;
            }
        }
        Ok(())
    }

    /// Offers the rows of a part that have a score, and makes their places ready for the next part.
    fn take_best(&mut self, at: usize, part: &Ground<'_>) -> Result<()> {
        let (snapshot, eligible) = (self.ground.snapshot, self.ground.eligible);
        let mut buffer = RowBuffer::default();
        for row in std::mem::take(&mut self.touched) {
            let key = -std::mem::take(&mut self.scores[row as usize]);
            let have = self.have.get_mut(row as usize).map_or(0, std::mem::take);
            let place = snapshot.place(at, row);
            if have != self.needed || !eligible.has(at, row) {
                continue;
            }
            self.matches += 1;
            if key < self.best.bound()
                && self.has_phrases(part.rows, row, &mut buffer)?
                && eligible.accept(place)
            {
                self.best.offer(key, (part.rows.id(row)?, place));
            }
        }
        Ok(())
    }

    fn has_phrases(&self, rows: &dyn Rows, row: Row, buffer: &mut RowBuffer) -> Result<bool> {
        if self.ground.asked.phrases.is_empty() {
            return Ok(true);
        }
        let text = record::text_of(rows.body(row, buffer)?).unwrap_or_default();
        Ok(self.ground.asked.has_phrases(&words(self.ground.analyzer, text.unwrap_or_default())))
    }
}
