//! Owns the `serde` form of a filter. In text formats an open end of a range is null, and is
//! accepted if left out. In binary formats it is a plain value. Formats that read filters recurse,
//! so the depth is bounded while reading.

use std::fmt;

use serde::de::{
    DeserializeSeed, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::ser::{Error as _, SerializeStructVariant};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Filter;
use super::stored::TOKENS_END;
use crate::clock::Timestamp;

/// Most levels that are read: more than a filter may have once its joins are flat.
const MAX_LEVELS: usize = 128;

const NAME: &str = "Filter";
const ENDS: &[&str] = &["from", "to"];
const KINDS: &[&str] = &[
    "All",
    "Namespace",
    "Session",
    "Kind",
    "TagsAny",
    "TagsAll",
    "Key",
    "Created",
    "EventTime",
    "Importance",
    "Pinned",
    "Ids",
    "And",
    "Or",
    "Not",
    "Field",
    "ValidAt",
    "Superseded",
    "DerivedFrom",
    "HasSession",
    "Expires",
    "Tokens",
    "NamespaceUnder",
];

/// The kinds, in the order of [`KINDS`].
#[derive(Deserialize)]
#[serde(variant_identifier)]
enum Variant {
    All,
    Namespace,
    Session,
    Kind,
    TagsAny,
    TagsAll,
    Key,
    Created,
    EventTime,
    Importance,
    Pinned,
    Ids,
    And,
    Or,
    Not,
    Field,
    ValidAt,
    Superseded,
    DerivedFrom,
    HasSession,
    Expires,
    Tokens,
    NamespaceUnder,
}

impl Serialize for Filter {
    /// Fails for a filter nested too deeply for any operation to accept.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.check_size().map_err(S::Error::custom)?;
        if self.is_flat() {
            return Checked(self).serialize(serializer);
        }
        Checked(&self.clone().rebuilt(|_| {})).serialize(serializer)
    }
}

/// A filter known to be flat and not too deep.
struct Checked<'a>(&'a Filter);

impl Serialize for Checked<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Filter::All => s.serialize_unit_variant(NAME, 0, "All"),
            Filter::Namespace(name) => s.serialize_newtype_variant(NAME, 1, "Namespace", name),
            Filter::Session(name) => s.serialize_newtype_variant(NAME, 2, "Session", name),
            Filter::Kind(name) => s.serialize_newtype_variant(NAME, 3, "Kind", name),
            Filter::TagsAny(names) => s.serialize_newtype_variant(NAME, 4, "TagsAny", names),
            Filter::TagsAll(names) => s.serialize_newtype_variant(NAME, 5, "TagsAll", names),
            Filter::Key(key) => s.serialize_newtype_variant(NAME, 6, "Key", key),
            Filter::Created { from, to } => put_times(s, (7, "Created"), *from, *to),
            Filter::EventTime { from, to } => put_times(s, (8, "EventTime"), *from, *to),
            Filter::Importance { from, to } => put_importances(s, *from, *to),
            Filter::Pinned(pinned) => s.serialize_newtype_variant(NAME, 10, "Pinned", pinned),
            Filter::Ids(ids) => s.serialize_newtype_variant(NAME, 11, "Ids", ids),
            Filter::And(all) => s.serialize_newtype_variant(NAME, 12, "And", &checked(all)),
            Filter::Or(any) => s.serialize_newtype_variant(NAME, 13, "Or", &checked(any)),
            Filter::Not(inner) => s.serialize_newtype_variant(NAME, 14, "Not", &Checked(inner)),
            Filter::Field(field) => s.serialize_newtype_variant(NAME, 15, "Field", field),
            Filter::ValidAt(at) => s.serialize_newtype_variant(NAME, 16, "ValidAt", at),
            Filter::Superseded(superseded) => {
                s.serialize_newtype_variant(NAME, 17, "Superseded", superseded)
            }
            Filter::DerivedFrom(id) => s.serialize_newtype_variant(NAME, 18, "DerivedFrom", id),
            Filter::HasSession => s.serialize_unit_variant(NAME, 19, "HasSession"),
            Filter::Expires { from, to } => put_times(s, (20, "Expires"), *from, *to),
            Filter::Tokens { from, to } => put_tokens(s, *from, *to),
            Filter::NamespaceUnder(name) => {
                s.serialize_newtype_variant(NAME, 22, "NamespaceUnder", name)
            }
        }
    }
}

fn checked(list: &[Filter]) -> Vec<Checked<'_>> {
    list.iter().map(Checked).collect()
}

fn put_times<S: Serializer>(
    s: S,
    kind: (u32, &'static str),
    from: Timestamp,
    to: Timestamp,
) -> Result<S::Ok, S::Error> {
    let (from_end, to_end) =
        ((from != Timestamp::MIN).then_some(from), (to != Timestamp::MAX).then_some(to));
    put_range(s, kind, (from, from_end), (to, to_end))
}

fn put_importances<S: Serializer>(s: S, from: f32, to: f32) -> Result<S::Ok, S::Error> {
    if from.is_nan() || to.is_nan() {
        return Err(S::Error::custom("an importance in a filter is NaN"));
    }
    let (from_end, to_end) =
        ((from != f32::NEG_INFINITY).then_some(from), (to != f32::INFINITY).then_some(to));
    put_range(s, (9, "Importance"), (from, from_end), (to, to_end))
}

fn put_tokens<S: Serializer>(s: S, from: u64, to: u64) -> Result<S::Ok, S::Error> {
    let (from_end, to_end) = ((from != 0).then_some(from), (to != TOKENS_END).then_some(to));
    put_range(s, (21, "Tokens"), (from, from_end), (to, to_end))
}

/// Writes both ends of a range as values; in text formats an open end is none.
fn put_range<S: Serializer, T: Serialize>(
    s: S,
    (index, name): (u32, &'static str),
    from: (T, Option<T>),
    to: (T, Option<T>),
) -> Result<S::Ok, S::Error> {
    let text = s.is_human_readable();
    let mut range = s.serialize_struct_variant(NAME, index, name, 2)?;
    if text {
        range.serialize_field("from", &from.1)?;
        range.serialize_field("to", &to.1)?;
    } else {
        range.serialize_field("from", &from.0)?;
        range.serialize_field("to", &to.0)?;
    }
    range.end()
}

impl<'de> Deserialize<'de> for Filter {
    /// Reads a filter and makes its joins flat.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.is_human_readable();
        let filter = Level { text, depth: 0 }.deserialize(deserializer)?;
        Ok(filter.rebuilt(|_| {}))
    }
}

/// Reads one filter at this level of nesting.
#[derive(Clone, Copy)]
struct Level {
    text: bool,
    depth: usize,
}

impl Level {
    const fn below(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Filter;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Filter, D::Error> {
        if self.depth > MAX_LEVELS {
            return Err(D::Error::custom("a filter is nested too deeply; join lists flat"));
        }
        deserializer.deserialize_enum(NAME, KINDS, self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Filter;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a filter: the name of its kind with what it asks for")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Filter, A::Error> {
        let (kind, value) = data.variant::<Variant>()?;
        let times = Ends { text: self.text, open: (Timestamp::MIN, Timestamp::MAX) };
        let tokens = Ends { text: self.text, open: (0, TOKENS_END) };
        let importances = Ends { text: self.text, open: (f32::NEG_INFINITY, f32::INFINITY) };
        Ok(match kind {
            Variant::All => {
                value.unit_variant()?;
                Filter::All
            }
            Variant::Namespace => Filter::Namespace(value.newtype_variant()?),
            Variant::Session => Filter::Session(value.newtype_variant()?),
            Variant::Kind => Filter::Kind(value.newtype_variant()?),
            Variant::TagsAny => Filter::TagsAny(value.newtype_variant()?),
            Variant::TagsAll => Filter::TagsAll(value.newtype_variant()?),
            Variant::Key => Filter::Key(value.newtype_variant()?),
            Variant::Created => {
                let (from, to) = value.struct_variant(ENDS, times)?;
                Filter::Created { from, to }
            }
            Variant::EventTime => {
                let (from, to) = value.struct_variant(ENDS, times)?;
                Filter::EventTime { from, to }
            }
            Variant::Importance => {
                let (from, to) = value.struct_variant(ENDS, importances)?;
                Filter::Importance { from, to }
            }
            Variant::Pinned => Filter::Pinned(value.newtype_variant()?),
            Variant::Ids => Filter::Ids(value.newtype_variant()?),
            Variant::And => Filter::And(value.newtype_variant_seed(List(self.below()))?),
            Variant::Or => Filter::Or(value.newtype_variant_seed(List(self.below()))?),
            Variant::Not => Filter::Not(Box::new(value.newtype_variant_seed(self.below())?)),
            Variant::Field => Filter::Field(value.newtype_variant()?),
            Variant::ValidAt => Filter::ValidAt(value.newtype_variant()?),
            Variant::Superseded => Filter::Superseded(value.newtype_variant()?),
            Variant::DerivedFrom => Filter::DerivedFrom(value.newtype_variant()?),
            Variant::HasSession => {
                value.unit_variant()?;
                Filter::HasSession
            }
            Variant::Expires => {
                let (from, to) = value.struct_variant(ENDS, times)?;
                Filter::Expires { from, to }
            }
            Variant::Tokens => {
                let (from, to) = value.struct_variant(ENDS, tokens)?;
                Filter::Tokens { from, to }
            }
            Variant::NamespaceUnder => Filter::NamespaceUnder(value.newtype_variant()?),
        })
    }
}

/// Reads the filters of one list.
struct List(Level);

impl<'de> DeserializeSeed<'de> for List {
    type Value = Vec<Filter>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List {
    type Value = Vec<Filter>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of filters")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        // The vector grows with the elements that are read, not with the length that the input
        // claims.
        let mut list = Vec::new();
        while let Some(filter) = seq.next_element_seed(self.0)? {
            list.push(filter);
        }
        Ok(list)
    }
}

/// The two ends of a range, and the values that stand for open ends.
#[derive(Clone, Copy)]
struct Ends<T> {
    text: bool,
    open: (T, T),
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum End {
    From,
    To,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Ends<T> {
    type Value = (T, T);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a range: `from` and `to`, each left out if it is open")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        if self.text {
            let from: Option<T> = seq.next_element()?.flatten();
            let to: Option<T> = seq.next_element()?.flatten();
            return Ok((from.unwrap_or(self.open.0), to.unwrap_or(self.open.1)));
        }
        let from = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        let to = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(1, &"two ends"))?;
        Ok((from, to))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut from, mut to): (Option<Option<T>>, Option<Option<T>>) = (None, None);
        while let Some(end) = map.next_key::<End>()? {
            let (name, value) = match end {
                End::From => ("from", &mut from),
                End::To => ("to", &mut to),
            };
            if value.replace(map.next_value()?).is_some() {
                return Err(A::Error::duplicate_field(name));
            }
        }
        let (from, to) = (from.flatten(), to.flatten());
        Ok((from.unwrap_or(self.open.0), to.unwrap_or(self.open.1)))
    }
}
