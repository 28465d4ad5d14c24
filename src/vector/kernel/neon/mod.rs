//! Owns the kernels for AArch64, where NEON is always available.
#![expect(unsafe_code, reason = "SIMD loads")]

use std::arch::aarch64::{
    vaddq_f32, vaddvq_f32, vdupq_n_f32, vfmaq_f32, vfmsq_n_f32, vld1q_f32, vsubq_f32,
};

use super::scalar;
use super::table::Kernels;

mod blocks;
mod rows;

/// Returns the kernels.
pub(super) fn kernels() -> Option<Kernels> {
    Some(Kernels {
        name: "neon",
        dot_f32,
        l2_f32,
        l2_scaled_f32,
        prefetch: |_| {},
        ask: |_, _, _| {},
        // SAFETY: NEON is part of every AArch64 target.
        int8: |batch, query, out| unsafe { rows::int8(batch, query, out) },
        // SAFETY: NEON is part of every AArch64 target.
        bits4: |batch, query, out| unsafe { rows::bits4(batch, query, out) },
        // SAFETY: NEON is part of every AArch64 target.
        bits2: |batch, query, out| unsafe { rows::bits2(batch, query, out) },
        // SAFETY: NEON is part of every AArch64 target.
        bits1: |batch, query, out| unsafe { rows::bits1(batch, query, out) },
        // SAFETY: NEON is part of every AArch64 target.
        planes: |batch, query, out| unsafe { rows::planes(batch, query, out) },
        // SAFETY: NEON is part of every AArch64 target.
        bits4_pairs: |batch, a, out| unsafe { rows::bits4_pairs(batch, a, out) },
        // SAFETY: NEON is part of every AArch64 target.
        bits2_pairs: |batch, a, out| unsafe { rows::bits2_pairs(batch, a, out) },
        // SAFETY: NEON is part of every AArch64 target.
        bits1_pairs: |batch, a, out| unsafe { rows::bits1_pairs(batch, a, out) },
        // SAFETY: NEON is part of every AArch64 target.
        blocks: |call, out| unsafe { blocks::blocks(call, out) },
    })
}

fn dot_f32(a: &[f32], b: &[f32]) -> f32 {
    let len = a.len().min(b.len());
    let (a, a_tail) = a[..len].as_chunks::<4>();
    let (b, b_tail) = b[..len].as_chunks::<4>();
    // SAFETY: NEON is part of every AArch64 target; each load reads a chunk of 4 floats.
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "one fact holds for all")]
    let sum = unsafe {
        let mut sums = [vdupq_n_f32(0.0); 4];
        for (i, (x, y)) in a.iter().zip(b).enumerate() {
            sums[i % 4] = vfmaq_f32(sums[i % 4], vld1q_f32(x.as_ptr()), vld1q_f32(y.as_ptr()));
        }
        vaddvq_f32(vaddq_f32(vaddq_f32(sums[0], sums[1]), vaddq_f32(sums[2], sums[3])))
    };
    sum + scalar::dot_f32(a_tail, b_tail)
}

fn l2_f32(a: &[f32], b: &[f32]) -> f32 {
    let len = a.len().min(b.len());
    let (a, a_tail) = a[..len].as_chunks::<4>();
    let (b, b_tail) = b[..len].as_chunks::<4>();
    // SAFETY: NEON is part of every AArch64 target; each load reads a chunk of 4 floats.
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "one fact holds for all")]
    let sum = unsafe {
        let mut sums = [vdupq_n_f32(0.0); 4];
        for (i, (x, y)) in a.iter().zip(b).enumerate() {
            let d = vsubq_f32(vld1q_f32(x.as_ptr()), vld1q_f32(y.as_ptr()));
            sums[i % 4] = vfmaq_f32(sums[i % 4], d, d);
        }
        vaddvq_f32(vaddq_f32(vaddq_f32(sums[0], sums[1]), vaddq_f32(sums[2], sums[3])))
    };
    sum + scalar::l2_f32(a_tail, b_tail)
}

fn l2_scaled_f32(a: &[f32], b: &[f32], factor: f32) -> f32 {
    let len = a.len().min(b.len());
    let (a, a_tail) = a[..len].as_chunks::<4>();
    let (b, b_tail) = b[..len].as_chunks::<4>();
    // SAFETY: NEON is part of every AArch64 target; each load reads a chunk of 4 floats.
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "one fact holds for all")]
    let sum = unsafe {
        let mut sums = [vdupq_n_f32(0.0); 4];
        for (i, (x, y)) in a.iter().zip(b).enumerate() {
            let d = vfmsq_n_f32(vld1q_f32(x.as_ptr()), vld1q_f32(y.as_ptr()), factor);
            sums[i % 4] = vfmaq_f32(sums[i % 4], d, d);
        }
        vaddvq_f32(vaddq_f32(vaddq_f32(sums[0], sums[1]), vaddq_f32(sums[2], sums[3])))
    };
    sum + scalar::l2_scaled_f32(a_tail, b_tail, factor)
}
