//! Owns the choice of neighbors: SELECT-NEIGHBORS-HEURISTIC, algorithm 4 of the paper, without its
//! two extensions. Pure.

use crate::index::top::Candidate;

/// Distances measured in one call.
const BATCH: usize = 4;

/// Chooses at most `m` of the candidates, sorted nearest first, in addition to the `taken` nodes. A
/// candidate is chosen only if it is nearer to the node than to every taken or chosen node, so that
/// neighbors lie in different directions. `least` returns the least distance from a candidate to
/// some of those nodes.
///
/// O(candidates × m) distances.
pub(super) fn select_neighbors(
    taken: &[u32],
    candidates: &[Candidate],
    m: usize,
    mut least: impl FnMut(u32, &[u32]) -> f32,
) -> Vec<Candidate> {
    let mut chosen: Vec<Candidate> = Vec::with_capacity(m);
    let mut nodes: Vec<u32> = Vec::with_capacity(taken.len() + m);
    nodes.extend_from_slice(taken);
    for candidate in candidates {
        if chosen.len() >= m {
            break;
        }
        // Most candidates are rejected by one of the first nodes.
        let mut parts = nodes.chunks(BATCH);
        if parts.all(|part| least(candidate.node, part) >= candidate.distance) {
            chosen.push(*candidate);
            nodes.push(candidate.node);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbors_lie_in_different_directions() {
        // On a line, seen from 0: 1 and 2 are on one side, -3 on the other.
        let place = [0.0f32, 1.0, 2.0, -3.0];
        let at = |i: u32| place[i as usize];
        let candidates: Vec<Candidate> =
            (1..4).map(|node| Candidate { distance: at(node).abs(), node }).collect();
        let choose = |taken: &[u32], candidates: &[Candidate]| {
            let chosen = select_neighbors(taken, candidates, 3, |a, others| {
                others.iter().map(|b| (at(a) - at(*b)).abs()).fold(f32::INFINITY, f32::min)
            });
            chosen.iter().map(|c| c.node).collect::<Vec<_>>()
        };
        assert_eq!(choose(&[], &candidates), [1, 3]);
        assert_eq!(choose(&[1], &candidates[1..]), [3]);
        assert_eq!(select_neighbors(&[], &candidates, 1, |_, _| 9.0).len(), 1);
    }
}
