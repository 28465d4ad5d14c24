//! What the agent layer does with texts without a model: summaries, importance, vectors.

use altiplano::agent::{
    Embedder, Extractive, HashingEmbedder, Importance, ImportanceEstimate, Summarizer,
    WordStatistics,
};
use altiplano::{Error, Memory};
use proptest::prelude::*;

fn memories<T: AsRef<str>>(texts: &[T]) -> Vec<Memory> {
    let each = (1..).zip(texts).map(|(id, text)| Memory::new(id, [1.0]).text(text.as_ref()));
    each.collect()
}

fn summary<T: AsRef<str>>(extractive: Extractive, texts: &[T], carry: Option<&str>) -> String {
    let carry = carry.map(|text| Memory::new(99, [1.0]).text(text));
    extractive.summarize(&memories(texts), carry.as_ref()).unwrap().concat()
}

const CHAT: [&str; 14] = [
    "Hi! How are you doing today?",
    "I'm fine, thanks! I have a question about my trip.",
    "Sure, go on.",
    "My flight LA2047 to Lima leaves on 3 May at 7:40 a.m. from Madrid. Can you remember that?",
    "Yes, of course. I will remember it.",
    "Great, thank you so much!",
    "You are welcome. Is there anything else?",
    "Oh yes. My sister Anna is allergic to peanuts, so we need a restaurant that can handle that.",
    "Got it. Anything else that I should know?",
    "The hotel is called Casa Verde and costs $120 a night. I'm not sure yet.",
    "OK.",
    "So the flight LA2047 to Lima leaves on 3 May at 7:40 a.m., right?",
    "Right!",
    "Thanks a lot. Bye, see you tomorrow!",
];

#[test]
fn facts_stay_small_talk_goes_and_what_is_said_twice_is_there_once() {
    let text = summary(Extractive::new().max_sentences(4), &CHAT, None);
    for fact in ["LA2047", "3 May at 7:40 a.m. from Madrid", "Anna is allergic to peanuts", "$120"]
    {
        assert!(text.contains(fact), "{fact} is not in: {text}");
    }
    for talk in ["How are you", "Thanks", "welcome", "Bye", "Sure", "OK"] {
        assert!(!text.contains(talk), "{talk} is in: {text}");
    }
    assert_eq!(text.matches("LA2047").count(), 1, "{text}");
}

#[test]
fn an_earlier_summary_stays_as_long_as_there_is_room() {
    let old = "Anna lives in Lima. Her phone number is +51 987 654 321. She prefers metric units.";
    let text = summary(Extractive::new(), &CHAT, Some(old));
    assert!(text.starts_with(old), "{text}");
    assert!(text.contains("LA2047"), "{text}");
    // Again and again: the facts of the first round survive ten rounds of talk.
    let mut carry = text;
    for _ in 0..10 {
        let talk = ["How was your day?", "Fine, thanks. I went for a walk.", "Nice! See you."];
        carry = summary(Extractive::new(), &talk, Some(&carry));
    }
    assert!(carry.contains("+51 987 654 321") && carry.contains("LA2047"), "{carry}");
}

#[test]
fn memories_that_say_nothing_have_no_summary() {
    let nothing: [&str; 3] = ["OK.", "Thanks a lot!", ""];
    assert!(Extractive::new().summarize(&memories(&nothing), None).unwrap().is_empty());
    assert!(Extractive::new().summarize(&[], None).unwrap().is_empty());
    assert!(
        Extractive::new().max_sentences(0).summarize(&memories(&CHAT), None).unwrap().is_empty()
    );
}

#[test]
fn a_sentence_without_its_period_gets_one() {
    let facts = ["Anna lives in Lima", "Her office opens at 9:30"];
    let text = summary(Extractive::new().max_share(1.0), &facts, None);
    assert_eq!(text, "Anna lives in Lima. Her office opens at 9:30.");
}

#[test]
fn function_words_of_other_languages_are_found_by_their_frequency() {
    let texts = [
        "Der Hund lag auf der Decke.",
        "Der Mann von der Post war da.",
        "Der Tag war der Tag der Tage.",
        "Der Zug der Firma kam um der Pause willen.",
        "Der Regen kam von der See.",
        "Der Wind war der Grund.",
        "Der Arzt Dr. Weber hat am Freitag um 9:15 Zeit.",
        "Der Weg war der Weg.",
        "Der Hut liegt auf der Bank.",
    ];
    let text = summary(Extractive::new().max_sentences(1), &texts, None);
    assert_eq!(text, "Der Arzt Dr. Weber hat am Freitag um 9:15 Zeit.");
}

fn importance(text: &str) -> f32 {
    ImportanceEstimate.estimate(text, &WordStatistics::default())
}

#[test]
fn small_talk_is_less_important_than_every_fact() {
    let talk = [
        "ok",
        "thanks a lot!",
        "see you tomorrow",
        "Good morning! How are you doing today?",
        "Yes, of course, that would be great. Thank you so much!",
        "Hi there, nice to see you again.",
        "Sure, let me know if you need anything else!",
    ];
    let facts = [
        "Flight LA2047 to Lima leaves on 3 May at 7:40",
        "Anna is allergic to peanuts and penicillin",
        "The landlord wants the rent, $1,250, by the 5th of each month",
        "He works as a structural engineer in Rotterdam",
        "Her phone number is +51 987 654 321",
    ];
    let most = talk.iter().map(|text| importance(text)).fold(0.0, f32::max);
    for fact in facts {
        assert!(importance(fact) > most + 0.1, "{fact}: {} and {most}", importance(fact));
    }
    assert_eq!((importance(""), importance("?! ...")), (0.0, 0.0));
}

#[test]
fn statistics_make_rare_words_important_and_frequent_ones_not() {
    let words = |count| WordStatistics::new(10_000, [("deployment".to_owned(), count)]);
    let of = |count| ImportanceEstimate.estimate("deployment", &words(count));
    assert!(of(1) > of(100) && of(100) > of(9_000));
    assert!(of(9_000) < 0.02, "{}", of(9_000));
    // Numbers that cannot be are no harm.
    assert!((0.0..0.02).contains(&of(u64::MAX)));
    // One memory says nothing about what is rare.
    let one = WordStatistics::new(1, [("deployment".to_owned(), 1)]);
    assert_eq!(ImportanceEstimate.estimate("deployment", &one), importance("deployment"));
}

fn embed(text: &str) -> Vec<f32> {
    HashingEmbedder::new().embed(&[text]).unwrap().remove(0)
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[test]
fn texts_with_the_same_words_are_near_and_meanings_are_not_known() {
    let near = cosine(&embed("Anna likes green tea"), &embed("green tea is what Anna likes"));
    let stem = cosine(&embed("Anna likes green tea"), &embed("ANNA LIKED GREEN TEAS"));
    let far = cosine(&embed("Anna likes green tea"), &embed("the flight leaves at noon"));
    assert!(near > 0.7 && stem > 0.5 && far < 0.2, "{near} {stem} {far}");
    assert!(cosine(&embed("car"), &embed("automobile")).abs() < 0.2);
    assert_eq!(embed("Tea!"), embed("tea"));
}

/// A change of these numbers is a change of the space, which needs a new version in its name.
#[test]
fn the_vectors_of_version_1_never_change() {
    let vectors = HashingEmbedder::with_dimension(16).unwrap().embed(&["likes tea", ""]).unwrap();
    assert_eq!(
        vectors[0],
        [
            0.41902623,
            0.0,
            -0.15713485,
            0.2618914,
            0.10475656,
            -0.2618914,
            0.0,
            0.0,
            0.0,
            0.6547285,
            0.0,
            0.2618914,
            0.0,
            -0.3928371,
            0.0,
            0.0
        ]
    );
    assert_eq!(vectors[1].iter().position(|x| *x == 1.0), Some(11));
}

#[test]
fn a_dimension_out_of_range_is_refused() {
    for dimension in [0, 15, 65_536, usize::MAX] {
        let error = HashingEmbedder::with_dimension(dimension).unwrap_err();
        assert!(matches!(error, Error::InvalidOption { name: "dimension", .. }));
    }
    assert_eq!(HashingEmbedder::with_dimension(65_535).unwrap().dimension(), 65_535);
}

proptest! {
    #[test]
    fn every_text_has_a_vector_of_length_1(text in "(?s).{0,40}", dimension in 16_usize..300) {
        let embedder = HashingEmbedder::with_dimension(dimension).unwrap();
        let vectors = embedder.embed(&[&text, &text]).unwrap();
        prop_assert_eq!(&vectors[0], &vectors[1]);
        prop_assert_eq!(vectors[0].len(), dimension);
        prop_assert!((cosine(&vectors[0], &vectors[0]) - 1.0).abs() < 1e-4);
    }

    #[test]
    fn more_sentences_are_never_less_important(texts in prop::collection::vec("(?s).{0,30}", 0..5)) {
        let mut last = 0.0;
        for end in 0..=texts.len() {
            let estimate = importance(&texts[..end].join("\n"));
            prop_assert!((last..=1.0).contains(&estimate));
            last = estimate;
        }
    }

    #[test]
    fn a_summary_has_sentences_of_the_memories_and_not_too_many(
        texts in prop::collection::vec("([A-Za-z0-9]{1,9}[ ,.?!]{1,2}){0,12}", 0..12),
        most in 0_usize..6, share in 0.0_f32..=1.0,
    ) {
        let extractive = Extractive::new().max_sentences(most).max_share(share);
        let made = extractive.summarize(&memories(&texts), None).unwrap();
        prop_assert_eq!(&made, &extractive.summarize(&memories(&texts), None).unwrap());
        prop_assert!(made.len() <= 1);
        let text = made.concat();
        prop_assert!(most > 0 || text.is_empty());
        let given: Vec<&str> = texts.iter().flat_map(|t| t.split_whitespace()).collect();
        for word in text.split_whitespace() {
            let known = given.iter().any(|g| *g == word || word.strip_suffix('.') == Some(g));
            prop_assert!(known, "{word} is in no memory");
        }
    }
}
