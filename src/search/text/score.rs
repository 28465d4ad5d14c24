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
use crate::search::eligible::{Eligible, is_set, visible};
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
    pub(in crate::search) analyzer: Analyzer,
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

/// The visible rows of a part, one bit each; `None` if all are visible.
type Seen = Option<Vec<u64>>;

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
    let mut statistics = Statistics::new(ground);
    for (rows, live) in ground.snapshot.parts() {
        let all = Matcher::new(Filter::All);
        let seen = match visible(rows, live, ground.now, &all, &mut 0)? {
            Some((words, _)) => Some(words),
            None if live.dead() == 0 => None,
            None => Some(live.words().collect()),
        };
        let mut made = 0;
        let mut count = |start, list: &dyn WordList| statistics.count(ground, &seen, start, list);
        rows.words(ground.analyzer, &mut count, &mut made)?;
        statistics.made += made;
    }
    let mut scorer = Scorer::new(ground, &statistics, k, also);
    for (at, (rows, _)) in ground.snapshot.parts().enumerate() {
        let mut score = |start, list: &dyn WordList| scorer.piece(start, list);
        rows.words(ground.analyzer, &mut score, &mut 0)?;
        scorer.end_of_part(at, rows)?;
    }
    statistics.read += scorer.read;
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

/// Calls `visit` with each row of these that has these words, and how often.
fn each(list: &dyn WordList, found: &Found, mut visit: impl FnMut(Row, u32)) -> Result<()> {
    match found {
        Found::Nowhere => {}
        Found::Word(term) => list.postings(term)?.for_each(|(row, times)| visit(row, times)),
        Found::Words(rows) => rows.iter().for_each(|(row, times)| visit(*row, *times)),
    }
    Ok(())
}

impl Statistics {
    fn new(ground: TextGround<'_>) -> Self {
        Self { with: vec![0; ground.asked.parts.len()], ..Self::default() }
    }

    /// Adds the visible ones of the rows from `start` on.
    fn count(
        &mut self,
        ground: TextGround<'_>,
        seen: &Seen,
        start: Row,
        list: &dyn WordList,
    ) -> Result<()> {
        self.documents += u64::from(list.documents());
        self.tokens += list.tokens();
        if let Some(seen) = seen {
            for (row, length) in (start..).zip(list.lengths()?) {
                let length = u32::from_le_bytes(*length);
                if length > 0 && !is_set(seen, row) {
                    self.documents = self.documents.saturating_sub(1);
                    self.tokens = self.tokens.saturating_sub(length.into());
                }
            }
        }
        for (part, with) in ground.asked.parts.iter().zip(&mut self.with) {
            let found = find(list, part, &mut self.read)?;
            *with += match (seen, &found) {
                (_, Found::Nowhere) => 0,
                (None, Found::Word(term)) => u64::from(term.documents),
                (None, Found::Words(rows)) => rows.len() as u64,
                (Some(seen), found) => {
                    let mut count = 0;
                    each(list, found, |row, _| {
                        self.read += 1;
                        count += u64::from(is_set(seen, start + row));
                    })?;
                    count
                }
            };
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
    /// Postings that were read.
    read: u64,
}

impl<'a> Scorer<'a> {
    fn new(ground: TextGround<'a>, statistics: &Statistics, k: usize, also: &'a [Place]) -> Self {
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
            read: 0,
            ground,
        }
    }

    /// Adds to the scores of the rows from `start` on.
    fn piece(&mut self, start: Row, list: &dyn WordList) -> Result<()> {
        let lengths = list.lengths()?;
        let (base, per_word) = self.norm;
        for (part, &weight) in self.ground.asked.parts.iter().zip(&self.weights) {
            let found = find(list, part, &mut self.read)?;
            let (scores, have, touched) = (&mut self.scores, &mut self.have, &mut self.touched);
            let mut read = 0;
            each(list, &found, |row, times| {
                read += 1;
                let at = (start + row) as usize;
                let (Some(score), Some(length)) = (scores.get_mut(at), lengths.get(row as usize))
                else {
                    return;
                };
                if *score == 0.0 {
                    touched.push(at as Row);
                }
                let (times, length) = (times as f32, u32::from_le_bytes(*length) as f32);
                *score += weight * times / (times + base + per_word * length);
                if part.required
                    && let Some(have) = have.get_mut(at)
                {
                    *have += 1;
                }
            })?;
            self.read += read;
        }
        Ok(())
    }

    /// Takes the scores of a part, whose pieces were all added.
    fn end_of_part(&mut self, at: usize, rows: &dyn Rows) -> Result<()> {
        self.answer_for(at, rows)?;
        self.take_best(at, rows)
    }

    /// Notes the scores of the places of this part that were asked about.
    fn answer_for(&mut self, at: usize, rows: &dyn Rows) -> Result<()> {
        let mut buffer = RowBuffer::default();
        for (i, place) in self.also.iter().enumerate() {
            let (Place::Memtable(_, row) | Place::Segment(_, row)) = *place;
            if self.ground.snapshot.place(at, row) != *place {
                continue;
            }
            let score = self.scores.get(row as usize).copied().unwrap_or_default();
            let whole = self.have.get(row as usize).is_none_or(|have| *have == self.needed);
            if score > 0.0 && whole && self.has_phrases(rows, row, &mut buffer)? {
                self.of[i] = score;
            }
        }
        Ok(())
    }

    /// Offers the rows of a part that have a score, and makes their places ready for the next part.
    fn take_best(&mut self, at: usize, rows: &dyn Rows) -> Result<()> {
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
                && self.has_phrases(rows, row, &mut buffer)?
                && eligible.accept(place)
            {
                self.best.offer(key, (rows.id(row)?, place));
            }
        }
        Ok(())
    }

    fn has_phrases(&self, rows: &dyn Rows, row: Row, buffer: &mut RowBuffer) -> Result<bool> {
        if self.ground.asked.phrases.is_empty() {
            return Ok(true);
        }
        // The body was checked when it was read. A forged one that cannot be parsed has no phrase.
        let text = record::text_of(rows.body(row, buffer)?).ok().flatten().unwrap_or_default();
        Ok(self.ground.asked.has_phrases(&words(self.ground.analyzer, text)))
    }
}
