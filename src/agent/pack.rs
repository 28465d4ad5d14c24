//! Owns `Packing`: which ranked memories go into a prompt with a budget of tokens.
//!
//! Invariants: the rendered prompt never has more tokens than the budget. A group is in as a whole
//! or not at all. Every candidate is either among the items or among those left out.

use std::collections::BTreeMap;

use serde::Serialize;

use super::candidate::Recalled;
use super::prompt::PromptTemplate;
use super::text::words;
use super::traits::TokenCounter;
use crate::{Memory, MemoryId};

/// The path in the metadata that names the group of a memory.
const GROUP: &str = "agent.group";

/// Fewest words that a cut text keeps: fewer rarely say something.
const LEAST_WORDS: usize = 5;

/// Decides which ranked memories go into a prompt.
///
/// Memories are taken in their order, as long as the rendered prompt, with header and footer, fits
/// the budget. One that does not fit is left out, and smaller ones behind it may still go in.
///
/// Memories with the same text in the field `agent.group` of their metadata belong together, such
/// as the call of a tool and its result. They are in as a whole or not at all, and stand together
/// in the order of their times, at the place of the first of them in the ranking.
///
/// ```
/// use altiplano::Memory;
/// use altiplano::agent::{EstimatedTokens, LeftOutReason, Packing, Recalled};
///
/// let candidate = |id: u64, text: &str| {
///     Recalled::new(Memory::new(id, [1.0]).text(text), "all", 0.1, 0.9)
/// };
/// let (first, last) = (candidate(1, "likes tea"), candidate(3, "lives in Lima"));
/// let ranked = vec![first, candidate(2, &"a long story ".repeat(50)), last];
/// let packed = Packing::new(50).pack(ranked, &EstimatedTokens);
/// assert_eq!(packed.items.len(), 2);
/// assert!(packed.tokens_used <= 50);
/// assert_eq!(packed.left_out[0].reason, LeftOutReason::Budget);
/// let prompt = "Memories, most useful first:\n- [, all, 1] likes tea\n- [, all, 3] lives in Lima";
/// assert_eq!(packed.to_prompt(), prompt);
/// ```
#[derive(Clone, Debug)]
pub struct Packing {
    token_budget: usize,
    limit: usize,
    truncates: bool,
    template: PromptTemplate,
}

/// What goes into a prompt, and what does not.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Packed {
    /// The memories of the prompt, in their order.
    pub items: Vec<Recalled>,
    /// The tokens of [`Packed::to_prompt`].
    pub tokens_used: usize,
    /// Whether the text of the last item was cut.
    pub truncated: bool,
    /// The candidates that are not in the prompt, in their order.
    pub left_out: Vec<LeftOut>,
    template: PromptTemplate,
}

/// A candidate that is not in the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LeftOut {
    /// The id of the memory.
    pub id: MemoryId,
    /// Why it is left out.
    pub reason: LeftOutReason,
}

impl LeftOut {
    /// Returns a candidate that is left out.
    pub const fn new(id: MemoryId, reason: LeftOutReason) -> Self {
        Self { id, reason }
    }
}

/// Why a candidate is not in the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum LeftOutReason {
    /// It does not fit the budget of tokens.
    Budget,
    /// Its group does not fit the budget as a whole.
    Group,
    /// It says the same as others that were taken.
    Similar,
    /// As many memories as allowed were taken.
    Limit,
}

impl Packing {
    /// Returns a packing for prompts of at most `token_budget` tokens. With 0 nothing goes in.
    pub fn new(token_budget: usize) -> Self {
        let template = PromptTemplate::default();
        Self { token_budget, limit: usize::MAX, truncates: false, template }
    }

    /// Sets the largest number of memories. Default = no limit.
    #[must_use]
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Sets whether the first memory that does not fit is cut, between two words, to what is left
    /// of the budget. Default = false. It is then the last one. It keeps five words at least, and a
    /// memory of a group is not cut. [`Packed::items`] has the cut text, which ends with `…`.
    #[must_use]
    pub const fn truncate(mut self, truncates: bool) -> Self {
        self.truncates = truncates;
        self
    }

    /// Sets how memories are written. The tokens of that are counted.
    #[must_use]
    pub fn template(mut self, template: PromptTemplate) -> Self {
        self.template = template;
        self
    }

    /// Decides which of the candidates, the best first, go into the prompt. O(n log n) for n
    /// candidates, and one count of each line. The whole prompt is counted once, and again for each
    /// candidate that nearly fits.
    pub fn pack(&self, ranked: Vec<Recalled>, counter: &dyn TokenCounter) -> Packed {
        let mut filling = Filling {
            packing: self,
            counter,
            used: counter
                .count(&self.template.top())
                .saturating_add(counter.count(self.template.bottom())),
            taken: Vec::new(),
            left_out: Vec::new(),
            truncated: false,
        };
        for unit in units(ranked) {
            filling.add(unit);
        }
        filling.finish()
    }
}

/// A candidate, or the candidates of a group, with their places in the ranking.
type Unit = Vec<(usize, Recalled)>;

/// Returns the units in the order of their first candidates.
fn units(ranked: Vec<Recalled>) -> Vec<Unit> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut units: Vec<Unit> = Vec::new();
    for (at, candidate) in ranked.into_iter().enumerate() {
        let place = match group(&candidate.memory) {
            Some(name) => *places.entry(name).or_insert(units.len()),
            None => units.len(),
        };
        match units.get_mut(place) {
            Some(unit) => unit.push((at, candidate)),
            None => units.push(vec![(at, candidate)]),
        }
    }
    for unit in &mut units {
        unit.sort_by_key(|(at, c)| (c.memory.created_at, c.memory.seq(), *at));
    }
    units
}

fn group(memory: &Memory) -> Option<String> {
    Some(memory.field_value(GROUP)?.as_str()?.to_owned())
}

/// A prompt that is being filled.
struct Filling<'a> {
    packing: &'a Packing,
    counter: &'a dyn TokenCounter,
    /// The tokens of header, footer and lines, or of the whole where it was counted.
    used: usize,
    taken: Vec<Unit>,
    left_out: Vec<(usize, LeftOut)>,
    truncated: bool,
}

impl Filling<'_> {
    fn add(&mut self, unit: Unit) {
        let items: usize = self.taken.iter().map(Vec::len).sum();
        if items.saturating_add(unit.len()) > self.packing.limit {
            return self.leave(&unit, LeftOutReason::Limit);
        }
        if self.truncated {
            return self.leave_for_budget(&unit);
        }
        let lines = unit.iter().map(|(_, item)| self.tokens(item)).fold(0, usize::saturating_add);
        if self.fits(lines) {
            self.used += lines;
            self.taken.push(unit);
            return;
        }
        let Some(unit) = self.add_exactly(unit, lines) else { return };
        let cut = match unit.as_slice() {
            [(at, item)] if self.packing.truncates => self.cut(item).map(|item| (*at, item)),
            _ => None,
        };
        let Some((at, item)) = cut else { return self.leave_for_budget(&unit) };
        self.used += self.tokens(&item);
        self.truncated = true;
        self.taken.push(vec![(at, item)]);
    }

    fn fits(&self, lines: usize) -> bool {
        let budget = self.packing.token_budget;
        budget > 0 && self.used.saturating_add(lines) <= budget
    }

    /// Returns the tokens of a line with its end.
    fn tokens(&self, item: &Recalled) -> usize {
        self.counter.count(&(self.packing.template.line(item) + "\n"))
    }

    /// Takes a unit that fits only if the whole prompt is counted, or returns it. For most counters
    /// the sum of the lines is more than the whole by a token for each line at most. So only if
    /// that could be enough, the whole is counted.
    fn add_exactly(&mut self, unit: Unit, lines: usize) -> Option<Unit> {
        let spare = self.taken.iter().map(Vec::len).sum::<usize>() + unit.len() + 2;
        if !self.fits(lines.saturating_sub(spare)) {
            return Some(unit);
        }
        self.taken.push(unit);
        let whole = self.whole();
        if whole > self.packing.token_budget || self.packing.token_budget == 0 {
            return self.taken.pop();
        }
        self.used = whole;
        None
    }

    fn leave_for_budget(&mut self, unit: &Unit) {
        let is_group = unit.len() > 1;
        self.leave(unit, if is_group { LeftOutReason::Group } else { LeftOutReason::Budget });
    }

    fn leave(&mut self, unit: &Unit, reason: LeftOutReason) {
        let left = unit.iter().map(|(at, c)| (*at, LeftOut::new(c.memory.id, reason)));
        self.left_out.extend(left);
    }

    /// Returns a candidate with the most words of its text that fit; `None` if too few do, or if
    /// the memory has a group.
    fn cut(&self, item: &Recalled) -> Option<Recalled> {
        if group(&item.memory).is_some() {
            return None;
        }
        let text = item.text();
        let start = text.as_ptr().addr();
        let ends: Vec<usize> =
            words(text).map(|word| word.as_ptr().addr() - start + word.len()).collect();
        let mut shown = item.clone();
        let mut fit = |words: usize| {
            shown.memory.text = Some(format!("{}…", &text[..ends[words - 1]]));
            self.fits(self.tokens(&shown))
        };
        // The longest beginning that fits, if longer ones never have fewer tokens.
        let (mut fits, mut beyond) = (LEAST_WORDS - 1, ends.len() + 1);
        while beyond > fits + 1 {
            let middle = fits.midpoint(beyond);
            if fit(middle) { fits = middle } else { beyond = middle }
        }
        (fits >= LEAST_WORDS && fit(fits)).then_some(shown)
    }

    /// Returns the tokens of the whole prompt.
    fn whole(&self) -> usize {
        let items = self.taken.iter().flatten().map(|(_, item)| item);
        self.counter.count(&self.packing.template.render_each(items))
    }

    /// Returns the result. Counters may find more tokens in the whole than in its lines: then the
    /// last ones go until it fits.
    fn finish(mut self) -> Packed {
        let mut tokens_used = self.whole();
        while tokens_used > self.packing.token_budget {
            let Some(unit) = self.taken.pop() else { break };
            self.leave_for_budget(&unit);
            self.truncated = false;
            tokens_used = self.whole();
        }
        self.left_out.sort_by_key(|(at, _)| *at);
        Packed {
            items: self.taken.into_iter().flatten().map(|(_, item)| item).collect(),
            tokens_used: if tokens_used > self.packing.token_budget { 0 } else { tokens_used },
            truncated: self.truncated,
            left_out: self.left_out.into_iter().map(|(_, left)| left).collect(),
            template: self.packing.template.clone(),
        }
    }
}

impl Packed {
    /// Returns the prompt, by the template of the packing: at most as many tokens as the budget.
    /// "" if there are no items.
    pub fn to_prompt(&self) -> String {
        self.template.render(&self.items)
    }

    /// Returns the prompt by another template. Its tokens are not counted.
    pub fn to_prompt_with(&self, template: &PromptTemplate) -> String {
        template.render(&self.items)
    }
}
