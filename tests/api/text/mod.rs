//! Tests of searches by words, alone and together with vectors. Answers are compared with a plain
//! search by the definition of BM25 (`plain`), and scores with another implementation.
#![cfg(feature = "text")]

mod both;
mod churn;
pub(crate) mod plain;
mod queries;

use altiplano::{Hit, Memory};

use crate::common::{Rng, vector};

const DIMENSION: usize = 8;

/// Words, the first ones often, the last ones seldom.
const WORDS: [&str; 24] = [
    "the",
    "a",
    "trip",
    "tea",
    "Lima",
    "train",
    "night",
    "market",
    "letter",
    "green",
    "Ana",
    "LA2047",
    "café",
    "garden",
    "running",
    "runs",
    "north",
    "lamp",
    "north-east",
    "32.5",
    "river",
    "Óscar",
    "quinoa",
    "zebra",
];

/// Returns the text of a memory; some have none, and some no word.
fn text(id: u64) -> Option<String> {
    match id % 11 {
        9 => return None,
        10 => return Some("?! … --".into()),
        _ => {}
    }
    let mut rng = Rng(id);
    let count = 1 + rng.below(14);
    let word = |rng: &mut Rng| {
        let most = 1 + rng.below(WORDS.len() as u64);
        WORDS[rng.below(most) as usize]
    };
    Some((0..count).map(|_| word(&mut rng)).collect::<Vec<_>>().join(" "))
}

fn memory(id: u64) -> Memory {
    let memory = Memory::new(id, vector(id, DIMENSION)).namespace(format!("user:{}", id % 5));
    let memory = memory.session(format!("s{}", id % 13));
    match text(id) {
        Some(text) => memory.text(text),
        None => memory,
    }
}

/// Checks that hits are these, up to the error of `f32`. Those with nearly equal scores may come in
/// another order.
pub(crate) fn same(label: &str, hits: &[Hit], wanted: &[(u128, f64)], all: &[(u128, f64)]) {
    assert_eq!(hits.len(), wanted.len(), "{label}");
    let mut seen = std::collections::BTreeSet::new();
    for (hit, (_, score)) in hits.iter().zip(wanted) {
        let id = hit.id.as_u128();
        assert!(seen.insert(id), "{label}: {id} comes twice");
        let own = all.iter().find(|(of, _)| *of == id).map(|(_, score)| *score);
        let own = own.unwrap_or_else(|| panic!("{label}: {id} does not match"));
        for score in [*score, own] {
            let error = (f64::from(hit.score) - score).abs();
            assert!(error <= 1e-5 * score, "{label}: {id} has {}, not {score}", hit.score);
        }
    }
}
