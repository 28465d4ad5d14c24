//! The tests of the store and its system: processes that are killed, calls that fail, full disks,
//! file systems that lose power, locks, limits and forks. `faults` has their common code.
//!
//! A test that must be alone in its process runs in one by `common::alone`, or is a child. The test
//! `child` is the entry point of a child; in any other process it does nothing.
#![cfg(unix)]

#[path = "../common/mod.rs"]
mod common;

mod copies;
mod faults;
#[cfg(target_os = "linux")]
mod full_disk;
#[cfg(target_os = "linux")]
mod idle_stores;
#[cfg(target_os = "linux")]
mod image_cut;
mod kill;
#[cfg(target_os = "linux")]
mod kill_points;
#[cfg(target_os = "linux")]
mod limits;
mod locks;
#[cfg(target_os = "linux")]
mod processes;
#[cfg(target_os = "linux")]
mod syscall_faults;
#[cfg(target_os = "linux")]
mod syscalls;

#[test]
fn child() {
    kill::child();
    faults::process::child();
    #[cfg(target_os = "linux")]
    {
        syscalls::child();
        processes::other::child();
    }
}
