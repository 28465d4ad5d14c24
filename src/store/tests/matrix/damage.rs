//! Owns the check of damaged files (I1, I3, I5). Whatever happens to any file of a store, each open
//! and each answer is exactly right or a typed error. Derived files are rebuilt. A failed open
//! changes nothing. With the damage undone, the store is whole.
//!
//! One case cannot be distinguished from a torn write: damage from some frame of the last log file
//! to its very end, unless the store was closed. The store is then as it was before that frame.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::answers::{Answers, is_typed};
use super::check::text_of;
use super::damages::{Damage, list};
use super::golden::{Ending, Golden, contents};
use super::model::Model;
use super::run::{Row, each, report, seed, sized};
use super::setup::{dir, new_clock, options};
use crate::format::names::FileName;
use crate::store::open::open_for_writing;
use crate::store::read_only::open_for_reading;
use crate::testing::sim::{FileSystem, SimDisk};
use crate::{Error, Store};

/// The allowed consequences of a damage.
#[derive(Clone, Debug)]
enum Verdict {
    /// The file or the bytes have no meaning.
    Harmless,
    /// An error. Without one the answers are right, and `verify` reports the damage if `reported`.
    Truth { reported: bool },
    /// Right answers, and `verify` reports the damage.
    Derived,
    /// An open must fail.
    Refused,
    /// The end of the log is gone. This is the content of the store before it.
    Earlier(Model),
}

fn verdict(golden: &Golden, damage: &Damage) -> Verdict {
    let files = damage.files(golden);
    let Some(name) = files.first() else { return Verdict::Harmless };
    if files.iter().any(|n| n == golden.manifest()) {
        return Verdict::Refused;
    }
    match FileName::parse(name) {
        Some(FileName::Segment(_) | FileName::Deletes(_)) => Verdict::Truth { reported: true },
        Some(FileName::Index(_) | FileName::Locator(_)) => Verdict::Derived,
        Some(FileName::Log(_)) if files.len() > 1 || !damage.keeps_names() => Verdict::Refused,
        Some(FileName::Log(_)) if *name == golden.log => of_last_log(golden, damage),
        Some(FileName::Log(_)) => Verdict::Truth { reported: false },
        // A number larger than that of any manifest counts as the newest manifest.
        _ if matches!(damage, Damage::Rename { to, .. } if FileName::parse(to).is_some()) => {
            Verdict::Truth { reported: false }
        }
        _ if matches!(damage, Damage::Directory { .. }) => Verdict::Truth { reported: false },
        _ => Verdict::Harmless,
    }
}

/// Returns the consequence of damage to the last log file, the only file that a crash may leave
/// torn.
fn of_last_log(golden: &Golden, damage: &Damage) -> Verdict {
    let Some(before) = golden.contents.get(&golden.log) else { return Verdict::Refused };
    let damaged = damage.apply(golden).ok();
    let Some(after) = damaged.and_then(|files| contents(&files).remove(&golden.log)) else {
        return Verdict::Refused;
    };
    // The zeros behind a frame have no meaning, but must be there.
    let whole = |part: &Range<usize>| {
        after.get(part.clone()) == before.get(part.clone())
            && after.len() >= part.end.next_multiple_of(8)
    };
    let Some(bad) = golden.frames.iter().position(|frame| !whole(frame)) else {
        // Nothing may follow a close, and synced bytes must be there.
        let intact = whole(&(0..golden.frames.first().map_or(0, |f| f.start)));
        return if intact { Verdict::Truth { reported: false } } else { Verdict::Refused };
    };
    let header = whole(&(0..golden.frames.first().map_or(0, |f| f.start)));
    let later = golden.frames.iter().skip(bad + 1).any(whole);
    let start = golden.frames[bad].start;
    if !header || later || (start as u64) < golden.vouched {
        return Verdict::Refused;
    }
    let state = golden.tail.iter().rev().find(|(len, _)| *len <= start);
    state.map_or(Verdict::Refused, |(_, model)| Verdict::Earlier(model.clone()))
}

/// One damage and its allowed consequence.
struct Case<'a> {
    golden: &'a Golden,
    damage: &'a Damage,
    verdict: Verdict,
    files: FileSystem,
    opens: u64,
}

impl Case<'_> {
    fn open(&mut self, files: &FileSystem, write: bool) -> (SimDisk, Result<Store, Error>) {
        self.opens += 1;
        let disk = SimDisk::new(files.clone(), 5);
        let clock = new_clock(self.golden.now);
        let shared = Arc::new(disk.clone());
        let store = match write {
            true => open_for_writing(shared, dir(), options(&clock)),
            false => open_for_reading(shared, dir(), &options(&clock)),
        };
        (disk, store)
    }

    fn state(&self) -> &Model {
        match &self.verdict {
            Verdict::Earlier(model) => model,
            _ => &self.golden.state,
        }
    }

    /// Checks that a failed open had a reason, and changed nothing but the lock file.
    fn refused(&mut self, error: &Error, disk: &SimDisk) -> Result<(), String> {
        let may = !matches!(self.verdict, Verdict::Harmless | Verdict::Derived);
        if !may || !is_typed(error) {
            return Err(format!("it does not open: {error}"));
        }
        let (mut before, mut after) = (contents(&self.files), contents(&disk.files()));
        before.remove("LOCK");
        after.remove("LOCK");
        if before != after {
            return Err(format!("an open that failed ({error}) changed files"));
        }
        let mut files = disk.files();
        self.damage.undo(self.golden, &mut files).map_err(|e| e.to_string())?;
        self.whole(&files)
    }

    /// Checks that everything is there once the damage is undone.
    fn whole(&mut self, files: &FileSystem) -> Result<(), String> {
        // The files are those of the golden store then, so only some opens are checked.
        if !self.opens.is_multiple_of(2) && files.fingerprint() == self.golden.files.fingerprint() {
            return Ok(());
        }
        let (_, store) = self.open(files, true);
        let store = store.map_err(|e| format!("with the damage undone: {e}"))?;
        let mut answers = Answers::default();
        answers.ask(&store, &self.golden.state).map_err(|e| format!("undone: {e}"))?;
        match answers.errors {
            0 => Ok(()),
            errors => Err(format!("{errors} errors with the damage undone")),
        }
    }

    /// Asks an open store. Returns true if anything reported the damage.
    fn ask(&self, store: &Store) -> Result<bool, String> {
        if matches!(self.verdict, Verdict::Refused) {
            return Err("it opens".to_owned());
        }
        let mut answers = Answers::default();
        answers.ask(store, self.state())?;
        if answers.errors > 0 && !matches!(self.verdict, Verdict::Truth { .. }) {
            return Err(format!("{} answers failed", answers.errors));
        }
        let problems = match store.verify() {
            Ok(report) => report.problems,
            Err(error) => vec![error],
        };
        match problems.iter().find(|p| !is_typed(p)) {
            Some(odd) => Err(format!("verify: {odd}")),
            None if answers.errors > 0 && problems.is_empty() => {
                Err(format!("{} answers failed, and verify found nothing", answers.errors))
            }
            None => Ok(!problems.is_empty()),
        }
    }

    fn read(&mut self) -> Result<(), String> {
        let files = self.files.clone();
        let (disk, store) = self.open(&files, false);
        let told = match store {
            Ok(store) => self.ask(&store)?,
            Err(error) => {
                self.refused(&error, &disk)?;
                true
            }
        };
        if disk.files().fingerprint() != files.fingerprint() {
            return Err("a reader changed files".to_owned());
        }
        let must = matches!(self.verdict, Verdict::Truth { reported: true } | Verdict::Derived);
        if must && !told {
            return Err("nothing tells of it".to_owned());
        }
        Ok(())
    }

    fn write(&mut self, work: bool) -> Result<(), String> {
        let files = self.files.clone();
        let (disk, store) = self.open(&files, true);
        let store = match store {
            Ok(store) => store,
            Err(error) => return self.refused(&error, &disk),
        };
        self.ask(&store)?;
        if !work {
            return Ok(());
        }
        let harmed = matches!(self.verdict, Verdict::Truth { .. });
        let mut answers = Answers::default();
        let mut rounds = 0;
        while answers.take(store.run_pending_tasks())?.unwrap_or(false) {
            rounds += 1;
            if rounds > 100 {
                return Err("its work does not end".to_owned());
            }
        }
        answers.take(store.compact())?;
        if answers.errors > 0 && !harmed {
            return Err(format!("{} jobs failed", answers.errors));
        }
        self.ask(&store)?;
        drop(store);
        self.after(disk.files(), harmed)
    }

    /// Checks that a damaged store is whole after work on it, once remaining damage is undone.
    fn after(&mut self, mut files: FileSystem, harmed: bool) -> Result<(), String> {
        let left = contents(&files);
        let damaged = self.damage.files(self.golden);
        if harmed && self.damage.keeps_names() && damaged.iter().any(|n| left.contains_key(n)) {
            for name in damaged.iter().filter(|n| left.contains_key(*n)) {
                let content = self.golden.contents.get(name).map_or_else(Vec::new, |c| c.to_vec());
                files.damage(&dir().join(name), content).map_err(|e| e.to_string())?;
            }
        }
        let (_, store) = self.open(&files, true);
        let store = store.map_err(|e| format!("after work: {e}"))?;
        let mut answers = Answers::default();
        answers.ask(&store, self.state()).map_err(|e| format!("after work: {e}"))?;
        let problems = store.verify().map_err(|e| e.to_string())?.problems;
        match problems.first() {
            None if answers.errors == 0 => Ok(()),
            first => Err(format!("after work: {} errors, {first:?}", answers.errors)),
        }
    }
}

/// Checks one damage. Returns the number of opens.
fn check(golden: &Golden, damage: &Damage, work: bool) -> Result<u64, String> {
    let files = damage.apply(golden).map_err(|e| e.to_string())?;
    if files.fingerprint() == golden.files.fingerprint() {
        return Ok(0);
    }
    let verdict = verdict(golden, damage);
    let mut case = Case { golden, damage, verdict, files, opens: 0 };
    let done = catch_unwind(AssertUnwindSafe(|| case.read().and_then(|()| case.write(work))))
        .unwrap_or_else(|panic| Err(format!("it panics: {}", text_of(panic.as_ref()))));
    done.map(|()| case.opens).map_err(|wrong| format!("{damage:?}, {:?}: {wrong}", kind(&case)))
}

fn kind(case: &Case<'_>) -> String {
    let verdict = format!("{:?}", case.verdict);
    verdict.split(['(', ' ']).next().unwrap_or_default().to_owned()
}

fn check_all(golden: &Golden, damages: &[Damage], work_every: usize) -> Row {
    const CHUNK: usize = 32;
    each(damages.len().div_ceil(CHUNK), |chunk| {
        let mut row = Row::default();
        for (i, damage) in damages.iter().enumerate().skip(chunk * CHUNK).take(CHUNK) {
            match check(golden, damage, i.is_multiple_of(work_every)) {
                Ok(opens) => {
                    row.cases += opens.min(1);
                    row.inner += opens;
                }
                Err(wrong) => row.failures.push(wrong),
            }
        }
        row
    })
}

#[test]
fn damage_to_any_file_is_an_error_or_does_no_harm_i1_i3_i5() {
    let seed = seed();
    report("damaged files", "opens of them", sized(400, 1500, 1500) as u64, || {
        let mut row = Row::default();
        let golden = Golden::new(Ending::Closed).unwrap();
        row.add(check_all(&golden, &list(&golden, seed), 5));
        // Without a close, the log ends as a crash may leave it.
        let killed = Golden::new(Ending::Killed).unwrap();
        let damages = list(&killed, seed ^ 1).into_iter();
        let of_log = damages.filter(|d| d.files(&killed).contains(&killed.log)).collect::<Vec<_>>();
        row.add(check_all(&killed, &of_log, 5));
        row
    });
}

/// Damage to any bit of any frame but the last is reported. Damage to the last frame cannot be,
/// unless the store was closed.
#[test]
fn only_the_last_frame_of_the_log_is_in_a_grey_zone_i5() {
    grey_zone();
}

/// Fails unless every bad frame but the last is reported.
pub(super) fn grey_zone() {
    for ending in [Ending::Closed, Ending::Killed] {
        let golden = Golden::new(ending).unwrap();
        let (last, others) = golden.frames.split_last().unwrap();
        for frame in others.iter().chain([last]) {
            for at in frame.clone().step_by(sized(23, 3, 1)) {
                let file = golden.log.clone();
                let damage = Damage::Flip { file, at, bit: (at % 8) as u8 };
                let verdict = verdict(&golden, &damage);
                let right = match &verdict {
                    Verdict::Refused => frame != last || ending == Ending::Closed,
                    Verdict::Earlier(state) => {
                        frame == last && ending == Ending::Killed && *state != golden.state
                    }
                    _ => false,
                };
                assert!(right, "{damage:?}: {verdict:?}");
                check(&golden, &damage, false).unwrap();
            }
        }
    }
}
