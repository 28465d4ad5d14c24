//! Owns the places of stores: directories in RAM, and mount namespaces that vanish with the
//! process. Also looks for files that are left in a directory.

use std::path::Path;
use std::process::{Command, Stdio};

use super::process::works;

/// Returns a directory in RAM if there is one: killed processes need no disk, and many syncs are
/// slow.
pub(crate) fn in_ram() -> tempfile::TempDir {
    let builder = || {
        let mut builder = tempfile::Builder::new();
        builder.prefix("altiplano-");
        builder
    };
    builder().tempdir_in("/dev/shm").or_else(|_| builder().tempdir()).unwrap()
}

/// Returns names in a store's directory that no closed store has.
pub(crate) fn orphans(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap();
    let names = names.map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    let manifests = names.iter().filter(|n| n.starts_with("MANIFEST-")).count();
    let allowed = |name: &String| {
        let manifest = name.starts_with("MANIFEST-") && !name.ends_with(".tmp") && manifests <= 2;
        let data = ["seg-", "del-", "idx-", "loc-", "log-"].iter().any(|p| name.starts_with(p));
        manifest || data || ["LOCK", "RESERVE"].contains(&name.as_str())
    };
    names.retain(|name| !allowed(name));
    names
}

/// Returns the command for a mount namespace: as root, or as root of a user namespace.
pub(crate) fn unshare() -> Result<Vec<&'static str>, String> {
    let real = vec!["-m", "--propagation", "private"];
    let with = |flags: &[&'static str]| [flags, &["true"]].concat();
    if works("unshare", &with(&real)).is_ok() {
        return Ok(real);
    }
    let user = vec!["-U", "-r", "-m", "--propagation", "private"];
    works("unshare", &with(&user)).map(|()| user)
}

/// Returns an error if file systems in files cannot be mounted.
pub(crate) fn loops() -> Result<(), String> {
    works("unshare", &["-m", "true"])?;
    works("losetup", &["-f"])
}

/// Set in a process that has mounts of its own.
const INSIDE: &str = "ALTIPLANO_FAULT_INSIDE";

pub(crate) fn inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs one test of this file in a mount namespace, which ends with it. Returns true in the process
/// inside.
pub(crate) fn enter_namespace(test: &str) -> bool {
    if inside() {
        return true;
    }
    let flags = match unshare() {
        Ok(flags) => flags,
        Err(reason) => {
            eprintln!("skipped {test}: {reason}");
            return false;
        }
    };
    let status = Command::new("unshare")
        .args(flags)
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{test} inside its namespace: {status}");
    false
}

/// A mount that is undone when dropped.
pub(crate) struct Mount<'a> {
    at: &'a Path,
}

impl<'a> Mount<'a> {
    pub(crate) fn new(arguments: &[&str], at: &'a Path) -> Result<Self, String> {
        let output = Command::new("mount").args(arguments).arg(at).output();
        match output {
            Ok(output) if output.status.success() => Ok(Self { at }),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let unmount = |flags: &[&str]| {
            let mut command = Command::new("umount");
            command.args(flags).arg(self.at).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        // A map of a snapshot that is still held can keep it busy for a moment.
        if !unmount(&[]) {
            unmount(&["-l"]);
        }
    }
}
