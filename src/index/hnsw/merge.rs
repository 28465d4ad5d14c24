//! Owns the part of a merge that starts from an older graph. The draft takes over the nodes that
//! stay, with their levels and lists, and repairs the lists that lost neighbors. The builder
//! inserts the new rows.
//!
//! The repair is local. The rest of a list stays, because choosing it again costs recall in every
//! generation. Neighbors of the lost neighbors fill the gap if they lie in other directions. This
//! is done even if most places are taken, or the few links between clusters would be lost. Only a
//! node that lost most of its list is searched for again like a new one and linked both ways. That
//! happens when a whole cluster is removed.
//!
//! Measured against alternatives in `benches/NOTES.md`, "Merging graphs". The idea of using the
//! neighbors of lost neighbors is from Singh et al., "FreshDiskANN", arXiv:2105.09613, section 4.2.

use super::base::Base;
use super::builder::BuildParams;
use super::draft::{CHUNK, Draft};
use crate::error::Result;
use crate::index::top::Candidate;
use crate::map_vec::MapVec;
use crate::vector::codes::CodeRows;

/// Entries of a lost neighbor's list that may replace it. The first ones are the nearest.
const FROM_LOST: usize = 16;

/// Candidates considered for each place of a gap.
const LOOKED_AT: usize = 4;

/// A list that lost neighbors.
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(super) struct Gap {
    level: u32,
    node: u32,
    /// The node's number in the older graph.
    old: u32,
    lost: u32,
}

/// Returns true if a list, including the entries that filled its gap, lost so much that its node
/// must be searched for again. It lost most of its entries, or over a quarter while few of its
/// places are taken. Few places alone prove nothing: where data lies along few directions, complete
/// lists are short.
const fn is_thin(kept: usize, lost: usize, filled: usize, places: usize) -> bool {
    lost > kept || (8 * filled < 3 * places && 4 * filled < 3 * (kept + lost))
}

impl<'a> Draft<'a> {
    /// Takes over the nodes that stay, and returns the lists that lost entries. The first node on
    /// the highest remaining level becomes the entry point.
    pub(super) fn from_base(
        codes: &CodeRows<'a>,
        params: &BuildParams<'_>,
        base: &Base<'_>,
    ) -> (Self, MapVec<Gap>) {
        let mut draft = Self::empty(codes, params);
        let mut gaps = MapVec::new();
        for (level, lists) in base.graph.levels.iter().enumerate() {
            let count = if level == 0 { base.graph.nodes as usize } else { lists.nodes.len() };
            for at in 0..count {
                let old = if level == 0 { at as u32 } else { lists.nodes[at] };
                let Some(node) = base.row(old) else {
                    continue;
                };
                draft.raise(node, level);
                let list = lists.neighbors(old);
                draft.set_list(node, level, base.rows_of(list));
                let lost = list.len() - draft.list(node, level).len();
                if lost > 0 {
                    gaps.push(Gap { level: level as u32, node, old, lost: lost as u32 });
                }
            }
        }
        (draft, gaps)
    }

    /// Fills the gaps of lists.
    pub(super) fn repair(
        &mut self,
        base: &Base<'_>,
        gaps: &[Gap],
        params: &BuildParams<'_>,
    ) -> Result<()> {
        let mut thin = Vec::new();
        for (at, gap) in gaps.iter().enumerate() {
            if at % CHUNK as usize == 0 {
                params.check()?;
            }
            let level = gap.level as usize;
            let kept = self.list(gap.node, level).len();
            self.refill(base, *gap);
            let filled = self.list(gap.node, level).len();
            if is_thin(kept, gap.lost as usize, filled, self.cap(level)) {
                thin.push(*gap);
            }
        }
        for (at, gap) in thin.iter().enumerate() {
            if at % CHUNK as usize == 0 {
                params.check()?;
            }
            self.search_again(gap.node, gap.level as usize);
        }
        Ok(())
    }

    /// Adds neighbors of the lost neighbors, nearest first, if they lie in other directions than
    /// the present entries.
    fn refill(&mut self, base: &Base<'_>, gap: Gap) {
        let Gap { level, node, old, lost } = gap;
        let (level, lost) = (level as usize, lost as usize);
        let Some(lists) = base.graph.levels.get(level) else {
            return;
        };
        let mut work = std::mem::take(&mut self.work);
        let kept = self.list(node, level).to_vec();
        let near = &mut work.near;
        near.clear();
        for gone in lists.neighbors(old).iter().filter(|n| base.row(**n).is_none()) {
            near.extend(base.rows_of(lists.neighbors(*gone)).take(FROM_LOST));
        }
        near.sort_unstable();
        near.dedup();
        near.retain(|other| *other != node && !kept.contains(other));
        self.measured(node, &mut work);
        let wanted = (kept.len() + lost).max(self.cap(level) * 3 / 4) - kept.len();
        let found = std::mem::take(&mut work.candidates);
        // Farther ones rarely lie in a new direction.
        let nearest = &found[..found.len().min(LOOKED_AT * wanted)];
        let chosen = self.select(&kept, nearest, wanted, &mut work);
        work.candidates = found;
        let all = kept.iter().copied().chain(chosen.iter().map(|c| c.node));
        self.set_list(node, level, all);
        self.work = work;
    }

    /// Searches for the neighbors of a node that has too few, and links them both ways.
    fn search_again(&mut self, node: u32, level: usize) {
        let mut work = std::mem::take(&mut self.work);
        let kept = self.list(node, level).to_vec();
        let origin = self.codes.origin(node).with_sieve();
        self.approach(&origin, node, level, &mut work);
        self.search_level(&origin, node, level, &mut work);
        let mut found = std::mem::take(&mut work.candidates);
        found.retain(|c| c.node != node && !kept.contains(&c.node));
        let room = self.cap(level).saturating_sub(kept.len());
        let chosen: Vec<Candidate> = self.select(&kept, &found, room, &mut work);
        let all = kept.iter().copied().chain(chosen.iter().map(|c| c.node));
        self.set_list(node, level, all);
        for neighbor in &chosen {
            self.link_back(neighbor.node, node, level, &mut work);
        }
        work.candidates = found;
        self.work = work;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_thin_by_what_it_lost_not_by_how_short_it_is() {
        assert!(is_thin(4, 5, 9, 32), "most of it went, whatever filled the gap");
        assert!(is_thin(8, 4, 8, 32), "a third went, and nothing came");
        assert!(!is_thin(8, 2, 8, 32), "short before, and hardly shorter now");
        assert!(!is_thin(8, 4, 12, 32), "filled again");
        assert!(!is_thin(20, 10, 20, 32), "long enough still");
    }
}
