//! Owns a pass of the rules: idle sessions end, memories leave their tiers, and where the disk
//! budget is reached, what is worth least is forgotten.

use std::sync::atomic::Ordering;

use super::core::{Core, OpenTier};
use super::event::Cause;
use super::moves::{self, Target};
use super::retention::{Excess, ForgetPlan, Planned, Rule, plan_tier};
use super::session;
use super::tier::{Exit, Tier};
use crate::{Budget, Error, MemoryId, Result};

/// Most passes over a tier, each over 65,536 memories at most.
const MOST_PASSES: usize = 64;
/// Most times that a write makes room for itself.
const MOST_TRIES: u32 = 8;
/// Above this part of the disk budget, in eighths, the background makes room before it is reached.
const HIGH_EIGHTHS: u64 = 7;
/// It makes room down to this part.
const LOW_EIGHTHS: u64 = 6;

/// Returns what the rules would do now, in all tiers.
pub(super) fn plan(core: &Core) -> Result<ForgetPlan> {
    let mut plan = ForgetPlan { leaving: Vec::new(), is_complete: true };
    for open in all_tiers(core) {
        let (leaving, is_complete) =
            plan_tier(&open.tier, &open.collection(), core.now(), Excess::default())?;
        plan.leaving.extend(leaving);
        plan.is_complete &= is_complete;
    }
    Ok(plan)
}

fn all_tiers(core: &Core) -> impl Iterator<Item = &OpenTier> {
    core.tiers.iter().chain([&core.archive])
}

/// Carries the rules out. Returns how many memories left their tiers.
pub(super) fn tidy(core: &Core) -> Result<u64> {
    let _pass = core.pass();
    core.writes.store(0, Ordering::Relaxed);
    if let Some(timeout) = core.options.session_timeout {
        session::end_idle(core, timeout, core.now())?;
    }
    let mut left = 0;
    for open in all_tiers(core) {
        for _ in 0..MOST_PASSES {
            let (leaving, is_complete) =
                plan_tier(&open.tier, &open.collection(), core.now(), Excess::default())?;
            let gone = carry_out(core, open, &leaving, None)?;
            left += gone;
            if is_complete || gone == 0 {
                break;
            }
        }
    }
    if let Some(budget) = core.options.disk_budget {
        let used = core.store.stats()?.disk_bytes;
        if used > budget / 8 * HIGH_EIGHTHS {
            left += make_room(core, used - budget / 8 * LOW_EIGHTHS)?;
        }
    }
    Ok(left)
}

/// Lets planned memories of a tier leave, to where the tier says unless `exit` says otherwise.
fn carry_out(
    core: &Core,
    open: &OpenTier,
    leaving: &[Planned],
    exit: Option<&Exit>,
) -> Result<u64> {
    let target = Target::of(core, exit.unwrap_or(&open.tier.exit))?;
    let mut left = 0;
    let mut rules: Vec<Rule> = leaving.iter().map(|one| one.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    for rule in rules {
        let ids: Vec<MemoryId> =
            leaving.iter().filter(|one| one.rule == rule).map(|one| one.id).collect();
        left += moves::leave(core, open, &ids, &target, Cause::Rule(rule))?;
    }
    Ok(left)
}

/// Returns true if a tier gives way when the disk budget is reached.
const fn gives_way(tier: &Tier) -> bool {
    tier.retention.has_score() && !tier.in_memory
}

/// Frees at least `bytes` on the disk, as far as there is something to forget: dead rows first,
/// then what is worth least per byte in all tiers with a score. Returns how many memories went.
fn make_room(core: &Core, bytes: u64) -> Result<u64> {
    let dead: u64 = core.store.stats()?.collections.iter().map(|one| one.dead_bytes).sum();
    let mut left = 0;
    let missing = bytes.saturating_sub(dead);
    if missing > 0 {
        let mut all: Vec<(&OpenTier, Planned)> = Vec::new();
        for open in core.tiers.iter().filter(|open| gives_way(&open.tier)) {
            let excess = Excess { count: 0, bytes: missing };
            let (leaving, _) = plan_tier(&open.tier, &open.collection(), core.now(), excess)?;
            all.extend(leaving.into_iter().map(|one| (open, one)));
        }
        let worth = |one: &Planned| one.score / one.bytes.max(1) as f32;
        all.sort_by(|a, b| worth(&a.1).total_cmp(&worth(&b.1)).then(a.1.id.cmp(&b.1.id)));
        let mut freed = 0;
        all.retain(|(_, one)| {
            let is_needed = freed < missing;
            freed += if is_needed { one.bytes } else { 0 };
            is_needed
        });
        for open in &core.tiers {
            let of_tier = |(tier, _): &&(&OpenTier, Planned)| tier.name() == open.name();
            let leaving: Vec<Planned> =
                all.iter().filter(of_tier).map(|(_, one)| one.clone()).collect();
            // Moving or archiving would free nothing.
            left += carry_out(core, open, &leaving, Some(&Exit::Forget))?;
        }
    }
    if left > 0 || dead > 0 {
        core.store.compact()?;
    }
    Ok(left)
}

/// Calls `write`, and makes room where the disk budget refuses it. The caller holds no lock.
pub(super) fn with_room<T>(core: &Core, write: impl Fn() -> Result<T>) -> Result<T> {
    for tried in 1.. {
        let (refused, free) = match write() {
            Err(error @ Error::OverBudget { budget: Budget::Disk, free, .. }) => (error, free),
            done => return done,
        };
        let Some(budget) = core.options.disk_budget else { return Err(refused) };
        if tried > MOST_TRIES || !core.tiers.iter().any(|open| gives_way(&open.tier)) {
            return Err(refused);
        }
        let _pass = core.pass();
        make_room(core, free.max(budget / 8 * (HIGH_EIGHTHS - LOW_EIGHTHS)))?;
    }
    Err(Error::Closed)
}
