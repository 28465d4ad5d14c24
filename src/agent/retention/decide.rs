//! Owns the choice of the memories that leave a tier, purely. It sees the facts of every memory
//! once, in any order, and needs heap for those that leave only.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::facts::Facts;
use super::rules::Rule;

/// Most memories that one pass lets go. Another pass follows where more have to.
pub(super) const MOST: usize = 1 << 16;

/// How much has to leave a tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::agent) struct Excess {
    /// Memories beyond the most there may be.
    pub(in crate::agent) count: u64,
    /// Bytes beyond the most there may be.
    pub(in crate::agent) bytes: u64,
}

/// A memory by what it is worth; the largest leaves last.
#[derive(Debug)]
struct Worst {
    key: f32,
    facts: Facts,
}

impl PartialEq for Worst {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Worst {}

impl PartialOrd for Worst {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Worst {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.total_cmp(&other.key).then(self.facts.id.cmp(&other.facts.id))
    }
}

/// Chooses while it sees one memory after the other.
#[derive(Debug)]
pub(super) struct Chooser {
    excess: Excess,
    /// Those that leave by a rule, whatever else there is.
    by_rule: Vec<(Facts, Rule)>,
    /// Those worth least: the fewest that make up for the excess.
    worst: BinaryHeap<Worst>,
    worst_bytes: u64,
    /// False if more leave than one pass takes.
    is_complete: bool,
}

impl Chooser {
    pub(super) fn new(excess: Excess) -> Self {
        let (by_rule, worst) = (Vec::new(), BinaryHeap::new());
        Self { excess, by_rule, worst, worst_bytes: 0, is_complete: true }
    }

    /// Looks at a memory.
    pub(super) fn see(&mut self, facts: Facts) {
        if facts.stays {
            return;
        }
        if let Some(rule) = facts.rule {
            match self.by_rule.len() < MOST {
                true => self.by_rule.push((facts, rule)),
                false => self.is_complete = false,
            }
            return;
        }
        if self.excess == Excess::default() {
            return;
        }
        // Where bytes are short, what counts is the worth of a byte.
        let key = if self.excess.bytes > 0 { facts.worth_per_byte() } else { facts.worth };
        self.worst_bytes += facts.bytes;
        self.worst.push(Worst { key, facts });
        while let Some(last) = self.worst.peek() {
            let bytes = self.worst_bytes - last.facts.bytes;
            let is_enough = self.makes_up(self.worst.len() as u64 - 1, bytes);
            if !is_enough && self.worst.len() <= MOST {
                break;
            }
            self.is_complete &= is_enough;
            self.worst_bytes = bytes;
            self.worst.pop();
        }
    }

    const fn makes_up(&self, count: u64, bytes: u64) -> bool {
        count >= self.excess.count && bytes >= self.excess.bytes
    }

    /// Returns those that leave, by rules first and then the least worth, and whether that is all.
    pub(super) fn finish(mut self) -> (Vec<(Facts, Rule)>, bool) {
        let rule = if self.excess.bytes > 0 { Rule::Bytes } else { Rule::Count };
        let mut leaving = std::mem::take(&mut self.by_rule);
        let mut count = leaving.len() as u64;
        let mut bytes: u64 = leaving.iter().map(|(facts, _)| facts.bytes).sum();
        for one in std::mem::take(&mut self.worst).into_sorted_vec() {
            if self.makes_up(count, bytes) {
                break;
            }
            (count, bytes) = (count + 1, bytes + one.facts.bytes);
            leaving.push((one.facts, rule));
        }
        (leaving, self.is_complete)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn facts(id: u64, worth: f32, bytes: u64, rule: Option<Rule>, stays: bool) -> Facts {
        let rule = rule.filter(|_| !stays);
        Facts { id: id.into(), bytes, worth, rule, stays, is_exempt: stays, group: None }
    }

    fn any_facts() -> impl Strategy<Value = Vec<Facts>> {
        let one = (0.0f32..1.0, 1u64..500, prop::bool::weighted(0.1), prop::bool::weighted(0.1));
        prop::collection::vec(one, 0..80).prop_map(|all| {
            let each = |(id, (worth, bytes, by_rule, stays)): (u64, (f32, u64, bool, bool))| {
                facts(id, worth, bytes, by_rule.then_some(Rule::Age), stays)
            };
            (1..).zip(all).map(each).collect()
        })
    }

    fn choose(excess: Excess, all: &[Facts]) -> Vec<(Facts, Rule)> {
        let mut chooser = Chooser::new(excess);
        all.iter().cloned().for_each(|one| chooser.see(one));
        let (leaving, is_complete) = chooser.finish();
        assert!(is_complete);
        leaving
    }

    proptest! {
        #[test]
        fn the_excess_leaves_and_nothing_worth_less_stays(
            all in any_facts(), count in 0u64..30, bytes in 0u64..3000,
        ) {
            let excess = Excess { count, bytes };
            let leaving = choose(excess, &all);
            prop_assert!(leaving.iter().all(|(one, _)| !one.stays));
            prop_assert!(all.iter().filter(|one| one.rule.is_some())
                .all(|one| leaving.iter().any(|(left, _)| left.id == one.id)));
            let (gone, gone_bytes) =
                (leaving.len() as u64, leaving.iter().map(|(one, _)| one.bytes).sum::<u64>());
            let may_leave = all.iter().filter(|one| !one.stays).count();
            prop_assert!(
                (gone >= count && gone_bytes >= bytes) || leaving.len() == may_leave
            );
            // Whoever stays is worth at least what anyone is worth who left for want of room.
            let key = |one: &Facts| if bytes > 0 { one.worth_per_byte() } else { one.worth };
            let most = leaving.iter().filter(|(one, _)| one.rule.is_none())
                .map(|(one, _)| key(one)).fold(f32::NEG_INFINITY, f32::max);
            let stayed = all.iter().filter(|one| !one.stays)
                .filter(|one| leaving.iter().all(|(left, _)| left.id != one.id));
            prop_assert!(stayed.map(key).all(|key| key >= most));
            // One less would not have been enough.
            if let Some((last, _)) = leaving.iter().rfind(|(one, _)| one.rule.is_none()) {
                prop_assert!(gone - 1 < count || gone_bytes - last.bytes < bytes);
            }
        }

        #[test]
        fn the_order_does_not_matter(all in any_facts(), count in 0u64..30, bytes in 0u64..3000) {
            let excess = Excess { count, bytes };
            let ids = |leaving: Vec<(Facts, Rule)>| {
                let mut ids: Vec<_> = leaving.into_iter().map(|(one, _)| one.id).collect();
                ids.sort_unstable();
                ids
            };
            let turned: Vec<Facts> = all.iter().rev().cloned().collect();
            prop_assert_eq!(ids(choose(excess, &all)), ids(choose(excess, &turned)));
        }
    }

    #[test]
    fn nothing_leaves_where_nothing_has_to() {
        let all = [facts(1, 0.0, 10, None, false), facts(2, 0.5, 10, None, false)];
        assert_eq!(choose(Excess::default(), &all), []);
    }
}
