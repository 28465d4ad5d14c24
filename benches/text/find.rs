//! Owns the measurement of what searches find on corpora with known answers: by vectors, by words
//! and by both.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use altiplano::{
    Batch, Collection, CollectionOptions, Fusion, Hit, Language, Memory, Metric, Store, TextIndex,
};
use bench_tools::measure::Json;
use bench_tools::vectors::Vectors;

use crate::setup::Scratch;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Results of a question, among which its answers are looked for.
const K: usize = 10;

const CORPORA: [&str; 2] = ["conversations", "manual"];

/// A question of a corpus.
struct Question {
    text: String,
    /// The numbers of the texts that answer it.
    answers: Vec<u64>,
    kind: String,
}

/// Texts, and questions that some of them answer.
struct Corpus {
    name: &'static str,
    texts: Vec<String>,
    vectors: Vectors,
    questions: Vec<Question>,
    asked: Vectors,
}

/// A way to ask.
#[derive(Clone, Copy)]
enum Way {
    Vector,
    Words,
    Both(Fusion),
}

/// Measures every corpus.
pub(crate) fn all() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/text/corpora");
    for name in CORPORA {
        let corpus = Corpus::read(&folder, name)?;
        for (rules, index) in
            [("words", TextIndex::new()), ("stems", TextIndex::new().language(Language::English))]
        {
            corpus.measure(rules, index)?;
        }
    }
    Ok(())
}

fn lines(path: &PathBuf) -> Result<Vec<Vec<String>>> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let cells = |line: &str| line.split('\t').map(str::to_owned).collect();
    Ok(text.lines().skip(1).map(cells).collect())
}

impl Corpus {
    fn read(folder: &Path, name: &'static str) -> Result<Self> {
        let file = |end: &str| folder.join(format!("{name}{end}"));
        let rows = lines(&file(".tsv"))?;
        let number: BTreeMap<&str, u64> =
            rows.iter().zip(0..).map(|(row, at)| (row[0].as_str(), at)).collect();
        let mut questions = Vec::new();
        for row in lines(&file("-questions.tsv"))? {
            let [text, ids, kind] = &row[..] else {
                return Err(format!("{name}: a question has three cells: {row:?}").into());
            };
            let id = |id: &str| number.get(id.trim()).copied().ok_or(format!("no text {id}"));
            let answers = ids.split(',').map(id).collect::<std::result::Result<_, _>>()?;
            questions.push(Question { text: text.clone(), answers, kind: kind.clone() });
        }
        let texts = rows.iter().map(|row| row.last().cloned().unwrap_or_default()).collect();
        let (vectors, asked) =
            (Vectors::read(&file(".npy"), None)?, Vectors::read(&file("-questions.npy"), None)?);
        Ok(Self { name, texts, vectors, questions, asked })
    }

    fn measure(&self, rules: &str, index: TextIndex) -> Result<()> {
        let dir = Scratch::new("text-find");
        let store = Store::open(dir.path())?;
        let dimension = self.vectors.row(0).len();
        let options = CollectionOptions::new(dimension, Metric::Cosine).text_index(index);
        let notes = store.collection("notes", options)?;
        let memory = |((id, text), vector): ((u64, &String), &[f32])| {
            Memory::new(id, vector.to_vec()).text(text.as_str())
        };
        let memories = (0..).zip(&self.texts).zip(self.vectors.rows()).map(memory);
        notes.apply(memories.collect::<Batch>())?;
        notes.compact()?;
        let mut ways = vec![("vector".to_owned(), Way::Vector), ("words".to_owned(), Way::Words)];
        for weight in [0.3, 0.4, 0.5, 0.6, 0.7] {
            ways.push((format!("weighted {weight}"), Way::Both(Fusion::weighted(weight))));
        }
        ways.push(("reciprocal rank".to_owned(), Way::Both(Fusion::reciprocal_rank())));
        for (name, way) in ways {
            self.way(&notes, rules, &name, way)?;
        }
        Ok(())
    }

    fn way(&self, notes: &Collection, rules: &str, name: &str, way: Way) -> Result<()> {
        let mut by_kind: BTreeMap<&str, (f64, u32)> = BTreeMap::new();
        let (mut recall, mut first) = (0.0, 0.0);
        for (question, vector) in self.questions.iter().zip(self.asked.rows()) {
            let hits: Vec<Hit> = match way {
                Way::Vector => notes.search(vector).exact().k(K).run()?,
                Way::Words => notes.search_text(&question.text).k(K).run()?,
                Way::Both(fusion) => {
                    notes.search(vector).exact().text(&question.text).fusion(fusion).k(K).run()?
                }
            };
            let ids: Vec<u64> = hits.iter().map(|hit| hit.id.as_u128() as u64).collect();
            let found = question.answers.iter().filter(|id| ids.contains(id)).count();
            let share = found as f64 / question.answers.len() as f64;
            recall += share;
            let rank = ids.iter().position(|id| question.answers.contains(id));
            first += rank.map_or(0.0, |rank| 1.0 / (rank + 1) as f64);
            let kind = by_kind.entry(&question.kind).or_default();
            *kind = (kind.0 + share, kind.1 + 1);
        }
        let count = self.questions.len() as f64;
        let mut line = Json::new()
            .field("bench", "text")
            .field("system", "altiplano")
            .field("case", "find")
            .field("corpus", self.name)
            .field("texts", self.texts.len())
            .field("questions", self.questions.len())
            .field("rules", rules)
            .field("way", name)
            .field("recall_at_10", recall / count)
            .field("mrr_at_10", first / count);
        let mut kinds = String::new();
        for (kind, (sum, questions)) in by_kind {
            let share = sum / f64::from(questions);
            line = line.field(&format!("recall_{}", kind.replace(' ', "_")), share);
            kinds.push_str(&format!("  {kind} {share:.3}"));
        }
        println!("{}", line.line());
        let (corpus, recall, first) = (self.name, recall / count, first / count);
        eprintln!(
            "{corpus:<14} {rules:<6} {name:<16} recall@10 {recall:.3}  MRR {first:.3}{kinds}"
        );
        Ok(())
    }
}
