//! Owns the kernel of FastScan blocks for AArch64: 16 look-ups at a time.

use std::arch::aarch64::{
    uint16x8_t, vaddq_u8, vaddw_high_u8, vaddw_u8, vandq_u8, vdupq_n_u8, vdupq_n_u16, vget_low_u8,
    vld1q_u8, vqtbl1q_u8, vshrq_n_u8, vst1q_u16,
};

use crate::vector::kernel::batch::Lanes;
use crate::vector::kernel::blocks::{Blocks, ROWS, below, sift};

#[target_feature(enable = "neon")]
pub(super) fn blocks(blocks: &Blocks<'_>, out: &mut [u32]) {
    sift(blocks, out, |signs, tables| sums(signs, tables), below);
}

#[target_feature(enable = "neon")]
#[inline]
fn sums(signs: &[u8], tables: &[Lanes]) -> [u16; ROWS] {
    let half = vdupq_n_u8(0x0f);
    // The sums of eight rows each.
    let mut sums: [uint16x8_t; 4] = [vdupq_n_u16(0); 4];
    for (signs, tables) in signs.as_chunks::<64>().0.iter().zip(tables) {
        // The sum of four entries of at most 60 fits a byte.
        let mut bytes = [vdupq_n_u8(0); 2];
        let tables = tables.0.as_chunks::<16>().0;
        for (signs, table) in signs.as_chunks::<16>().0.iter().zip(tables) {
            // SAFETY: 16 bytes.
            let signs = unsafe { vld1q_u8(signs.as_ptr()) };
            // SAFETY: 16 bytes.
            let table = unsafe { vld1q_u8(table.as_ptr().cast()) };
            let halves = [vandq_u8(signs, half), vshrq_n_u8::<4>(signs)];
            for h in 0..2 {
                bytes[h] = vaddq_u8(bytes[h], vqtbl1q_u8(table, halves[h]));
            }
        }
        for h in 0..2 {
            sums[2 * h] = vaddw_u8(sums[2 * h], vget_low_u8(bytes[h]));
            sums[2 * h + 1] = vaddw_high_u8(sums[2 * h + 1], bytes[h]);
        }
    }
    let mut out = [0; ROWS];
    for (out, sums) in out.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
        // SAFETY: 8 numbers of 16 bits.
        unsafe { vst1q_u16(out.as_mut_ptr(), sums) };
    }
    out
}
