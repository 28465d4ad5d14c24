//! Owns what all kernels of many rows share: which rows are meant, how a product of codes becomes a
//! distance, and the walk over the rows, which asks for them ahead and hands them on in fours.
//!
//! Unsafe here is a row whose number was compared with how many there are.
#![expect(unsafe_code, reason = "one check for each row, not one for each access")]

/// How many rows ahead of the one that is measured cache lines are asked for.
const AHEAD: usize = 8;

/// A vector of signed bytes on its own cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Lanes(pub(crate) [i8; 64]);

/// Bit planes of a query's values of so many bits, in two's complement: see [`PLANE_WEIGHTS`].
pub(crate) const PLANES: usize = 4;

/// What a bit of each plane stands for.
pub(crate) const PLANE_WEIGHTS: [i32; PLANES] = [1, 2, 4, -8];

/// Where the head of a row has the scale of its codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scale {
    /// At its beginning.
    #[default]
    First,
    /// At 12, for products with other rows.
    Pairs,
    /// The first, times the upper twelve bits of the word at 8, in 256ths: that of the signs alone.
    Signs,
}

/// Bits below those of the word at 8 that belong to the scale of the signs.
pub(crate) const SIGN_SCALE_SHIFT: u32 = 20;

/// What the upper twelve bits of the word at 8 count.
pub(crate) const SIGN_SCALE_UNIT: f32 = 1.0 / 256.0;

/// What turns the product of two codes into a distance: with `dot` the sum over all coordinates of
/// code times code, and the scale and the squared norm from the head of the row,
/// `bias + squared · norm² + weight · scale · (factor · dot + shift) − slack · norm`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) factor: i32,
    pub(crate) shift: i32,
    pub(crate) weight: f32,
    pub(crate) bias: f32,
    pub(crate) squared: f32,
    /// Counts with the scale of the signs only.
    pub(crate) slack: f32,
    pub(crate) scale: Scale,
}

/// Bytes of the largest head.
const HEAD: usize = 16;

impl Terms {
    /// Of several rows at once, in steps that vector instructions can take for all of them.
    #[inline(always)]
    fn distances<const R: usize>(&self, dots: [i32; R], rows: [&[u8]; R]) -> [f32; R] {
        // Of the four words of each head.
        let mut words = [[0u32; R]; 4];
        for r in 0..R {
            let head = rows[r].first_chunk::<HEAD>().unwrap_or(&[0; HEAD]);
            for (word, bytes) in words.iter_mut().zip(head.as_chunks::<4>().0) {
                word[r] = u32::from_le_bytes(*bytes);
            }
        }
        let [first, squared, counts, pairs] = words;
        let (first, pairs) = (first.map(f32::from_bits), pairs.map(f32::from_bits));
        let squared = squared.map(f32::from_bits);
        let mut scales = first;
        let mut bias = [self.bias; R];
        match self.scale {
            Scale::First => {}
            Scale::Pairs => scales = pairs,
            Scale::Signs => {
                for r in 0..R {
                    scales[r] *= (counts[r] >> SIGN_SCALE_SHIFT) as i32 as f32 * SIGN_SCALE_UNIT;
                    bias[r] -= self.slack * squared[r].sqrt();
                }
            }
        }
        let mut out = [0.0; R];
        for r in 0..R {
            let product = dots[r].wrapping_mul(self.factor).wrapping_add(self.shift) as f32;
            out[r] = bias[r] + self.squared * squared[r] + self.weight * scales[r] * product;
        }
        out
    }
}

/// Where in a row the codes are that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Part {
    #[inline(always)]
    pub(crate) fn codes<'a>(&self, row: &'a [u8]) -> &'a [u8] {
        row.get(self.start..self.end).unwrap_or(&[])
    }

    /// With what stands before them.
    #[inline(always)]
    fn and_head<'a>(&self, row: &'a [u8]) -> &'a [u8] {
        row.get(..self.end).unwrap_or(&[])
    }
}

/// Rows of one length, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    bytes: &'a [u8],
    stride: usize,
    /// At most as many as there is room for.
    count: u32,
}

impl<'a> Rows<'a> {
    /// Whole rows only; a rest is left out.
    pub(crate) fn new(bytes: &'a [u8], stride: usize) -> Self {
        let count = bytes.len().checked_div(stride).unwrap_or(0);
        Self { bytes, stride, count: u32::try_from(count).unwrap_or(u32::MAX) }
    }

    pub(crate) const fn len(&self) -> usize {
        self.count as usize
    }

    /// One row; empty if there is none.
    #[inline(always)]
    pub(crate) fn row(&self, i: u32) -> &'a [u8] {
        if i >= self.count {
            return &[];
        }
        let start = i as usize * self.stride;
        // SAFETY: `count` rows are in `bytes`, this one and those before it among them.
        unsafe { self.bytes.get_unchecked(start..start + self.stride) }
    }

    /// All rows.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.bytes.chunks_exact(self.stride)
    }
}

/// Rows that are measured in one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) rows: Rows<'a>,
    /// Which rows. One that is not there has the distance of a zero vector.
    pub(crate) nodes: &'a [u32],
    /// Its bytes are behind the head.
    pub(crate) part: Part,
    pub(crate) terms: Terms,
}

/// Measures the rows of a batch into `out`. A row has a head with its scale and, at 4, its squared
/// norm. `four` gives the products of four rows, all of one length, `one` that of one. Both, and
/// `prefetch`, become part of the caller, with the processor features that it may use: so what
/// calls this is a whole kernel, and nothing is called for a row.
#[inline(always)]
pub(super) fn measure(
    batch: &Batch<'_>,
    out: &mut [f32],
    prefetch: impl Fn(&[u8]),
    four: impl Fn([&[u8]; 4]) -> [i32; 4],
    one: impl Fn(&[u8]) -> i32,
) {
    let Batch { rows, nodes, part, terms } = *batch;
    if rows.stride < part.end || part.start > part.end {
        return out.fill(terms.bias);
    }
    let ask =
        |nodes: &[u32]| nodes.iter().for_each(|node| prefetch(part.and_head(rows.row(*node))));
    let each = |nodes: &[u32], out: &mut [f32]| {
        for (&node, out) in nodes.iter().zip(out) {
            let row = rows.row(node);
            *out = if row.is_empty() {
                terms.bias
            } else {
                terms.distances([one(part.codes(row))], [row])[0]
            };
        }
    };
    // The first is read before a request for it would help.
    ask(nodes.get(1..nodes.len().min(AHEAD)).unwrap_or(&[]));
    let ((fours, rest), (outs, out_rest)) = (nodes.as_chunks::<4>(), out.as_chunks_mut::<4>());
    for (group, (nodes_of_group, out)) in fours.iter().zip(outs).enumerate() {
        let ahead = nodes.get(4 * group + AHEAD..).unwrap_or(&[]);
        ask(&ahead[..ahead.len().min(4)]);
        let [a, b, c, d] = *nodes_of_group;
        if a.max(b).max(c.max(d)) < rows.count {
            let [a, b, c, d] = [rows.row(a), rows.row(b), rows.row(c), rows.row(d)];
            let dots = four([part.codes(a), part.codes(b), part.codes(c), part.codes(d)]);
            *out = terms.distances(dots, [a, b, c, d]);
        } else {
            each(nodes_of_group, out);
        }
    }
    each(rest, out_rest);
}

/// A row in chunks of N bytes, and what is left.
#[cfg(target_arch = "x86_64")]
type Chunks<'a, const N: usize> = (&'a [[u8; N]], &'a [u8]);

/// Rows of one length in chunks, and the number of chunks, at most `limit`. In a loop over the
/// chunks so counted no access is checked.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn chunked<const R: usize, const N: usize>(
    rows: [&[u8]; R],
    limit: usize,
) -> ([Chunks<'_, N>; R], usize) {
    let mut chunks: [Chunks<'_, N>; R] = [(&[], &[]); R];
    let mut blocks = limit;
    for r in 0..R {
        chunks[r] = rows[r].as_chunks();
        blocks = blocks.min(chunks[r].0.len());
    }
    for chunks in &mut chunks {
        chunks.0 = &chunks.0[..blocks];
    }
    (chunks, blocks)
}
