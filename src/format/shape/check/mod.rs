//! Owns the deserializer that compares what a type asks for with what was stored, before it lets the
//! type read it. Reading itself is the inner deserializer's. Variants of enums are found by name.

mod checked;
mod parts;
mod visitor;

pub(in crate::format) use checked::Checked;
