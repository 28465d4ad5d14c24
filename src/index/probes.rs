//! Owns the queries by which a graph is measured: mixtures of two rows, and single rows. Real
//! queries resemble one of these, so the worse recall of the two counts.

use super::truth::{Kind, Probe};

/// Number of mixtures and of single rows that serve as queries.
const MIXED: usize = 112;
const SINGLE: usize = 44;
/// Share of a mixture that is one row; the rest is another row. Real queries lie farther from the
/// rows than rows from each other. With this share, recall on 20,000 sentence embeddings equalled
/// that of held-out queries to within 0.005 at every `ef`.
const OWN_SHARE: f32 = 0.6;
/// Spreads the second rows of mixtures over the index.
const PRIME: usize = 7919;

/// Returns the rows, numbers below `rows`, of which probes are made: pairs for mixtures, and single
/// rows. They are evenly spread. After a merge there are half as many. A merge costs only a quarter
/// of a build, and its result is added to the known table.
fn picked(rows: u32, merged: bool) -> (Vec<[u32; 2]>, Vec<u32>) {
    let (mixed, single) = if merged { (MIXED / 2, SINGLE / 2) } else { (MIXED, SINGLE) };
    let spread = |count: usize| {
        let count = count.min(rows as usize);
        (0..count).map(move |i| (i * rows as usize / count.max(1)) as u32)
    };
    let other = |i: usize| ((i * PRIME + PRIME) % rows.max(1) as usize) as u32;
    let mixed = spread(mixed).enumerate().map(|(i, own)| [own, other(i)]);
    // Single rows lie between the rows of mixtures.
    let step = rows / single as u32;
    (
        mixed.collect(),
        spread(single).map(|own| (own + step / 2).min(rows.saturating_sub(1))).collect(),
    )
}

/// Returns the mixture of two rows in stored form.
pub(crate) fn mixture(own: &[f32], other: &[f32]) -> Vec<f32> {
    own.iter().zip(other).map(|(x, y)| x * OWN_SHARE + y * (1.0 - OWN_SHARE)).collect()
}

/// Returns probes with their vectors, for a graph that is built or merged. Rows that cannot be read
/// are left out.
pub(crate) fn probes<P: Copy>(
    rows: u32,
    merged: bool,
    mut read: impl FnMut(u32) -> Option<(P, Vec<f32>)>,
) -> Vec<Probe<P>> {
    let (mixed, single) = picked(rows, merged);
    let mut probes = Vec::with_capacity(mixed.len() + single.len());
    for [own, other] in mixed {
        if let (Some((a, own)), Some((b, other))) = (read(own), read(other)) {
            let vector = mixture(&own, &other);
            probes.push(Probe { kind: Kind::Mixture, vector, made_from: vec![a, b] });
        }
    }
    for own in single {
        if let Some((place, vector)) = read(own) {
            probes.push(Probe { kind: Kind::Row, vector, made_from: vec![place] });
        }
    }
    probes
}
