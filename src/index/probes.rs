//! Owns the queries that a graph is measured with: some are mixtures of two rows, some single rows.
//! Real queries are like the one or the other, and the worse of the two counts.

use super::truth::{Kind, Probe};

/// Mixtures of rows and single rows that serve as queries.
const MIXED: usize = 112;
const SINGLE: usize = 44;
/// Share of a mixture that is one row; the rest is another one. Real queries lie farther from the
/// rows than rows from each other: at this share recall on 20,000 sentence embeddings was that of
/// held-out queries to within 0.005 at every `ef`.
const OWN_SHARE: f32 = 0.6;
/// Spreads the rows that are mixed in over the index.
const PRIME: usize = 7919;

/// The numbers, below `rows`, of those that probes are made of: pairs to be mixed, and single ones.
/// Evenly spread. After a merge half as many: it costs a quarter of a build, and what they say is
/// added to what is known of the graph.
fn picked(rows: u32, merged: bool) -> (Vec<[u32; 2]>, Vec<u32>) {
    let (mixed, single) = if merged { (MIXED / 2, SINGLE / 2) } else { (MIXED, SINGLE) };
    let spread = |count: usize| {
        let count = count.min(rows as usize);
        (0..count).map(move |i| (i * rows as usize / count.max(1)) as u32)
    };
    let other = |i: usize| ((i * PRIME + PRIME) % rows.max(1) as usize) as u32;
    let mixed = spread(mixed).enumerate().map(|(i, own)| [own, other(i)]);
    // Between those that are mixed.
    let step = rows / single as u32;
    (
        mixed.collect(),
        spread(single).map(|own| (own + step / 2).min(rows.saturating_sub(1))).collect(),
    )
}

/// The mixture of two rows in stored form.
pub(crate) fn mixture(own: &[f32], other: &[f32]) -> Vec<f32> {
    own.iter().zip(other).map(|(x, y)| x * OWN_SHARE + y * (1.0 - OWN_SHARE)).collect()
}

/// Probes with their vectors, for a graph that is built anew or merged. A row that cannot be read serves no
/// more.
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
