//! A notebook of many users: 100,000 small notes with fields, written, changed, listed, searched and
//! forgotten by several threads at once.
//!
//! `cargo run --release --example notebook -- [--notes 100000] [--users 40] [--threads 4] [--seed 1]`
//!
//! Each thread owns some of the users. For each user it keeps a plain model in RAM: what the notes
//! should be. It makes every change to the store and to the model, and compares every answer of the
//! store with the model. At the end the store is opened again and read as a whole.
//!
//! The program fails at the first difference.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what happens")]
#![allow(clippy::disallowed_methods, reason = "an example may use files and clocks")]

mod ask;
mod note;
mod user;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use altiplano::{
    Collection, CollectionOptions, Durability, FieldValue, ManualClock, Memory, Metric, Outcome,
    Store, StoreOptions, Timestamp,
};
use bench_tools::args::{self, Args, Opt};
use bench_tools::measure::allocated_bytes;
use user::{Failure, Tally, User};

const OPTIONS: [Opt; 4] = [
    Opt { key: "notes", value: "N", help: "notes to write, default 100000" },
    Opt { key: "users", value: "N", help: "users, default 40" },
    Opt { key: "threads", value: "N", help: "threads, default 4" },
    Opt { key: "seed", value: "N", help: "of everything random, default 1" },
];
/// A first day, in May 2026.
const START: Timestamp = Timestamp::from_millis(1_777_600_000_000);
/// A crash of the process costs no write. A power cut may cost the last second.
const DURABILITY: Durability = Durability::buffered(Duration::from_secs(1));
/// How often each thread adds 1 to the counter that all share.
const STEPS: i64 = 500;
/// Rounds of changes and questions for each user.
const ROUNDS: usize = 20;

fn main() -> ExitCode {
    args::run("A notebook of many users.", &OPTIONS, notebook)
}

fn notebook(args: &Args) -> Result<bool, Box<dyn Error>> {
    let (notes, users) = (args.get_or("notes", 100_000)?, args.get_or("users", 40)?);
    let (threads, seed) = (args.get_or("threads", 4)?, args.get_or("seed", 1)?);
    if users == 0 || threads == 0 || notes < users * 20 {
        let reason = "needs a user, a thread, and at least 20 notes for each user";
        return Err(args.wrong(reason).into());
    }
    let dir = std::env::temp_dir().join(format!("notebook-{}.alt", std::process::id()));
    let run = Run { notes, users, threads, seed };
    let result = run.all(&dir);
    let _ = std::fs::remove_dir_all(&dir);
    result.map_err(|failure| failure as Box<dyn Error>)?;
    Ok(true)
}

struct Run {
    notes: usize,
    users: usize,
    threads: usize,
    seed: u64,
}

impl Run {
    fn all(&self, dir: &Path) -> Result<(), Failure> {
        let begun = Instant::now();
        let Self { notes, users, threads, .. } = *self;
        println!("A notebook of {users} users, written and read by {threads} threads at once.");
        println!("Each thread knows what its users' notes should be, and compares every answer.");
        let clock = Arc::new(ManualClock::new(START));
        let open = || StoreOptions::new().clock(clock.clone()).open(dir);
        let store = open()?;
        let options = CollectionOptions::new(note::DIM, Metric::L2).durability(DURABILITY);
        let collection = store.collection("notes", options)?;
        let user = |number| User::new(&store, &collection, number, self.seed);
        let mut all: Vec<User> = (0..users as u64).map(user).collect();

        title(1, &format!("Write {notes} notes with text, tags, lifetimes and fields."));
        let each = notes / users;
        let extra = notes % users;
        self.on_threads(&mut all, |at, user, tally| {
            user.write(each + usize::from(at < extra), DURABILITY, tally)
        })?;
        println!("  {:>9} MiB on disk", allocated_bytes(dir)? >> 20);

        title(2, "Change notes and ask for them, while the other threads do the same.");
        self.on_threads(&mut all, |_, user, tally| {
            for _ in 0..ROUNDS {
                user.change(tally)?;
                user.ask(tally)?;
            }
            user.change_many(tally)?;
            user.ask(tally)
        })?;

        title(3, "Read lists page by page, count by name, and search in groups.");
        self.on_threads(&mut all, |_, user, tally| {
            user.list(tally)?;
            user.overview(tally)
        })?;

        title(4, &format!("Add 1 to one field {STEPS} times on each thread. No step is lost."));
        self.count_together(&collection)?;

        title(5, "Let 31 days pass. Notes expire that have a lifetime and were not touched.");
        clock.advance(user::TURN_TTL + Duration::from_secs(86_400));
        self.on_threads(&mut all, |_, user, tally| {
            tally.add("notes expired", user.let_expire());
            user.ask(tally)
        })?;
        same_namespaces(&collection, &all)?;

        title(6, "Forget the first user: leave no byte in any file. This makes the graph anew.");
        forget(&store, &mut all)?;

        title(7, "Close the store, open it again, verify every file and compare every note.");
        store.close()?;
        let store = open()?;
        let collection = store.get_collection("notes").ok_or("the collection is not there")?;
        all.iter_mut().for_each(|user| user.move_to(&store, &collection));
        let compared = check_again(&store, &collection, &all)?;
        store.close()?;
        let seconds = begun.elapsed().as_secs_f64();
        println!();
        println!("The store and the model agree on all {compared} notes ({seconds:.1} s in all).");
        Ok(())
    }

    /// Does the same for every user, on several threads, and prints how often each thing was done.
    fn on_threads(
        &self,
        users: &mut [User],
        work: impl Fn(usize, &mut User, &mut Tally) -> Result<(), Failure> + Sync,
    ) -> Result<(), Failure> {
        let begun = Instant::now();
        let each = users.len().div_ceil(self.threads);
        let mut sum = Tally::default();
        std::thread::scope(|scope| {
            let mut threads = Vec::new();
            for (part, users) in users.chunks_mut(each).enumerate() {
                let work = &work;
                threads.push(scope.spawn(move || {
                    let mut tally = Tally::default();
                    for (at, user) in users.iter_mut().enumerate() {
                        work(part * each + at, user, &mut tally)?;
                    }
                    Ok::<Tally, Failure>(tally)
                }));
            }
            for thread in threads {
                sum.join(thread.join().map_err(|_| "a thread panicked")??);
            }
            Ok::<(), Failure>(())
        })?;
        for (what, count) in sum.lines() {
            println!("  {count:>9} {what}");
        }
        print_time(begun);
        Ok(())
    }

    /// All threads create one note, of which one succeeds, and then count in its field.
    fn count_together(&self, collection: &Collection) -> Result<(), Failure> {
        let (begun, shared) = (Instant::now(), collection.scope("shared"));
        let count = |created: &mut u64| -> Result<(), Failure> {
            let memory = shared.keyed("counter", vec![0.0; note::DIM]).field("steps", 0);
            let id = memory.id;
            *created += u64::from(shared.insert_new(memory)? == Outcome::Inserted);
            for _ in 0..STEPS {
                shared.update(id, |memory| {
                    if let Some(FieldValue::Integer(steps)) = memory.field_value("steps") {
                        *memory = memory.clone().field("steps", steps + 1);
                    }
                })?;
            }
            Ok(())
        };
        let mut created = vec![0; self.threads];
        std::thread::scope(|scope| {
            let threads: Vec<_> = created.iter_mut().map(|n| scope.spawn(|| count(n))).collect();
            threads.into_iter().try_for_each(|thread| {
                thread.join().map_err(|_| Failure::from("a thread panicked"))?
            })
        })?;
        let steps = shared.get_by_key("counter")?.and_then(|memory| memory.field_value("steps"));
        let expected = STEPS * self.threads as i64;
        if steps != Some(expected.into()) || created.iter().sum::<u64>() != 1 {
            return Err(format!("{steps:?} instead of {expected}; created {created:?}").into());
        }
        println!("  {expected:>9} steps counted; the note was created once");
        print_time(begun);
        Ok(())
    }
}

fn title(number: u32, what: &str) {
    println!();
    println!("{number}. {what}");
}

fn print_time(begun: Instant) {
    println!("  {:>9.1} seconds", begun.elapsed().as_secs_f64());
}

/// Compares the namespaces and their counts with the model.
fn same_namespaces(collection: &Collection, users: &[User]) -> Result<(), Failure> {
    let mut expected: Vec<(String, u64)> = users
        .iter()
        .map(|user| (user.scope.namespace().to_owned(), user.notes.len() as u64))
        .filter(|(_, notes)| *notes > 0)
        .collect();
    expected.push(("shared".to_owned(), 1));
    expected.sort();
    let found = collection.namespaces("", usize::MAX)?;
    let found: Vec<(String, u64)> = found.into_iter().map(|n| (n.name, n.memories)).collect();
    if found != expected {
        return Err(format!("the namespaces are {found:?} instead of {expected:?}").into());
    }
    println!("  {:>9} namespaces, each with the right number of notes", found.len());
    Ok(())
}

fn forget(store: &Store, users: &mut [User]) -> Result<(), Failure> {
    let Some(user) = users.first_mut() else { return Ok(()) };
    let begun = Instant::now();
    let receipt = store.forget(user.scope.namespace())?;
    let expected = user.notes.len() as u64;
    if receipt.memories() != expected || !receipt.is_complete() {
        return user.wrong(format!("{receipt:?} is not about {expected} notes"));
    }
    user.notes.clear();
    println!("  {expected:>9} notes forgotten; nothing is left to purge");
    print_time(begun);
    Ok(())
}

/// Compares every note of a store that was opened again. Returns how many there are.
fn check_again(store: &Store, collection: &Collection, users: &[User]) -> Result<u64, Failure> {
    let report = store.verify()?;
    if !report.is_clean() {
        return Err(format!("the files are damaged: {:?}", report.problems).into());
    }
    println!("  {:>9} files without damage", report.files);
    let mut compared = 0;
    for user in users {
        compared += user.check_everything()?;
    }
    let others: Vec<Memory> = collection.scope("shared").iter().collect::<Result<_, _>>()?;
    let all = collection.len()?;
    if all != compared + others.len() as u64 || others.len() != 1 {
        return Err(format!("{all} notes in the store, {compared} in the model").into());
    }
    println!("  {compared:>9} notes compared with the model");
    Ok(compared)
}
