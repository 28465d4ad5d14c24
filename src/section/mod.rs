//! Placeholder: owned by its engineer.
