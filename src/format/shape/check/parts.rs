//! Owns the parts of what is checked: elements, fields, entries and variants, each with the shape that
//! was stored for it. How one value is checked is `check`.

use serde::de::{
    DeserializeSeed, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

use super::checked::{Checked, Names, Place};
use crate::format::shape::kinds::{Shape, Variant, leaf};

/// The parts of a list, a tuple or a struct.
pub(super) struct Parts<'a, A> {
    pub(super) of: Checked<'a, A>,
    pub(super) seen: usize,
}

impl<A> Parts<'_, A> {
    /// A field that the type did not ask for.
    pub(super) fn unread(&self) -> Option<&str> {
        let Shape::Struct(fields) = self.of.shape else {
            return None;
        };
        fields.get(self.seen).map(|(name, _)| name.as_str())
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Parts<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let (of, names) = self.of.of;
        let (shape, place) = match self.of.shape {
            Shape::List(part) | Shape::Array(_, part) => (&**part, self.of.place),
            Shape::Tuple(parts) => match parts.get(self.seen) {
                Some(part) => (part, self.of.place),
                None => return Ok(None),
            },
            Shape::Struct(fields) => match fields.get(self.seen) {
                Some((name, field)) => (field, Place { field: Some((name, of)) }),
                None => {
                    let stored = |name: &&&str| fields.iter().any(|(field, _)| field == **name);
                    let missing = names.iter().find(|name| !stored(name)).unwrap_or(&"");
                    let reason = format_args!("the field `{missing}` of `{of}` was not stored");
                    return Err(A::Error::custom(reason));
                }
            },
            _ => (&Shape::Any, self.of.place),
        };
        self.seen = self.seen.saturating_add(1);
        self.of.inner.next_element_seed(Checked::part(seed, shape, place))
    }

    fn size_hint(&self) -> Option<usize> {
        self.of.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Checked<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let shape = if let Shape::Map(parts) = self.shape { &parts.0 } else { &Shape::Any };
        self.inner.next_key_seed(Checked::part(seed, shape, self.place))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let shape = if let Shape::Map(parts) = self.shape { &parts.1 } else { &Shape::Any };
        self.inner.next_value_seed(Checked::part(seed, shape, self.place))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// A variant that is given by its name, and its content.
pub(super) struct Named<'a, A> {
    pub(super) variant: &'a Variant,
    pub(super) content: A,
    pub(super) of: &'static str,
    pub(super) place: Place<'a>,
}

impl<'a, A> Named<'a, A> {
    /// The content with something that is to be checked there.
    fn content<T>(&self, inner: T) -> Checked<'a, T> {
        Checked::part(inner, &self.variant.content, self.place)
    }
}

impl<'de, A: VariantAccess<'de>> EnumAccess<'de> for Named<'_, A> {
    type Error = A::Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), A::Error> {
        let value = seed.deserialize(self.variant.name.as_str().into_deserializer())?;
        Ok((value, self))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Named<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        if !self.content(()).is(leaf::UNIT) {
            return Err(self.place.differs(&self.variant.content, "nothing"));
        }
        self.content.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.content(seed);
        self.content.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let visitor = self.content(visitor);
        visitor.tuple_of(len)?;
        self.content.tuple_variant(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: Names,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let visitor = Checked { of: (self.of, fields), ..self.content(visitor) };
        visitor.struct_of(self.of, fields)?;
        self.content.struct_variant(fields, visitor)
    }
}
