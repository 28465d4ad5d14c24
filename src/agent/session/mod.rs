//! Owns sessions: `policy` says what becomes of their memories, `end` carries it out,
//! and `guard` is the handle.

mod end;
mod guard;
mod policy;

pub(super) use end::{end_idle, end_orphans, open_sessions, touch};
pub use guard::Session;
pub use policy::EndPolicy;
