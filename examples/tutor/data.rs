//! Owns the talk of one term, the questions about it, and the embeddings of both, read from `data`.
//! Also owns the stand-in for an embedding model, which looks texts up there.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use altiplano::agent::{BoxError, Embedder};
use bench_tools::vectors::Vectors;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Dimension of the embeddings.
const DIMENSION: usize = 384;
/// Fewest letters of a sentence that is looked for inside of a longer text.
const LETTERS: usize = 12;

/// One line of `turns.tsv`: what was said, when, and how much the tutor thought of it.
pub(crate) struct Turn {
    /// The number of the line; the first is 1.
    pub(crate) line: usize,
    pub(crate) week: usize,
    pub(crate) session: String,
    /// Minutes since the first Monday.
    pub(crate) minute: u64,
    pub(crate) kind: String,
    /// From 0 to 1, if the tutor rated it.
    pub(crate) importance: Option<f32>,
    pub(crate) pinned: bool,
    /// Joins a task with its answers.
    pub(crate) group: Option<String>,
    pub(crate) text: String,
    /// The line of the fact that no longer holds since this was said.
    pub(crate) replaces: Option<usize>,
}

/// A question at the end of the term.
pub(crate) struct Question {
    pub(crate) text: String,
    /// What the recalled texts have to contain.
    pub(crate) answer: String,
}

pub(crate) struct Data {
    pub(crate) turns: Vec<Turn>,
    pub(crate) questions: Vec<Question>,
    pub(crate) model: Lookup,
}

impl Data {
    pub(crate) fn read() -> Result<Self> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tutor/data");
        let rows = |name: &str| -> Result<Vec<Vec<String>>> {
            let text = std::fs::read_to_string(dir.join(name))?;
            let cells = |line: &str| line.split('\t').map(str::to_owned).collect();
            Ok(text.lines().skip(1).map(cells).collect())
        };
        let mut replaced = HashMap::new();
        for row in rows("changes.tsv")? {
            let [old, new] = columns::<2>(&row)?;
            replaced.insert(new.parse::<usize>()?, old.parse::<usize>()?);
        }
        let mut turns = Vec::new();
        for (line, row) in (1..).zip(rows("turns.tsv")?) {
            turns.push(turn(line, &row, replaced.get(&line).copied())?);
        }
        let mut questions = Vec::new();
        for row in rows("questions.tsv")? {
            let [text, _week, answer, _evidence] = columns::<4>(&row)?;
            questions.push(Question { text: text.clone(), answer: answer.to_lowercase() });
        }
        let said = Vectors::read(&dir.join("turns.npy"), None)?;
        let asked = Vectors::read(&dir.join("questions.npy"), None)?;
        if said.len() != turns.len() || asked.len() != questions.len() || said.dim != DIMENSION {
            return Err("the tables and the embeddings do not belong together".into());
        }
        let texts = turns.iter().map(|turn| &*turn.text).zip(said.rows());
        let questioned = questions.iter().map(|question| &*question.text).zip(asked.rows());
        let model = Lookup::new(texts, questioned);
        Ok(Self { turns, questions, model })
    }
}

fn columns<const N: usize>(row: &[String]) -> Result<&[String; N]> {
    Ok(row.try_into().map_err(|_| format!("not {N} columns: {row:?}"))?)
}

fn turn(line: usize, row: &[String], replaces: Option<usize>) -> Result<Turn> {
    let [week, session, minute, _role, kind, importance, pinned, group, text] = columns::<9>(row)?;
    let given = |cell: &String| Some(cell.clone()).filter(|cell| !cell.is_empty());
    Ok(Turn {
        line,
        week: week.parse()?,
        session: session.clone(),
        minute: minute.parse()?,
        kind: kind.clone(),
        importance: given(importance).map(|number| number.parse()).transpose()?,
        pinned: pinned == "1",
        group: given(group),
        text: text.clone(),
        replaces,
    })
}

/// Stands in for an embedding model: it knows the texts of the data, and no others.
///
/// The summaries of the program are made of sentences of the turns. A summary is embedded as the
/// mean of the vectors of the turns that have its sentences, at length 1.
#[derive(Clone)]
pub(crate) struct Lookup(Arc<Tables>);

#[derive(Default)]
struct Tables {
    texts: HashMap<String, Vec<f32>>,
    /// The vector of the turn that has the sentence; of the first, if several have.
    sentences: HashMap<String, Vec<f32>>,
}

impl Lookup {
    fn new<'a>(
        turns: impl Iterator<Item = (&'a str, &'a [f32])>,
        questions: impl Iterator<Item = (&'a str, &'a [f32])>,
    ) -> Self {
        let mut tables = Tables::default();
        for (text, vector) in turns {
            tables.texts.insert(text.to_owned(), vector.to_vec());
            for sentence in sentences(text) {
                let known = tables.sentences.entry(sentence.to_owned());
                known.or_insert_with(|| vector.to_vec());
            }
        }
        tables.texts.extend(questions.map(|(text, vector)| (text.to_owned(), vector.to_vec())));
        Self(Arc::new(tables))
    }

    fn vector(&self, text: &str) -> std::result::Result<Vec<f32>, BoxError> {
        if let Some(vector) = self.0.texts.get(text) {
            return Ok(vector.clone());
        }
        let mut sum = vec![0.0; DIMENSION];
        for sentence in sentences(text) {
            let parts = self.parts(sentence);
            if parts.is_empty() {
                return Err(format!("no embedding is known of {sentence:?}").into());
            }
            for part in parts {
                sum.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
            }
        }
        let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length == 0.0 {
            return Err(format!("{text:?} says nothing").into());
        }
        Ok(sum.into_iter().map(|x| x / length).collect())
    }

    /// Returns the vectors of the turns that have a sentence. A summary ends sentences with a period
    /// that had none, and may join two that end with a bracket.
    fn parts(&self, sentence: &str) -> Vec<&[f32]> {
        let known = &self.0.sentences;
        let bare = sentence.strip_suffix('.').unwrap_or(sentence);
        if let Some(vector) = known.get(sentence).or_else(|| known.get(bare)) {
            return vec![vector];
        }
        let inside = known.iter().filter(|(part, _)| part.len() >= LETTERS);
        inside.filter(|(part, _)| sentence.contains(&***part)).map(|(_, v)| v.as_slice()).collect()
    }
}

impl Embedder for Lookup {
    fn embed(&self, texts: &[&str]) -> std::result::Result<Vec<Vec<f32>>, BoxError> {
        texts.iter().map(|text| self.vector(text)).collect()
    }

    fn space(&self) -> &str {
        "all-MiniLM-L6-v2"
    }

    fn dimension(&self) -> usize {
        DIMENSION
    }
}

/// Returns the sentences of a text, roughly: each ends with a mark before a space, or with the text.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let is_end = |(at, _): &(usize, &str)| {
        text[..*at].trim_end_matches(['"', '\'', '”', ')']).ends_with(['.', '!', '?', '…'])
    };
    let ends: Vec<usize> = text.match_indices(' ').filter(is_end).map(|(at, _)| at).collect();
    let starts = std::iter::once(0).chain(ends.clone());
    let ends: Vec<usize> = ends.into_iter().chain([text.len()]).collect();
    starts.zip(ends).map(|(from, to)| text[from..to].trim()).filter(|one| !one.is_empty())
}
