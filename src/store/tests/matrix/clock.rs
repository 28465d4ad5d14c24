//! Owns the tests with wrong clocks: set back, ahead, frozen, at 1970 or at the end of time. They
//! go wrong between acts, and between a crash and the open after it. A wrong clock hides memories
//! and does not destroy them. Once it is right again, every memory is there that has more than a
//! day to live. Destroyed memories stay away.

use std::time::Duration;

use super::model::Write;
use super::record::Runner;
use super::regressions::holds;
use super::run::{self, each, report, seed, sized};
use super::script::{Act, scripted};
use super::sequences::{ask, crash, safely, watch};
use super::setup::{BEGIN, new_clock, new_disk, open};
use crate::clock::Timestamp;
use crate::splitmix::SplitMix;
use crate::sync::lock;
use crate::testing::sim::SimDisk;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// How a clock is wrong.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    Ahead(u64),
    Back(u64),
    Frozen(Timestamp),
    At(Timestamp),
}

impl Wrong {
    fn drawn(rng: &mut SplitMix, now: Timestamp) -> Self {
        match rng.below(8) {
            0 => Self::Ahead(HOUR),
            1 | 2 => Self::Ahead(3652 * DAY),
            3 => Self::Back(HOUR),
            4 => Self::Back(3652 * DAY),
            5 => Self::Frozen(now),
            6 => Self::At(Timestamp::MIN),
            _ => Self::At(Timestamp::MAX),
        }
    }

    /// Returns the time that the clock shows.
    fn shows(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ahead(by) => now + Duration::from_secs(by),
            Self::Back(by) => now - Duration::from_secs(by),
            Self::Frozen(at) | Self::At(at) => at,
        }
    }
}

/// Draws batches with lifetimes of minutes to months, and the work that destroys.
fn act(rng: &mut SplitMix) -> Act {
    let first = rng.below(150);
    let ids = first..first + 1 + rng.below(40);
    let to = rng.below(2) as usize;
    match rng.below(12) {
        0..6 => {
            let ttl = [None, Some(HOUR / 2), Some(20 * HOUR), Some(3 * DAY), Some(90 * DAY)];
            let ttl = ttl[rng.below(5) as usize];
            let writes = ids.map(|id| Write::Insert { to, id, ttl }).collect();
            Act::Write { writes, sync: rng.below(2) == 0 }
        }
        6 => {
            let writes = ids.map(|id| Write::Delete { from: to, id }).collect();
            Act::Write { writes, sync: false }
        }
        7 => Act::RunOne,
        8 => Act::Run,
        9 => Act::Compact,
        10 => Act::Sync,
        _ => Act::Reopen,
    }
}

/// A store, the right time, and what its clock shows instead.
struct World {
    runner: Runner,
    now: Timestamp,
    wrong: Option<Wrong>,
    crashes: u64,
}

impl World {
    fn new(seed: u64) -> Result<Self, String> {
        let mut runner = Runner::new(new_disk(seed));
        runner.open().map_err(|e| e.to_string())?;
        for c in 0..2 {
            runner.act(&Act::Make(c)).map_err(|e| e.to_string())?;
        }
        Ok(Self { runner, now: BEGIN, wrong: None, crashes: 0 })
    }

    fn tick(&mut self, rng: &mut SplitMix) {
        let by = Duration::from_secs(rng.below(HOUR / 2));
        self.runner.clock.advance(by);
        self.now = self.now + by;
        self.show();
    }

    fn show(&self) {
        let shown = self.wrong.map_or(self.now, |wrong| wrong.shows(self.now));
        self.runner.clock.set_wall(shown);
    }

    /// Carries out some acts. If asked to, crashes in one of them and makes the clock wrong before
    /// the next open.
    fn acts(
        &mut self,
        rng: &mut SplitMix,
        count: u64,
        mut next: Option<Wrong>,
    ) -> Result<(), String> {
        for i in 0..count {
            self.tick(rng);
            let act = act(rng);
            let at = |wrong: String, clock| format!("act {i} ({act:?}), clock {clock:?}: {wrong}");
            let moment = (rng.below(6) == 0).then(|| watch(&self.runner, rng.below(14)));
            self.runner.act(&act).map_err(|e| at(e.to_string(), self.wrong))?;
            self.runner.disk.no_observer();
            if let Some(moment) = moment.and_then(|m| lock(&m).take()) {
                self.wrong = next.take().or(self.wrong);
                self.show();
                crash(&mut self.runner, moment, rng).map_err(|e| at(e, self.wrong))?;
                self.crashes += 1;
            }
            self.runner.look().map_err(|e| at(e, self.wrong))?;
        }
        self.wrong = next.or(self.wrong);
        self.show();
        Ok(())
    }

    /// Corrects the clock and checks that nothing is hidden for more than a day.
    fn right(&mut self) -> Result<(), String> {
        let was = self.wrong.take();
        self.show();
        self.runner.look().map_err(|e| format!("right again after {was:?}: {e}"))?;
        let store = self.runner.store.as_ref().ok_or("no store is open")?;
        if store.now() > self.now + Duration::from_secs(DAY) {
            let by = store.now().since(self.now);
            return Err(format!("after {was:?} the store goes by a time {by:?} ahead"));
        }
        Ok(())
    }
}

/// Runs one workload with one wrong clock, or with several in turn. Returns the number of crashes.
pub(super) fn workload(seed: u64) -> Result<u64, String> {
    let mut rng = SplitMix(seed);
    let mut world = World::new(seed)?;
    world.acts(&mut rng, 12, None)?;
    let wrong = Wrong::drawn(&mut rng, world.now);
    world.acts(&mut rng, 2, Some(wrong))?;
    world.acts(&mut rng, 14, None)?;
    // The clock goes wrong at once, or after an open by the right clock.
    if rng.below(2) == 0 {
        world.wrong = None;
        world.show();
        world.runner.act(&Act::Reopen).map_err(|e| e.to_string())?;
    }
    world.right()?;
    world.acts(&mut rng, 6, None)?;
    world.right()?;
    // From here on there are several wrong clocks. Readers and the model must agree all the same.
    for _ in 0..rng.below(3) {
        let wrong = Wrong::drawn(&mut rng, world.now);
        world.acts(&mut rng, 2, Some(wrong))?;
        world.acts(&mut rng, 5, None)?;
    }
    ask(&world.runner)?;
    Ok(world.crashes)
}

#[test]
fn a_cut_at_any_operation_beside_a_clock_that_is_vouched_for_loses_and_revives_nothing() {
    let scripts = scripted().into_iter().filter(|s| s.name.starts_with("purge after an absence"));
    let before = scripts.map(|script| holds(&script.name, script.acts)).count();
    assert_eq!(before, 2, "with a sync of each write, and without");
}

/// A clock that is right again after it was trusted while wrong: nothing that was destroyed by it
/// comes back.
#[test]
fn what_was_said_of_the_clock_survives_a_power_cut() {
    let mut runner = Runner::new(new_disk(3));
    runner.open().unwrap();
    for act in [Act::Make(0), Act::Away(10 * DAY), Act::Trust] {
        runner.act(&act).unwrap();
    }
    let now = runner.store().unwrap().now();
    assert_eq!(now, BEGIN + Duration::from_secs(10 * DAY));
    let images = runner.disk.files().images(3, 20);
    assert!(images.len() > 3);
    for image in images {
        let disk = SimDisk::new(image.files.clone(), 9);
        let store = open(&disk, &new_clock(BEGIN)).unwrap();
        assert_eq!(store.now(), now, "{}", image.label);
    }
}

/// Regression: a frame recorded the time but not that it was in doubt. An open that found the mark
/// in the log, and not in a manifest, restarted the day of doubt from there.
#[test]
fn a_mark_found_in_the_log_gave_a_wrong_clock_a_second_day() {
    for seed in [749_661_707, 749_661_821, 749_661_846] {
        workload(seed).unwrap_or_else(|wrong| panic!("workload {seed}: {wrong}"));
    }
}

#[test]
fn a_wrong_clock_hides_and_neither_destroys_nor_brings_back_i8() {
    let (count, seed) = (sized(24, 240, 2000), seed());
    report("wrong clocks", "crashes under them", count as u64, || {
        each(count, |n| {
            let mut row = run::Row { cases: 1, ..run::Row::default() };
            let seed = seed.wrapping_mul(37).wrapping_add(n as u64);
            match safely(|| workload(seed)) {
                Ok(crashes) => row.inner += crashes,
                Err(wrong) => row.failures.push(format!("workload {seed}: {wrong}")),
            }
            row
        })
    });
}
