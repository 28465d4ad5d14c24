//! Owns what all kernels of many rows share: which rows are meant, how a product of codes becomes a
//! distance, and the walk over the rows, which asks for them ahead and hands them on in fours.

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

/// Rows that are measured in one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch<'a> {
    /// Rows of `stride` bytes, one after the other.
    pub(crate) bytes: &'a [u8],
    pub(crate) stride: usize,
    /// Which rows. One that is not there has the distance of a zero vector.
    pub(crate) nodes: &'a [u32],
    pub(crate) terms: Terms,
}

impl<'a> Batch<'a> {
    #[inline(always)]
    fn row<const HEAD: usize>(&self, node: u32) -> Option<(&'a [u8; HEAD], &'a [u8])> {
        let start = node as usize * self.stride;
        self.bytes.get(start..start + self.stride)?.split_first_chunk()
    }
}

#[inline(always)]
fn float<const HEAD: usize>(head: &[u8; HEAD], at: usize) -> f32 {
    let bytes = head.get(at..at + 4).and_then(|b| b.try_into().ok()).unwrap_or([0; 4]);
    f32::from_le_bytes(bytes)
}

/// Measures the rows of a batch into `out`. A row has a head of `HEAD` bytes with its scale at
/// `SCALE` and its squared norm at 4. `four` gives the products of four rows (all of one length), `one` of one.
#[inline(always)]
pub(super) fn measure<const HEAD: usize, const SCALE: usize>(
    batch: &Batch<'_>,
    out: &mut [f32],
    prefetch: impl Fn(&[u8]),
    four: impl Fn([&[u8]; 4]) -> [i32; 4],
    one: impl Fn(&[u8]) -> i32,
) {
    let ask = |at: usize| {
        if let Some(row) = batch.nodes.get(at).and_then(|node| {
            let start = *node as usize * batch.stride;
            batch.bytes.get(start..start + batch.stride)
        }) {
            prefetch(row);
        }
    };
    let finish =
        |head: &[u8; HEAD], dot| batch.terms.distance(dot, float(head, SCALE), float(head, 4));
    (0..AHEAD).for_each(ask);
    let groups = batch.nodes.chunks(4).zip(out.chunks_mut(4));
    for (group, (nodes, out)) in groups.enumerate() {
        (0..4).for_each(|i| ask(4 * group + AHEAD + i));
        if let ([a, b, c, d], [w, x, y, z]) = (nodes, &mut *out) {
            let rows = (batch.row(*a), batch.row(*b), batch.row(*c), batch.row(*d));
            if let (Some(a), Some(b), Some(c), Some(d)) = rows {
                let dots = four([a.1, b.1, c.1, d.1]);
                *w = finish(a.0, dots[0]);
                *x = finish(b.0, dots[1]);
                *y = finish(c.0, dots[2]);
                *z = finish(d.0, dots[3]);
                continue;
            }
        }
        for (node, out) in nodes.iter().zip(out) {
            *out = match batch.row::<HEAD>(*node) {
                Some((head, values)) => finish(head, one(values)),
                None => batch.terms.bias,
            };
        }
    }
}
