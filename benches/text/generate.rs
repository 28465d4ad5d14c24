//! Owns texts and queries of generated words. Which words a text has is arithmetic on its number.
//!
//! The word of rank r comes with a probability proportional to 1 / (r + 2.7), as in English
//! (Mandelbrot's form of Zipf's law).

use bench_tools::vectors::Rng;

/// Different words.
const WORDS: usize = 60_000;
const SHIFT: f64 = 2.7;
const CONSONANTS: &[u8] = b"bdfghjklmnprstvz";
const VOWELS: &[u8] = b"aeiou";

/// A vocabulary with the frequencies of its words.
pub(crate) struct Vocabulary {
    words: Vec<String>,
    /// The sum of the probabilities up to each word.
    sums: Vec<f64>,
}

/// Ranks from which the words of a query are drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// The 20 most frequent.
    Frequent,
    /// Words such as "garden" or "travel" are in English: ranks 200 to 2,000.
    Ordinary,
    /// Ranks 20,000 to 60,000.
    Rare,
}

impl Vocabulary {
    pub(crate) fn new() -> Self {
        let mut sums = Vec::with_capacity(WORDS);
        let mut sum = 0.0;
        for rank in 0..WORDS {
            sum += 1.0 / (rank as f64 + SHIFT);
            sums.push(sum);
        }
        Self { words: (0..WORDS).map(word).collect(), sums }
    }

    fn draw(&self, rng: &mut Rng) -> &str {
        let at = rng.unit() * self.sums[WORDS - 1];
        &self.words[self.sums.partition_point(|sum| *sum < at).min(WORDS - 1)]
    }

    /// Returns the text of a row: 6 to 18 words.
    pub(crate) fn text(&self, row: u64) -> String {
        let mut rng = Rng::new(row ^ 0x7E_C57);
        let count = 6 + rng.below(13);
        let words: Vec<&str> = (0..count).map(|_| self.draw(&mut rng)).collect();
        words.join(" ")
    }

    /// Returns a query of so many words.
    pub(crate) fn query(&self, nth: u64, kind: Kind, words: usize) -> String {
        let mut rng = Rng::new(nth ^ 0x0A5C ^ (kind as u64) << 32);
        let (from, to) = match kind {
            Kind::Frequent => (0, 20),
            Kind::Ordinary => (200, 2_000),
            Kind::Rare => (20_000, WORDS),
        };
        let words: Vec<&str> =
            (0..words).map(|_| &*self.words[from + rng.below(to - from)]).collect();
        words.join(" ")
    }
}

/// Returns the word of a rank: syllables that say the rank, so each is unique.
fn word(rank: usize) -> String {
    let (mut rest, mut word) = (rank, String::new());
    loop {
        word.push(char::from(CONSONANTS[rest % CONSONANTS.len()]));
        rest /= CONSONANTS.len();
        word.push(char::from(VOWELS[rest % VOWELS.len()]));
        rest /= VOWELS.len();
        if rest == 0 {
            return word;
        }
    }
}
