//! Owns the parser of `strace -f -y` output: lines become calls with their file's name, and the
//! positions in the trace where they began and ended. What is to be proved is not known here.

use std::collections::HashMap;
use std::path::Path;

/// One finished system call on a file of the store or on the standard output.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    name: String,
    /// The file's name in the store; empty for the store's directory itself.
    pub(crate) file: String,
    arguments: String,
    result: i64,
    /// Line numbers of the trace.
    pub(crate) begun: usize,
    pub(crate) ended: usize,
}

impl Call {
    /// Returns true for a successful call of this name. `rename` stands for `renameat` as well, and
    /// so on.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.result >= 0 && self.name.starts_with(name)
    }

    /// Returns true if bytes went to a file whose name begins with `prefix`.
    pub(crate) fn writes(&self, prefix: &str) -> bool {
        let writes = self.is("write") || self.is("pwrite");
        writes && self.result > 0 && self.file.starts_with(prefix)
    }

    /// Returns true if it made exactly this file durable; an empty name is the directory.
    pub(crate) fn syncs(&self, file: &str) -> bool {
        (self.is("fsync") || self.is("fdatasync")) && self.file == file
    }

    pub(crate) fn creates(&self) -> bool {
        self.is("openat") && self.arguments.contains("O_EXCL")
    }

    /// Returns the number that the child acknowledged with this write.
    pub(crate) fn acknowledges(&self) -> Option<u64> {
        if !self.is("write") || self.file != STDOUT {
            return None;
        }
        let (_, text) = self.arguments.split_once("\"ack ")?;
        text.split('\\').next()?.parse().ok()
    }
}

/// The name under which writes to file 1 appear.
const STDOUT: &str = "1";

/// All calls in the order in which they ended.
pub(crate) struct Trace {
    calls: Vec<Call>,
}

impl Trace {
    /// Keeps the calls on `store` or the standard output.
    pub(crate) fn parse(text: &str, store: &Path) -> Self {
        let store = store.to_str().unwrap();
        let mut open: HashMap<&str, (usize, String)> = HashMap::new();
        let mut calls = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let Some((thread, rest)) = line.trim_start().split_once(' ') else {
                continue;
            };
            let rest = rest.trim_start();
            if let Some(begin) = rest.strip_suffix("<unfinished ...>") {
                open.insert(thread, (at, begin.to_owned()));
                continue;
            }
            let (begun, whole) = match rest.strip_prefix("<... ") {
                Some(resumed) => {
                    let (begun, begin) = open.remove(thread).expect("a call that began");
                    let (_, end) = resumed.split_once("resumed>").expect("strace's words");
                    (begun, begin + end)
                }
                None => (at, rest.to_owned()),
            };
            calls.extend(call(&whole, store, begun, at));
        }
        assert!(open.is_empty(), "calls that never ended: {open:?}");
        Self { calls }
    }

    pub(crate) fn calls(&self) -> impl DoubleEndedIterator<Item = &Call> {
        self.calls.iter()
    }
}

/// Parses `name(arguments) = result …`, if it is about the store or the standard output.
fn call(text: &str, store: &str, begun: usize, ended: usize) -> Option<Call> {
    let (name, rest) = text.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let result = result.split(|c: char| c != '-' && !c.is_ascii_digit()).next()?;
    let result = result.parse().ok()?;
    // With `-y` a descriptor is followed by its path in angle brackets; other paths are quoted.
    let file = match arguments.split_once(store) {
        Some((_, rest)) => {
            let end = rest.find(['>', '"']).unwrap_or(rest.len());
            rest[..end].trim_start_matches('/').to_owned()
        }
        None if arguments.starts_with("1<") => STDOUT.to_owned(),
        None => return None,
    };
    Some(Call {
        name: name.to_owned(),
        file,
        arguments: arguments.to_owned(),
        result,
        begun,
        ended,
    })
}
