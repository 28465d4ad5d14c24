//! The tests of damage and of purges: damage is noticed, verified and repaired, and a purge leaves
//! no byte of dead memories.

#[path = "../common/mod.rs"]
mod common;

mod corruption;
mod purge;
mod repair;
mod verify;
