//! Owns the kinds of shapes and their bytes. Layout: `format.md`, "Shape".

use crate::format::DecodeError;
use crate::format::cursor::Cursor;

/// Longest encoded shape; a value with a longer one is stored without.
pub(crate) const MAX_SHAPE_BYTES: usize = 64 << 10;
/// What is nested deeper is not described.
pub(super) const MAX_DEPTH: usize = 64;
/// Most nodes in each other: a variant with several fields is two.
pub(super) const MAX_NODES_DEEP: usize = 2 * MAX_DEPTH + 3;

/// The kinds of values without parts, as they are stored.
pub(super) mod leaf {
    pub(in crate::format::shape) const BOOL: u8 = 1;
    pub(in crate::format::shape) const I8: u8 = 2;
    pub(in crate::format::shape) const I16: u8 = 3;
    pub(in crate::format::shape) const I32: u8 = 4;
    pub(in crate::format::shape) const I64: u8 = 5;
    pub(in crate::format::shape) const I128: u8 = 6;
    pub(in crate::format::shape) const U8: u8 = 7;
    pub(in crate::format::shape) const U16: u8 = 8;
    pub(in crate::format::shape) const U32: u8 = 9;
    pub(in crate::format::shape) const U64: u8 = 10;
    pub(in crate::format::shape) const U128: u8 = 11;
    pub(in crate::format::shape) const F32: u8 = 12;
    pub(in crate::format::shape) const F64: u8 = 13;
    pub(in crate::format::shape) const CHAR: u8 = 14;
    pub(in crate::format::shape) const STRING: u8 = 15;
    pub(in crate::format::shape) const BYTES: u8 = 16;
    pub(in crate::format::shape) const UNIT: u8 = 17;

    pub(in crate::format::shape) const NAMES: [&str; 18] = [
        "anything", "bool", "i8", "i16", "i32", "i64", "i128", "u8", "u16", "u32", "u64", "u128",
        "f32", "f64", "char", "a string", "bytes", "nothing",
    ];
}

/// The kinds of values with parts, as they are stored.
mod whole {
    pub(in crate::format::shape) const ANY: u8 = 0;
    pub(in crate::format::shape) const OPTION: u8 = 18;
    pub(in crate::format::shape) const LIST: u8 = 19;
    pub(in crate::format::shape) const MAP: u8 = 20;
    pub(in crate::format::shape) const TUPLE: u8 = 21;
    pub(in crate::format::shape) const STRUCT: u8 = 22;
    pub(in crate::format::shape) const ENUM: u8 = 23;
    pub(in crate::format::shape) const ARRAY: u8 = 24;
}

/// What a type looks like, as far as one value of it shows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// The value had nothing there: an option without a value, a list without elements.
    Unseen,
    /// Too deep to be described, or of several kinds. It is not compared.
    Any,
    Leaf(u8),
    Option(Box<Shape>),
    List(Box<Shape>),
    Map(Box<(Shape, Shape)>),
    Tuple(Vec<Shape>),
    /// A tuple of equal parts.
    Array(u32, Box<Shape>),
    Struct(Vec<(String, Shape)>),
    /// The variants that the value had.
    Enum(Vec<Variant>),
}

/// One variant of an enum. A unit has nothing as its content.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Variant {
    pub(super) index: u32,
    pub(super) name: String,
    pub(super) content: Shape,
}

impl Shape {
    /// What is known of a type from two of its values.
    pub(super) fn merge(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unseen, known) | (known, Self::Unseen) => known,
            (Self::Leaf(a), Self::Leaf(b)) if a == b => Self::Leaf(a),
            (Self::Option(a), Self::Option(b)) => Self::Option(Box::new(a.merge(*b))),
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.merge(*b))),
            (Self::Map(a), Self::Map(b)) => {
                let ((key, value), (other_key, other_value)) = (*a, *b);
                Self::Map(Box::new((key.merge(other_key), value.merge(other_value))))
            }
            (Self::Array(len, a), Self::Array(other, b)) if len == other => {
                Self::Array(len, Box::new(a.merge(*b)))
            }
            (Self::Tuple(a), Self::Tuple(b)) if a.len() == b.len() => {
                Self::Tuple(a.into_iter().zip(b).map(|(a, b)| a.merge(b)).collect())
            }
            (Self::Tuple(parts), Self::Array(len, part))
            | (Self::Array(len, part), Self::Tuple(parts))
                if parts.len() == len as usize =>
            {
                Self::Tuple(parts.into_iter().map(|a| a.merge((*part).clone())).collect())
            }
            (Self::Struct(a), Self::Struct(b))
                if a.iter().map(|f| &f.0).eq(b.iter().map(|f| &f.0)) =>
            {
                let fields = a.into_iter().zip(b);
                Self::Struct(fields.map(|((name, a), (_, b))| (name, a.merge(b))).collect())
            }
            (Self::Enum(a), Self::Enum(b)) => merge_variants(a, b),
            _ => Self::Any,
        }
    }

    /// Appends the encoded shape; `None` if a count does not fit.
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Option<()> {
        // What is not going to be stored need not be made.
        if out.len() > MAX_SHAPE_BYTES {
            return None;
        }
        match self {
            Self::Unseen | Self::Any => out.push(whole::ANY),
            Self::Leaf(kind) => out.push(*kind),
            Self::Option(inner) => {
                out.push(whole::OPTION);
                inner.encode(out)?;
            }
            Self::List(element) => {
                out.push(whole::LIST);
                element.encode(out)?;
            }
            Self::Map(parts) => {
                out.push(whole::MAP);
                parts.0.encode(out)?;
                parts.1.encode(out)?;
            }
            Self::Tuple(parts) => {
                put_count(out, whole::TUPLE, parts.len())?;
                parts.iter().try_for_each(|part| part.encode(out))?;
            }
            Self::Array(len, part) => {
                out.push(whole::ARRAY);
                out.extend_from_slice(&len.to_le_bytes());
                part.encode(out)?;
            }
            Self::Struct(fields) => {
                put_count(out, whole::STRUCT, fields.len())?;
                for (name, field) in fields {
                    put_name(out, name)?;
                    field.encode(out)?;
                }
            }
            Self::Enum(variants) => {
                put_count(out, whole::ENUM, variants.len())?;
                for variant in variants {
                    out.extend_from_slice(&variant.index.to_le_bytes());
                    put_name(out, &variant.name)?;
                    variant.content.encode(out)?;
                }
            }
        }
        Some(())
    }

    /// Decodes exactly these bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(bytes);
        let shape = Self::read(&mut cursor, MAX_NODES_DEEP)?;
        if !cursor.is_empty() {
            return Err(cursor.error("bytes follow the shape"));
        }
        Ok(shape)
    }

    fn read(cursor: &mut Cursor<'_>, depth: usize) -> Result<Self, DecodeError> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(cursor.error("a shape is nested too deeply"));
        };
        let part = |cursor: &mut Cursor<'_>| Self::read(cursor, depth);
        Ok(match cursor.u8()? {
            whole::ANY => Self::Any,
            kind @ leaf::BOOL..=leaf::UNIT => Self::Leaf(kind),
            whole::OPTION => Self::Option(Box::new(part(cursor)?)),
            whole::LIST => Self::List(Box::new(part(cursor)?)),
            whole::MAP => Self::Map(Box::new((part(cursor)?, part(cursor)?))),
            whole::TUPLE => {
                let count = cursor.u16()?;
                Self::Tuple((0..count).map(|_| part(cursor)).collect::<Result<_, _>>()?)
            }
            whole::ARRAY => Self::Array(cursor.u32()?, Box::new(part(cursor)?)),
            whole::STRUCT => {
                let count = cursor.u16()?;
                let field = |_| Ok((name(cursor)?, part(cursor)?));
                Self::Struct((0..count).map(field).collect::<Result<_, _>>()?)
            }
            whole::ENUM => {
                let count = cursor.u16()?;
                let variant = |_| {
                    let (index, name) = (cursor.u32()?, name(cursor)?);
                    Ok(Variant { index, name, content: part(cursor)? })
                };
                Self::Enum((0..count).map(variant).collect::<Result<_, _>>()?)
            }
            _ => return Err(cursor.error("a shape is of an unknown kind")),
        })
    }

    /// What it is, for people.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Unseen | Self::Any => "anything",
            Self::Leaf(kind) => leaf::NAMES.get(usize::from(*kind)).copied().unwrap_or("anything"),
            Self::Option(_) => "an option",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Tuple(_) | Self::Array(..) => "a tuple",
            Self::Struct(_) => "a struct",
            Self::Enum(_) => "an enum",
        }
    }
}

fn merge_variants(mut all: Vec<Variant>, others: Vec<Variant>) -> Shape {
    for other in others {
        match all.iter_mut().find(|variant| variant.index == other.index) {
            Some(same) if same.name == other.name => {
                let content = std::mem::replace(&mut same.content, Shape::Unseen);
                same.content = content.merge(other.content);
            }
            Some(_) => return Shape::Any,
            None => all.push(other),
        }
    }
    Shape::Enum(all)
}

fn put_count(out: &mut Vec<u8>, kind: u8, count: usize) -> Option<()> {
    out.push(kind);
    out.extend_from_slice(&u16::try_from(count).ok()?.to_le_bytes());
    Some(())
}

fn put_name(out: &mut Vec<u8>, name: &str) -> Option<()> {
    out.extend_from_slice(&u16::try_from(name.len()).ok()?.to_le_bytes());
    out.extend_from_slice(name.as_bytes());
    Some(())
}

fn name(cursor: &mut Cursor<'_>) -> Result<String, DecodeError> {
    let len = cursor.u16()?;
    let bytes = cursor.bytes(usize::from(len))?;
    let name = std::str::from_utf8(bytes).map_err(|_| cursor.error("a name is not UTF-8"))?;
    Ok(name.to_owned())
}
