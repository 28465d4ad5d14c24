//! Owns the states that a power cut may leave of a simulated file system. Any unsynced change may
//! be there or missing, in any order: whole, torn, as zeros, or as garbage within the range that
//! was written. A rename is atomic, and bytes outside a written range stay as they are. Nothing
//! else is assumed (format.md, "What is assumed of the medium").

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::fs::{Dir, File, FileSystem, Inode, Piece, apply, put};
use crate::splitmix::SplitMix;

/// The fate of bytes that were written and not synced.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Data {
    Lost,
    Kept,
    AllButLast,
    OnlyLast,
    /// The files have their sizes, but zeros instead of the bytes.
    Zeros,
    /// The last write is torn at multiples of this many bytes.
    TornLast(usize),
    /// The last write is garbage.
    GarbageLast,
    /// Each part of this size is kept or lost by chance.
    Random(usize),
}

/// The fate of names that were changed and not synced.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Names {
    Lost,
    Kept,
    AllButLast,
    OnlyLast,
    /// The changes up to a random moment are kept.
    Prefix,
    Random,
}

/// One result of a power cut.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// The image's name in reports.
    pub(crate) label: String,
    /// True for what a killed process leaves: everything.
    pub(crate) is_kill: bool,
    pub(crate) files: FileSystem,
}

const FIXED: [(Data, Names); 14] = [
    (Data::Kept, Names::Kept),
    (Data::Lost, Names::Lost),
    (Data::Kept, Names::Lost),
    (Data::Lost, Names::Kept),
    (Data::Zeros, Names::Kept),
    (Data::AllButLast, Names::Kept),
    (Data::OnlyLast, Names::Kept),
    (Data::Kept, Names::AllButLast),
    (Data::Kept, Names::OnlyLast),
    (Data::TornLast(512), Names::Kept),
    (Data::TornLast(4096), Names::Kept),
    (Data::TornLast(1), Names::Kept),
    (Data::GarbageLast, Names::Kept),
    (Data::Kept, Names::Prefix),
];

impl FileSystem {
    /// Returns the distinct images that a crash at this moment may leave: a fixed list of likely
    /// and of nasty ones, and `random` more. The first is what a killed process leaves.
    pub(crate) fn images(&self, seed: u64, random: usize) -> Vec<Image> {
        let mut rng = SplitMix(seed);
        let mut seen = HashSet::new();
        let mut images = Vec::new();
        let chance = (0..random).map(|i| {
            let names = [Names::Random, Names::Prefix, Names::Kept][i % 3];
            (Data::Random([512, 4096, 1][(i / 3) % 3]), names)
        });
        for (data, names) in FIXED.into_iter().chain(chance) {
            let files = self.crashed(data, names, &mut rng);
            if seen.insert(files.fingerprint()) {
                let is_kill = images.is_empty();
                images.push(Image {
                    label: format!("{data:?} data, {names:?} names"),
                    is_kill,
                    files,
                });
            }
        }
        images
    }

    fn crashed(&self, data: Data, names: Names, rng: &mut SplitMix) -> FileSystem {
        let last = self.files.values().flat_map(|f| &f.pending).map(|p| p.order).max();
        let mut image = FileSystem::default();
        for (path, dir) in &self.dirs {
            // A directory without a durable name is an unsynced change like any other.
            let stays = dir.anchored
                || match names {
                    Names::Kept | Names::AllButLast => true,
                    Names::Lost | Names::OnlyLast => false,
                    Names::Prefix | Names::Random => rng.below(2) == 0,
                };
            if !stays {
                continue;
            }
            let left = names_left(dir, names, rng);
            for inode in left.values() {
                if let Some(file) = self.files.get(inode) {
                    let content = content_left(file, data, last, rng);
                    let file =
                        File { cache: Arc::clone(&content), medium: content, pending: vec![] };
                    image.files.insert(*inode, Arc::new(file));
                }
            }
            let dir = Dir { names: left.clone(), durable: left, pending: vec![], anchored: true };
            image.dirs.insert(path.clone(), Arc::new(dir));
        }
        image.go_on_from(self);
        image
    }

    /// Returns a hash of the contents.
    pub(crate) fn fingerprint(&self) -> u64 {
        let (mut low, mut high) = (crc32fast::Hasher::new(), 0u32);
        for (path, dir) in &self.dirs {
            low.update(path.as_os_str().as_encoded_bytes());
            for (name, inode) in &dir.names {
                low.update(name.as_bytes());
                if let Some(file) = self.files.get(inode) {
                    let crc = crc32fast::hash(&file.cache);
                    low.update(&crc.to_le_bytes());
                    low.update(&(file.cache.len() as u64).to_le_bytes());
                    high = high.rotate_left(5) ^ crc;
                }
            }
        }
        u64::from(high) << 32 | u64::from(low.finalize())
    }
}

fn names_left(dir: &Dir, rule: Names, rng: &mut SplitMix) -> BTreeMap<String, Inode> {
    let mut names = dir.durable.clone();
    let count = dir.pending.len();
    let until = match rule {
        Names::Prefix => rng.below(count as u64 + 1) as usize,
        _ => count,
    };
    for (i, (_, op)) in dir.pending.iter().enumerate().take(until) {
        let keep = match rule {
            Names::Lost => false,
            Names::Kept | Names::Prefix => true,
            Names::AllButLast => i + 1 < count,
            Names::OnlyLast => i + 1 == count,
            Names::Random => rng.below(2) == 0,
        };
        if keep {
            apply(&mut names, op);
        }
    }
    names
}

fn content_left(file: &File, rule: Data, last: Option<u64>, rng: &mut SplitMix) -> Arc<Vec<u8>> {
    if file.pending.is_empty() || rule == Data::Lost {
        return Arc::clone(&file.medium);
    }
    let mut content = Vec::clone(&file.medium);
    for piece in &file.pending {
        let is_last = Some(piece.order) == last;
        let bytes = &file.cache[piece.start..piece.end];
        match rule {
            Data::AllButLast if is_last => {}
            Data::OnlyLast if !is_last => {}
            Data::Zeros => put(&mut content, piece.start, &vec![0; bytes.len()]),
            Data::TornLast(size) if is_last => tear(&mut content, piece, bytes, size, false, rng),
            Data::GarbageLast if is_last => {
                let garbage: Vec<u8> = bytes.iter().map(|_| rng.next() as u8).collect();
                put(&mut content, piece.start, &garbage);
            }
            Data::Random(size) => tear(&mut content, piece, bytes, size, true, rng),
            _ => put(&mut content, piece.start, bytes),
        }
    }
    Arc::new(content)
}

/// Keeps some parts of a write: it is torn at one place, or each part is kept by chance.
fn tear(
    content: &mut Vec<u8>,
    piece: &Piece,
    bytes: &[u8],
    size: usize,
    each: bool,
    rng: &mut SplitMix,
) {
    if size == 1 {
        // By byte: a prefix, or everything but one byte.
        let at = rng.below(bytes.len() as u64 + 1) as usize;
        if rng.below(2) == 0 {
            return put(content, piece.start, &bytes[..at]);
        }
        put(content, piece.start, bytes);
        if at < bytes.len() {
            content[piece.start + at] = rng.next() as u8;
        }
        return;
    }
    let mut start = 0;
    while start < bytes.len() {
        let to_boundary = size - (piece.start + start) % size;
        let end = (start + to_boundary).min(bytes.len());
        let part = &bytes[start..end];
        match rng.below(if each { 5 } else { 3 }) {
            0 => {}
            1 => put(content, piece.start + start, &vec![0; part.len()]),
            2 if each => {
                let garbage: Vec<u8> = part.iter().map(|_| rng.next() as u8).collect();
                put(content, piece.start + start, &garbage);
            }
            _ => put(content, piece.start + start, part),
        }
        start = end;
    }
}
