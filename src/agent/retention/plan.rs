//! Owns `ForgetPlan`: which memories leave, and why, before they do. `plan_tier` reads a tier and
//! makes one.
//!
//! Invariant: a plan takes bounded heap. Where more memories leave than it holds, it says so, and
//! another one follows when it is carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

pub(in crate::agent) use super::decide::Excess;
use super::decide::{Chooser, MOST};
use super::facts::{Facts, bytes_of};
use super::rules::{Retention, Rule};
use crate::agent::group::Group;
use crate::agent::near::neighbors;
use crate::agent::tier::{Exit, Tier};
use crate::{
    Collection, Direction, Fields, Filter, Memory, MemoryId, Order, Result, Timestamp, Window,
};

/// The part of a bound that goes beyond what has to.
const SLACK_PART: u64 = 64;
/// Most memories that are compared with others to find near copies, for each memory that has to
/// leave.
const COPIES_LOOKED_AT: u64 = 4;
/// By how much a near copy is worth less.
const COPY_WORTH: f32 = 0.1;
/// Memories of one page of a session.
const PAGE: usize = 1024;

/// What is going to leave, and by which rules.
type Leaving = Vec<(Facts, Rule)>;

/// A memory that is going to leave its tier.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Planned {
    /// The memory.
    pub id: MemoryId,
    /// The tier that it is in.
    pub tier: String,
    /// Where it goes.
    #[serde(serialize_with = "exit_name")]
    pub exit: Exit,
    /// The rule by which it goes.
    pub rule: Rule,
    /// What it is worth: see [`Score`](crate::agent::Score). Without a score, the negative of its
    /// age in seconds.
    pub score: f32,
    /// How many bytes it takes: vector, text and metadata.
    pub bytes: u64,
}

fn exit_name<S: serde::Serializer>(exit: &Exit, serializer: S) -> Result<S::Ok, S::Error> {
    match exit {
        Exit::Forget => serializer.serialize_str("forget"),
        Exit::Archive => serializer.serialize_str("archive"),
        Exit::Move(tier) => serializer.collect_str(&format_args!("move to {tier}")),
    }
}

/// Which memories leave their tiers, and why. [`Agent::plan`](crate::agent::Agent::plan) makes one
/// and changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ForgetPlan {
    /// The memories, tier by tier.
    pub leaving: Vec<Planned>,
    /// False if more memories leave than one plan holds: 65,536 of a tier.
    pub is_complete: bool,
}

impl ForgetPlan {
    /// Returns how many bytes they take together.
    pub fn bytes(&self) -> u64 {
        self.leaving.iter().map(|one| one.bytes).sum()
    }
}

impl fmt::Display for ForgetPlan {
    /// One line, and one for each tier and rule.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.is_complete { "" } else { ", and more" };
        write!(f, "{} memories leave, {} bytes{more}", self.leaving.len(), self.bytes())?;
        let mut counts: BTreeMap<(&str, Rule), usize> = BTreeMap::new();
        for one in &self.leaving {
            *counts.entry((&one.tier, one.rule)).or_default() += 1;
        }
        counts.iter().try_for_each(|((tier, rule), n)| write!(f, "\n{tier}: {n}, {rule}"))
    }
}

/// Returns what leaves a tier at a time, and whether that is all. `extra` has to leave besides what
/// the rules say. O(memories), reading neither vectors nor texts.
pub(in crate::agent) fn plan_tier(
    tier: &Tier,
    collection: &Collection,
    now: Timestamp,
    extra: Excess,
) -> Result<(Vec<Planned>, bool)> {
    let rules = &tier.retention;
    if rules.is_unbounded() && extra == Excess::default() {
        return Ok((Vec::new(), true));
    }
    let over = excess(rules, collection)?;
    let excess = Excess { count: over.count.max(extra.count), bytes: over.bytes.max(extra.bytes) };
    let outside = outside_of_windows(rules, collection)?;
    let facts_of = |memory: &Memory| {
        let mut facts = Facts::of(memory, rules, now);
        if facts.rule.is_none() && !facts.is_exempt && outside.contains(&facts.id) {
            facts.rule = Some(Rule::Window);
        }
        facts
    };
    let choose = |excess| -> Result<(Leaving, bool, u64)> {
        let (mut chooser, mut looked_at) = (Chooser::new(excess), 0);
        for memory in collection.scan(Filter::All).fields(Fields::Attributes) {
            chooser.see(facts_of(&memory?));
            looked_at += 1;
        }
        let (leaving, is_complete) = chooser.finish();
        Ok((leaving, is_complete, looked_at))
    };
    let (mut leaving, is_complete, looked_at) = choose(excess)?;
    if let Some(similarity) = rules.near_copies.filter(|_| excess != Excess::default()) {
        let many = COPIES_LOOKED_AT.min(looked_at / leaving.len().max(1) as u64).max(1);
        let more = Excess { count: excess.count * many, bytes: excess.bytes * many };
        leaving = copies_first(collection, excess, similarity, choose(more)?.0)?;
    }
    with_groups(collection, rules, now, &mut leaving)?;
    let planned = leaving.into_iter().map(|(facts, rule)| Planned {
        id: facts.id,
        tier: tier.name.clone(),
        exit: tier.exit.clone(),
        rule,
        score: facts.worth,
        bytes: facts.bytes,
    });
    Ok((planned.collect(), is_complete))
}

/// Returns how much has to leave a collection by its bounds.
fn excess(rules: &Retention, collection: &Collection) -> Result<Excess> {
    let count = match rules.max_count {
        Some(most) => over(collection.len()?, most),
        None => 0,
    };
    let bytes = match rules.max_bytes {
        Some(most) => over(bytes(collection)?, most),
        None => 0,
    };
    Ok(Excess { count, bytes })
}

/// Returns how much has to go. Where there is too much, a little more goes than has to, so that not
/// every new memory costs a pass over all of them.
const fn over(is: u64, most: u64) -> u64 {
    if is > most { is - (most - most / SLACK_PART) } else { 0 }
}

/// Returns the bytes of all memories of a collection.
fn bytes(collection: &Collection) -> Result<u64> {
    let mut bytes = 0;
    for memory in collection.scan(Filter::All).fields(Fields::None) {
        bytes += bytes_of(&memory?);
    }
    Ok(bytes)
}

/// Chooses once more among more than have to leave, with those worth less of which there is a near
/// copy.
fn copies_first(
    collection: &Collection,
    excess: Excess,
    similarity: f32,
    among: Leaving,
) -> Result<Leaving> {
    let mut chooser = Chooser::new(excess);
    for (mut facts, _) in among {
        if facts.rule.is_none() && has_newer_copy(collection, facts.id, similarity)? {
            facts.worth *= if facts.worth < 0.0 { 1.0 / COPY_WORTH } else { COPY_WORTH };
        }
        chooser.see(facts);
    }
    Ok(chooser.finish().0)
}

/// Returns true if a newer memory of the same namespace says almost the same.
fn has_newer_copy(collection: &Collection, id: MemoryId, similarity: f32) -> Result<bool> {
    let Some(memory) = collection.get(id)? else { return Ok(false) };
    let hits = neighbors(collection, &memory, similarity, Fields::Attributes)?;
    Ok(hits.iter().any(|hit| Some(hit.seq) > memory.seq()))
}

/// Returns the memories that are not among the newest of their sessions.
fn outside_of_windows(rules: &Retention, collection: &Collection) -> Result<BTreeSet<MemoryId>> {
    let mut outside = BTreeSet::new();
    let Some(window) = rules.window else { return Ok(outside) };
    for session in collection.sessions(None)? {
        if matches!(window, Window::Turns(turns) if session.memories <= turns as u64) {
            continue;
        }
        let mut seen = Seen::new(window);
        let mut after = None;
        while outside.len() < MOST {
            let list = collection.list().session(&session.name).fields(Fields::Payload);
            let list = list.order(Order::Created, Direction::Descending);
            let page = list.limit(PAGE).after(after).run()?;
            for memory in page.memories {
                if !seen.fits(&memory) {
                    outside.insert(memory.id);
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(outside)
}

/// The memories of a session that were seen, the newest first.
struct Seen {
    window: Window,
    turns: usize,
    tokens: u64,
    is_full: bool,
}

impl Seen {
    const fn new(window: Window) -> Self {
        Self { window, turns: 0, tokens: 0, is_full: false }
    }

    /// Adds a memory. Returns true if it is in the window. The first that is not ends it.
    fn fits(&mut self, memory: &Memory) -> bool {
        let of_text = memory.text.as_ref().map_or(0, |text| text.len().div_ceil(4));
        self.turns += 1;
        self.tokens += memory.tokens.map_or(of_text as u64, u64::from);
        self.is_full |= match self.window {
            Window::Turns(most) => self.turns > most,
            Window::Tokens(most) => self.tokens > most,
        };
        !self.is_full
    }
}

/// Adds the other members of the groups of those that leave. A group with a member that has to stay
/// stays.
fn with_groups(
    collection: &Collection,
    rules: &Retention,
    now: Timestamp,
    leaving: &mut Leaving,
) -> Result<()> {
    let groups: BTreeSet<Group> = leaving.iter().filter_map(|(f, _)| f.group.clone()).collect();
    if groups.is_empty() {
        return Ok(());
    }
    let mut ids: BTreeSet<MemoryId> = leaving.iter().map(|(facts, _)| facts.id).collect();
    let mut staying = BTreeSet::new();
    for group in groups {
        let members = group.members(collection, Fields::Attributes)?;
        let members: Vec<Facts> =
            members.iter().map(|memory| Facts::of(memory, rules, now)).collect();
        if members.iter().any(|one| one.stays) {
            staying.insert(group);
            continue;
        }
        let others = members.into_iter().filter(|one| ids.insert(one.id));
        leaving.extend(others.map(|facts| (facts, Rule::Group)));
    }
    leaving.retain(|(facts, _)| facts.group.as_ref().is_none_or(|group| !staying.contains(group)));
    Ok(())
}
