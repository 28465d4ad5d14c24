//! Owns `MiniLm`: all-MiniLM-L6-v2 on the CPU.
//!
//! The model is BERT, then the mean over the tokens of a text, then a length of 1, as the model card
//! says. Invariant: a vector does not depend on the texts that are embedded with it, beyond the
//! rounding of floats.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use altiplano::agent::{BoxError, Embedder};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config, HiddenAct};
use tokenizers::{Encoding, Tokenizer, TruncationParams};

use crate::Error;
use crate::files::Folder;

/// Tokens of a text that the model reads; it was trained with no more. Two of them mark the ends.
const MAX_TOKENS: usize = 256;

/// Tokens of a batch, padding included. More do not make it faster, and cost memory: attention
/// takes 48 bytes for each pair of tokens of a text.
const BATCH_TOKENS: usize = 2_048;

const NAME: &str = "all-MiniLM-L6-v2";
const HINT: &str = "`integrations/embed/get-model FOLDER` does it";

/// The sentence model all-MiniLM-L6-v2, on the CPU: 384 dimensions, English, about 90 MB of heap.
///
/// A text is cut after 256 tokens, about 200 words: split longer ones. A vector has length 1 and
/// suits [`Metric::Cosine`](altiplano::Metric::Cosine) and `Metric::Dot`. Clones share the weights.
/// The model uses as many threads as rayon has: `RAYON_NUM_THREADS` bounds them.
///
/// ```no_run
/// # fn main() -> Result<(), altiplano_embed::Error> {
/// let model = altiplano_embed::MiniLm::load("models/all-MiniLM-L6-v2")?;
/// let vectors = model.embed(&["Ana likes green tea", "who enjoys a hot drink?"])?;
/// let cosine: f32 = vectors[0].iter().zip(&vectors[1]).map(|(x, y)| x * y).sum();
/// assert!(cosine > 0.3);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MiniLm {
    inner: Arc<Inner>,
}

struct Inner {
    tokenizer: Tokenizer,
    bert: BertModel,
    space: String,
    dimension: usize,
}

impl MiniLm {
    /// Loads the model from a folder with `config.json`, `tokenizer.json` and `model.safetensors`.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`], [`Error::Unreadable`] or [`Error::Invalid`] with the file they are about;
    /// [`Error::OtherModel`] if `config.json` describes a model of another size.
    pub fn load(dir: impl AsRef<Path>) -> Result<MiniLm, Error> {
        let folder = Folder { path: dir.as_ref(), hint: HINT };
        let config = config(&folder)?;
        let tokenizer = tokenizer(&folder)?;
        let weights = folder.read("model.safetensors")?;
        let space = format!("{NAME}/{MAX_TOKENS}/{:08x}", crc32fast::hash(&weights));
        let invalid = |error: candle_core::Error| folder.invalid("model.safetensors", error);
        let vars = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)
            .map_err(invalid)?;
        let bert = BertModel::load(vars, &config).map_err(invalid)?;
        let dimension = config.hidden_size;
        Ok(MiniLm { inner: Arc::new(Inner { tokenizer, bert, space, dimension }) })
    }

    /// Returns the vectors of texts, in their order. O(tokens), with batches of texts that are
    /// about as long.
    ///
    /// # Errors
    ///
    /// [`Error::Compute`], which says why.
    pub fn embed<S: AsRef<str>>(&self, texts: &[S]) -> Result<Vec<Vec<f32>>, Error> {
        let compute = |reason: String| Error::Compute { reason };
        let texts: Vec<&str> = texts.iter().map(|text| beginning(text.as_ref())).collect();
        let tokenizer = &self.inner.tokenizer;
        let encodings = tokenizer.encode_batch_fast(texts, true);
        let encodings = encodings.map_err(|error| compute(error.to_string()))?;
        let mut vectors = vec![Vec::new(); encodings.len()];
        for batch in batches(&encodings) {
            let made = self.inner.batch(&encodings, &batch);
            let made = made.map_err(|error| compute(error.to_string()))?;
            for (index, vector) in batch.into_iter().zip(made) {
                vectors[index] = vector;
            }
        }
        Ok(vectors)
    }

    /// Returns the name of the model, the number of tokens it reads, and a checksum of the weights:
    /// other weights are another space, even if their model has the same name.
    pub fn space(&self) -> &str {
        &self.inner.space
    }

    /// Returns 384.
    pub fn dimension(&self) -> usize {
        self.inner.dimension
    }
}

impl Inner {
    /// Returns the vectors of the texts with these indices, in one pass through the model.
    fn batch(
        &self,
        encodings: &[Encoding],
        indices: &[usize],
    ) -> candle_core::Result<Vec<Vec<f32>>> {
        let width = indices.iter().map(|&index| encodings[index].len()).max().unwrap_or(0);
        let shape = (indices.len(), width);
        let mut ids = vec![0_u32; indices.len() * width];
        let mut mask = vec![0.0_f32; indices.len() * width];
        for (row, &index) in indices.iter().enumerate() {
            let tokens = encodings[index].get_ids();
            let start = row * width;
            ids[start..start + tokens.len()].copy_from_slice(tokens);
            mask[start..start + tokens.len()].fill(1.0);
        }
        let ids = Tensor::from_vec(ids, shape, &Device::Cpu)?;
        let mask = Tensor::from_vec(mask, shape, &Device::Cpu)?;
        let hidden = self.bert.forward(&ids, &ids.zeros_like()?, Some(&mask))?;
        let hidden = hidden.flatten_all()?.to_vec1::<f32>()?;
        let rows = hidden.chunks_exact(width * self.dimension);
        Ok(rows
            .zip(indices)
            .map(|(row, &index)| self.pool(&row[..encodings[index].len() * self.dimension]))
            .collect())
    }

    /// Returns the mean of the rows of a matrix, with length 1.
    fn pool(&self, rows: &[f32]) -> Vec<f32> {
        let mut vector = vec![0.0_f32; self.dimension];
        for row in rows.chunks_exact(self.dimension) {
            for (sum, value) in vector.iter_mut().zip(row) {
                *sum += value;
            }
        }
        // The length of the sum is the length of the mean, times a number that cancels out.
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
        vector.iter_mut().for_each(|x| *x /= length);
        vector
    }
}

/// Returns groups of indices. The texts of a group are about as long, and it has at most
/// `BATCH_TOKENS` tokens, or one text.
fn batches(encodings: &[Encoding]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..encodings.len()).collect();
    order.sort_by_key(|&index| encodings[index].len());
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for index in order {
        let width = encodings[index].len();
        match batches.last_mut() {
            Some(last) if (last.len() + 1) * width <= BATCH_TOKENS => last.push(index),
            _ => batches.push(vec![index]),
        }
    }
    batches
}

/// Returns a beginning of the text with all tokens that the model reads, so that the time for a
/// text is bounded. A word with a letter or digit of ASCII makes at least one token.
fn beginning(text: &str) -> &str {
    let mut words = 0;
    let mut in_word = false;
    for (at, byte) in text.bytes().enumerate() {
        if byte.is_ascii_whitespace() {
            words += usize::from(in_word);
            in_word = false;
            if words == MAX_TOKENS {
                return &text[..at];
            }
        } else {
            in_word |= byte.is_ascii_alphanumeric();
        }
    }
    text
}

/// Reads `config.json` and checks that it is of this model.
fn config(folder: &Folder<'_>) -> Result<Config, Error> {
    const FILE: &str = "config.json";
    let bytes = folder.read(FILE)?;
    let found: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| folder.invalid(FILE, error))?;
    let size = |name: &str| found[name].as_u64().unwrap_or(0);
    let kind = found["model_type"].as_str().unwrap_or("a model without a type");
    let sizes = (size("num_hidden_layers"), size("hidden_size"), size("vocab_size"));
    if kind != "bert" || sizes != (6, 384, 30_522) {
        return Err(Error::OtherModel {
            file: folder.file(FILE),
            found: format!(
                "{kind} with {} layers, {} dimensions and {} words",
                sizes.0, sizes.1, sizes.2
            ),
            expected: "all-MiniLM-L6-v2 (bert with 6 layers, 384 dimensions and 30522 words)",
        });
    }
    let config: Config =
        serde_json::from_value(found).map_err(|error| folder.invalid(FILE, error))?;
    if config.hidden_act != HiddenAct::Gelu || config.num_attention_heads != 12 {
        return Err(folder.invalid(FILE, "it has no exact gelu or not 12 heads"));
    }
    Ok(config)
}

/// Reads `tokenizer.json`. Its own padding and truncation are for another use.
fn tokenizer(folder: &Folder<'_>) -> Result<Tokenizer, Error> {
    const FILE: &str = "tokenizer.json";
    let invalid = |error: tokenizers::Error| folder.invalid(FILE, error);
    let mut tokenizer = Tokenizer::from_bytes(folder.read(FILE)?).map_err(invalid)?;
    tokenizer.with_padding(None);
    if tokenizer.get_vocab_size(true) > 30_522 {
        return Err(folder.invalid(FILE, "it has more words than the model"));
    }
    let ends = tokenizer.encode_fast("", true).map_err(invalid)?;
    if ends.get_ids() != [101, 102] {
        return Err(folder.invalid(FILE, "it does not put [CLS] and [SEP] around a text"));
    }
    let truncation = TruncationParams { max_length: MAX_TOKENS, ..Default::default() };
    tokenizer.with_truncation(Some(truncation)).map_err(invalid)?;
    Ok(tokenizer)
}

impl fmt::Debug for MiniLm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MiniLm").field("space", &self.space()).finish_non_exhaustive()
    }
}

impl Embedder for MiniLm {
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, BoxError> {
        Ok(MiniLm::embed(self, texts)?)
    }

    fn space(&self) -> &str {
        MiniLm::space(self)
    }

    fn dimension(&self) -> usize {
        MiniLm::dimension(self)
    }
}
