//! Owns the work that keeps a store flat: sealing memtables, rewriting and dropping segments,
//! building indexes, keeping the log short. `policy` decides what to do. It is pure and works on
//! the facts that `facts` collects. `steps` carries its decisions out, one step at a time, through
//! `rewrite` and `index`. `checkpoint` keeps the log short, and `purge` leaves nothing of the dead.
//!
//! No lock that readers or writers take is held while files are written. Every job ends in one
//! manifest commit and one swap of the snapshot. Deletes that arrive meanwhile are applied at the
//! swap, and replayed from the log after a crash (I8).

mod checkpoint;
mod control;
mod debt;
mod facts;
mod give_back;
mod index;
mod job;
mod marks;
mod pending_files;
mod plan;
mod policy;
mod purge;
mod rewrite;
mod steps;

pub(crate) use checkpoint::run_trim;
pub(crate) use control::Control;
pub(crate) use debt::{debt, is_idle};
pub(crate) use give_back::{after_compaction, give_back};
pub(crate) use job::Job;
pub(crate) use plan::plan;
pub(crate) use purge::purge;
pub(crate) use steps::{compact, run_index_due, run_rows_due};
