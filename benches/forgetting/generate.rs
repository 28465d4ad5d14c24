//! Owns the generated corpus: a year of talk of several people. Facts are said once, or a second
//! time later, among talk that no question asks for. The session of a fact is drawn evenly over the
//! year. Nothing here knows by which rule memories are forgotten.
//!
//! Texts and embeddings are those of the examples. The facts of the tutor's data have questions in
//! the words of a person, with embeddings of their own. The other facts are preferences and
//! observations of `examples/data`. Their questions are made: every second word, and a vector
//! between that of the fact and that of some talk.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use altiplano::Timestamp;
use bench_tools::vectors::{Rng, Vectors};

use crate::corpus::{Corpus, Question, Said};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);
/// A day in January 2026.
const START: Timestamp = Timestamp::from_millis(1_767_571_200_000);
/// Sessions of a person in a year, one every three days, and turns of talk in each.
const SESSIONS: usize = 120;
const EVERY: u32 = 3;
const TALK: usize = 12;
/// Facts of a person out of `examples/data`; those of the tutor's data come on top.
const FACTS: usize = 60;
/// Part of the facts that are said a second time.
const AGAIN: f64 = 0.3;
/// Part of the other sentence in the vector of a question that is made.
const OTHER: f32 = 0.7;

/// A sentence with its embedding.
#[derive(Clone)]
struct Sentence {
    text: String,
    vector: Vec<f32>,
}

/// A fact, and the question that asks for it.
struct Fact {
    sentence: Sentence,
    question: Sentence,
}

/// What the corpus is made of.
struct Sources {
    talk: Vec<Sentence>,
    /// Facts with questions in the words of a person.
    asked: Vec<Fact>,
    /// Facts without questions.
    others: Vec<Sentence>,
}

/// Returns the talk of `people` over a year, each in a namespace.
pub(crate) fn generate(people: usize, seed: u64) -> Result<Corpus> {
    let sources = Sources::read()?;
    let mut rng = Rng::new(seed);
    // The memories of all people, and the questions with the places of their evidence among these.
    let (mut said, mut questions): (Vec<Said>, Vec<Question>) = (Vec::new(), Vec::new());
    for person in 0..people {
        let namespace = format!("person-{person}");
        let mut say = |session: usize, sentence: &Sentence, rng: &mut Rng| {
            let day = START + DAY * (session as u32 * EVERY);
            said.push(Said {
                text: sentence.text.clone(),
                time: day + MINUTE * rng.below(60) as u32,
                namespace: namespace.clone(),
                vector: sentence.vector.clone(),
            });
            said.len() - 1
        };
        for turn in 0..SESSIONS * TALK {
            say(turn / TALK, &sources.talk[rng.below(sources.talk.len())], &mut rng);
        }
        for fact in sources.facts(&mut rng) {
            let session = rng.below(SESSIONS);
            let mut evidence = vec![say(session, &fact.sentence, &mut rng)];
            if rng.unit() < AGAIN && session + 1 < SESSIONS {
                let later = session + 1 + rng.below(SESSIONS - session - 1);
                evidence.push(say(later, &fact.sentence, &mut rng));
            }
            let Sentence { text, vector } = fact.question;
            questions.push(Question { text, vector, namespace: namespace.clone(), evidence });
        }
    }
    Ok(in_order(said, questions))
}

/// Brings the memories into the order of their times.
fn in_order(said: Vec<Said>, mut questions: Vec<Question>) -> Corpus {
    let mut all: Vec<(usize, Said)> = said.into_iter().enumerate().collect();
    all.sort_by_key(|(_, one)| one.time);
    let mut places = vec![0; all.len()];
    for (place, (number, _)) in all.iter().enumerate() {
        places[*number] = place;
    }
    for number in questions.iter_mut().flat_map(|question| &mut question.evidence) {
        *number = places[*number];
    }
    Corpus { said: all.into_iter().map(|(_, one)| one).collect(), questions }
}

impl Sources {
    fn read() -> Result<Self> {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let tutor = examples.join("tutor/data");
        let (turns, rows) = table(&tutor.join("turns"), 8)?;
        let (questions, asked) = table(&tutor.join("questions"), 0)?;
        let evidence: Result<Vec<usize>> = asked.iter().map(|row| first_line(&row[3])).collect();
        let evidence = evidence?;
        let facts = questions.into_iter().zip(&evidence);
        let asked = facts.map(|(question, line)| {
            let sentence =
                turns.get(line - 1).ok_or("a question names a turn that is not there")?;
            Ok(Fact { sentence: sentence.clone(), question })
        });
        let asked = asked.collect::<Result<_>>()?;
        // No other turn of the tutor's data is asked for; those with evidence are left out.
        let all: Vec<&str> = rows.iter().map(|row| &*row[8]).collect();
        let is_evidence = |at: usize| evidence.iter().any(|line| all[line - 1] == all[at]);
        let talk = turns.into_iter().enumerate().filter(|(at, _)| !is_evidence(*at));
        let mut talk: Vec<Sentence> = talk.map(|(_, sentence)| sentence).collect();
        let (memories, rows) = table(&examples.join("data/memories"), 4)?;
        let mut others = Vec::new();
        for (sentence, row) in memories.into_iter().zip(rows) {
            match &*row[2] {
                "turn" => talk.push(sentence),
                "preference" | "observation" => others.push(sentence),
                _ => {}
            }
        }
        Ok(Self { talk, asked, others })
    }

    /// Returns the facts of a person.
    fn facts(&self, rng: &mut Rng) -> Vec<Fact> {
        let asked =
            |fact: &Fact| Fact { sentence: fact.sentence.clone(), question: fact.question.clone() };
        let mut facts: Vec<Fact> = self.asked.iter().map(asked).collect();
        // A fact of another person may be drawn, but none twice.
        let mut others: Vec<&Sentence> = self.others.iter().collect();
        for _ in 0..FACTS {
            let sentence = others.swap_remove(rng.below(others.len()));
            let question = question(sentence, &self.talk[rng.below(self.talk.len())]);
            facts.push(Fact { sentence: sentence.clone(), question });
        }
        facts
    }
}

/// Makes a question about a fact.
fn question(fact: &Sentence, other: &Sentence) -> Sentence {
    let words: Vec<&str> = fact.text.split_whitespace().step_by(2).collect();
    let mixed = fact.vector.iter().zip(&other.vector).map(|(own, other)| own + OTHER * other);
    let mixed: Vec<f32> = mixed.collect();
    let length = mixed.iter().map(|x| x * x).sum::<f32>().sqrt();
    let vector = mixed.iter().map(|x| x / length).collect();
    Sentence { text: words.join(" "), vector }
}

/// Reads a table of tabs with its embeddings: the sentences are in one of its columns.
fn table(name: &Path, column: usize) -> Result<(Vec<Sentence>, Vec<Vec<String>>)> {
    let with = |end: &str| PathBuf::from(format!("{}.{end}", name.display()));
    let text = std::fs::read_to_string(with("tsv"))?;
    let cells = |line: &str| line.split('\t').map(str::to_owned).collect();
    let rows: Vec<Vec<String>> = text.lines().skip(1).map(cells).collect();
    let vectors = Vectors::read(&with("npy"), None)?;
    if vectors.len() != rows.len() || rows.iter().any(|row| row.len() <= column) {
        return Err(format!("{} and its embeddings do not match", name.display()).into());
    }
    let sentence = |(row, vector): (&Vec<String>, &[f32])| Sentence {
        text: row[column].clone(),
        vector: vector.to_vec(),
    };
    Ok((rows.iter().zip(vectors.rows()).map(sentence).collect(), rows))
}

/// Returns the first of some line numbers with commas between them.
fn first_line(lines: &str) -> Result<usize> {
    Ok(lines.split(',').next().unwrap_or_default().parse()?)
}
