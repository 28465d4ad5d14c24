//! Owns fields: the values at paths of metadata that is a JSON object. `path` names them, `json`
//! reads the text, `visit` finds the values at one path, `all` lists the values at every path, and
//! `object` reads and changes the value at one path. `value` is what callers write, `scalar` is
//! what a text holds, and `number` orders numbers exactly. Knows nothing of filters and rows.
//!
//! Invariants: of several fields with one name in one object, only the last one counts. Text that
//! is not JSON never panics: what stands before the fault is read, and the rest is not. No function
//! uses stack for the depth of a text; only paths have a bounded depth.
//!
//! `serde_json` checks the text of metadata at the insert. Rows are not read with it: it would
//! build or skip values with more work, and recurse for the depth of a text.

mod all;
mod json;
mod number;
mod object;
mod path;
mod scalar;
mod value;
mod visit;

pub(crate) use all::each;
pub(crate) use json::depth;
pub(crate) use number::Number;
pub(crate) use object::{NoObject, put, remove, values};
pub(crate) use path::{Path, PathFault, path_of_keys};
pub(crate) use scalar::{Scalar, id_key, tag, text_key};
pub use value::FieldValue;
pub(crate) use visit::visit;

/// Largest path of a field, in bytes: `Memory::MAX_NAME_BYTES`.
pub(crate) const MAX_PATH_BYTES: usize = 1024;
/// Deepest nesting of metadata that an insert accepts, in objects and lists.
pub(crate) const MAX_DEPTH: usize = 64;
