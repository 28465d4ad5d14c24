//! What goes into a prompt: the budget holds for every template and counter, and groups stay whole.

use std::collections::{BTreeMap, BTreeSet};

use altiplano::agent::{
    EstimatedTokens, LeftOutReason, Packed, Packing, PromptTemplate, Recalled, TokenCounter,
};
use altiplano::{Memory, Timestamp};
use proptest::prelude::*;

/// Counts bytes, so that a test can tell what fits.
struct Bytes;

impl TokenCounter for Bytes {
    fn count(&self, text: &str) -> usize {
        text.len()
    }
}

/// Counts the whole as more than its parts, which a vocabulary may do too.
struct Squares;

impl TokenCounter for Squares {
    fn count(&self, text: &str) -> usize {
        text.len() * text.len() / 64
    }
}

fn candidate(id: u64, text: &str) -> Recalled {
    Recalled::new(Memory::new(id, [1.0]).text(text), "working", 0.1, 0.9)
}

fn member(id: u64, group: &str, text: &str) -> Recalled {
    let mut candidate = candidate(id, text);
    candidate.memory.set_field("agent.group", group);
    candidate
}

/// A template in which a memory takes its text and one byte.
fn bare() -> PromptTemplate {
    PromptTemplate::default().header("").item("{text}").unwrap()
}

fn ids(packed: &Packed) -> Vec<u64> {
    packed.items.iter().map(|c| u64::try_from(c.memory.id).unwrap()).collect()
}

fn left(packed: &Packed) -> Vec<(u64, LeftOutReason)> {
    packed.left_out.iter().map(|l| (u64::try_from(l.id).unwrap(), l.reason)).collect()
}

#[test]
fn one_that_does_not_fit_is_skipped_and_a_smaller_one_goes_in() {
    let ranked = vec![candidate(1, "aaaa"), candidate(2, "bbbbbbbb"), candidate(3, "cc")];
    let packed = Packing::new(7).template(bare()).pack(ranked, &Bytes);
    assert_eq!((ids(&packed), packed.to_prompt()), (vec![1, 3], "aaaa\ncc".to_owned()));
    assert_eq!(packed.tokens_used, 7);
    assert_eq!(left(&packed), [(2, LeftOutReason::Budget)]);
}

#[test]
fn header_and_footer_count() {
    let template = bare().header("head").footer("foot");
    let ranked = vec![candidate(1, "aaaa")];
    let packed = Packing::new(13).template(template.clone()).pack(ranked.clone(), &Bytes);
    assert_eq!((ids(&packed), packed.tokens_used), (vec![], 0));
    let packed = Packing::new(14).template(template).pack(ranked, &Bytes);
    assert_eq!((packed.to_prompt(), packed.tokens_used), ("head\naaaa\nfoot".to_owned(), 14));
}

#[test]
fn a_budget_of_zero_takes_nothing_even_of_a_counter_that_counts_nothing() {
    struct Nothing;
    impl TokenCounter for Nothing {
        fn count(&self, _: &str) -> usize {
            0
        }
    }
    let packed = Packing::new(0).pack(vec![candidate(1, "a")], &Nothing);
    assert_eq!((ids(&packed), packed.to_prompt()), (vec![], String::new()));
    assert_eq!(left(&packed), [(1, LeftOutReason::Budget)]);
}

#[test]
fn a_group_is_in_as_a_whole_at_the_place_of_its_first_and_in_the_order_of_time() {
    let at = |mut candidate: Recalled, millis| {
        candidate.memory.created_at = Some(Timestamp::from_millis(millis));
        candidate
    };
    let ranked = vec![
        candidate(1, "aa"),
        at(member(2, "g", "result"), 20),
        candidate(3, "cc"),
        at(member(4, "g", "call"), 10),
    ];
    let packed = Packing::new(100).template(bare()).pack(ranked.clone(), &Bytes);
    assert_eq!(ids(&packed), [1, 4, 2, 3]);
    let packed = Packing::new(13).template(bare()).pack(ranked, &Bytes);
    assert_eq!(ids(&packed), [1, 3]);
    assert_eq!(left(&packed), [(2, LeftOutReason::Group), (4, LeftOutReason::Group)]);
}

#[test]
fn a_limit_counts_memories_and_no_group_is_split_by_it() {
    let packed = Packing::new(1_000).limit(2).template(bare()).pack(
        vec![candidate(1, "a"), member(2, "g", "b"), member(3, "g", "c"), candidate(4, "d")],
        &Bytes,
    );
    assert_eq!(ids(&packed), [1, 4]);
    assert_eq!(left(&packed), [(2, LeftOutReason::Limit), (3, LeftOutReason::Limit)]);
}

#[test]
fn a_text_is_cut_between_words_on_request_and_is_the_last() {
    let long = "one two three four five six seven";
    let ranked = vec![candidate(1, "aaa"), candidate(2, long), candidate(3, "c")];
    let packing = Packing::new(34).template(bare());
    let packed = packing.clone().pack(ranked.clone(), &Bytes);
    assert_eq!((ids(&packed), packed.truncated), (vec![1, 3], false));
    let packed = packing.truncate(true).pack(ranked.clone(), &Bytes);
    assert_eq!((ids(&packed), packed.truncated), (vec![1, 2], true));
    assert_eq!(packed.items[1].text(), "one two three four five…");
    assert!(packed.tokens_used <= 34);
    // Four words would fit, which is too few, so a smaller one goes in.
    let packed = Packing::new(28).template(bare()).truncate(true).pack(ranked, &Bytes);
    assert_eq!((ids(&packed), packed.truncated), (vec![1, 3], false));
}

#[test]
fn a_memory_of_a_group_is_not_cut() {
    let long = "one two three four five six seven";
    let packing = Packing::new(30).template(bare()).truncate(true);
    let packed = packing.pack(vec![member(1, "g", long)], &Bytes);
    assert_eq!(left(&packed), [(1, LeftOutReason::Budget)]);
}

#[test]
fn another_template_may_write_the_same_items() {
    let packed = Packing::new(100).pack(vec![candidate(1, "likes tea")], &EstimatedTokens);
    let template = bare().header("You know:");
    assert_eq!(packed.to_prompt_with(&template), "You know:\nlikes tea");
}

fn templates() -> impl Strategy<Value = PromptTemplate> {
    let item = "([a-z \\[\\]]|\\{(id|date|tier|kind|text|score)\\}){0,8}";
    (item, "[a-z \n]{0,20}", "[a-z]{0,20}", any::<bool>()).prop_map(
        |(item, header, footer, breaks)| {
            let template = PromptTemplate::default().header(header).footer(footer);
            template.item(&item).unwrap().keep_line_breaks(breaks)
        },
    )
}

fn pools() -> impl Strategy<Value = Vec<Recalled>> {
    let text = prop_oneof!["[a-z ]{0,60}", "(?s).{0,30}"];
    prop::collection::vec((text, prop::option::weighted(0.3, 0_u8..3)), 0..14).prop_map(|all| {
        let each = (1..).zip(all).map(|(id, (text, group))| match group {
            Some(group) => member(id, &group.to_string(), &text),
            None => candidate(id, &text),
        });
        each.collect()
    })
}

proptest! {
    #[test]
    fn the_budget_holds_and_nothing_is_lost(
        pool in pools(), template in prop::option::of(templates()), budget in 0_usize..400,
        limit in prop_oneof![Just(usize::MAX), 0_usize..10], truncate: bool, which in 0_usize..3,
    ) {
        let counter: &dyn TokenCounter = [&EstimatedTokens as &dyn TokenCounter, &Bytes, &Squares][which];
        let template = template.unwrap_or_default();
        let packing = Packing::new(budget).limit(limit).truncate(truncate).template(template);
        let packed = packing.pack(pool.clone(), counter);

        let prompt = packed.to_prompt();
        prop_assert_eq!(counter.count(&prompt), packed.tokens_used);
        prop_assert!(packed.tokens_used <= budget && packed.items.len() <= limit);

        let mut all = ids(&packed);
        all.extend(left(&packed).iter().map(|(id, _)| *id));
        all.sort_unstable();
        prop_assert_eq!(all, (1..=pool.len() as u64).collect::<Vec<_>>());

        // No group is in only in part.
        let taken: BTreeSet<u64> = ids(&packed).into_iter().collect();
        let mut groups: BTreeMap<String, BTreeSet<bool>> = BTreeMap::new();
        for candidate in &pool {
            if let Some(group) = candidate.memory.field_value("agent.group") {
                let is_in = taken.contains(&u64::try_from(candidate.memory.id).unwrap());
                groups.entry(group.as_str().unwrap().to_owned()).or_default().insert(is_in);
            }
        }
        prop_assert!(groups.values().all(|states| states.len() == 1));

        // Only the last may differ from what was given.
        let whole = packed.items.len() - usize::from(packed.truncated);
        for item in &packed.items[..whole] {
            prop_assert!(pool.iter().any(|c| c == item));
        }
        prop_assert!(truncate || !packed.truncated);
    }

    #[test]
    fn what_fits_as_a_whole_is_in_as_a_whole(pool in pools()) {
        let packed = Packing::new(usize::MAX).pack(pool.clone(), &EstimatedTokens);
        prop_assert_eq!(packed.items.len(), pool.len());
        let packed = Packing::new(packed.tokens_used).pack(pool.clone(), &EstimatedTokens);
        prop_assert_eq!(packed.items.len(), pool.len());
    }
}
