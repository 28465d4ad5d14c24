//! What a query by words finds, in every state that rows can have.

use altiplano::{
    CollectionOptions, Error, Fields, Filter, GroupBy, Memory, Metric, TextIndex, TextQuery,
};
use bench_tools::vectors::Vectors;

use super::plain::{Asked, Plain};
use super::{DIMENSION, memory, same};
use crate::common::{manual, vector};
use crate::metamorphic::world::{World, with_memories};

const ROWS: u64 = 700;

fn in_every_state(index: TextIndex, check: impl FnMut(&World)) {
    let data = (0..ROWS).flat_map(|id| vector(id, DIMENSION)).collect();
    let rows = Vectors { dim: DIMENSION, data };
    let options = CollectionOptions::new(DIMENSION, Metric::Cosine).text_index(index);
    // Memories that are deleted again have other words than those that stay.
    let of = |id, _: &[f32]| match id {
        ROWS.. => Memory::new(id, vector(id, DIMENSION)).text("gone gone trip zebra zebra"),
        _ => memory(id),
    };
    with_memories(options, &rows, of, check);
}

fn plain() -> Plain {
    Plain::new((0..ROWS).map(memory))
}

/// Queries of all kinds, each as it is asked and as plain data.
fn queries() -> Vec<(TextQuery, Asked)> {
    let words =
        |words: &str| (TextQuery::new(words), Asked { words: words.into(), ..Asked::default() });
    let mut all: Vec<_> = [
        "the",
        "zebra",
        "Lima TEA",
        "trip trip trip lamp",
        "la2047",
        "Café ÓSCAR",
        "north-east 32.5",
        "nothing has this",
        "?! --",
        "",
        "the a trip tea lima train night market letter green ana garden running runs north lamp",
    ]
    .map(words)
    .into();
    for (text, all_words) in [("night train", true), ("zebra quinoa river", true), ("", true)] {
        let asked = Asked { words: text.into(), all: all_words, ..Asked::default() };
        all.push((TextQuery::new(text).all_words(), asked));
    }
    for phrases in [&["night train"][..], &["the a"], &["the"], &["a trip", "tea"]] {
        let mut query = TextQuery::new("market");
        let mut asked = Asked { words: "market".into(), ..Asked::default() };
        for phrase in phrases {
            query = query.phrase(*phrase);
            asked.phrases.push((*phrase).to_owned());
        }
        all.push((query, asked));
    }
    for (prefixes, all_words) in [(&["run"][..], false), (&["t", "LA"], false), (&["n", "m"], true)]
    {
        let mut query = TextQuery::new("tea");
        let mut asked = Asked { words: "tea".into(), all: all_words, ..Asked::default() };
        for prefix in prefixes {
            query = query.prefix(*prefix);
            asked.prefixes.push((*prefix).to_owned());
        }
        all.push((if all_words { query.all_words() } else { query }, asked));
    }
    all
}

#[test]
fn the_best_are_those_of_a_plain_search_in_every_state() {
    let plain = plain();
    in_every_state(TextIndex::new(), |world| {
        for (query, asked) in queries() {
            let all = plain.search(&asked, |_| true);
            for k in [0, 1, 10, 5_000] {
                let hits = world.notes.search_text(query.clone()).k(k).run().unwrap();
                let label = format!("{world}: {asked:?}, {k}");
                same(&label, &hits, &all[..k.min(all.len())], &all);
                assert!(hits.iter().all(|hit| hit.text_score == Some(hit.score)), "{label}");
                assert!(hits.iter().all(|hit| hit.distance == f32::INFINITY), "{label}");
            }
        }
    });
}

#[test]
fn filters_pages_bounds_and_groups_do_not_change_scores() {
    let plain = plain();
    let asked = Asked { words: "tea train".into(), ..Asked::default() };
    let all = plain.search(&asked, |_| true);
    let of_user = |memory: &Memory| memory.namespace.as_deref() == Some("user:3");
    let of_one = plain.search(&asked, of_user);
    assert!(of_one.len() > 20 && of_one.len() < all.len() / 3);
    in_every_state(TextIndex::new(), |world| {
        let search = || world.notes.search_text("tea train");
        let hits = search().namespace("user:3").k(1_000).run().unwrap();
        same(&format!("{world}: filter"), &hits, &of_one, &all);
        let scope = world.notes.scope("user:3");
        assert_eq!(scope.search_text("tea train").k(1_000).run().unwrap(), hits, "{world}");
        let hits = search().filter_fn(of_user).k(15).run().unwrap();
        same(&format!("{world}: closure"), &hits, &of_one[..15], &all);
        let hits = search().offset(7).k(9).run().unwrap();
        same(&format!("{world}: page"), &hits, &all[7..16], &all);
        let bound = (all[20].1 + all[21].1) / 2.0;
        let hits = search().min_score(bound as f32).k(1_000).run().unwrap();
        let better: Vec<_> = all.iter().filter(|one| one.1 > bound).copied().collect();
        same(&format!("{world}: bound"), &hits, &better, &all);
        let groups = search().group_by(GroupBy::Session, 2).k(20).run_groups().unwrap();
        assert_eq!(groups.len(), 13, "{world}");
        for group in &groups {
            let mut wanted = plain
                .search(&asked, |memory| memory.session.as_deref() == Some(group.value.as_str()));
            wanted.truncate(2);
            same(&format!("{world}: {}", group.value), &group.hits, &wanted, &all);
        }
        let best: Vec<f32> = groups.iter().map(|group| group.hits[0].score).collect();
        assert!(best.is_sorted_by(|a, b| a >= b), "{world}: {best:?}");
        let hits = search().fields(Fields::None).k(3).run().unwrap();
        assert!(hits.iter().all(|hit| hit.memory.is_none()), "{world}");
    });
}

#[test]
fn parameters_of_bm25_are_those_of_the_collection() {
    let mut plain = plain();
    (plain.k1, plain.b) = (0.4, 0.1);
    let asked = Asked { words: "the night zebra".into(), ..Asked::default() };
    let all = plain.search(&asked, |_| true);
    in_every_state(TextIndex::new().k1(0.4).b(0.1), |world| {
        let hits = world.notes.search_text("the night zebra").k(50).run().unwrap();
        same(&world.to_string(), &hits, &all[..50], &all);
    });
}

#[test]
fn scores_are_those_of_another_implementation() {
    struct Words;
    impl bm25::Tokenizer for Words {
        fn tokenize(&self, text: &str) -> Vec<String> {
            super::plain::words(text)
        }
    }
    let texts: Vec<(u128, String)> = (0..ROWS)
        .filter_map(|id| Some((id.into(), super::text(id)?)))
        .filter(|(_, text)| !super::plain::words(text).is_empty())
        .collect();
    let all: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
    let fitted = bm25::EmbedderBuilder::<u64, Words>::with_tokenizer_and_fit_to_corpus(Words, &all);
    let embedder = fitted.build();
    let mut scorer = bm25::Scorer::<u128, u64>::new();
    texts.iter().for_each(|(id, text)| scorer.upsert(id, embedder.embed(text)));
    in_every_state(TextIndex::new(), |world| {
        for query in ["zebra", "the Lima tea", "LA2047 night the the", "café 32.5 nowhere"] {
            let asked = embedder.embed(query);
            let found = scorer.matches(&asked);
            let wanted: Vec<(u128, f64)> =
                found.iter().map(|one| (one.id, f64::from(one.score))).collect();
            let hits = world.notes.search_text(query).k(2_000).run().unwrap();
            same(&format!("{world}: {query}"), &hits, &wanted, &wanted);
        }
    });
}

#[test]
fn a_search_says_what_it_did() {
    let plain = plain();
    in_every_state(TextIndex::new(), |world| {
        let query = TextQuery::new("zebra nowhere").prefix("ru");
        let search = world.notes.search_text(query).namespace("user:3");
        let (hits, told) = search.k(1_000).explain().unwrap();
        let text = told.text.unwrap();
        let with = |words: &str, prefixes: &[&str]| {
            let prefixes = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
            let asked = Asked { words: words.into(), prefixes, ..Asked::default() };
            plain.search(&asked, |_| true).len() as u64
        };
        let words: Vec<(&str, bool, u64)> =
            text.words.iter().map(|w| (w.word.as_str(), w.is_prefix, w.documents)).collect();
        let wanted = [
            ("zebra", false, with("zebra", &[])),
            ("nowhere", false, 0),
            ("ru", true, with("", &["ru"])),
        ];
        assert_eq!(words, wanted, "{world}");
        let documents = (0..ROWS).filter(|id| id % 11 < 9).count() as u64;
        assert_eq!((text.documents, text.matches), (documents, hits.len() as u64), "{world}");
        assert_eq!(text.words_from_rows, 0, "{world}");
        assert!(text.postings > 0 && told.parts.is_empty(), "{world}");
    });
}

#[test]
fn what_cannot_be_asked_is_refused_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("store")).unwrap();
    let options = || CollectionOptions::new(DIMENSION, Metric::Cosine);
    let plain = store.collection("plain", options()).unwrap();
    plain.insert(memory(1)).unwrap();
    let vector = vector(1, DIMENSION);
    for refused in [plain.search_text("tea").run(), plain.search(&vector).text("tea").run()] {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("no text index") && error.contains("text_index"), "{error}");
    }
    let notes = store.collection("notes", options().text_index(TextIndex::new())).unwrap();
    notes.insert(memory(1)).unwrap();
    let refused = |query: TextQuery, part: &str| {
        let error = notes.search_text(query).run().unwrap_err();
        assert!(
            matches!(error, Error::InvalidOption { .. } | Error::LimitExceeded { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains(part), "{error} does not say {part:?}");
    };
    let long = "word ".repeat(65);
    refused(TextQuery::default().phrase(long.as_str()), "65 words");
    refused(TextQuery::default().phrase("?!"), "has no word");
    refused(TextQuery::default().prefix("two words"), "two words");
    refused(TextQuery::default().prefix(""), "beginning of one word");
    refused(TextQuery::new("x".repeat((64 << 10) + 1)), "65537");
    refused((0..65).fold(TextQuery::default(), |q, _| q.prefix("a")), "65");
    let search = notes.search_text("tea").max_distance(0.5).run().unwrap_err().to_string();
    assert!(search.contains("max_distance"), "{search}");
    let vague = notes.search_text("tea").filter(Filter::namespace("")).run();
    assert!(vague.is_err() || vague.unwrap().is_empty());
}
