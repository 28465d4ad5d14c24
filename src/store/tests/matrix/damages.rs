//! Owns the list of damages to the golden store and carries them out.

use std::sync::Arc;

use super::golden::Golden;
use super::run::sized;
use super::setup::dir;
use crate::format::names::FileName;
use crate::splitmix::SplitMix;
use crate::testing::sim::FileSystem;

/// Damage to one file, or to two of a kind.
#[derive(Clone, Debug)]
pub(super) enum Damage {
    Flip {
        file: String,
        at: usize,
        bit: u8,
    },
    Cut {
        file: String,
        len: usize,
    },
    Append {
        file: String,
        zeros: bool,
        len: usize,
    },
    Zero {
        file: String,
        start: usize,
        len: usize,
    },
    /// Copies a block of 512 bytes over another one.
    Repeat {
        file: String,
        from: usize,
        to: usize,
    },
    SwapBlocks {
        file: String,
        a: usize,
        b: usize,
    },
    SwapFiles {
        a: String,
        b: String,
    },
    /// Restores earlier bytes of the same file.
    Older {
        at: usize,
    },
    Rename {
        file: String,
        to: String,
    },
    Delete {
        file: String,
    },
    Directory {
        file: String,
    },
}

const BLOCK: usize = 512;

/// Overwrites the block at `at` with as much of `block` as fits.
fn put(bytes: &mut [u8], at: usize, block: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(block) {
        *to = *from;
    }
}

fn block(bytes: &[u8], at: usize) -> Vec<u8> {
    bytes.iter().skip(at).take(BLOCK).copied().collect()
}

impl Damage {
    /// Returns the files that the damage changes.
    pub(super) fn files(&self, golden: &Golden) -> Vec<String> {
        match self {
            Self::Flip { file, .. }
            | Self::Cut { file, .. }
            | Self::Append { file, .. }
            | Self::Zero { file, .. }
            | Self::Repeat { file, .. }
            | Self::SwapBlocks { file, .. }
            | Self::Rename { file, .. }
            | Self::Delete { file }
            | Self::Directory { file } => vec![file.clone()],
            Self::SwapFiles { a, b } => vec![a.clone(), b.clone()],
            Self::Older { at } => {
                golden.older.iter().skip(*at).take(1).map(|o| o.0.clone()).collect()
            }
        }
    }

    /// Returns true if the files keep their names and only bytes change.
    pub(super) fn keeps_names(&self) -> bool {
        !matches!(self, Self::Rename { .. } | Self::Delete { .. } | Self::Directory { .. })
    }

    /// Returns the golden files with this damage.
    pub(super) fn apply(&self, golden: &Golden) -> std::io::Result<FileSystem> {
        let mut files = golden.files.clone();
        let path = |name: &String| dir().join(name);
        let bytes = |name: &String| golden.contents.get(name).map_or_else(Vec::new, |c| c.to_vec());
        let mut edit = |name: &String, change: &dyn Fn(&mut Vec<u8>)| {
            let mut content = bytes(name);
            change(&mut content);
            files.damage(&path(name), content)
        };
        match self {
            Self::Flip { file, at, bit } => edit(file, &|b| {
                b.iter_mut().skip(*at).take(1).for_each(|byte| *byte ^= 1 << bit);
            })?,
            Self::Cut { file, len } => edit(file, &|b| b.truncate(*len))?,
            Self::Append { file, zeros, len } => edit(file, &|b| {
                let garbage = |i: usize| if *zeros { 0 } else { (i * 131 + 7) as u8 };
                b.extend((0..*len).map(garbage));
            })?,
            Self::Zero { file, start, len } => edit(file, &|b| {
                b.iter_mut().skip(*start).take(*len).for_each(|byte| *byte = 0);
            })?,
            Self::Repeat { file, from, to } => edit(file, &|b| {
                let block = block(b, *from);
                put(b, *to, &block);
            })?,
            Self::SwapBlocks { file, a, b: other } => edit(file, &|b| {
                let (one, two) = (block(b, *a), block(b, *other));
                put(b, *other, &one);
                put(b, *a, &two);
            })?,
            Self::SwapFiles { a, b } => {
                files.damage(&path(a), bytes(b))?;
                files.damage(&path(b), bytes(a))?;
            }
            Self::Older { at } => {
                if let Some((name, content)) = golden.older.get(*at) {
                    files.damage(&path(name), content.to_vec())?;
                }
            }
            Self::Rename { file, to } => {
                files.lose(&path(file))?;
                files.damage(&path(to), bytes(file))?;
            }
            Self::Delete { file } => files.lose(&path(file))?,
            Self::Directory { file } => files.obstruct(&path(file))?,
        }
        Ok(files)
    }

    /// Undoes the damage.
    pub(super) fn undo(&self, golden: &Golden, files: &mut FileSystem) -> std::io::Result<()> {
        if let Self::Rename { to, .. } = self {
            files.lose(&dir().join(to))?;
        }
        if let Self::Directory { file } = self {
            files.clear(&dir().join(file));
        }
        for name in self.files(golden) {
            let content = golden.contents.get(&name).map_or_else(Vec::new, |c| c.to_vec());
            files.damage(&dir().join(&name), content)?;
        }
        Ok(())
    }
}

/// Returns the damages for this run's size.
pub(super) fn list(golden: &Golden, seed: u64) -> Vec<Damage> {
    let mut all = Vec::new();
    for (name, content) in &golden.contents {
        flips(name, content.len(), seed, &mut all);
        cuts(name, content.len(), seed, &mut all);
        blocks(name, content, seed, &mut all);
        whole(name, &mut all);
    }
    for prefix in ["MANIFEST-", "log-", "seg-", "del-", "idx-", "loc-"] {
        let files = golden.named(prefix);
        for (i, a) in files.iter().enumerate() {
            for b in &files[i + 1..] {
                all.push(Damage::SwapFiles { a: (*a).clone(), b: (*b).clone() });
            }
        }
    }
    all.extend((0..golden.older.len()).map(|at| Damage::Older { at }));
    all
}

fn flips(name: &str, len: usize, seed: u64, all: &mut Vec<Damage>) {
    let step = sized(127, 5, 1);
    for at in (0..len).filter(|at| (*at as u64 + seed).is_multiple_of(step as u64)) {
        for bit in 0..sized(1, 1, 2) {
            let bit = (bit as u64 + SplitMix(seed ^ at as u64).below(8)) % 8;
            all.push(Damage::Flip { file: name.to_owned(), at, bit: bit as u8 });
        }
    }
}

fn cuts(name: &str, len: usize, seed: u64, all: &mut Vec<Damage>) {
    let step = sized(1021, 23, 5);
    let lens = (0..len).filter(|at| (*at as u64 + seed).is_multiple_of(step as u64));
    let file = || name.to_owned();
    all.extend(
        lens.chain([0, 1, len.saturating_sub(1)]).map(|len| Damage::Cut { file: file(), len }),
    );
    for len in [1, 7, 8, 64, 4096] {
        all.extend([true, false].map(|zeros| Damage::Append { file: file(), zeros, len }));
    }
}

fn blocks(name: &str, content: &Arc<Vec<u8>>, seed: u64, all: &mut Vec<Damage>) {
    let step = sized(8, 1, 1);
    let mut rng = SplitMix(seed ^ content.len() as u64);
    let count = content.len().div_ceil(BLOCK);
    let file = || name.to_owned();
    for at in (0..count).filter(|at| (*at as u64 + seed).is_multiple_of(step as u64)) {
        for _ in 0..sized(1, 2, 6) {
            let (start, other) = (at * BLOCK, rng.below(count as u64) as usize * BLOCK);
            all.push(Damage::Zero { file: file(), start, len: BLOCK });
            all.push(Damage::Repeat { file: file(), from: other, to: start });
            all.push(Damage::SwapBlocks { file: file(), a: start, b: other });
            let start = rng.below(content.len() as u64) as usize;
            let len = 1 + rng.below(200) as usize;
            all.push(Damage::Zero { file: file(), start, len });
            let len = content.len() - start;
            all.push(Damage::Zero { file: file(), start, len });
        }
    }
}

/// Adds damages to whole files and their names.
fn whole(name: &str, all: &mut Vec<Damage>) {
    let file = name.to_owned();
    all.push(Damage::Delete { file: file.clone() });
    all.push(Damage::Directory { file: file.clone() });
    all.push(Damage::Rename { file: file.clone(), to: format!("{name}.bak") });
    // Another valid name: the file must not pass for that other file, nor be removed in a store
    // that misses it.
    if let Some((kind, _)) = FileName::parse(name).and_then(|_| name.split_once('-')) {
        all.push(Damage::Rename { file, to: format!("{kind}-00000000000f0000") });
    }
}
