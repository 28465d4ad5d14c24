//! Every search against oracles: rig's own `InMemoryVectorStore` under cosine, and a plain sort
//! under the other metrics. Documents, filters, thresholds and numbers of samples are random.

mod common;

use altiplano::{CollectionOptions, Metric};
use altiplano_rig::{VectorIndex, VectorStore};
use common::{Fixed, JsonDocument, embedding, run};
use proptest::prelude::*;
use rig_core::embeddings::Embedding;
use rig_core::vector_store::in_memory_store::InMemoryVectorStore;
use rig_core::vector_store::request::{Filter, SearchFilter, VectorSearchRequest};
use rig_core::vector_store::{InsertDocuments, VectorStoreIndex};
use serde_json::{Value, json};

type JsonFilter = Filter<Value>;
/// A vector, the number of samples, a threshold and a filter.
type Question = (Vec<f64>, u64, Option<f64>, Option<JsonFilter>);
type Documents = Vec<(JsonDocument, Vec<Embedding>)>;

/// Values around which the two ways to compare differ.
fn value() -> impl Strategy<Value = Value> {
    let large = 9_007_199_254_740_992_i64;
    prop_oneof![
        4 => (-2_i64..3).prop_map(|x| json!(x)),
        3 => (-4_i64..5).prop_map(|x| json!(x as f64 / 2.0)),
        2 => (-3_i64..4).prop_map(move |x| json!(large + x)),
        1 => (-3_i64..4).prop_map(move |x| json!(-large + x)),
        1 => (-1_i64..2).prop_map(move |x| json!((large + 2 * x) as f64)),
        1 => Just(json!(u64::MAX)), 1 => Just(json!(u64::MAX - 1)), 1 => Just(json!(i64::MIN)),
        1 => Just(json!(u64::MAX as f64)), 1 => Just(json!(1e300)), 1 => Just(json!(f64::MAX)),
        1 => Just(json!(-f64::MAX)), 1 => Just(json!(-0.0)), 1 => Just(json!(5e-324)),
        2 => any::<bool>().prop_map(|x| json!(x)),
        2 => Just(Value::Null),
        3 => "[ab\"\\\\é]{0,2}".prop_map(|x| json!(x)),
        1 => Just(json!([1, 2])), 1 => Just(json!([1.0, 2])), 1 => Just(json!([])),
        1 => Just(json!({"x": 1})), 1 => Just(json!({})),
    ]
}

/// Names of fields, some of which are paths or need quotes in Altiplano.
fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "a.b", "a[0]", "tags[*]", "\"q\\", "", "é \n"])
}

fn filter() -> impl Strategy<Value = JsonFilter> {
    let leaf = (key(), value(), 0..3).prop_map(|(key, value, kind)| match kind {
        0 => Filter::eq(key, value),
        1 => Filter::gt(key, value),
        _ => Filter::lt(key, value),
    });
    leaf.prop_recursive(4, 16, 2, |inner| {
        (inner.clone(), inner, any::<bool>()).prop_map(|(a, b, and)| match and {
            true => a.and(b),
            false => a.or(b),
        })
    })
}

/// Vectors with small whole numbers, so that many scores are equal.
fn vector() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        12 => prop::collection::vec((-2_i32..3).prop_map(f64::from), 3),
        1 => Just(vec![0.0; 3]),
        1 => Just(vec![1.0, f64::NAN, 0.0]),
        1 => Just(vec![f64::INFINITY, 0.0, 0.0]),
    ]
}

fn document() -> impl Strategy<Value = (Value, Vec<Embedding>)> {
    let object = prop::collection::btree_map(key(), value(), 0..4).prop_map(|fields| json!(fields));
    let vectors = prop::collection::vec(vector(), 1..4);
    (object, vectors).prop_map(|(object, vectors)| {
        (object, vectors.into_iter().map(|vector| embedding("text", vector)).collect())
    })
}

#[derive(Clone, Debug)]
struct Case {
    documents: Vec<(Value, Vec<Embedding>)>,
    /// Ids of documents that are written again, with what.
    again: Vec<(usize, (Value, Vec<Embedding>))>,
    questions: Vec<Question>,
}

fn case() -> impl Strategy<Value = Case> {
    let threshold = prop_oneof![
        3 => Just(None),
        3 => (-4_i32..5).prop_map(|x| Some(f64::from(x) / 4.0)),
        1 => Just(Some(f64::NAN)), 1 => Just(Some(7.0)), 1 => Just(Some(f64::NEG_INFINITY)),
    ];
    let samples = prop_oneof![1 => Just(0), 8 => 1..12_u64, 1 => Just(u64::MAX)];
    let question = (vector(), samples, threshold, prop::option::weighted(0.8, filter()));
    (
        prop::collection::vec(document(), 0..24),
        prop::collection::vec((0..24_usize, document()), 0..6),
        prop::collection::vec(question, 6),
    )
        .prop_map(|(documents, again, questions)| Case { documents, again, questions })
}

/// Gives a document the id that it has by its place.
fn with_id(
    place: usize,
    (mut object, vectors): (Value, Vec<Embedding>),
) -> (JsonDocument, Vec<Embedding>) {
    object["id"] = json!(format!("doc{place}"));
    (JsonDocument(object), vectors)
}

/// Returns the documents in the order in which they are written: first all, then some again.
fn writes(case: &Case) -> [Documents; 2] {
    let first = case.documents.iter().cloned().enumerate();
    let again = case.again.iter().cloned();
    [
        first.map(|(at, one)| with_id(at, one)).collect(),
        again.map(|(at, one)| with_id(at, one)).collect(),
    ]
}

fn open(dir: &std::path::Path, metric: Metric) -> VectorStore {
    let store = altiplano::Store::open(dir.join("agent.alt")).unwrap();
    let options = CollectionOptions::new(3, metric);
    VectorStore::new(store.collection("documents", options).unwrap()).id_field("id")
}

fn request(question: &Question) -> VectorSearchRequest<JsonFilter> {
    let (vector, samples, threshold, filter) = question;
    // The model reads the vector from the text.
    let query = vector.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
    let mut request = VectorSearchRequest::builder().query(query).samples(*samples);
    if let Some(threshold) = threshold {
        request = request.threshold(*threshold);
    }
    if let Some(filter) = filter {
        request = request.filter(filter.clone());
    }
    request.build()
}

async fn answers(
    index: &VectorIndex,
    request: VectorSearchRequest<JsonFilter>,
) -> Vec<(f64, String, Value)> {
    let ids = index.top_n_ids(request.clone()).await.unwrap();
    let found = index.top_n::<Value>(request).await.unwrap();
    let pairs = found.iter().map(|one| (one.score, &one.id));
    assert!(pairs.eq(ids.iter().map(|one| (one.score, &one.id))));
    found.into_iter().map(|one| (one.score, one.id, one.document)).collect()
}

async fn compare_with_rig(case: Case) {
    let dir = tempfile::tempdir().unwrap();
    let ours = open(dir.path(), Metric::Cosine);
    let mut theirs = InMemoryVectorStore::default();
    for documents in writes(&case) {
        let id = |document: &JsonDocument| document.0["id"].as_str().unwrap().to_owned();
        theirs.add_documents_with_id_f(documents.clone(), id);
        ours.insert_documents(documents).await.unwrap();
    }
    let theirs = theirs.index(Fixed::model());
    let ours = ours.index(Fixed::model());
    for question in &case.questions {
        let expected = theirs.top_n::<Value>(request(question)).await.unwrap();
        let expected: Vec<_> =
            expected.into_iter().map(|one| (one.score, one.id, one.document)).collect();
        assert_eq!(answers(&ours, request(question)).await, expected, "{question:?}");
    }
}

async fn compare_with_a_sort(case: Case, metric: Metric) {
    let dir = tempfile::tempdir().unwrap();
    let ours = open(dir.path(), metric);
    let mut all = std::collections::BTreeMap::new();
    for documents in writes(&case) {
        for (document, vectors) in &documents {
            all.insert(
                document.0["id"].as_str().unwrap().to_owned(),
                (document.clone(), vectors.clone()),
            );
        }
        ours.insert_documents(documents).await.unwrap();
    }
    let ours = ours.index(Fixed::model());
    for question in &case.questions {
        let (query, samples, threshold, filter) = question;
        let score = |vector: &[f64]| {
            let pairs = query.iter().zip(vector);
            match metric {
                Metric::Dot => pairs.map(|(x, y)| x * y).sum::<f64>(),
                _ => 1.0 / (1.0 + pairs.map(|(x, y)| (x - y).powi(2)).sum::<f64>()),
            }
        };
        // Nothing is like a question with an infinite number, though 1 / (1 + distance²) is 0.
        let can_be_asked = query.iter().all(|x| x.is_finite());
        let is_finite = |vector: &&Embedding| vector.vec.iter().all(|x| x.is_finite());
        let mut expected: Vec<(f64, String, Value)> = all
            .iter()
            .filter(|_| can_be_asked)
            .filter(|(_, (document, _))| filter.as_ref().is_none_or(|f| f.satisfies(&document.0)))
            .filter_map(|(id, (document, vectors))| {
                let scores = vectors.iter().filter(is_finite).map(|vector| score(&vector.vec));
                Some((scores.reduce(f64::max)?, id.clone(), document.0.clone()))
            })
            .filter(|(score, ..)| {
                score.is_finite() && !threshold.is_some_and(|least| *score < least)
            })
            .collect();
        expected.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap().then_with(|| a.1.cmp(&b.1)));
        expected.truncate(usize::try_from(*samples).unwrap());
        assert_eq!(answers(&ours, request(question)).await, expected, "{metric:?} {question:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: common::cases(150), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cosine_is_as_in_the_memory_of_rig(case in case()) {
        run(compare_with_rig(case));
    }

    #[test]
    fn dot_and_l2_are_as_a_sort(case in case(), is_dot in any::<bool>()) {
        run(compare_with_a_sort(case, if is_dot { Metric::Dot } else { Metric::L2 }));
    }
}
