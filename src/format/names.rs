//! Owns the names of files in a store. Names are made of numbers only: the name of a collection
//! never becomes a path. A file whose name is not known here is not the store's and is left alone.

use std::fmt;

use crate::ids::FileId;

/// A file of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum FileName {
    Lock,
    /// Reserved space, released on a full disk.
    Reserve,
    Manifest(u64),
    ManifestTmp(u64),
    /// The manifest that was in force before.
    ManifestOld(u64),
    Log(FileId),
    Segment(FileId),
    Deletes(FileId),
    Index(FileId),
    Locator(FileId),
    /// Present while the first backup into a directory is not whole.
    Unfinished,
}

impl FileName {
    /// Parses a file name; `None` if it is not a name of a store's file.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        if name == "LOCK" {
            return Some(Self::Lock);
        }
        if name == "UNFINISHED" {
            return Some(Self::Unfinished);
        }
        if name == "RESERVE" {
            return Some(Self::Reserve);
        }
        let (kind, number) = name.split_once('-')?;
        if kind == "MANIFEST" {
            return match number.split_once('.') {
                Some((number, "tmp")) => Some(Self::ManifestTmp(parse_hex(number)?)),
                Some((number, "old")) => Some(Self::ManifestOld(parse_hex(number)?)),
                Some(_) => None,
                None => Some(Self::Manifest(parse_hex(number)?)),
            };
        }
        let file = FileId(parse_hex(number)?);
        match kind {
            "log" => Some(Self::Log(file)),
            "seg" => Some(Self::Segment(file)),
            "del" => Some(Self::Deletes(file)),
            "idx" => Some(Self::Index(file)),
            "loc" => Some(Self::Locator(file)),
            _ => None,
        }
    }

    /// Returns the number of a data file. Manifests have a numbering of their own.
    pub(crate) const fn file(self) -> Option<FileId> {
        match self {
            Self::Log(f) | Self::Segment(f) | Self::Deletes(f) => Some(f),
            Self::Index(f) | Self::Locator(f) => Some(f),
            Self::Lock | Self::Reserve | Self::Unfinished => None,
            Self::Manifest(_) | Self::ManifestTmp(_) | Self::ManifestOld(_) => None,
        }
    }
}

/// Parses sixteen lower-case hexadecimal digits, as `Display` writes them. Numbers in the upper
/// half are refused: no store gets that far, and counting on from the last one would overflow.
fn parse_hex(digits: &str) -> Option<u64> {
    let lower = digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if digits.len() != 16 || !lower {
        return None;
    }
    u64::from_str_radix(digits, 16).ok().filter(|number| *number <= u64::MAX / 2)
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lock => f.write_str("LOCK"),
            Self::Reserve => f.write_str("RESERVE"),
            Self::Unfinished => f.write_str("UNFINISHED"),
            Self::Manifest(n) => write!(f, "MANIFEST-{n:016x}"),
            Self::ManifestTmp(n) => write!(f, "MANIFEST-{n:016x}.tmp"),
            Self::ManifestOld(n) => write!(f, "MANIFEST-{n:016x}.old"),
            Self::Log(file) => write!(f, "log-{:016x}", file.0),
            Self::Segment(file) => write!(f, "seg-{:016x}", file.0),
            Self::Deletes(file) => write!(f, "del-{:016x}", file.0),
            Self::Index(file) => write!(f, "idx-{:016x}", file.0),
            Self::Locator(file) => write!(f, "loc-{:016x}", file.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_foreign_names_are_left_alone() {
        let file = FileId(0x2a);
        let all = [
            FileName::Lock,
            FileName::Reserve,
            FileName::Unfinished,
            FileName::Manifest(7),
            FileName::ManifestTmp(7),
            FileName::ManifestOld(7),
            FileName::Log(file),
            FileName::Segment(file),
            FileName::Deletes(file),
            FileName::Index(file),
            FileName::Locator(FileId(u64::MAX / 2)),
        ];
        for name in all {
            assert_eq!(FileName::parse(&name.to_string()), Some(name));
        }
        for foreign in [".DS_Store", "log-2A", "log-", "seg-000000000000002a.bak", "notes.txt", ""]
            .into_iter()
            .chain(["log-ffffffffffffffff", "MANIFEST-8000000000000000"])
        {
            assert_eq!(FileName::parse(foreign), None, "{foreign}");
        }
    }
}
