//! What an agent still knows after it has forgotten a part of its memories, by one rule or another.
//!
//! A corpus of memories is remembered, each at its time. Then memories leave until three quarters,
//! half and a quarter are kept: the oldest (`age`), some by lot (`random`), those worth least
//! (`score`, with the importance that the crate estimates), the same as if all mattered alike
//! (`score-no-importance`), and with near copies first (`score+copies`). Questions whose evidence
//! is known are asked after each step, with every ranking, by vectors and by words as well.
//! Nothing counts as a use of a memory: no question changes what is kept.
//!
//! Prints a JSON line for each case. `evidence_surviving` is the share of the evidence that is
//! still there, and `answerable` the share of the questions with at least one piece of it. Recall
//! counts forgotten evidence as not found. The verdict is `holds` if more evidence survives the
//! score than the age at every share, and at a half of the generated corpus by 15 points or more.
//!
//! `cargo bench --bench forgetting [-- --memories FILE --questions FILE]`. The files are JSON
//! lines: `{"id","text","time","namespace","embedding"}`, where the time is RFC 3339 or
//! milliseconds since 1970, and `{"text","embedding","namespace","evidence":["id"]}`. Without them
//! the corpus is generated.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints, and reads files"
)]

mod corpus;
mod generate;
mod run;
#[path = "../common/setup.rs"]
mod setup;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use bench_tools::args::{self, Args, Opt};
use bench_tools::measure::Json;

use corpus::Corpus;
use run::{Left, Policy};
use setup::Scratch;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const OPTIONS: [Opt; 5] = [
    Opt { key: "memories", value: "FILE", help: "memories as JSON lines" },
    Opt { key: "questions", value: "FILE", help: "questions as JSON lines" },
    Opt { key: "people", value: "N", help: "of the generated corpus; default 6; --quick: 1" },
    Opt { key: "seed", value: "N", help: "of the generated corpus, and of the lots; default 1" },
    Opt { key: "quick", value: "", help: "small and short, for CI" },
];
/// Shares that are kept, in percent.
const KEPT: [u64; 3] = [75, 50, 25];
/// Least lead of the score over the age at a half, on the generated corpus.
const LEAD: f64 = 0.15;

fn main() -> ExitCode {
    args::run("What is left after forgetting.", &OPTIONS, bench)
}

fn bench(args: &Args) -> Result<bool> {
    let seed = args.get_or("seed", 1)?;
    let (corpus, generated) = match (args.text("memories"), args.text("questions")) {
        (Some(memories), Some(questions)) => {
            (Corpus::read(Path::new(memories), Path::new(questions))?, false)
        }
        (None, None) => {
            let people = args.get_or("people", if args.has("quick") { 1 } else { 6 })?;
            (generate::generate(people, seed)?, true)
        }
        _ => return Err(args.wrong("--memories and --questions go together").into()),
    };
    let (memories, questions) = (corpus.said.len(), corpus.questions.len());
    eprintln!("{memories} memories, {questions} questions");
    let dir = Scratch::new("forgetting");
    std::fs::create_dir_all(dir.path())?;
    let full = dir.path().join("full");
    let ids = run::remember(&corpus, &full)?;
    let all = run::forget_and_ask(&corpus, &ids, &full, (Policy::Age, memories as u64))?;
    print("none", 1.0, &all);
    let policies = [
        Policy::Age,
        Policy::Random(seed),
        Policy::Score,
        Policy::ScoreWithoutImportance,
        Policy::ScoreAndCopies,
    ];
    let mut surviving = Vec::new();
    for policy in policies {
        let own = dir.path().join(policy.name());
        copy(&full, &own)?;
        // The store gets ever smaller, as that of an agent would.
        for percent in KEPT {
            let kept = memories as u64 * percent / 100;
            let left = run::forget_and_ask(&corpus, &ids, &own, (policy, kept))?;
            print(policy.name(), percent as f64 / 100.0, &left);
            surviving.push((policy, percent, left.surviving));
        }
        std::fs::remove_dir_all(&own)?;
    }
    Ok(verdict(&surviving, generated))
}

/// Compares the score with the age, and prints what came of it.
fn verdict(surviving: &[(Policy, u64, f64)], generated: bool) -> bool {
    let of = |policy: Policy, percent: u64| {
        let found = surviving.iter().find(|one| (one.0, one.1) == (policy, percent));
        found.map_or(f64::NAN, |one| one.2)
    };
    let lead = |percent: u64| of(Policy::Score, percent) - of(Policy::Age, percent);
    let is_ahead = KEPT.iter().all(|percent| lead(*percent) > 0.0);
    let holds = is_ahead && (!generated || lead(50) >= LEAD);
    let verdict = if holds { "holds" } else { "does not hold" };
    let mut line = Json::new().field("bench", "forgetting").field("verdict", verdict);
    for percent in KEPT {
        line = line.field(&format!("lead_at_{percent}"), lead(percent));
    }
    println!("{}", line.line());
    let points = lead(50) * 100.0;
    eprintln!("{verdict}: of the evidence, {points:.1} points more survive the score at a half");
    holds
}

fn print(policy: &str, kept: f64, left: &Left) {
    for found in &left.found {
        let [at_5, at_10, at_20] = found.recall;
        let line = Json::new()
            .field("policy", policy)
            .field("kept", kept)
            .field("ranking", found.ranking)
            .field("search", found.search)
            .field("recall_at_5", at_5)
            .field("recall_at_10", at_10)
            .field("recall_at_20", at_20)
            .field("evidence_surviving", left.surviving)
            .field("answerable", left.answerable);
        println!("{}", line.line());
    }
}

/// Copies the directory of a store that is closed.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
