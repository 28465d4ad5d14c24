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

/// What turns the product of two codes into a distance: with `dot` the sum over all coordinates of
/// code times code, and the scale and the squared norm from the head of the row,
/// `bias + squared · norm² + weight · scale · (factor · dot + shift)`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) factor: i32,
    pub(crate) shift: i32,
    pub(crate) weight: f32,
    pub(crate) bias: f32,
    pub(crate) squared: f32,
}

impl Terms {
    #[inline(always)]
    fn distance(&self, dot: i32, scale: f32, squared: f32) -> f32 {
        let product = dot.wrapping_mul(self.factor).wrapping_add(self.shift) as f32;
        self.bias + self.squared * squared + self.weight * scale * product
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

    /// One row, or none if there are not enough bytes for it.
    pub(crate) fn one(bytes: &'a [u8], stride: usize) -> Self {
        Self { bytes, stride, count: u32::from(bytes.len() >= stride) }
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
    pub(crate) terms: Terms,
}

#[inline(always)]
fn float(head: &[u8], at: usize) -> f32 {
    head[at..].first_chunk().map_or(0.0, |bytes| f32::from_le_bytes(*bytes))
}

/// Measures the rows of a batch into `out`. A row has a head of `HEAD` bytes with its scale at
/// `SCALE` and its squared norm at 4. `four` gives the products of four rows, all of one length, `one`
/// that of one. Both, and `prefetch`, become part of the caller, with the processor features that it
/// may use: so what calls this is a whole kernel, and nothing is called for a row.
#[inline(always)]
pub(super) fn measure<const HEAD: usize, const SCALE: usize>(
    batch: &Batch<'_>,
    out: &mut [f32],
    prefetch: impl Fn(&[u8]),
    four: impl Fn([&[u8]; 4]) -> [i32; 4],
    one: impl Fn(&[u8]) -> i32,
) {
    let Batch { rows, nodes, terms } = *batch;
    let finish = |row: &[u8], dot| terms.distance(dot, float(row, SCALE), float(row, 4));
    if rows.stride < HEAD {
        return out.fill(terms.bias);
    }
    let ask = |nodes: &[u32]| nodes.iter().for_each(|node| prefetch(rows.row(*node)));
    let each = |nodes: &[u32], out: &mut [f32]| {
        for (&node, out) in nodes.iter().zip(out) {
            let row = rows.row(node);
            *out = if row.is_empty() { terms.bias } else { finish(row, one(&row[HEAD..])) };
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
            let dots = four([&a[HEAD..], &b[HEAD..], &c[HEAD..], &d[HEAD..]]);
            out[0] = finish(a, dots[0]);
            out[1] = finish(b, dots[1]);
            out[2] = finish(c, dots[2]);
            out[3] = finish(d, dots[3]);
        } else {
            each(nodes_of_group, out);
        }
    }
    each(rest, out_rest);
}

/// A row in chunks of N bytes, and what is left.
type Chunks<'a, const N: usize> = (&'a [[u8; N]], &'a [u8]);

/// Rows of one length in chunks, and the number of chunks, at most `limit`. In a loop over the chunks
/// so counted no access is checked.
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
