//! Owns `Corpus`: memories in the order of their times, and questions whose evidence among them is
//! known. Reads one from files of JSON lines. `generate` makes one.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;

use altiplano::Timestamp;
use serde_json::Value;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Something that was said.
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) time: Timestamp,
    pub(crate) namespace: String,
    pub(crate) vector: Vec<f32>,
}

/// A question that is asked when everything was said.
pub(crate) struct Question {
    pub(crate) text: String,
    pub(crate) vector: Vec<f32>,
    pub(crate) namespace: String,
    /// The places of its evidence in [`Corpus::said`].
    pub(crate) evidence: Vec<usize>,
}

pub(crate) struct Corpus {
    pub(crate) said: Vec<Said>,
    pub(crate) questions: Vec<Question>,
}

impl Corpus {
    /// Reads two files of JSON lines. Fields of a memory: `id`, `text`, `time` (RFC 3339, or
    /// milliseconds since 1970), `namespace`, `embedding`. Fields of a question: `text`,
    /// `embedding`, `namespace`, and `evidence`, the ids of memories. A question without evidence
    /// is left out.
    pub(crate) fn read(memories: &Path, questions: &Path) -> Result<Self> {
        let mut all = Vec::new();
        for line in lines(memories)? {
            let said = Said {
                text: text(&line, "text")?,
                time: time(&line["time"])?,
                namespace: text(&line, "namespace")?,
                vector: vector(&line)?,
            };
            all.push((text(&line, "id")?, said));
        }
        all.sort_by_key(|(_, said)| said.time);
        let places: HashMap<String, usize> =
            all.iter().enumerate().map(|(at, (id, _))| (id.clone(), at)).collect();
        let mut asked = Vec::new();
        for line in lines(questions)? {
            let ids = line["evidence"].as_array().ok_or("a question has no list `evidence`")?;
            let place = |id: &Value| {
                let id = id.as_str().ok_or("an id of evidence is no text")?;
                places.get(id).copied().ok_or(format!("there is no memory {id:?}"))
            };
            let evidence: std::result::Result<Vec<usize>, String> = ids.iter().map(place).collect();
            let evidence = evidence?;
            if !evidence.is_empty() {
                asked.push(Question {
                    text: text(&line, "text")?,
                    vector: vector(&line)?,
                    namespace: text(&line, "namespace")?,
                    evidence,
                });
            }
        }
        if all.is_empty() || asked.is_empty() {
            return Err("there are no memories, or no questions with evidence".into());
        }
        Ok(Self { said: all.into_iter().map(|(_, said)| said).collect(), questions: asked })
    }
}

fn lines(path: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path)?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    Ok(lines.map(serde_json::from_str).collect::<std::result::Result<_, _>>()?)
}

fn text(line: &Value, key: &str) -> Result<String> {
    let found = line[key].as_str().map(str::to_owned);
    Ok(found.ok_or_else(|| format!("a line has no text `{key}`"))?)
}

fn time(value: &Value) -> Result<Timestamp> {
    match value.as_i64() {
        Some(millis) => Ok(Timestamp::from_millis(millis)),
        None => Ok(value.as_str().ok_or("a memory has no `time`")?.parse()?),
    }
}

fn vector(line: &Value) -> Result<Vec<f32>> {
    let numbers = line["embedding"].as_array().ok_or("a line has no list `embedding`")?;
    let number = |value: &Value| value.as_f64().map(|number| number as f32);
    let read: Option<Vec<f32>> = numbers.iter().map(number).collect();
    Ok(read.ok_or("an embedding holds something that is no number")?)
}
