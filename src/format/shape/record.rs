//! Owns the serializer that writes nothing and tells what a value's type looks like.

use serde::de::value::Error;
use serde::ser::{self, Serialize, Serializer};

use super::kinds::{Shape, Variant, leaf};

/// Describes one value. `depth` more levels are described.
#[derive(Clone, Copy)]
pub(super) struct Recorder {
    pub(super) depth: usize,
}

impl Recorder {
    fn part<T: Serialize + ?Sized>(self, value: &T) -> Result<Shape, Error> {
        match self.depth.checked_sub(1) {
            Some(depth) => value.serialize(Self { depth }),
            None => Ok(Shape::Any),
        }
    }
}

/// The parts of a value that were seen.
pub(super) struct Parts {
    of: Recorder,
    shapes: Vec<Shape>,
}

/// The elements of a list, or the keys and values of a map.
pub(super) struct Entries {
    of: Recorder,
    key: Shape,
    value: Shape,
}

/// The fields of a struct.
pub(super) struct Fields {
    of: Recorder,
    fields: Vec<(String, Shape)>,
}

/// A variant of an enum, whose content comes.
pub(super) struct OfVariant<P> {
    index: u32,
    name: &'static str,
    content: P,
}

fn variant(index: u32, name: &'static str, content: Shape) -> Shape {
    Shape::Enum(vec![Variant { index, name: name.to_owned(), content }])
}

impl Parts {
    fn new(of: Recorder) -> Self {
        Self { of, shapes: Vec::new() }
    }

    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.shapes.push(self.of.part(value)?);
        Ok(())
    }

    fn tuple(self) -> Shape {
        let equal = self.shapes.windows(2).all(|pair| pair.first() == pair.last());
        match (self.shapes.first(), u32::try_from(self.shapes.len())) {
            (Some(first), Ok(len)) if equal && len > 1 => {
                Shape::Array(len, Box::new(first.clone()))
            }
            _ => Shape::Tuple(self.shapes),
        }
    }
}

impl Entries {
    fn new(of: Recorder) -> Self {
        Self { of, key: Shape::Unseen, value: Shape::Unseen }
    }

    fn add<T: Serialize + ?Sized>(of: Recorder, to: &mut Shape, value: &T) -> Result<(), Error> {
        let known = std::mem::replace(to, Shape::Unseen);
        *to = known.merge(of.part(value)?);
        Ok(())
    }
}

impl Fields {
    fn new(of: Recorder) -> Self {
        Self { of, fields: Vec::new() }
    }

    fn add<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        self.fields.push((name.to_owned(), self.of.part(value)?));
        Ok(())
    }
}

macro_rules! leaves {
    ($($method:ident($type:ty) = $kind:ident),+ $(,)?) => {
        $(fn $method(self, _: $type) -> Result<Shape, Error> {
            Ok(Shape::Leaf(leaf::$kind))
        })+
    };
}

impl Serializer for Recorder {
    type Ok = Shape;
    type Error = Error;
    type SerializeSeq = Entries;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = OfVariant<Parts>;
    type SerializeMap = Entries;
    type SerializeStruct = Fields;
    type SerializeStructVariant = OfVariant<Fields>;

    leaves! {
        serialize_bool(bool) = BOOL,
        serialize_i8(i8) = I8,
        serialize_i16(i16) = I16,
        serialize_i32(i32) = I32,
        serialize_i64(i64) = I64,
        serialize_i128(i128) = I128,
        serialize_u8(u8) = U8,
        serialize_u16(u16) = U16,
        serialize_u32(u32) = U32,
        serialize_u64(u64) = U64,
        serialize_u128(u128) = U128,
        serialize_f32(f32) = F32,
        serialize_f64(f64) = F64,
        serialize_char(char) = CHAR,
        serialize_str(&str) = STRING,
        serialize_bytes(&[u8]) = BYTES,
        serialize_unit_struct(&'static str) = UNIT,
    }

    fn serialize_unit(self) -> Result<Shape, Error> {
        Ok(Shape::Leaf(leaf::UNIT))
    }

    fn serialize_none(self) -> Result<Shape, Error> {
        Ok(Shape::Option(Box::new(Shape::Unseen)))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Shape, Error> {
        Ok(Shape::Option(Box::new(self.part(value)?)))
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
    ) -> Result<Shape, Error> {
        Ok(variant(index, name, Shape::Leaf(leaf::UNIT)))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Shape, Error> {
        self.part(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
        value: &T,
    ) -> Result<Shape, Error> {
        Ok(variant(index, name, self.part(value)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Entries, Error> {
        Ok(Entries::new(self))
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts, Error> {
        Ok(Parts::new(self))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts, Error> {
        Ok(Parts::new(self))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
        _: usize,
    ) -> Result<OfVariant<Parts>, Error> {
        Ok(OfVariant { index, name, content: Parts::new(self) })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, Error> {
        Ok(Entries::new(self))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields, Error> {
        Ok(Fields::new(self))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
        _: usize,
    ) -> Result<OfVariant<Fields>, Error> {
        Ok(OfVariant { index, name, content: Fields::new(self) })
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl ser::SerializeSeq for Entries {
    type Ok = Shape;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        Self::add(self.of, &mut self.value, value)
    }

    fn end(self) -> Result<Shape, Error> {
        Ok(Shape::List(Box::new(self.value)))
    }
}

impl ser::SerializeMap for Entries {
    type Ok = Shape;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        Self::add(self.of, &mut self.key, key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        Self::add(self.of, &mut self.value, value)
    }

    fn end(self) -> Result<Shape, Error> {
        Ok(Shape::Map(Box::new((self.key, self.value))))
    }
}

impl ser::SerializeTuple for Parts {
    type Ok = Shape;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.add(value)
    }

    fn end(self) -> Result<Shape, Error> {
        Ok(self.tuple())
    }
}

impl ser::SerializeTupleStruct for Parts {
    type Ok = Shape;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.add(value)
    }

    fn end(self) -> Result<Shape, Error> {
        Ok(self.tuple())
    }
}

impl ser::SerializeTupleVariant for OfVariant<Parts> {
    type Ok = Shape;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.content.add(value)
    }

    fn end(self) -> Result<Shape, Error> {
        Ok(variant(self.index, self.name, self.content.tuple()))
    }
}

impl ser::SerializeStruct for Fields {
    type Ok = Shape;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.add(name, value)
    }

    fn end(self) -> Result<Shape, Error> {
        Ok(Shape::Struct(self.fields))
    }
}

impl ser::SerializeStructVariant for OfVariant<Fields> {
    type Ok = Shape;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.content.add(name, value)
    }

    fn end(self) -> Result<Shape, Error> {
        Ok(variant(self.index, self.name, Shape::Struct(self.content.fields)))
    }
}
