//! Owns `Model2Vec`: static models, which look vectors of tokens up and take their mean.
//!
//! Invariant: whatever texts come, the model answers. So `load` checks that every token has a row.

use std::fmt;
use std::path::Path;

use altiplano::agent::{BoxError, Embedder};
use model2vec_rs::model::StaticModel;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use crate::Error;
use crate::files::Folder;

const HINT: &str = "save one by the Python package model2vec, with save_pretrained(FOLDER)";

const FILES: [&str; 3] = ["tokenizer.json", "model.safetensors", "config.json"];

/// A static model of Model2Vec, on the CPU: thousands of texts a second, and less exact than
/// [`MiniLm`](crate::MiniLm).
///
/// It reads the first 512 tokens of a text. The vector has length 1 if the model's configuration
/// says so, as it does by default. A text without a known token has no mean; it gets a vector of
/// its own, always the same, because no metric by angle takes a vector of zeros.
///
/// ```no_run
/// # fn main() -> Result<(), altiplano_embed::Error> {
/// let model = altiplano_embed::Model2Vec::load("models/static")?;
/// let vectors = model.embed(&["Ana likes green tea", "who enjoys a hot drink?"])?;
/// assert_eq!(vectors.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Model2Vec {
    model: StaticModel,
    space: String,
}

impl Model2Vec {
    /// Loads a model from a folder with `tokenizer.json`, `model.safetensors` and `config.json`.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`], [`Error::Unreadable`] or [`Error::Invalid`] with the file they are about.
    pub fn load(dir: impl AsRef<Path>) -> Result<Model2Vec, Error> {
        let folder = Folder { path: dir.as_ref(), hint: HINT };
        let [tokenizer, weights, config] = FILES;
        let (tokens, bytes) = (folder.read(tokenizer)?, folder.read(weights)?);
        let config_bytes = folder.read(config)?;
        serde_json::from_slice::<serde_json::Value>(&config_bytes)
            .map_err(|error| folder.invalid(config, error))?;
        check_rows(&folder, &tokens, &bytes)?;
        let model = StaticModel::from_bytes(&tokens, &bytes, &config_bytes, None)
            .map_err(|error| folder.invalid(weights, format!("{error:#}")))?;
        let sums = [&tokens, &bytes, &config_bytes].map(|bytes| crc32fast::hash(bytes));
        let space = format!("model2vec/{:08x}-{:08x}-{:08x}", sums[1], sums[0], sums[2]);
        Ok(Model2Vec { model, space })
    }

    /// Returns the vectors of texts, in their order. O(tokens · dimension).
    ///
    /// # Errors
    ///
    /// [`Error::Compute`] if a vector is not finite, which a damaged model may give.
    pub fn embed<S: AsRef<str>>(&self, texts: &[S]) -> Result<Vec<Vec<f32>>, Error> {
        let one = |text: &S| {
            let mut vector = self.model.encode_single(text.as_ref());
            if vector.iter().all(|&x| x == 0.0) {
                vector[0] = 1.0;
            }
            if vector.iter().all(|x| x.is_finite()) {
                return Ok(vector);
            }
            let reason = "a vector has a number that is not finite: the weights are damaged";
            Err(Error::Compute { reason: reason.to_owned() })
        };
        texts.iter().map(one).collect()
    }

    /// Returns a name made of the checksums of the files, as a static model has no name in them:
    /// another model is another space.
    pub fn space(&self) -> &str {
        &self.space
    }

    /// Returns the number of floats of a vector.
    pub fn dimension(&self) -> usize {
        self.model.dim()
    }
}

/// Checks that each token has a row, and each row a number: the model would not.
fn check_rows(folder: &Folder<'_>, tokenizer: &[u8], weights: &[u8]) -> Result<(), Error> {
    let [tokens, file, _] = FILES;
    let tokenizer: serde_json::Value =
        serde_json::from_slice(tokenizer).map_err(|error| folder.invalid(tokens, error))?;
    let tensors = SafeTensors::deserialize(weights).map_err(|error| folder.invalid(file, error))?;
    let table = ["embeddings", "0", "embedding.weight"];
    let table = table.iter().find_map(|name| tensors.tensor(name).ok());
    let table = table.ok_or_else(|| folder.invalid(file, "it has no tensor \"embeddings\""))?;
    let &[rows, columns] = table.shape() else {
        return Err(folder.invalid(file, "its tensor \"embeddings\" is not a matrix"));
    };
    if columns == 0 {
        return Err(folder.invalid(file, "its vectors have no dimension"));
    }
    let last = largest_id(&tokenizer);
    let rows = match tensors.tensor("mapping") {
        Ok(mapping) => mapped(&mapping, rows, last),
        Err(_) => rows as u64 > last,
    };
    if !rows {
        let reason = format!("tokens up to {last} of tokenizer.json have no row in it");
        return Err(folder.invalid(file, reason));
    }
    Ok(())
}

/// Returns true if the tokens up to `last` are mapped to rows that exist. A token that the mapping
/// does not have stands for the row of its own number.
fn mapped(mapping: &TensorView<'_>, rows: usize, last: u64) -> bool {
    let width = mapping.data().len() / mapping.shape().iter().product::<usize>().max(1);
    let row = |bytes: &[u8]| {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(wide) < rows as u64
    };
    let count = mapping.data().len() / width.max(1);
    matches!(width, 4 | 8)
        && mapping.data().chunks_exact(width).all(row)
        && (last < count as u64 || last < rows as u64)
}

/// Returns the largest number of a token in `tokenizer.json`. A vocabulary is an object of numbers,
/// or a list, in which the place is the number.
fn largest_id(tokenizer: &serde_json::Value) -> u64 {
    let vocabulary = &tokenizer["model"]["vocab"];
    let named = vocabulary.as_object().into_iter().flat_map(|words| words.values());
    let added = tokenizer["added_tokens"].as_array().into_iter().flatten();
    let listed = vocabulary.as_array().map_or(0, Vec::len).saturating_sub(1);
    named
        .filter_map(serde_json::Value::as_u64)
        .chain(added.filter_map(|token| token["id"].as_u64()))
        .fold(listed as u64, u64::max)
}

impl fmt::Debug for Model2Vec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model2Vec").field("space", &self.space()).finish_non_exhaustive()
    }
}

impl Embedder for Model2Vec {
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, BoxError> {
        Ok(Model2Vec::embed(self, texts)?)
    }

    fn space(&self) -> &str {
        Model2Vec::space(self)
    }

    fn dimension(&self) -> usize {
        Model2Vec::dimension(self)
    }
}
