//! Owns `recall`.

use altiplano::Filter;
use altiplano::agent::Agent;

use crate::call::Origin;
use crate::cap;
use crate::error::ToolError;
use crate::input::Recall;
use crate::ops::item::{item, rounded};
use crate::ops::{cap_of, part, select, within};
use crate::output::{Item, Recalled};

/// Default and largest number of memories.
const K: u32 = 10;
const MOST: u32 = 200;
/// Weight of the relevance against what is new, where different memories are wanted.
const LAMBDA: f32 = 0.6;

pub(super) fn run(agent: &Agent, origin: &Origin, given: &Recall) -> Result<Recalled, ToolError> {
    if given.query.trim().is_empty() {
        return Err(ToolError::argument(
            "query",
            "it is empty; write a question, or use list_memories to list without one",
        ));
    }
    let cap = cap_of(origin, given.max_tokens)?;
    let mut filter = select::filter(origin, &given.select, agent.store().now())?;
    if !given.include_superseded.unwrap_or_default() {
        filter = filter & Filter::superseded(false);
    }
    let k = within("k", given.k, K, MOST)?;
    let mut recall = agent.recall(&given.query).filter(filter).k(k);
    if let Some(least) = given.min_relevance {
        recall = recall.min_relevance(part("min_relevance", least)?);
    }
    if given.diverse.unwrap_or_default() {
        recall = recall.mmr(LAMBDA);
    }
    let found = recall.run()?.into_iter().map(|one| {
        let relevance = Some(rounded(one.relevance));
        Item { relevance, ..item(one.memory) }
    });
    let mut memories: Vec<Item> = found.collect();
    let all = memories.len();
    let shown = cap::fit(&mut memories, cap, 0);
    let left_out = (all - shown) as u64;
    let note = (left_out > 0 || memories.iter().any(|one| one.text_cut)).then(|| {
        let what = if left_out > 0 { format!("{left_out} more were found") } else { "a memory was cut".to_owned() };
        format!("{what}; the answer is limited to {cap} tokens: give a larger max_tokens, or ask more narrowly")
    });
    Ok(Recalled { memories, left_out, note })
}
