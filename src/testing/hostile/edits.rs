//! Owns inputs: bytes that are read as a list of edits to golden files. Every sequence of bytes is
//! an input, and a changed byte changes one edit, as a fuzzer's own mutations need it.
//!
//! An edit's position is a region of the file (a section, a frame, a table) and an offset in it. So
//! small regions are edited as often as large ones.

use std::ops::Range;

/// Numbers at the edge of a range.
const EDGES: [u64; 24] = [
    0,
    1,
    2,
    3,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x7FFF,
    0xFFFF,
    0x1_0000,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFE,
    0xFFFF_FFFF,
    0x1_0000_0000,
    0x7FFF_FFFF_FFFF_FFFF,
    0x8000_0000_0000_0000,
    u64::MAX - 1,
    u64::MAX,
    0x7FC0_0000, // a NaN
    0x7F80_0000, // infinity
    0xFF80_0000, // its negative
    0x0400_0000, // 64 MiB
];

/// Most edits of one input.
const MAX_EDITS: usize = 32;

/// An input that is being read.
pub(super) struct Input<'a> {
    /// True if checksums are corrected after the edits.
    pub(super) repair: bool,
    /// Selects among golden files and ways to read them.
    pub(super) variant: usize,
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        let mut input = Self { repair: false, variant: 0, rest: data };
        // Three of four inputs are repaired: the others end early.
        input.repair = !input.byte().is_multiple_of(4);
        input.variant = usize::from(input.byte());
        input
    }

    /// Returns true if edits are left.
    pub(super) const fn more(&self) -> bool {
        !self.rest.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        match self.rest.split_first() {
            Some((byte, rest)) => {
                self.rest = rest;
                *byte
            }
            None => 0,
        }
    }

    fn number(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }

    /// Applies all edits to one file.
    pub(super) fn edit(&mut self, bytes: &mut Vec<u8>, regions: &[Range<usize>]) {
        let mut edits = 0;
        while self.more() && edits < MAX_EDITS {
            self.edit_once(bytes, regions);
            edits += 1;
        }
    }

    fn place(&mut self, regions: &[Range<usize>], len: usize) -> usize {
        let region = regions.get(usize::from(self.byte()) % regions.len().max(1));
        let region = region.cloned().unwrap_or(0..len);
        let at = region.start + self.number() % region.len().max(1);
        at.min(len)
    }

    /// Applies the next edit.
    pub(super) fn edit_once(&mut self, bytes: &mut Vec<u8>, regions: &[Range<usize>]) {
        let op = self.byte();
        let at = self.place(regions, bytes.len());
        let size = usize::from(self.byte());
        match op % 12 {
            0 => {
                for byte in bytes.iter_mut().skip(at).take(size % 16 + 1) {
                    *byte = self.byte();
                }
            }
            1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << (size % 8);
                }
            }
            2 => overwrite(bytes, at & !3, &(EDGES[size % EDGES.len()] as u32).to_le_bytes()),
            3 => overwrite(bytes, at & !7, &EDGES[size % EDGES.len()].to_le_bytes()),
            4 => {
                let at = at & !3;
                if let Some(old) = bytes.get(at..at + 4) {
                    let old = u32::from_le_bytes(old.try_into().unwrap());
                    let new = old.wrapping_add_signed(i32::from(size as u8 as i8));
                    overwrite(bytes, at, &new.to_le_bytes());
                }
            }
            5 => bytes.iter_mut().skip(at).take(size % 64 + 1).for_each(|byte| *byte = 0),
            6 => {
                let from = self.place(regions, bytes.len());
                let copy: Vec<u8> = bytes.iter().skip(from).take(size + 1).copied().collect();
                overwrite(bytes, at, &copy);
            }
            7 => bytes.truncate(at),
            8 => drop(bytes.splice(at..at, std::iter::repeat_n(size as u8, size + 1))),
            9 => drop(bytes.drain(at..(at + size + 1).min(bytes.len()))),
            10 => {
                let (at, width) = (at & !3, [4, 8, 16, 32][size % 4]);
                if at + 2 * width <= bytes.len() {
                    bytes[at..at + 2 * width].rotate_left(width);
                }
            }
            _ => {
                // The same number everywhere: columns without order, offsets that do not grow.
                let word = self.number() as u32;
                for word_at in (at & !3..bytes.len()).step_by(4).take(size) {
                    overwrite(bytes, word_at, &word.to_le_bytes());
                }
            }
        }
    }
}

/// Overwrites the bytes that lie within the file.
fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    bytes.iter_mut().skip(at).zip(with).for_each(|(to, from)| *to = *from);
}

/// Returns a random input of a few edits.
pub(super) fn random(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = crate::splitmix::mix(state);
        state
    };
    let edits = 1 + next() % 5 * (next() % 3);
    (0..2 + edits * 7).map(|_| (next() >> 17) as u8).collect()
}
