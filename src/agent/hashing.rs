//! Owns `HashingEmbedder`: vectors of texts without a model.
//!
//! Invariant: the vector of a text is the same on every machine and in every version of the crate,
//! as long as `VERSION` is. So it is made of sums, products, quotients and square roots only, which
//! IEEE 754 rounds in one way.

use std::collections::BTreeMap;

use super::text::words;
use super::traits::{BoxError, Embedder};
use crate::{CollectionOptions, Error, Result};

/// The version of the rules in this file, and of those for words in `text`. It must grow with every
/// change of them.
const VERSION: u32 = 1;

/// Weight of a group of three characters beside that of a word.
const TRIGRAM: f64 = 0.4;

/// Letters from which on a word has its full weight. Most function words are shorter.
const FULL_WORD: usize = 6;

/// Makes vectors of texts by counting their words and groups of three characters, for tests, for
/// demonstrations, and where spelling is all that has to match.
///
/// **It is no model and knows no meanings.** Texts are near each other if they share words, or
/// parts of words: "likes tea" is near "like green teas". "Car" and "automobile" share nothing, and
/// "the dog bit the man" is the same as "the man bit the dog". Use a real model for an agent.
///
/// The method is feature hashing with signs (Weinberger et al., "Feature hashing for large scale
/// multitask learning", ICML 2009). Each feature adds or subtracts the square root of its count at
/// the place that its hash names. Short words weigh less than long ones. The vector has length 1
/// and suits [`Metric::Cosine`](crate::Metric::Cosine). Case is ignored. A text without letters and
/// digits gets a vector of its own, always the same. O(text · log features).
///
/// ```
/// use altiplano::agent::{Embedder, HashingEmbedder};
/// let embedder = HashingEmbedder::new();
/// assert_eq!((embedder.dimension(), embedder.space()), (256, "altiplano-hashing-1-256"));
///
/// let texts = ["likes green tea", "like green teas", "flight to Lima"];
/// let vectors = embedder.embed(&texts).unwrap();
/// let cosine = |a: usize, b: usize| -> f32 {
///     vectors[a].iter().zip(&vectors[b]).map(|(x, y)| x * y).sum()
/// };
/// assert!(cosine(0, 1) > 0.4 && cosine(0, 2) < 0.2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashingEmbedder {
    dimension: usize,
    space: String,
}

impl Default for HashingEmbedder {
    /// Returns one with 256 dimensions.
    fn default() -> Self {
        Self::of(256)
    }
}

impl HashingEmbedder {
    /// Returns one with 256 dimensions.
    pub fn new() -> Self {
        Self::of(256)
    }

    /// Returns one with this number of dimensions: 16 to [`CollectionOptions::MAX_DIMENSION`]. With
    /// fewer, more features share a place, and more texts are near each other by chance.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] outside of that range.
    pub fn with_dimension(dimension: usize) -> Result<Self> {
        let most = CollectionOptions::MAX_DIMENSION;
        if !(16..=most).contains(&dimension) {
            let reason = format!("{dimension} is not 16 to {most}");
            return Err(Error::option("dimension", reason));
        }
        Ok(Self::of(dimension))
    }

    fn of(dimension: usize) -> Self {
        Self { dimension, space: format!("altiplano-hashing-{VERSION}-{dimension}") }
    }

    fn vector(&self, text: &str) -> Vec<f32> {
        let mut vector = vec![0.0_f64; self.dimension];
        for (hash, feature) in features(text) {
            let value = feature.weight * f64::from(feature.count).sqrt();
            vector[self.place(hash)] += if hash & 1 == 0 { value } else { -value };
        }
        let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        if length > 0.0 {
            return vector.into_iter().map(|x| (x / length) as f32).collect();
        }
        // No features, or features that cancel each other.
        let mut vector = vec![0.0; self.dimension];
        vector[self.place(hash(b"", 0))] = 1.0;
        vector
    }

    /// Returns the place of a feature, by the high bits of its hash.
    fn place(&self, hash: u64) -> usize {
        ((u128::from(hash) * self.dimension as u128) >> 64) as usize
    }
}

impl Embedder for HashingEmbedder {
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, BoxError> {
        Ok(texts.iter().map(|text| self.vector(text)).collect())
    }

    fn space(&self) -> &str {
        &self.space
    }

    fn dimension(&self) -> usize {
        self.dimension
    }
}

/// How often something occurs, and what one occurrence weighs.
struct Feature {
    count: u32,
    weight: f64,
}

/// Returns the features of a text by their hashes, whose order makes the sums repeatable.
fn features(text: &str) -> BTreeMap<u64, Feature> {
    let mut found: BTreeMap<u64, Feature> = BTreeMap::new();
    let mut add = |bytes: &str, kind: u8, weight: f64| {
        let entry = found.entry(hash(bytes.as_bytes(), kind));
        entry.or_insert(Feature { count: 0, weight }).count += 1;
    };
    let lower = text.to_lowercase();
    for word in words(&lower) {
        let letters: Vec<char> = format!("^{word}$").chars().collect();
        let length = letters.len() - 2;
        let is_full = length >= FULL_WORD || word.contains(char::is_numeric);
        let part = if is_full { 1.0 } else { length as f64 / FULL_WORD as f64 };
        add(word, 1, part);
        for three in letters.windows(3) {
            add(&three.iter().collect::<String>(), 2, part * TRIGRAM);
        }
    }
    found
}

/// Returns the hash of a feature: FNV-1a of 64 bits, whose bits the last step of MurmurHash3 mixes.
fn hash(bytes: &[u8], kind: u8) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3);
    let mut hash = [kind].iter().chain(bytes).fold(0xCBF2_9CE4_8422_2325, step);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_same_everywhere() {
        // FNV-1a of "\u{1}a" and of "\0", mixed, as an independent program computes them.
        assert_eq!(hash(b"a", 1), 0x30CC_DD7F_603D_5594);
        assert_eq!(hash(b"", 0), 0xB903_4AD3_7056_F5FB);
    }
}
