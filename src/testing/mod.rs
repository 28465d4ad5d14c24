//! Owns what only tests use and no single module owns.

pub(crate) mod size;
