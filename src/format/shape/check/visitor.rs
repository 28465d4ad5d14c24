//! Owns how a checked visitor hands its inner visitor checked parts.

use std::marker::PhantomData;

use serde::de::{Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};

use super::checked::Checked;
use super::parts::{Named, Parts};
use crate::format::shape::kinds::Shape;

impl<'de, V: Visitor<'de>> Visitor<'de> for Checked<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let shape = if let Shape::Option(inner) = self.shape { inner } else { &Shape::Any };
        self.inner.visit_some(Checked::part(deserializer, shape, self.place))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<V::Value, D::Error> {
        let checked = self.with(deserializer);
        self.inner.visit_newtype_struct(checked)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, parts: A) -> Result<V::Value, A::Error> {
        let parts = Checked { of: self.of, ..self.with(parts) };
        let mut parts = Parts { of: parts, seen: 0 };
        let value = self.inner.visit_seq(&mut parts)?;
        match parts.unread() {
            Some(field) => Err(A::Error::custom(format_args!(
                "the field `{field}` of `{}` was stored, and is not read",
                self.of.0
            ))),
            None => Ok(value),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        let entries = self.with(entries);
        self.inner.visit_map(entries)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, value: A) -> Result<V::Value, A::Error> {
        let (index, content) = value.variant_seed(PhantomData::<u32>)?;
        let variants = if let Shape::Enum(variants) = self.shape { &variants[..] } else { &[] };
        let Some(variant) = variants.iter().find(|variant| variant.index == index) else {
            let reason = format_args!("variant {index} of `{}` has no name", self.of.0);
            return Err(A::Error::custom(reason));
        };
        let named = Named { variant, content, of: self.of.0, place: self.place };
        self.inner.visit_enum(named)
    }
}
