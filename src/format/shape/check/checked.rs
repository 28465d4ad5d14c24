//! Owns the deserializer that checks: what a type asks for is compared with what was stored before
//! the inner deserializer reads it.

use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};

use crate::format::shape::kinds::{Shape, leaf};

/// The names of a struct's fields as its type has them, aliases included.
pub(super) type Names = &'static [&'static str];

/// Where a value is, for errors.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The field, and the type that it is a field of.
    pub(super) field: Option<(&'a str, &'static str)>,
}

impl Place<'_> {
    pub(super) fn differs<E: Error>(self, stored: &Shape, read: &str) -> E {
        let of = match self.field {
            Some((field, of)) => format!("the field `{field}` of `{of}`"),
            None => "the value".to_owned(),
        };
        E::custom(format_args!("{of} was stored as {}, and is read as {read}", stored.name()))
    }
}

/// Something to deserialize, with the shape that was stored for it. As a seed it hands its inner seed
/// a checked deserializer; as a deserializer it checks for its inner one; as a visitor it hands its
/// inner visitor checked parts.
pub(in crate::format) struct Checked<'a, T> {
    pub(super) inner: T,
    pub(super) shape: &'a Shape,
    pub(super) place: Place<'a>,
    /// The struct that the inner visitor makes.
    pub(super) of: (&'static str, Names),
}

impl<'a, T> Checked<'a, T> {
    /// A seed for a whole value.
    pub(in crate::format) fn new(inner: T, shape: &'a Shape) -> Self {
        Self::part(inner, shape, Place { field: None })
    }

    pub(super) fn part(inner: T, shape: &'a Shape, place: Place<'a>) -> Self {
        Self { inner, shape, place, of: ("", &[]) }
    }

    /// The same place with something else to be checked there.
    pub(super) fn with<U>(&self, inner: U) -> Checked<'a, U> {
        Checked::part(inner, self.shape, self.place)
    }

    pub(super) fn is(&self, kind: u8) -> bool {
        matches!(self.shape, Shape::Any | Shape::Unseen) || *self.shape == Shape::Leaf(kind)
    }

    /// Whether parts are known, so that they are to be checked.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.shape, Shape::Any | Shape::Unseen)
    }

    pub(super) fn tuple_of<E: Error>(&self, len: usize) -> Result<(), E> {
        let stored = match self.shape {
            Shape::Tuple(parts) => parts.len(),
            Shape::Array(len, _) => *len as usize,
            Shape::Any | Shape::Unseen => len,
            _ => return Err(self.place.differs(self.shape, "a tuple")),
        };
        if stored != len {
            let read = format!("one of {len} parts, not {stored}");
            return Err(self.place.differs(self.shape, &read));
        }
        Ok(())
    }

    /// The stored names must be those of the type, in the same order. A type may have more names than
    /// fields, for it lists aliases: whether it reads more fields shows later.
    pub(super) fn struct_of<E: Error>(&self, of: &'static str, names: Names) -> Result<(), E> {
        let fields = match self.shape {
            Shape::Struct(fields) => fields,
            Shape::Any | Shape::Unseen => return Ok(()),
            _ => return Err(self.place.differs(self.shape, "a struct")),
        };
        let mut rest = names.iter();
        for (at, (stored, _)) in fields.iter().enumerate() {
            if rest.any(|name| name == stored) {
                continue;
            }
            let read = names.get(at).filter(|name| *name != stored);
            return Err(match read {
                Some(read) => E::custom(format_args!(
                    "the field `{stored}` of `{of}` was stored where `{read}` is read"
                )),
                None => E::custom(format_args!(
                    "the field `{stored}` of `{of}` was stored, and is not read"
                )),
            });
        }
        Ok(())
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Checked<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let checked = self.with(deserializer);
        self.inner.deserialize(checked)
    }
}

macro_rules! leaves {
    ($($method:ident = $kind:ident),+ $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            if !self.is(leaf::$kind) {
                let read = Shape::Leaf(leaf::$kind).name();
                return Err(self.place.differs(self.shape, read));
            }
            self.inner.$method(visitor)
        })+
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Checked<'_, D> {
    type Error = D::Error;

    leaves! {
        deserialize_bool = BOOL,
        deserialize_i8 = I8,
        deserialize_i16 = I16,
        deserialize_i32 = I32,
        deserialize_i64 = I64,
        deserialize_i128 = I128,
        deserialize_u8 = U8,
        deserialize_u16 = U16,
        deserialize_u32 = U32,
        deserialize_u64 = U64,
        deserialize_u128 = U128,
        deserialize_f32 = F32,
        deserialize_f64 = F64,
        deserialize_char = CHAR,
        deserialize_str = STRING,
        deserialize_string = STRING,
        deserialize_bytes = BYTES,
        deserialize_byte_buf = BYTES,
        deserialize_unit = UNIT,
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        if !self.is(leaf::UNIT) {
            return Err(self.place.differs(self.shape, "nothing"));
        }
        self.inner.deserialize_unit_struct(name, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        match self.shape {
            Shape::Option(_) => {
                let visitor = self.with(visitor);
                self.inner.deserialize_option(visitor)
            }
            _ if self.is_open() => self.inner.deserialize_option(visitor),
            _ => Err(self.place.differs(self.shape, "an option")),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.with(visitor);
        self.inner.deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        match self.shape {
            Shape::List(_) => {
                let visitor = self.with(visitor);
                self.inner.deserialize_seq(visitor)
            }
            _ if self.is_open() => self.inner.deserialize_seq(visitor),
            _ => Err(self.place.differs(self.shape, "a list")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        match self.shape {
            Shape::Map(_) => {
                let visitor = self.with(visitor);
                self.inner.deserialize_map(visitor)
            }
            _ if self.is_open() => self.inner.deserialize_map(visitor),
            _ => Err(self.place.differs(self.shape, "a map")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.tuple_of(len)?;
        let visitor = self.with(visitor);
        self.inner.deserialize_tuple(len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.tuple_of(len)?;
        let visitor = self.with(visitor);
        self.inner.deserialize_tuple_struct(name, len, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: Names,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.struct_of(name, fields)?;
        let visitor = Checked { of: (name, fields), ..self.with(visitor) };
        self.inner.deserialize_struct(name, fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: Names,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        match self.shape {
            Shape::Enum(_) => {
                let visitor = Checked { of: (name, variants), ..self.with(visitor) };
                self.inner.deserialize_enum(name, variants, visitor)
            }
            _ if self.is_open() => self.inner.deserialize_enum(name, variants, visitor),
            _ => Err(self.place.differs(self.shape, "an enum")),
        }
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_identifier(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_ignored_any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}
