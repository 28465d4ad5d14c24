//! What damage costs and what is left of the dead: files that were changed are noticed, verified and
//! repaired, and a purge leaves nothing.

#[path = "../common/mod.rs"]
mod common;

mod corruption;
mod purge;
mod repair;
mod verify;
