//! The vectors of `MiniLm` against those of an independent implementation, and what it does with a
//! folder that is not as it should be. Needs the model: `../test` fetches it.
#![cfg(feature = "candle")]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use altiplano::agent::Embedder;
use altiplano_embed::{Error, MiniLm};
use serde_json::Value;

/// Returns the folder of the model, or says that the test is skipped.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("ALTIPLANO_MINILM").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: set ALTIPLANO_MINILM to a folder that ./get-model made");
    }
    folder
}

fn model() -> Option<&'static MiniLm> {
    static MODEL: OnceLock<Option<MiniLm>> = OnceLock::new();
    MODEL.get_or_init(|| Some(MiniLm::load(folder()?).unwrap())).as_ref()
}

/// Returns texts and their vectors by sentence-transformers.
fn reference() -> (Vec<String>, Vec<Vec<f64>>) {
    let file: Value = serde_json::from_str(include_str!("data/minilm.json")).unwrap();
    let entries = file["texts"].as_array().unwrap();
    assert_eq!(entries.len(), 24);
    let text = |entry: &Value| entry["text"].as_str().unwrap().to_owned();
    let vector = |entry: &Value| {
        let values = entry["vector"].as_array().unwrap();
        values.iter().map(|value| value.as_f64().unwrap()).collect()
    };
    entries.iter().map(|entry| (text(entry), vector(entry))).unzip()
}

/// Returns 1 minus the cosine.
fn cosine_distance(ours: &[f32], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let ours: Vec<f64> = ours.iter().map(|&x| f64::from(x)).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    1.0 - dot(&ours, theirs) / (dot(&ours, &ours) * dot(theirs, theirs)).sqrt()
}

#[test]
fn vectors_are_those_of_the_reference() {
    let Some(model) = model() else { return };
    let (texts, theirs) = reference();
    let together = model.embed(&texts).unwrap();
    for (number, ((text, theirs), ours)) in texts.iter().zip(&theirs).zip(&together).enumerate() {
        let mut made = vec![ours.clone()];
        // The texts that are embedded with one must not matter. Some are enough to see that.
        if number % 4 == 0 {
            made.extend(model.embed(&[text]).unwrap());
        }
        for ours in &made {
            let distance = cosine_distance(ours, theirs);
            assert!(distance < 1e-5, "{distance:e} for {text:?}");
            let apart = ours.iter().zip(theirs).map(|(x, y)| (f64::from(*x) - y).abs());
            assert!(apart.fold(0.0, f64::max) < 1e-5, "{text:?}");
        }
    }
}

#[test]
fn what_is_beyond_256_tokens_is_not_read() {
    let Some(model) = model() else { return };
    let text = |words: usize| "memory ".repeat(words);
    let vectors = model.embed(&[text(253), text(254), text(255), text(20_000)]).unwrap();
    assert_ne!(vectors[0], vectors[1]);
    for longer in &vectors[2..] {
        let same: Vec<f64> = vectors[1].iter().map(|&x| f64::from(x)).collect();
        assert!(cosine_distance(longer, &same) < 1e-6);
    }
}

#[test]
fn it_is_an_embedder_of_its_space() {
    let Some(model) = model() else { return };
    let embedder: &dyn Embedder = model;
    assert_eq!(embedder.dimension(), 384);
    assert_eq!(embedder.space(), "all-MiniLM-L6-v2/256/17279aed");
    assert!(embedder.embed(&[]).unwrap().is_empty());
    let vectors = embedder.embed(&["", "a b", ""]).unwrap();
    assert_eq!(vectors[0], vectors[2]);
    for vector in vectors {
        let length: f32 = vector.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-5);
    }
}

/// Makes a copy of the model's folder, with one file as it is given.
fn broken(name: &str, bytes: Option<&[u8]>) -> Option<tempfile::TempDir> {
    let folder = folder()?;
    let copy = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        if file != name {
            let (from, to) = (folder.join(file), copy.path().join(file));
            std::os::unix::fs::symlink(std::path::absolute(from).unwrap(), to).unwrap();
        }
    }
    if let Some(bytes) = bytes {
        std::fs::write(copy.path().join(name), bytes).unwrap();
    }
    Some(copy)
}

#[test]
fn errors_name_the_file_and_the_way_out() {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let Some(copy) = broken(name, None) else { return };
        let error = MiniLm::load(&copy).unwrap_err();
        assert!(matches!(&error, Error::Missing { file, .. } if file.ends_with(name)), "{error}");
        assert!(error.to_string().contains("get-model"), "{error}");

        let whole = std::fs::read(folder().unwrap().join(name)).unwrap();
        let half = &whole[..whole.len() / 2];
        for bytes in [half, b"", b"{}", b"[1, 2]", &[0xff; 64]] {
            let copy = broken(name, Some(bytes)).unwrap();
            let error = MiniLm::load(&copy).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
            let expected = match &error {
                Error::Invalid { file, .. } | Error::OtherModel { file, .. } => {
                    file.ends_with(name)
                }
                _ => false,
            };
            assert!(expected, "{error}");
        }
    }
}

#[test]
fn a_folder_that_is_not_there_or_of_another_model_is_an_error() {
    let error = MiniLm::load("no/such/folder").unwrap_err();
    assert!(matches!(&error, Error::Missing { .. }), "{error}");
    assert!(error.to_string().contains(&*Path::new("no/such/folder").to_string_lossy()));

    let large = br#"{"model_type": "bert", "num_hidden_layers": 12, "hidden_size": 384,
        "vocab_size": 30522}"#;
    let Some(copy) = broken("config.json", Some(large)) else { return };
    let error = MiniLm::load(&copy).unwrap_err();
    assert!(matches!(&error, Error::OtherModel { .. }), "{error}");
    assert!(error.to_string().contains("bert with 12 layers"), "{error}");
}

#[test]
fn tokens_that_the_model_does_not_have_are_an_error() {
    let Some(folder) = folder() else { return };
    let text = std::fs::read_to_string(folder.join("tokenizer.json")).unwrap();
    let other =
        text.replace("\"memory\":", "\"memory_\":").replace("\"tea\":5572", "\"tea\":99999");
    assert_ne!(other, text);
    let copy = broken("tokenizer.json", Some(other.as_bytes())).unwrap();
    match MiniLm::load(&copy) {
        Err(error) => assert!(matches!(error, Error::Invalid { .. }), "{error}"),
        Ok(model) => {
            let error = model.embed(&["green tea"]).unwrap_err();
            assert!(matches!(error, Error::Compute { .. }), "{error}");
        }
    }
}
