//! An assistant that runs for months of simulated time, and a store that stays as small as what it
//! remembers.
//!
//! `cargo run --release --example agent_memory -- [--days 120] [--sessions 100] [--seed 1]`.
//!
//! Each session keeps scratch turns with a short lifetime. At its end they are deleted together, in
//! the same atomic step that keeps what was learned. Observations are kept for 30 days;
//! preferences, tasks and summaries until they are replaced or done. One session in four is
//! abandoned: its turns expire.
//!
//! The program fails if a recall ever returns a memory that was deleted, replaced or has expired,
//! or misses one (I12). It also fails if the store has grown between the middle of the run and its
//! end. It ends with a picture of the run.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what happens")]
#![allow(clippy::disallowed_methods, reason = "an example may use files and clocks")]

mod assistant;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use assistant::{Assistant, Day};
use bench_tools::args::{self, Args, Opt};
use bench_tools::measure::median;
use bench_tools::plot::{Panel, Series, svg};

/// Largest growth from the middle of the run to its end that counts as flat.
const FLAT: f64 = 1.10;
/// Observations fill the store for 30 days, so a shorter run has no flat middle.
const SHORTEST_VERDICT: usize = 90;
const OPTIONS: [Opt; 4] = [
    Opt { key: "days", value: "N", help: "simulated days, default 120" },
    Opt { key: "sessions", value: "N", help: "sessions a day, default 100" },
    Opt { key: "seed", value: "N", help: "of everything random, default 1" },
    Opt { key: "svg", value: "FILE", help: "the picture; default: in the temporary directory" },
];

/// Returns one figure of a day.
type Figure = fn(&Day) -> u64;

fn main() -> ExitCode {
    args::run("An assistant's memory over months.", &OPTIONS, live)
}

/// Simulates the days. Returns true if every answer was right and the store stayed flat.
fn live(args: &Args) -> Result<bool, Box<dyn Error>> {
    let (days, sessions) = (args.get_or("days", 120)?, args.get_or("sessions", 100)?);
    if sessions == 0 {
        return Err(args.wrong("--sessions must not be 0").into());
    }
    let picture = args
        .text("svg")
        .map_or_else(|| std::env::temp_dir().join("agent_memory.svg"), PathBuf::from);
    let dir = std::env::temp_dir().join(format!("agent-memory-{}.alt", std::process::id()));
    let begun = Instant::now();
    let mut assistant = Assistant::new(&dir, args.get_or("seed", 1)?)?;
    println!(
        "An assistant has {sessions} sessions a day for {days} days. It remembers what is said,"
    );
    println!("keeps what it learns, and forgets the rest. After each day: the memories that are");
    println!(
        "alive, the rows on disk whose space is not yet reclaimed, and the size of the store."
    );
    println!(
        "Expect the first 30 days to grow, until observations expire as fast as they come, and"
    );
    println!("every column to stay level after them.");
    println!();
    println!("{:>4} {:>7} {:>7} {:>9} {:>9} {:>9}", "", "live", "dead", "disk", "RSS", "RSS");
    println!(
        "{:>4} {:>7} {:>7} {:>9} {:>9} {:>9}",
        "day", "rows", "rows", "MiB", "anon MiB", "file MiB"
    );
    let mut past = Vec::with_capacity(days);
    for number in 1..=days {
        let day = assistant.day(sessions, &dir)?;
        println!(
            "{number:>4} {:>7} {:>7} {:>9.1} {:>9.1} {:>9.1}",
            day.live,
            day.dead,
            mib(day.disk_bytes),
            mib(day.rss.anon_bytes),
            mib(day.rss.file_bytes)
        );
        past.push(day);
    }
    let (recalls, wrong) = (assistant.recalls, assistant.wrong);
    let report = assistant.store.verify()?;
    if !report.is_clean() {
        return Err(format!("the files are damaged: {:?}", report.problems).into());
    }
    assistant.store.close()?;
    std::fs::remove_dir_all(&dir)?;
    println!();
    println!(
        "Every recall is compared with what should be remembered, and every file is read once"
    );
    println!("more: {recalls} recalls, {wrong} wrong; {} files without damage.", report.files);
    println!("{days} days took {:.1} s.", begun.elapsed().as_secs_f64());
    let flat = flat(&past);
    draw(&picture, &past)?;
    println!("The run as a picture: {}", picture.display());
    Ok(flat && wrong == 0)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Compares the last sixth of the run with the same number of days in its middle, by their medians.
fn flat(past: &[Day]) -> bool {
    let window = past.len() / 6;
    if past.len() < SHORTEST_VERDICT {
        println!("no verdict on growth in less than {SHORTEST_VERDICT} days");
        return true;
    }
    println!("Is the store flat? The last {window} days against {window} in the middle:");
    let middle = &past[past.len() / 2 - window / 2..][..window];
    let last = &past[past.len() - window..];
    let figures: [(&str, Figure); 4] = [
        ("live rows", |day| day.live),
        ("disk", |day| day.disk_bytes),
        ("RSS anonymous", |day| day.rss.anon_bytes),
        ("RSS file-mapped", |day| day.rss.file_bytes),
    ];
    let mut all_flat = true;
    for (name, figure) in figures {
        let of = |days: &[Day]| median(&days.iter().map(|d| figure(d) as f64).collect::<Vec<_>>());
        let ratio = of(last) / of(middle).max(1.0);
        println!("  {name:<16} {ratio:.3} times as much");
        all_flat &= ratio <= FLAT;
    }
    println!("  {}", if all_flat { "It is flat." } else { "It is not flat." });
    all_flat
}

/// Draws memories and bytes over the days.
fn draw(file: &Path, past: &[Day]) -> Result<(), Box<dyn Error>> {
    let series = |name: &str, figure: &dyn Fn(&Day) -> f64| Series {
        name: name.to_owned(),
        points: (1..).map(f64::from).zip(past.iter().map(figure)).collect(),
    };
    let memories = Panel {
        title: "Memories".to_owned(),
        x_label: "day".to_owned(),
        y_label: "rows".to_owned(),
        series: vec![
            series("alive", &|day| day.live as f64),
            series("dead, not yet reclaimed", &|day| day.dead as f64),
        ],
        ..Panel::default()
    };
    let bytes = Panel {
        title: "Size of the store".to_owned(),
        x_label: "day".to_owned(),
        y_label: "MiB".to_owned(),
        series: vec![
            series("disk", &|day| mib(day.disk_bytes)),
            series("RSS, anonymous", &|day| mib(day.rss.anon_bytes)),
            series("RSS, mapped files", &|day| mib(day.rss.file_bytes)),
        ],
        ..Panel::default()
    };
    std::fs::write(file, svg("An assistant's memory stays flat", &[memories, bytes]))?;
    Ok(())
}
