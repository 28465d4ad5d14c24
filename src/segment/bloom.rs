//! Owns the filter over a segment's ids: it answers "not here" without reading the id column. A
//! split block Bloom filter (Putze, Sanders and Singler, "Cache-, hash- and space-efficient Bloom
//! filters", JEA 2009) with 16 bits per id: about one false positive in two thousand.

use crate::ids::MemoryId;

/// Words of 32 bits in a block. A block has 32 bytes, half a cache line; each id sets one bit in
/// each word.
const WORDS: usize = 8;
const BITS_PER_ID: usize = 16;

const fn blocks(ids: usize) -> usize {
    let blocks = (ids * BITS_PER_ID).div_ceil(WORDS * 32);
    if blocks == 0 { 1 } else { blocks }
}

/// Returns the size in bytes of the filter of `ids` ids.
pub(super) const fn bytes(ids: usize) -> usize {
    blocks(ids) * WORDS * 4
}

/// Builds the filter's bytes.
pub(super) fn build(ids: &[u128]) -> Vec<u8> {
    let blocks = blocks(ids.len());
    let mut words = vec![0u32; blocks * WORDS];
    for &id in ids {
        let hash = hash(MemoryId::from_u128(id));
        let block = block_of(hash, blocks);
        for (word, mask) in words[block * WORDS..(block + 1) * WORDS].iter_mut().zip(masks(hash)) {
            *word |= mask;
        }
    }
    words.iter().flat_map(|w| w.to_le_bytes()).collect()
}

/// Returns true if the id may be in the set; never false for an id in the set.
pub(super) fn may_contain(bytes: &[u8], id: MemoryId) -> bool {
    let (blocks, _) = bytes.as_chunks::<{ WORDS * 4 }>();
    let hash = hash(id);
    let Some(block) = blocks.get(block_of(hash, blocks.len())) else {
        return true;
    };
    let words = block.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b));
    words.zip(masks(hash)).all(|(word, mask)| word & mask != 0)
}

const fn block_of(hash: u64, blocks: usize) -> usize {
    (((hash >> 32) * blocks as u64) >> 32) as usize
}

/// Returns one bit for each word, from the lower half of the hash.
fn masks(hash: u64) -> impl Iterator<Item = u32> {
    const ODD: [u32; WORDS] = [
        0x47B6_137B,
        0x4497_4D91,
        0x8824_AD5B,
        0xA2B7_289D,
        0x7054_95C7,
        0x2DF1_424B,
        0x9EFC_4947,
        0x5C6B_FB31,
    ];
    ODD.into_iter().map(move |odd| 1 << ((hash as u32).wrapping_mul(odd) >> 27))
}

/// Mixes both halves of an id. Must be the same on every machine and in every version.
pub(super) fn hash(id: MemoryId) -> u64 {
    let (low, high) = (id.as_u128() as u64, (id.as_u128() >> 64) as u64);
    let mut x = low ^ high.rotate_left(32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for shift in [30, 27, 31] {
        x = (x ^ (x >> shift)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    }
    x ^ (x >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_is_missed_and_few_others_pass() {
        let ids: Vec<u128> = (0..5_000u128).map(|i| i * 3).collect();
        let bytes = build(&ids);
        assert!(ids.iter().all(|id| may_contain(&bytes, MemoryId::from_u128(*id))));
        let others =
            (0..10_000u128).filter(|i| may_contain(&bytes, MemoryId::from_u128(i * 3 + 1)));
        assert!(others.count() < 60);
        assert!(may_contain(&[], MemoryId::from_u128(1)));
    }
}
