//! Owns `Block`: some rows of a memtable, with contiguous vectors and bodies, and their codes. A
//! block of fewer than `CODED` rows is measured exactly. A larger block has codes in the
//! collection's frame. If there is no frame yet, the first such block chooses one.

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::filter::Attributes;
use crate::format::record;
use crate::ids::{MemoryId, Seq};
use crate::map_vec::MapVec;
use crate::options::Quantization;
use crate::segment::layout::key_hash;
use crate::segment::row::{Row, RowRef};
use crate::segment::words::{InRam, Words, WordsBuilder, merge};
use crate::vector::codes::{CodeBuffer, CodeSpec, FastScanBlocks, Fit, Frame};
use crate::words::Analyzer;

/// Blocks with fewer rows have no codes.
const CODED: usize = 64;
/// Blocks with at least this many rows measure the error of the memtable's codes again.
const TELLING: usize = 256;
/// Vectors on which that error is measured.
const SAMPLE: usize = 256;

/// The frame of a memtable's codes, and their error.
pub(crate) type Coder = (Arc<Frame>, Fit);

/// The fields of a row beside its vector and body.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Head {
    pub(super) id: u128,
    pub(super) seq: u64,
    /// In milliseconds since 1970.
    pub(super) expires_at: i64,
    pub(super) norm: f32,
    /// Where the row's body ends in the bodies of its block, and the next row's begins.
    pub(super) body_end: u32,
    /// Hashes of the names by which rows are most often selected. Other rows are skipped without
    /// decoding their bodies. Those of 16 bits let one in 65,536 of the others through.
    pub(super) namespace: u32,
    pub(super) session: u16,
    pub(super) key: u16,
}

/// Rows stored together.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) heads: MapVec<Head>,
    pub(super) vectors: MapVec<f32>,
    /// The bodies, one after the other.
    pub(super) bodies: MapVec<u8>,
    /// `None` in a block that is measured exactly.
    pub(super) codes: Option<CodeBuffer>,
    /// The sign bits of the codes in the FastScan layout; empty if the codes have no signs.
    pub(super) signs: MapVec<u8>,
    /// The words of the rows; empty if texts are not indexed.
    pub(super) words: MapVec<u8>,
}

impl Head {
    pub(super) const fn expires_at(&self) -> Timestamp {
        Timestamp::from_millis(self.expires_at)
    }
}

/// Returns a hash of a name. Different names may share a hash.
pub(super) fn name_hash(name: &str) -> u32 {
    let hash = key_hash(name);
    (hash ^ (hash >> 32)) as u32
}

/// Returns a shorter hash of a name.
pub(super) fn short_hash(name: &str) -> u16 {
    let hash = name_hash(name);
    (hash ^ (hash >> 16)) as u16
}

/// Returns the words of these blocks, if they all have words by these rules.
fn joined(analyzer: Analyzer, blocks: &[Arc<Block>]) -> Option<MapVec<u8>> {
    let mut parts = Vec::with_capacity(blocks.len());
    for block in blocks {
        parts.push(block.words().ok()?.filter(|words| words.is_by(analyzer))?);
    }
    merge(&parts).ok()?
}

impl Block {
    /// Returns an empty block with room for `rows` rows and `bodies` bytes of bodies.
    pub(super) fn empty(spec: CodeSpec, rows: usize, bodies: usize) -> Self {
        Self {
            heads: MapVec::with_capacity(rows),
            vectors: MapVec::with_capacity(rows * spec.dimension),
            bodies: MapVec::with_capacity(bodies),
            codes: None,
            signs: MapVec::new(),
            words: MapVec::new(),
        }
    }

    pub(super) fn signs(&self) -> Option<FastScanBlocks<'_>> {
        let rows = self.codes.as_ref()?.rows();
        FastScanBlocks::new(rows.spec, &self.signs, rows.len() as u32)
    }

    pub(super) fn concat(spec: CodeSpec, blocks: &[Arc<Self>]) -> Self {
        let rows = blocks.iter().map(|b| b.rows()).sum();
        let mut all = Self::empty(spec, rows, blocks.iter().map(|b| b.bodies.len()).sum());
        for block in blocks {
            let before = all.bodies.len() as u32;
            let moved = |head: &Head| Head { body_end: before + head.body_end, ..*head };
            all.heads.extend(block.heads.iter().map(moved));
            all.bodies.extend_from_slice(&block.bodies);
            all.vectors.extend_from_slice(&block.vectors);
        }
        all
    }

    pub(super) fn rows(&self) -> usize {
        self.heads.len()
    }

    /// Returns the words of the rows, if texts are indexed.
    pub(super) fn words(&self) -> Result<Option<Words<InRam<'_>>>> {
        if self.words.is_empty() {
            return Ok(None);
        }
        Words::open(InRam(&self.words), self.rows() as Row).map(Some)
    }

    /// Makes the words of the rows. Those of the blocks `before`, from which the block was made,
    /// are joined if all of them have words by these rules.
    pub(super) fn index(&mut self, analyzer: Analyzer, before: &[Arc<Self>]) {
        let joined = joined(analyzer, before);
        self.words = joined.unwrap_or_else(|| {
            let mut words = WordsBuilder::new(analyzer);
            for at in 0..self.rows() {
                words.add(record::text_of(self.body(at)).ok().flatten());
            }
            words.encode()
        });
    }

    pub(super) fn vector(&self, at: usize, dimension: usize) -> &[f32] {
        &self.vectors[at * dimension..(at + 1) * dimension]
    }

    pub(super) fn body(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.heads[before].body_end);
        &self.bodies[start as usize..self.heads[at].body_end as usize]
    }

    pub(super) fn row(&self, at: usize, dimension: usize) -> RowRef<'_> {
        let Head { id, seq, norm, .. } = self.heads[at];
        let (vector, body) = (self.vector(at, dimension), self.body(at));
        RowRef { id: MemoryId::from_u128(id), seq: Seq(seq), norm, vector, body }
    }

    pub(super) fn attributes(&self, at: usize) -> Result<Attributes<'_>> {
        record::attributes(MemoryId::from_u128(self.heads[at].id), self.body(at)).map_err(|e| {
            Error::internal(format!("the body of a row in the memtable: {}", e.reason))
        })
    }

    /// Makes the codes of a block if it has enough rows. Codes that exist in the blocks `before`,
    /// from which it was made, are copied. The first block with codes chooses the frame of the
    /// memtable; `rows` is the memtable's number of rows.
    pub(super) fn encode(
        &mut self,
        spec: CodeSpec,
        coder: &mut Option<Coder>,
        rows: u64,
        before: &[Arc<Self>],
    ) {
        if self.rows() < CODED {
            return;
        }
        let dimension = spec.dimension;
        let step = self.rows().div_ceil(SAMPLE);
        let vector = |at| self.vector(at, dimension).to_vec();
        let sample = || (0..self.rows()).step_by(step).map(vector).collect::<Vec<Vec<f32>>>();
        let mut telling = self.rows() >= TELLING;
        if coder.is_none() {
            *coder = Some(Frame::choose(spec, None, &sample(), rows, u64::MAX));
            telling = false;
        }
        let Some((frame, fit)) = coder.as_mut().filter(|(f, _)| f.spec.codes != Quantization::None)
        else {
            return;
        };
        let mut codes = CodeBuffer::new(Arc::clone(frame), self.rows());
        for block in before {
            match &block.codes {
                Some(old) => old.rows().rows().for_each(|row| codes.push_row(row)),
                None => (0..block.rows()).for_each(|at| codes.push(block.vector(at, dimension))),
            }
        }
        let copied = codes.rows().len();
        (copied..self.rows()).for_each(|at| codes.push(self.vector(at, dimension)));
        if telling {
            let sample = sample();
            let mut own = CodeBuffer::new(Arc::clone(frame), sample.len());
            sample.iter().for_each(|vector| own.push(vector));
            *fit = fit.and(Fit::measured(&own, &sample, rows));
        }
        fit.longest = fit.longest.max(codes.rows().longest());
        self.signs = codes.rows().sign_blocks().unwrap_or_default();
        self.codes = Some(codes);
    }
}
