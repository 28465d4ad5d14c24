//! Owns the token cap: how much of an answer is returned, so that it fits the context of a model.
//!
//! Invariant: what is counted is the JSON that the client gets. If it says it fits, it does, by the
//! estimate of `EstimatedTokens`.

use altiplano::agent::{EstimatedTokens, TokenCounter};
use serde::Serialize;

use crate::error::ToolError;
use crate::output::Item;

/// The smallest cap: room for an id and some words.
pub const LEAST: u32 = 200;
/// The largest cap.
pub const MOST: u32 = 100_000;
/// What an answer has around its items: the note, the cursor, the brackets.
const AROUND: usize = 60;
/// Most bytes of a token, so that a text of spaces does not go through.
const BYTES_PER_TOKEN: usize = 16;

/// Checks a cap that a caller gave.
///
/// # Errors
///
/// A cap that is too small or too large.
pub fn check(cap: u32) -> Result<u32, ToolError> {
    if (LEAST..=MOST).contains(&cap) {
        return Ok(cap);
    }
    Err(ToolError::argument("max_tokens", format!("{cap} is not between {LEAST} and {MOST}")))
}

/// Returns about how many tokens a value has as JSON.
pub fn tokens(value: &impl Serialize) -> usize {
    let json = serde_json::to_string(value).unwrap_or_default();
    EstimatedTokens.count(&json).max(json.len() / BYTES_PER_TOKEN)
}

/// Returns how many of these items fit into the cap, at least one, which is cut if it must be.
/// `extra` is what the answer holds besides.
pub fn fit(items: &mut Vec<Item>, cap: u32, extra: usize) -> usize {
    let mut left = (cap as usize).saturating_sub(AROUND + extra);
    let mut count = 0;
    for item in items.iter() {
        let cost = tokens(item) + 1;
        if cost > left {
            break;
        }
        left -= cost;
        count += 1;
    }
    if count == 0
        && let Some(first) = items.first_mut()
    {
        shrink(first, left);
        count = 1;
    }
    items.truncate(count);
    count
}

/// Cuts an item until it has at most `cap` tokens: metadata and labels first, then the text.
fn shrink(item: &mut Item, cap: usize) {
    let text = std::mem::take(&mut item.text);
    if tokens(item) > cap / 2 {
        item.metadata.clear();
        item.tags.clear();
        item.details_cut = true;
    }
    if tokens(item) > cap / 2 {
        (item.session, item.kind, item.key) = (None, None, None);
    }
    if tokens(item) > cap / 2 {
        item.namespace = None;
    }
    item.text_cut = true;
    let fits = |item: &mut Item, end: usize| {
        text[..end].clone_into(&mut item.text);
        item.text.push('…');
        tokens(item) <= cap
    };
    let (mut low, mut high) = (0, text.len().min(cap.saturating_mul(BYTES_PER_TOKEN)));
    while low < high {
        let middle = text.floor_char_boundary(low + (high - low).div_ceil(2));
        if middle <= low {
            break;
        }
        if fits(item, middle) {
            low = middle;
        } else {
            high = text.floor_char_boundary(middle - 1);
        }
    }
    text[..low].clone_into(&mut item.text);
    item.text.push('…');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(text: &str) -> Item {
        let id = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f".to_owned();
        Item { id, text: text.to_owned(), ..Item::default() }
    }

    #[test]
    fn what_fits_has_no_more_tokens_than_the_cap() {
        for cap in [200, 300, 1_000] {
            let mut items: Vec<Item> = (0..100).map(|_| item("likes green tea")).collect();
            let count = fit(&mut items, cap, 0);
            assert!(count > 1 && count == items.len());
            assert!(tokens(&items) <= cap as usize);
        }
    }

    #[test]
    fn an_item_that_is_too_large_is_cut_on_a_border_of_letters() {
        for text in ["word ".repeat(5_000), "äöü€".repeat(5_000), " ".repeat(100_000)] {
            let mut one = item(&text);
            one.tags = (0..200).map(|at| format!("tag number {at}")).collect();
            let mut items = vec![one, item("second")];
            assert_eq!(fit(&mut items, 300, 0), 1);
            assert!(items[0].text_cut && items[0].details_cut && items[0].text.ends_with('…'));
            assert!(items[0].text.len() > 100, "{}", items[0].text);
            assert!(tokens(&items) <= 300);
        }
    }

    #[test]
    fn a_cap_has_bounds() {
        assert!(check(LEAST).is_ok() && check(MOST).is_ok());
        assert!(check(LEAST - 1).is_err() && check(MOST + 1).is_err());
    }
}
