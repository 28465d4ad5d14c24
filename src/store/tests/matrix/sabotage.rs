//! Owns the proof that the matrix finds the bugs that it is for. Each switch of `crate::sabotage`
//! breaks the protocol at one place, and some row must notice.

use super::clock;
use super::cuts::{Effort, check_all};
use super::damage::grey_zone;
use super::erasure;
use super::errors::all_errors;
use super::record::record;
use super::regressions::refuses_a_cut_log;
use super::run::{Row, each, seed, sized};
use super::script::{Act, scripted};
use super::sequences::safely;
use super::setup::new_disk;
use crate::sabotage::{ALL, Sabotage, with};
use crate::testing::size::size;

/// Maximum number of cases until a switch must be noticed.
const BUDGET: u64 = 20_000;

/// Returns a part of the names of the workloads to run first, because they reach the broken code.
fn likely(switch: Sabotage) -> &'static str {
    use Sabotage::*;
    match switch {
        ZerosAreFrames => "insert, buffered",
        UnlinkLogEarly | PruneByNewest => "log is trimmed",
        DropCarriedDeletes => "writes during a merge",
        DropCarriedChanges => "touch during a job",
        ForgetChanges => "touch in segments",
        CountUsesTwice => "uses",
        ReplayOverLaterChanges => "changes after a delete",
        ForgetDeletes => "deletes in segments",
        UnlinkSegmentEarly | LetGoOfLog | KeepLocators | CoverTooMuch => "delete by a list",
        _ => "",
    }
}

/// Returns the first failure that power cuts find, and the number of cases.
fn by_cuts(seed: u64, first: &str) -> (u64, Option<String>) {
    let effort = Effort { random: 6, use_every: 4, again_every: 61 };
    let mut cases = 0;
    let mut scripts = scripted();
    scripts.sort_by_key(|script| !script.name.contains(first));
    for script in scripts {
        let found = safely(|| {
            let recording = record(&script, &new_disk(seed));
            let row = check_all(&script, &recording, seed, effort);
            match row.failures.into_iter().next() {
                Some(failure) => Err(failure),
                None => Ok(row.cases + row.inner),
            }
        });
        match found {
            Ok(n) => cases += n,
            Err(failure) => return (cases, Some(failure)),
        }
        if cases > BUDGET {
            break;
        }
    }
    (cases, None)
}

/// Returns the first failure that errors find, and the number of cases.
fn by_errors(seed: u64) -> (u64, Option<String>) {
    let mut total = Row::default();
    for (at, script) in scripted().iter().enumerate() {
        total.add(all_errors(script, at, seed, 1, 1));
        let cases = total.cases + total.inner;
        if !total.failures.is_empty() || cases > BUDGET {
            return (cases, total.failures.into_iter().next());
        }
    }
    (total.cases + total.inner, None)
}

/// Returns the first failure among `count` jobs, and the number of cases.
fn by_jobs(count: u64, job: impl Fn(u64) -> Result<u64, String>) -> (u64, Option<String>) {
    for n in 0..count {
        if let Err(failure) = safely(|| job(n)) {
            return (n, Some(failure));
        }
    }
    (count, None)
}

/// Runs the row that should notice a switch.
fn notice(switch: Sabotage, seed: u64) -> (u64, Option<String>) {
    use Sabotage::*;
    with(Some(switch), || match switch {
        RetryFailedSync | IgnorePoison | AppendAfterFailure | CleanUpInDoubt => by_errors(seed),
        IgnoreSyncedLen => by_jobs(1, |_| {
            grey_zone();
            Ok(0)
        }),
        ForgetOpenLog => by_jobs(1, |_| {
            refuses_a_cut_log(Act::Run);
            Ok(0)
        }),
        RawClock | DestroyByRawClock => by_jobs(300, |n| clock::workload(seed.wrapping_add(n))),
        PurgeKeepsLog | PurgeKeepsCodes => {
            by_jobs(40, |n| erasure::workload(seed.wrapping_add(n), 1 << 40))
        }
        _ => by_cuts(seed, likely(switch)),
    })
}

#[test]
#[expect(clippy::print_stderr, reason = "each switch is named with what caught it")]
fn every_sabotage_is_noticed() {
    let seed = seed();
    // A quick run tries a few.
    let switches: Vec<Sabotage> = ALL.iter().copied().step_by(sized(5, 1, 1)).collect();
    let row = each(switches.len(), |at| {
        let (switch, mut row) = (switches[at], Row::default());
        let (cases, found) = notice(switch, seed);
        match found {
            Some(by) => {
                let by: String = by.chars().take(160).collect();
                eprintln!("sabotage: {switch:?}: noticed after {cases} cases: {by}");
                row.cases = 1;
            }
            None => row.failures.push(format!("{switch:?} is not noticed in {cases} cases")),
        }
        row
    });
    eprintln!(
        "sabotage: {} of {} switches noticed, of {} that there are ({:?})",
        row.cases,
        switches.len(),
        ALL.len(),
        size()
    );
    assert!(row.failures.is_empty(), "{:#?}", row.failures);
}
