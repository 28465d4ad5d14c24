//! Owns memories that can be recognized in the bytes of a file, in every form in which a store
//! keeps them, and the search for them. Purging is not known here.

use std::path::Path;

use altiplano::{Memory, MemoryId, Metric};

use crate::common::{Rng, file_names};

/// Vectors of fewer dimensions have no codes of their own.
pub(crate) const DIMENSION: usize = 48;

/// A memory in which everything can be recognised.
#[derive(Clone, Debug)]
pub(crate) struct Canary {
    pub(crate) id: MemoryId,
    mark: String,
    vector: Vec<f32>,
}

/// One form of a canary: the form's name, and its bytes.
pub(crate) type Needle = (&'static str, Vec<u8>);

impl Canary {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng(seed ^ 0xCA0A_0000);
        let id = MemoryId::from_u128(u128::from(rng.next()) << 64 | u128::from(rng.next()));
        let mark = format!("{:016x}", rng.next());
        let vector = (0..DIMENSION).map(|_| rng.float()).collect();
        Self { id, mark, vector }
    }

    /// Returns the name of this field, 32 bytes long.
    fn name(&self, field: &str) -> String {
        format!("canary-{field:-<8}-{}", self.mark)
    }

    pub(crate) fn namespace(&self) -> String {
        self.name("space")
    }

    pub(crate) fn memory(&self) -> Memory {
        Memory::new(self.id, self.vector.clone())
            .text(format!("{} Z{}", self.name("text"), self.mark.to_uppercase()))
            .key(self.name("key"))
            .namespace(self.namespace())
            .session(self.name("session"))
            .kind(self.name("kind"))
            .tag(self.name("tag"))
            .metadata_json(format!("{{\"a\":\"{}\"}}", self.name("json")))
    }

    /// Returns another memory with the same id.
    pub(crate) fn replacement(&self) -> Memory {
        let vector: Vec<f32> = self.vector.iter().rev().map(|x| x * 0.5).collect();
        Memory::new(self.id, vector).text("harmless")
    }

    /// Returns the vector that the code is made of.
    fn coded(&self, metric: Metric) -> Vec<f32> {
        if metric != Metric::Cosine {
            return self.vector.clone();
        }
        let norm = self.vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
        self.vector.iter().map(|x| (f64::from(*x) / norm) as f32).collect()
    }

    /// Returns every form except the codes.
    pub(crate) fn needles(&self) -> Vec<Needle> {
        let fields = ["text", "key", "space", "session", "kind", "tag", "json"];
        let mut needles: Vec<Needle> =
            fields.iter().map(|field| (*field, self.name(field).into_bytes())).collect();
        needles.push(("id", self.id.as_u128().to_le_bytes().to_vec()));
        needles.push(("vector", self.vector.iter().flat_map(|x| x.to_le_bytes()).collect()));
        needles
    }

    /// Returns the code of one byte per dimension, without its scale.
    pub(crate) fn code(&self, metric: Metric) -> Needle {
        let stored = self.coded(metric);
        let largest = stored.iter().fold(0.0f32, |max, x| max.max(x.abs()));
        let inverse = 1.0 / (largest / 127.0);
        ("code", stored.iter().map(|x| (x * inverse).round() as i8 as u8).collect())
    }

    /// Returns a word that no file holds but the words of a segment: the text has it in upper case.
    pub(crate) fn word(&self) -> Needle {
        ("word", format!("z{}", self.mark).into_bytes())
    }

    pub(crate) fn memory_id(&self) -> MemoryId {
        self.id
    }
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(bytes, needle).is_some()
}

/// Returns the needles that are in any file, each with the files' names.
pub(crate) fn found(dir: &Path, needles: &[Needle]) -> Vec<(&'static str, Vec<String>)> {
    // A file may disappear between the listing and the reading.
    let files: Vec<(String, Vec<u8>)> = file_names(dir)
        .into_iter()
        .filter_map(|name| Some((name.clone(), std::fs::read(dir.join(name)).ok()?)))
        .collect();
    let of = |needle: &Needle| {
        let with = files.iter().filter(|(_, bytes)| holds(bytes, &needle.1));
        (needle.0, with.map(|(name, _)| name.clone()).collect::<Vec<_>>())
    };
    needles.iter().map(of).filter(|(_, files)| !files.is_empty()).collect()
}
