//! Owns what an index tells about itself: its codes, its graph, and the recall of both.

use crate::options::Quantization;

/// What a width of the beam gives in a graph, measured when it was built, with queries made of its rows and
/// against exact distances of these.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct BeamStats {
    /// The width of the beam.
    pub ef: u32,
    /// Recall@10 of what a search gives.
    pub recall: f32,
    /// Standard error of that.
    pub error: f32,
    /// Distances by code, on average.
    pub evaluations: u32,
}

/// One index: codes, and a graph where one pays.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct IndexStats {
    /// The number in the file's name.
    pub file: u64,
    /// Bytes of the index and its locator.
    pub bytes: u64,
    /// Distinct vectors.
    pub nodes: u64,
    /// Nodes with at least one live row.
    pub live_nodes: u64,
    /// Whether it has a graph.
    pub graph: bool,
    /// The codes that fit its rows: those that were asked for, or finer ones. [`Quantization::None`] are the
    /// vectors.
    pub codes: Option<Quantization>,
    /// Whether a centre was taken off the vectors before they were coded.
    pub centred: bool,
    /// How far off a product by code is at most, as a part of both lengths: by this bound a search decides
    /// which rows it measures exactly.
    pub code_error: f32,
    /// About which part of the rows a search by code measures exactly in vain.
    pub code_share: f32,
    /// Recall@10 of a search by codes, without the graph.
    pub code_recall: f32,
    /// What searches of the graph give, by their beams. A search takes the first that reaches its recall
    /// for certain; where none does, it does not use the graph.
    pub beams: Vec<BeamStats>,
}
