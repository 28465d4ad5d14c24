//! `Model2Vec` on a tiny static model that the test makes, against vectors computed by hand.
#![cfg(feature = "model2vec")]

use std::path::Path;

use altiplano::agent::{Agent, Embedder};
use altiplano_embed::{Error, Model2Vec};
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::json;

/// The rows of the tokens, by number.
const ROWS: [[f32; 3]; 5] =
    [[9.0, 9.0, 9.0], [1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0], [3.0, 0.0, 4.0]];

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The tokenizer of a model with four words and a token for all others.
fn tokenizer() -> serde_json::Value {
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [], "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "unk_token": "[UNK]",
            "vocab": {"[UNK]": 0, "ana": 1, "likes": 2, "tea": 3, "coffee": 4}}
    })
}

/// Writes a model: rows, and tensors beside them.
fn write(dir: &Path, normalize: bool, more: Vec<(&str, TensorView<'_>)>) {
    let rows = bytes(ROWS.as_flattened());
    let table = TensorView::new(Dtype::F32, vec![5, 3], &rows).unwrap();
    let tensors = std::iter::once(("embeddings", table)).chain(more);
    std::fs::write(dir.join("model.safetensors"), serialize(tensors, None).unwrap()).unwrap();
    std::fs::write(dir.join("tokenizer.json"), tokenizer().to_string()).unwrap();
    std::fs::write(dir.join("config.json"), json!({"normalize": normalize}).to_string()).unwrap();
}

fn assert_near(ours: &[f32], expected: [f32; 3]) {
    assert_eq!(ours.len(), 3);
    for (x, y) in ours.iter().zip(expected) {
        assert!((x - y).abs() < 1e-6, "{ours:?} is not {expected:?}");
    }
}

#[test]
fn a_vector_is_the_mean_of_the_known_tokens() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), false, Vec::new());
    let model = Model2Vec::load(&dir).unwrap();
    let vectors = model.embed(&["Ana likes tea", "ana", "coffee zebra COFFEE", "tea tea ana"]);
    let vectors = vectors.unwrap();
    assert_near(&vectors[0], [1.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0]);
    assert_near(&vectors[1], [1.0, 0.0, 0.0]);
    assert_near(&vectors[2], [3.0, 0.0, 4.0]);
    assert_near(&vectors[3], [1.0 / 3.0, 0.0, 4.0 / 3.0]);

    write(dir.path(), true, Vec::new());
    let vectors = Model2Vec::load(&dir).unwrap().embed(&["Ana likes tea", "coffee"]).unwrap();
    assert_near(&vectors[0], [1.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0]);
    assert_near(&vectors[1], [0.6, 0.0, 0.8]);
}

#[test]
fn weights_and_mapping_count() {
    let dir = tempfile::tempdir().unwrap();
    let weights = bytes(&[1.0, 3.0, 0.5, 1.0, 1.0]);
    let mapping: Vec<u8> = [0_i64, 1, 1, 3, 4].iter().flat_map(|row| row.to_le_bytes()).collect();
    let more = vec![
        ("weights", TensorView::new(Dtype::F32, vec![5], &weights).unwrap()),
        ("mapping", TensorView::new(Dtype::I64, vec![5], &mapping).unwrap()),
    ];
    write(dir.path(), false, more);
    let vectors = Model2Vec::load(&dir).unwrap().embed(&["ana likes tea"]).unwrap();
    // 3 · (1, 0, 0) + 0.5 · (1, 0, 0) + (0, 0, 2), over three tokens.
    assert_near(&vectors[0], [3.5 / 3.0, 0.0, 2.0 / 3.0]);
}

#[test]
fn a_text_without_known_tokens_can_be_kept_and_asked() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), true, Vec::new());
    let model = Model2Vec::load(&dir).unwrap();
    let embedder: &dyn Embedder = &model;
    assert_eq!(embedder.dimension(), 3);
    let vectors = embedder.embed(&["", "zebra"]).unwrap();
    assert_eq!(vectors, [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]);
    let agent = Agent::open(dir.path().join("memories.alt"), model).unwrap();
    agent.remember("zebra").unwrap();
    agent.remember("likes tea").unwrap();
    let found = agent.recall("tea").k(1).run().unwrap();
    assert_eq!(found.items[0].text(), "likes tea");
    agent.recall("").run().unwrap();
    agent.close().unwrap();
}

#[test]
fn another_model_is_another_space() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), true, Vec::new());
    let first = Model2Vec::load(&dir).unwrap();
    assert_eq!(first.space(), Model2Vec::load(&dir).unwrap().space());
    let weights = bytes(&[1.0, 2.0, 1.0, 1.0, 1.0]);
    let more = TensorView::new(Dtype::F32, vec![5], &weights).unwrap();
    write(dir.path(), true, vec![("weights", more)]);
    assert_ne!(first.space(), Model2Vec::load(&dir).unwrap().space());
}

#[test]
fn what_is_wrong_with_a_folder_names_the_file() {
    for name in ["tokenizer.json", "model.safetensors", "config.json"] {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), true, Vec::new());
        std::fs::write(dir.path().join(name), b"{\"model\": ").unwrap();
        let error = Model2Vec::load(&dir).unwrap_err();
        assert!(matches!(&error, Error::Invalid { file, .. } if file.ends_with(name)), "{error}");
        std::fs::remove_file(dir.path().join(name)).unwrap();
        let error = Model2Vec::load(&dir).unwrap_err();
        assert!(matches!(&error, Error::Missing { file, .. } if file.ends_with(name)), "{error}");
        assert!(error.to_string().contains("save_pretrained"), "{error}");
    }
}

#[test]
fn a_token_without_a_row_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), true, Vec::new());
    let mut more = tokenizer();
    more["model"]["vocab"]["llama"] = json!(5);
    std::fs::write(dir.path().join("tokenizer.json"), more.to_string()).unwrap();
    let error = Model2Vec::load(&dir).unwrap_err();
    assert!(error.to_string().contains("tokens up to 5"), "{error}");

    let mapping: Vec<u8> = [0_i64, 1, 1, 3, 7].iter().flat_map(|row| row.to_le_bytes()).collect();
    let more = TensorView::new(Dtype::I64, vec![5], &mapping).unwrap();
    write(dir.path(), true, vec![("mapping", more)]);
    assert!(Model2Vec::load(&dir).is_err());
}

#[test]
fn weights_that_are_not_finite_are_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let weights = bytes(&[1.0, f32::NAN, 1.0, 1.0, 1.0]);
    let more = TensorView::new(Dtype::F32, vec![5], &weights).unwrap();
    write(dir.path(), true, vec![("weights", more)]);
    let error = Model2Vec::load(&dir).unwrap().embed(&["ana"]).unwrap_err();
    assert!(matches!(&error, Error::Compute { .. }), "{error}");
}
