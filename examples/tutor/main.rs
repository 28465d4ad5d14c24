//! A personal tutor that teaches one learner after the other, each for twelve simulated weeks, and
//! whose memory does not grow from the second on.
//!
//! `cargo run --release --example tutor -- [--quick] [--terms 12] [--svg FILE]`
//!
//! Each lesson is a session. At its end the talk becomes a few sentences, and what the tutor rated
//! is kept. At the end of each week exercises about the same thing become one memory, and the rules
//! let go what is worth least. Facts that no longer hold give way to those that do. At the end of
//! each term 47 questions are asked, and the memories that are recalled within a budget of tokens
//! must contain the answers.
//!
//! The same terms run once more without any rule: every turn stays. The program fails if a question
//! has no answer while the rules are on, if memories or files grow from the second term on, or if
//! they do not grow without the rules, because then it would show nothing.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what happens")]
#![allow(clippy::disallowed_methods, reason = "an example may use files and clocks")]

mod data;
mod tutor;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use bench_tools::args::{self, Args, Opt};
use bench_tools::plot::{Panel, Scale, Series, svg};

use data::Data;
use tutor::{Tutor, WEEKS, Week};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const OPTIONS: [Opt; 3] = [
    Opt { key: "terms", value: "N", help: "learners, one after the other; default 12" },
    Opt { key: "quick", value: "", help: "four terms, for CI" },
    Opt { key: "svg", value: "FILE", help: "writes the run as a picture" },
];
/// Fewest terms with which growth can be told: the first fills the memory.
const LEAST_TERMS: usize = 3;
/// Largest growth from the second term to any later one that counts as flat.
const FLAT: f64 = 1.10;
/// Least part of an even share that each further term adds without rules.
const EVEN: f64 = 0.8;

/// Returns one figure of a week.
type Figure = fn(&Week) -> u64;

const FIGURES: [(&str, Figure); 2] = [("live memories", Week::live), ("disk", |week| week.disk)];

fn main() -> ExitCode {
    args::run("A tutor's memory over several terms.", &OPTIONS, teach)
}

fn teach(args: &Args) -> Result<bool> {
    let terms = args.get_or("terms", if args.has("quick") { 4 } else { 12 })?;
    if terms < LEAST_TERMS {
        return Err(args.wrong(format!("--terms is less than {LEAST_TERMS}")).into());
    }
    let begun = Instant::now();
    let data = Data::read()?;
    println!("A tutor has {terms} learners, one after the other, for {WEEKS} weeks each.");
    let with = run(&data, terms, true)?;
    let without = run(&data, terms, false)?;
    let mut good = true;
    println!("\nWith rules, {} of {} questions answered.", with.right, with.asked);
    good &= with.right == with.asked;
    println!("Without, {} of {}.", without.right, without.asked);
    println!("\nThe mean of a term beside that of the second, with rules:");
    for (name, figure) in FIGURES {
        let means = means(&with.weeks, figure);
        let most = means[1..].iter().copied().fold(0.0, f64::max) / means[1];
        println!("  {name:<14} at most {most:.3} times as much");
        good &= most <= FLAT;
    }
    println!("The end of the last term beside that of the first, without rules:");
    for (name, figure) in FIGURES {
        let end = |week: usize| figure(&without.weeks[week - 1]) as f64;
        let grown = end(terms * WEEKS) / end(WEEKS);
        println!("  {name:<14} {grown:.2} times as much");
        good &= grown >= 1.0 + EVEN * (terms - 1) as f64;
    }
    println!("{}", if good { "With rules it is flat." } else { "That is not as it should be." });
    println!("{:.1} s.", begun.elapsed().as_secs_f64());
    if let Some(file) = args.text("svg") {
        std::fs::write(file, picture(&with.weeks, &without.weeks))?;
    }
    Ok(good)
}

/// What came of all terms.
struct Outcome {
    weeks: Vec<Week>,
    asked: usize,
    right: usize,
}

/// Teaches all learners with or without rules, and prints a line for each week.
fn run(data: &Data, terms: usize, has_policies: bool) -> Result<Outcome> {
    let dir = Scratch::new(has_policies);
    let mut tutor = Tutor::open(data, &dir.0, has_policies)?;
    let mut done = Outcome { weeks: Vec::new(), asked: 0, right: 0 };
    let names = tutor.tiers()?;
    println!("\n{} rules.", if has_policies { "With" } else { "Without" });
    print!("{:>4} {:>4}", "term", "week");
    names.iter().for_each(|name| print!(" {name:>9}"));
    println!(" {:>9} {:>9}", "disk KiB", "RSS KiB");
    for term in 1..=terms {
        let learner = format!("learner-{term}");
        tutor.term(&learner, &dir.0, &mut done.weeks)?;
        for (week, held) in (1..).zip(&done.weeks[(term - 1) * WEEKS..]) {
            print!("{term:>4} {week:>4}");
            held.tiers.iter().for_each(|memories| print!(" {memories:>9}"));
            println!(" {:>9} {:>9}", held.disk >> 10, held.anonymous >> 10);
        }
        let wrong = tutor.exam(&learner)?;
        for question in &wrong {
            println!("{learner} asks in vain: {question}");
        }
        if has_policies {
            tutor.say_goodbye(&learner)?;
        }
        done.asked += data.questions.len();
        done.right += data.questions.len() - wrong.len();
    }
    for (reason, memories) in tutor.left() {
        println!("{memories:>6} left {reason}");
    }
    tutor.close()?;
    Ok(done)
}

/// Returns the mean of a figure over each term.
fn means(weeks: &[Week], figure: Figure) -> Vec<f64> {
    let mean = |term: &[Week]| term.iter().map(|week| figure(week) as f64).sum::<f64>();
    weeks.chunks(WEEKS).map(|term| mean(term) / term.len() as f64).collect()
}

/// Draws memories and bytes over the weeks, with and without rules.
fn picture(with: &[Week], without: &[Week]) -> String {
    let series = |name: &str, weeks: &[Week], figure: &dyn Fn(&Week) -> f64| Series {
        name: name.to_owned(),
        points: (1..).map(f64::from).zip(weeks.iter().map(figure)).collect(),
    };
    let panel = |title: &str, unit: &str, figure: &dyn Fn(&Week) -> f64| Panel {
        title: title.to_owned(),
        x_label: "week".to_owned(),
        y_label: unit.to_owned(),
        y: Scale::FromZero,
        series: vec![series("with rules", with, figure), series("without", without, figure)],
        ..Panel::default()
    };
    let panels = [
        panel("Live memories, the archive included", "memories", &|week| week.live() as f64),
        panel("Disk", "MiB", &|week| week.disk as f64 / f64::from(1 << 20)),
    ];
    let terms = with.len() / WEEKS;
    svg(&format!("A tutor's memory over {terms} terms of {WEEKS} weeks"), &panels)
}

/// A directory that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(has_policies: bool) -> Self {
        let name = format!("altiplano-tutor-{}-{has_policies}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&dir);
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(Path::new(&self.0));
    }
}
