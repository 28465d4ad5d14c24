//! Owns the tests of the corpora that the benchmark `forgetting` reads.

use crate::corpus::Corpus;

const MEMORIES: &str = r#"{"id":"b","text":"later","time":2000,"namespace":"n","embedding":[0,1]}

{"id":"a","text":"sooner","time":"1970-01-01T00:00:01Z","namespace":"n","embedding":[1,0.5]}
"#;

fn read(questions: &str) -> Result<Corpus, String> {
    let dir = tempfile::tempdir().unwrap();
    let (memories, asked) = (dir.path().join("m"), dir.path().join("q"));
    std::fs::write(&memories, MEMORIES).unwrap();
    std::fs::write(&asked, questions).unwrap();
    Corpus::read(&memories, &asked).map_err(|error| error.to_string())
}

fn question(evidence: &str) -> String {
    format!(r#"{{"text":"what?","embedding":[1,0],"namespace":"n","evidence":{evidence}}}"#)
}

#[test]
fn memories_come_in_the_order_of_their_times_and_evidence_follows_them() {
    let corpus = read(&[question(r#"["b"]"#), question("[]")].join("\n")).unwrap();
    let texts: Vec<&str> = corpus.said.iter().map(|said| &*said.text).collect();
    assert_eq!(texts, ["sooner", "later"]);
    assert_eq!(corpus.said[0].time.as_millis(), 1000);
    assert_eq!(corpus.said[0].vector, [1.0, 0.5]);
    // A question without evidence is left out.
    assert_eq!(corpus.questions.len(), 1);
    assert_eq!(corpus.questions[0].evidence, [1]);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    assert!(read(&question(r#"["c"]"#)).is_err_and(|error| error.contains("\"c\"")));
    assert!(read(&question("[]")).is_err_and(|error| error.contains("no questions")));
    assert!(read("{}").is_err_and(|error| error.contains("evidence")));
}
