//! Owns the common part of all kernels of many rows. It has the rows of a call, the formula that
//! turns a product of codes into a distance, and the walk over the rows. The walk prefetches rows
//! and passes them on in fours.
//!
//! Unsafe code here is the access to a row whose number was compared with the number of rows.
#![expect(unsafe_code, reason = "one check for each row, not one for each access")]

/// Number of rows ahead of the measured one that are prefetched.
const AHEAD: usize = 8;

/// A vector of signed bytes on its own cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Lanes(pub(crate) [i8; 64]);

/// Bit planes of a query's values, which have this many bits in two's complement: see
/// [`PLANE_WEIGHTS`].
pub(crate) const PLANES: usize = 4;

/// The weight of a bit of each plane.
pub(crate) const PLANE_WEIGHTS: [i32; PLANES] = [1, 2, 4, -8];

/// Which scale in the head of a row applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scale {
    /// The scale at offset 0.
    #[default]
    First,
    /// The scale at offset 12, for products with other rows.
    Pairs,
    /// The scale of the signs alone: the scale at offset 0, times the upper twelve bits of the word
    /// at offset 8, in 256ths.
    Signs,
}

/// Number of lower bits of the word at offset 8 that do not belong to the scale of the signs.
pub(crate) const SIGN_SCALE_SHIFT: u32 = 20;

/// The unit of the upper twelve bits of the word at offset 8.
pub(crate) const SIGN_SCALE_UNIT: f32 = 1.0 / 256.0;

/// The coefficients that turn the product of two codes into a distance. `dot` is the sum over all
/// coordinates of code times code; scale and squared norm are in the head of the row. The distance
/// is `bias + squared · norm² + weight · scale · (factor · dot + shift) − slack · norm`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) factor: i32,
    pub(crate) shift: i32,
    pub(crate) weight: f32,
    pub(crate) bias: f32,
    pub(crate) squared: f32,
    /// Applies with the scale of the signs only.
    pub(crate) slack: f32,
    pub(crate) scale: Scale,
}

/// Bytes of the largest head.
const HEAD: usize = 16;

impl Terms {
    /// Returns the distances of several rows, in steps that vector instructions can take for all of
    /// them.
    #[inline(always)]
    fn distances<const R: usize>(&self, dots: [i32; R], rows: [&[u8]; R]) -> [f32; R] {
        // The four words of each head.
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

/// The part of a row with the codes to be measured.
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

    /// Returns the part and the bytes before it.
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
    /// Number of rows, at most as many as fit the bytes.
    count: u32,
}

impl<'a> Rows<'a> {
    /// Returns the whole rows in `bytes`; an incomplete last row is left out.
    pub(crate) fn new(bytes: &'a [u8], stride: usize) -> Self {
        let count = bytes.len().checked_div(stride).unwrap_or(0);
        Self { bytes, stride, count: u32::try_from(count).unwrap_or(u32::MAX) }
    }

    pub(crate) const fn len(&self) -> usize {
        self.count as usize
    }

    /// Returns one row; empty if it does not exist.
    #[inline(always)]
    pub(crate) fn row(&self, i: u32) -> &'a [u8] {
        if i >= self.count {
            return &[];
        }
        let start = i as usize * self.stride;
        // SAFETY: `count` rows are in `bytes`, this one and those before it among them.
        unsafe { self.bytes.get_unchecked(start..start + self.stride) }
    }

    /// Returns all rows.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.bytes.chunks_exact(self.stride)
    }
}

/// The rows measured in one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) rows: Rows<'a>,
    /// The numbers of the rows. A row that does not exist has the distance of a zero vector.
    pub(crate) nodes: &'a [u32],
    /// The part of each row to measure. It lies behind the head.
    pub(crate) part: Part,
    pub(crate) terms: Terms,
}

/// Measures the rows of a batch into `out`. A row has a head with its scale and, at offset 4, its
/// squared norm. `four` returns the products of four rows of one length, and `one` that of one row.
/// Both, and `prefetch`, are inlined into the caller and may use its processor features. So the
/// caller is a complete kernel, without a function call per row.
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
    // The first row is read before a prefetch of it would help.
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

/// A row in chunks of N bytes, and the rest.
#[cfg(target_arch = "x86_64")]
type Chunks<'a, const N: usize> = (&'a [[u8; N]], &'a [u8]);

/// Returns rows of one length in chunks, and the number of chunks, at most `limit`. In a loop up to
/// that number, the compiler needs no bounds checks.
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
