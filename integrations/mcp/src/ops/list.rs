//! Owns `list_memories`: one order over all tiers, page by page. A cursor has the position in each
//! tier after what was shown. Each page is of one moment.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use altiplano::agent::Agent;
use altiplano::{Cursor, Direction, Filter, Memory, Order, StoreSnapshot};

use crate::call::Origin;
use crate::cap;
use crate::error::ToolError;
use crate::input::{ListMemories, ListOrder};
use crate::ops::item::item;
use crate::ops::{PLACES, cap_of, read_id, select, within};
use crate::output::{Item, Listed};

const LIMIT: u32 = 20;
const MOST: u32 = 200;

/// Where a tier goes on; `None` from its start. A tier that is missing has nothing more.
type Positions = BTreeMap<&'static str, Option<Cursor>>;

pub(super) fn run(
    agent: &Agent,
    origin: &Origin,
    given: &ListMemories,
) -> Result<Listed, ToolError> {
    let cap = cap_of(origin, given.max_tokens)?;
    let limit = within("limit", given.limit, LIMIT, MOST)?;
    let mut filter = select::filter(origin, &given.select, agent.store().now())?;
    if let Some(ids) = &given.ids {
        let ids = ids.iter().map(|id| read_id("ids", id)).collect::<Result<Vec<_>, _>>()?;
        filter = filter & Filter::ids(ids);
    }
    let (order, direction) = order(given.order.unwrap_or_default());
    let list = List { at: agent.store().snapshot()?, filter, order, direction };
    let from = match &given.cursor {
        Some(text) => read_positions(text)?,
        None => PLACES.iter().map(|name| (*name, None)).collect(),
    };
    let merged = list.merged(&from, limit)?;
    let mut memories: Vec<Item> = merged.iter().map(|(_, memory)| item(memory.clone())).collect();
    let wanted = memories.len();
    // Room for a cursor of each tier that goes on.
    let shown = cap::fit(&mut memories, cap, 60 * from.len().min(2));
    let next = list.positions_after(&from, &merged[..shown])?;
    let is_cut = shown < wanted || memories.iter().any(|one| one.text_cut);
    let note = is_cut.then(|| {
        let way_out = "give a larger max_tokens, or go on with next_cursor";
        format!("the page was cut to {cap} tokens; {way_out}")
    });
    Ok(Listed { memories, next_cursor: write_positions(&next), note })
}

const fn order(order: ListOrder) -> (Order, Direction) {
    match order {
        ListOrder::Newest => (Order::Created, Direction::Descending),
        ListOrder::Oldest => (Order::Created, Direction::Ascending),
        ListOrder::Importance => (Order::Importance, Direction::Descending),
        ListOrder::EventTime => (Order::EventTime, Direction::Descending),
    }
}

struct List {
    at: StoreSnapshot,
    filter: Filter,
    order: Order,
    direction: Direction,
}

impl List {
    fn page(
        &self,
        tier: &str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<altiplano::Page, ToolError> {
        let Some(collection) = self.at.collection(tier) else {
            return Err(ToolError::argument("cursor", "it is not of this store; list anew"));
        };
        let list = collection.list().filter(self.filter.clone());
        let list = list.order(self.order, self.direction).limit(limit).after(after.cloned());
        Ok(list.run()?)
    }

    /// Returns the next memories of all tiers, in the order of the list.
    fn merged(
        &self,
        from: &Positions,
        limit: usize,
    ) -> Result<Vec<(&'static str, Memory)>, ToolError> {
        let mut all = Vec::new();
        for (tier, after) in from {
            if after.is_none() && self.at.collection(tier).is_none() {
                continue;
            }
            let page = self.page(tier, after.as_ref(), limit)?;
            all.extend(page.into_iter().map(|memory| (*tier, memory)));
        }
        // Stable, so the order within a tier stays that of its list.
        all.sort_by(|(_, one), (_, other)| self.compare(one, other));
        all.truncate(limit);
        Ok(all)
    }

    fn compare(&self, one: &Memory, other: &Memory) -> Ordering {
        let turned = |ordering: Ordering| match self.direction {
            Direction::Ascending => ordering,
            _ => ordering.reverse(),
        };
        match self.order {
            Order::Importance => turned(one.importance.total_cmp(&other.importance)),
            Order::EventTime => match (one.event_time, other.event_time) {
                (Some(one), Some(other)) => turned(one.cmp(&other)),
                // Those without come last, whatever the direction.
                (one, other) => other.is_some().cmp(&one.is_some()),
            },
            _ => turned(one.created_at.cmp(&other.created_at)),
        }
    }

    /// Returns the positions after memories that were shown.
    fn positions_after(
        &self,
        from: &Positions,
        shown: &[(&'static str, Memory)],
    ) -> Result<Positions, ToolError> {
        let mut next = Positions::new();
        for (tier, after) in from {
            let count = shown.iter().filter(|(of, _)| of == tier).count();
            if self.at.collection(tier).is_none() {
                continue;
            }
            let page = self.page(tier, after.as_ref(), count.max(1))?;
            if count == 0 && !page.memories.is_empty() {
                next.insert(tier, after.clone());
            } else if let Some(cursor) = page.next {
                next.insert(tier, Some(cursor));
            }
        }
        Ok(next)
    }
}

/// Writes positions as `w:HEX,l:`: the first letter of a tier, and where it goes on.
fn write_positions(positions: &Positions) -> Option<String> {
    let one = |(tier, after): (&&str, &Option<Cursor>)| {
        let after = after.as_ref().map(Cursor::to_string).unwrap_or_default();
        format!("{}:{after}", &tier[..1])
    };
    let all: Vec<String> = positions.iter().map(one).collect();
    (!all.is_empty()).then(|| all.join(","))
}

fn read_positions(text: &str) -> Result<Positions, ToolError> {
    let wrong = || {
        let way_out = "give the next_cursor of the page before as it was, or none";
        ToolError::argument("cursor", format!("it cannot be read; {way_out}"))
    };
    let one = |part: &str| {
        let (letter, after) = part.split_once(':').ok_or_else(wrong)?;
        let tier = PLACES.iter().find(|name| name[..1] == *letter).ok_or_else(wrong)?;
        let after = match after {
            "" => None,
            after => Some(after.parse::<Cursor>().map_err(|_| wrong())?),
        };
        Ok((*tier, after))
    };
    text.trim().split(',').map(one).collect()
}
