//! Owns the postings of a segment: the rows of each namespace, session, kind and tag, as roaring
//! bitmaps behind a sorted dictionary. Layout: `format.md`, "Postings".
//!
//! Invariant: the dictionary is sorted by field and then by name, so the names with one prefix are
//! neighbors.

use std::collections::BTreeMap;
use std::ops::Range;

use roaring::RoaringBitmap;

use super::row::Row;
use crate::filter::Attributes;
use crate::format::DecodeError;
use crate::format::cursor::Cursor;

/// The attribute that a posting list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Field {
    Namespace = 1,
    Session = 2,
    Kind = 3,
    Tag = 4,
}

/// Bytes of a dictionary entry: offset and length of the name, offset and length of the bitmap.
const ENTRY: usize = 16;

/// Collects postings while a segment is written.
#[derive(Debug, Default)]
pub(super) struct PostingsBuilder {
    lists: BTreeMap<(u8, String), RoaringBitmap>,
}

impl PostingsBuilder {
    pub(super) fn add(&mut self, row: Row, of: &Attributes<'_>) {
        let names = [
            (Field::Namespace, of.namespace),
            (Field::Session, of.session),
            (Field::Kind, of.kind),
        ];
        let names = names.into_iter().filter_map(|(field, name)| Some((field, name?)));
        for (field, name) in names.chain(of.tags.iter().map(|tag| (Field::Tag, *tag))) {
            self.lists.entry((field as u8, name.to_owned())).or_default().insert(row);
        }
    }

    /// Returns the stored form: count, dictionary, then names and bitmaps.
    pub(super) fn encode(self) -> Vec<u8> {
        let start = 4 + self.lists.len() * ENTRY;
        let (mut dictionary, mut heap) = (Vec::with_capacity(start), Vec::new());
        dictionary.extend_from_slice(&(self.lists.len() as u32).to_le_bytes());
        for ((field, name), mut rows) in self.lists {
            rows.optimize();
            let name_at = start + heap.len();
            heap.push(field);
            heap.extend_from_slice(name.as_bytes());
            let rows_at = start + heap.len();
            // Writing to a vector cannot fail.
            let _ = rows.serialize_into(&mut heap);
            let rows_len = start + heap.len() - rows_at;
            for number in [name_at, rows_at - name_at, rows_at, rows_len] {
                dictionary.extend_from_slice(&(number as u32).to_le_bytes());
            }
        }
        dictionary.extend_from_slice(&heap);
        dictionary
    }
}

/// Stored postings. `read` returns the checked bytes of a range of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Postings<R> {
    read: R,
}

impl<'a, E: From<DecodeError>, R: Fn(Range<usize>) -> Result<&'a [u8], E>> Postings<R> {
    pub(super) const fn new(read: R) -> Self {
        Self { read }
    }

    fn count(&self) -> Result<usize, E> {
        Ok(Cursor::new((self.read)(0..4)?).u32()? as usize)
    }

    /// Returns where the name (with its field in front) and the bitmap of list `i` are.
    fn entry(&self, i: usize) -> Result<[Range<usize>; 2], E> {
        let at = i.saturating_mul(ENTRY).saturating_add(4);
        let mut cursor = Cursor::new((self.read)(at..at.saturating_add(ENTRY))?);
        let mut place = || -> Result<Range<usize>, DecodeError> {
            let (start, len) = (cursor.u32()? as usize, cursor.u32()? as usize);
            Ok(start..start.saturating_add(len))
        };
        Ok([place()?, place()?])
    }

    /// Returns the field and the name of a list.
    fn key(&self, key: Range<usize>) -> Result<(u8, &'a [u8]), E> {
        Ok((self.read)(key)?.split_first().map_or((0, &[][..]), |(field, name)| (*field, name)))
    }

    /// Returns the position of the first list of this field whose name is not before `name`.
    fn first_from(&self, field: Field, name: &[u8]) -> Result<usize, E> {
        let (mut low, mut high) = (0, self.count()?);
        while low < high {
            let middle = low + (high - low) / 2;
            let [key, _] = self.entry(middle)?;
            if self.key(key)? < (field as u8, name) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// Returns the rows with this name; empty if no row has it. O(log lists + rows found).
    fn rows(&self, field: Field, name: &str) -> Result<RoaringBitmap, E> {
        let at = self.first_from(field, name.as_bytes())?;
        if at < self.count()? {
            let [key, rows] = self.entry(at)?;
            if self.key(key)? == (field as u8, name.as_bytes()) {
                return Ok(decode_rows((self.read)(rows)?)?);
            }
        }
        Ok(RoaringBitmap::new())
    }

    /// Calls `visit` with each name of a field that begins with `prefix`, ascending, and the rows
    /// that have it. O(log lists + lists visited and their rows).
    pub(super) fn each(
        &self,
        field: Field,
        prefix: &str,
        visit: &mut dyn FnMut(&str, RoaringBitmap),
    ) -> Result<(), E> {
        let mut end = 0;
        for at in self.first_from(field, prefix.as_bytes())?..self.count()? {
            let [key, rows] = self.entry(at)?;
            // Lists that share bytes would make this quadratic.
            if key.start < end || rows.start < key.end {
                let reason = "posting lists are out of order";
                return Err(DecodeError::new(key.start as u64, reason).into());
            }
            end = rows.end;
            let (of, name) = self.key(key)?;
            if of != field as u8 || !name.starts_with(prefix.as_bytes()) {
                break;
            }
            let name = std::str::from_utf8(name)
                .map_err(|_| DecodeError::new(0, "a name in the postings is not UTF-8"))?;
            visit(name, decode_rows((self.read)(rows)?)?);
        }
        Ok(())
    }

    /// Returns the rows with at least one of these sorted names. Walks the names or the lists,
    /// whichever takes fewer steps: O(min(names, lists) log + rows found).
    pub(super) fn rows_of_any(
        &self,
        field: Field,
        names: &[impl AsRef<str>],
    ) -> Result<RoaringBitmap, E> {
        let (mut found, count) = (RoaringBitmap::new(), self.count()?);
        if names.len() <= count {
            for name in names {
                found |= self.rows(field, name.as_ref())?;
            }
            return Ok(found);
        }
        for i in 0..count {
            let [key, rows] = self.entry(i)?;
            let (of, key) = self.key(key)?;
            let named = || names.binary_search_by(|name| name.as_ref().as_bytes().cmp(key));
            if of == field as u8 && named().is_ok() {
                found |= decode_rows((self.read)(rows)?)?;
            }
        }
        Ok(found)
    }

    /// Returns the rows with a name that begins with `prefix`. O(log lists + names that match +
    /// rows found).
    pub(super) fn rows_from(&self, field: Field, prefix: &str) -> Result<RoaringBitmap, E> {
        let (mut low, mut high) = (0, self.count()?);
        let wanted = (field as u8, prefix.as_bytes());
        while low < high {
            let middle = low + (high - low) / 2;
            match split((self.read)(self.entry(middle)?[0].clone())?) < wanted {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        let mut found = RoaringBitmap::new();
        for i in low..self.count()? {
            let [key, rows] = self.entry(i)?;
            let (of, name) = split((self.read)(key)?);
            if of != field as u8 || !name.starts_with(prefix.as_bytes()) {
                break;
            }
            found |= decode_rows((self.read)(rows)?)?;
        }
        Ok(found)
    }

    /// Returns the number of names summed over all rows, to check a whole segment.
    pub(super) fn total(&self, rows: Row) -> Result<u64, E> {
        let mut total = 0;
        let count = self.count()?;
        let mut end = count.saturating_mul(ENTRY).saturating_add(4);
        for i in 0..count {
            let [name, list] = self.entry(i)?;
            // The parts must be ascending and disjoint: lists that share bytes would make this
            // quadratic.
            for part in [&name, &list] {
                if part.start != end {
                    let reason = "posting lists are out of order";
                    return Err(DecodeError::new(part.start as u64, reason).into());
                }
                end = part.end;
            }
            (self.read)(name)?;
            let list = decode_rows((self.read)(list)?)?;
            if list.max().is_some_and(|row| row >= rows) {
                let reason = "a posting list names a row that is not there";
                return Err(DecodeError::new(0, reason).into());
            }
            total += list.len();
        }
        Ok(total)
    }
}

/// Splits the key of a list into its field and its name.
fn split(key: &[u8]) -> (u8, &[u8]) {
    key.split_first().map_or((0, &[][..]), |(field, name)| (*field, name))
}

fn decode_rows(bytes: &[u8]) -> Result<RoaringBitmap, DecodeError> {
    RoaringBitmap::deserialize_from(bytes)
        .map_err(|_| DecodeError::new(0, "a posting list cannot be decoded"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::MemoryId;

    fn stored<'a>(
        bytes: &'a [u8],
    ) -> Postings<impl Fn(Range<usize>) -> Result<&'a [u8], DecodeError>> {
        Postings::new(|part| bytes.get(part).ok_or(DecodeError::new(0, "it passes the end")))
    }

    #[test]
    fn lists_come_back_by_name_and_damage_never_panics() {
        let mut builder = PostingsBuilder::default();
        for row in 0..100u32 {
            let (namespace, tag) = (format!("n{}", row % 7), format!("t{}", row % 3));
            let id = MemoryId::from(u64::from(row));
            let of = Attributes {
                namespace: Some(&namespace),
                tags: vec![&tag],
                ..Attributes::new(id, 0.5)
            };
            builder.add(row, &of);
        }
        let bytes = builder.encode();
        let postings = stored(&bytes);
        let rows = postings.rows(Field::Namespace, "n3").unwrap();
        assert!(rows.iter().eq((3..100).step_by(7)));
        assert!(postings.rows(Field::Tag, "n3").unwrap().is_empty());
        let from = |prefix| postings.rows_from(Field::Namespace, prefix).unwrap();
        assert!(from("").iter().eq(0..100) && from("n").iter().eq(0..100));
        assert_eq!(from("n3"), rows);
        assert!(from("m").is_empty() && from("o").is_empty());
        assert!(postings.rows_from(Field::Session, "").unwrap().is_empty());
        // Fewer names than lists, and more.
        for names in [vec!["n3", "t0", "t2"], vec!["t2"; 99]] {
            let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            let rows = postings.rows_of_any(Field::Tag, &names).unwrap();
            let wanted = |row: &u32| names.contains(&format!("t{}", row % 3));
            assert!(rows.iter().eq((0..100).filter(wanted)));
        }
        let mut seen = Vec::new();
        postings
            .each(Field::Tag, "t", &mut |name, rows| seen.push((name.to_owned(), rows.len())))
            .unwrap();
        assert_eq!(seen, [("t0".into(), 34), ("t1".into(), 33), ("t2".into(), 33)]);
        let mut names = Vec::new();
        postings.each(Field::Namespace, "n5", &mut |name, _| names.push(name.to_owned())).unwrap();
        assert_eq!(names, ["n5"]);
        postings.each(Field::Session, "", &mut |name, _| panic!("{name} is no session")).unwrap();
        assert_eq!(postings.total(100).unwrap(), 200);
        assert!(postings.total(99).is_err());
        // Every list is the first one: a thousand lists of a megabyte each would take a gigabyte to
        // decode.
        let mut shared = bytes.clone();
        let (first, rest) = shared[4..].split_at_mut(ENTRY);
        rest[..ENTRY].copy_from_slice(first);
        assert!(stored(&shared).total(100).is_err());
        assert!(stored(&shared).each(Field::Namespace, "", &mut |_, _| {}).is_err());
        for i in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[i] ^= 0x41;
            let _ = stored(&damaged).rows(Field::Namespace, "n3");
            let _ = stored(&damaged).total(100);
            let _ = stored(&damaged).each(Field::Tag, "", &mut |_, _| {});
            let _ = stored(&bytes[..i]).rows(Field::Tag, "t1");
        }
    }
}
