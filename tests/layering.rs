//! Owns the tests of the source itself: modules name only lower layers, files have a header and a
//! bounded length, and what is dangerous stays where it belongs. Reads `src`, runs nothing of it.
#![allow(clippy::disallowed_methods, reason = "a test of the source reads the source")]

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// Most lines of a file, its tests left aside.
const MAX_LINES: usize = 400;

/// The layers, lowest first. A module may name modules of lower layers only.
const LAYERS: [&[&str]; 11] = [
    &["ids", "clock", "sync", "sabotage"],
    &["error", "metrics", "retention", "worker"],
    &["memory", "options", "filter"],
    &["format", "disk"],
    &["vector", "log", "manifest", "section"],
    &["index"],
    &["segment"],
    &["collection"],
    &["compaction"],
    &["store"],
    &["fuzzing", "bench_support", "reliability", "guide"],
];

/// Names upward or sideways that are allowed, and why.
const EXCEPTIONS: [(&str, &str, &str); 7] = [
    ("metrics", "options", "the codes of an index are named as users name them"),
    ("ids", "error", "text that is no id is an error of the crate"),
    ("worker", "error", "poison, and threads that cannot be started, are errors of the crate"),
    ("retention", "error", "a lifetime that never was is an error of the crate"),
    ("retention", "memory", "a lifetime is part of a memory's plain data"),
    ("log", "section", "one place gives errors of headers and decoders their file's name"),
    ("manifest", "section", "one place gives errors of headers and decoders their file's name"),
];

/// Files that are longer for now, and how long they may be until they are split.
const LONG: [(&str, usize); 0] = [];

struct Source {
    path: PathBuf,
    /// Relative to `src`, with `/`.
    name: String,
    text: String,
}

impl Source {
    /// The module of the top level that it belongs to.
    fn module(&self) -> &str {
        let first = self.name.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Whether the whole file is compiled for tests only.
    fn is_test(&self) -> bool {
        let name = self.path.file_name().unwrap().to_string_lossy();
        name == "tests.rs"
            || self.name == "disk/fault.rs"
            || self.name.contains("/sim/")
            || self.name.contains("/tests/")
    }

    /// The lines before the tests at its end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut lines: Vec<&str> = self.text.lines().collect();
        let tests = lines
            .windows(2)
            .position(|w| w[0].trim() == "#[cfg(test)]" && w[1].contains("mod tests"));
        lines.truncate(tests.unwrap_or(lines.len()));
        (1..).zip(lines)
    }

    /// The lines of code without comments.
    fn statements(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code().map(|(n, line)| (n, line.split("//").next().unwrap_or_default()))
    }
}

fn collect(dir: &Path, root: &Path, into: &mut Vec<Source>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, root, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let name = path.strip_prefix(root).unwrap().to_string_lossy();
            into.push(Source {
                name: name.replace('\\', "/"),
                text: std::fs::read_to_string(&path).unwrap(),
                path,
            });
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    collect(&root, &root, &mut all);
    assert!(all.len() > 50, "the source is not where it was");
    all
}

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// What a text names right after `crate::`, with the place in the text.
fn names(text: &str) -> Vec<(usize, &str)> {
    let word = |s: &str| s.find(|c: char| !c.is_alphanumeric() && c != '_');
    let mut found = Vec::new();
    for (at, path) in text.match_indices("crate::") {
        let rest = &text[at + path.len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let list = list.split('}').next().unwrap_or_default();
            for item in list.split(',').map(str::trim) {
                found.push((at, &item[..word(item).unwrap_or(item.len())]));
            }
        } else {
            found.push((at, &rest[..word(rest).unwrap_or(rest.len())]));
        }
    }
    found
}

/// The items that `lib.rs` exports, with their modules.
fn exports(lib: &str) -> HashMap<&str, &str> {
    let mut found = HashMap::new();
    for statement in lib.split(';') {
        let Some((_, path)) = statement.split_once("pub use ") else {
            continue;
        };
        let (module, items) = path.split_once("::").unwrap_or((path, ""));
        let items = items.trim_matches(['{', '}']).split(',').map(str::trim);
        found.extend(items.map(|item| (item.trim_end_matches('}').trim(), module)));
    }
    found
}

#[test]
fn every_module_has_a_layer() {
    for source in sources() {
        let module = source.module();
        assert!(
            module == "lib" || rank(module).is_some(),
            "{} belongs to no layer: give it one in this test and in ARCHITECTURE.md",
            source.name
        );
    }
}

#[test]
fn modules_name_only_lower_layers() {
    let mut wrong = Vec::new();
    let mut used: BTreeSet<(&str, &str)> = BTreeSet::new();
    let all = sources();
    let lib = all.iter().find(|s| s.name == "lib.rs").unwrap();
    let exports = exports(&lib.text);
    assert_eq!(exports.get("MemoryId"), Some(&"ids"));
    for source in all.iter().filter(|s| s.name != "lib.rs" && !s.is_test()) {
        let from = source.module();
        let lines: Vec<&str> = source.statements().map(|(_, line)| line).collect();
        let text = lines.join("\n");
        for (at, to) in names(&text) {
            let line = text[..at].lines().count().max(1);
            let place = format!("src/{}:{line} names crate::{to}", source.name);
            let to = exports.get(to).copied().unwrap_or(to);
            let Some(there) = rank(to) else {
                wrong.push(format!("{place}, which is no module"));
                continue;
            };
            if to == from || there < rank(from).unwrap() {
                continue;
            }
            match EXCEPTIONS.iter().find(|e| (e.0, e.1) == (from, to)) {
                Some(exception) => drop(used.insert((exception.0, exception.1))),
                None => wrong.push(place),
            }
        }
    }
    assert!(wrong.is_empty(), "upward or sideways:\n{}", wrong.join("\n"));
    for (from, to, why) in EXCEPTIONS {
        let still = used.contains(&(from, to));
        assert!(still, "{from} names {to} no more ({why}): take it out");
    }
}

/// `super` must not be a way around the test above.
#[test]
fn no_module_names_its_neighbours_through_super() {
    for source in sources().iter().filter(|s| !s.is_test()) {
        let top = !source.name.contains('/')
            || source.name.matches('/').count() == 1 && source.name.ends_with("/mod.rs");
        for (line, text) in source.statements() {
            let up = text.contains("super::super::") || (top && text.contains("super::"));
            assert!(!up, "src/{}:{line} reaches up", source.name);
        }
    }
}

#[test]
fn files_are_short_enough_to_read() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|s| !s.is_test()) {
        let lines = source.code().count();
        let listed = LONG.iter().find(|(name, _)| *name == source.name);
        let limit = listed.map_or(MAX_LINES, |(_, limit)| *limit);
        if lines > limit {
            wrong.push(format!("src/{} has {lines} lines of {limit}", source.name));
        }
        if listed.is_some() && lines <= MAX_LINES {
            wrong.push(format!("src/{} is short: take it out of LONG", source.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_owns() {
    for source in sources() {
        let first = source.text.lines().next().unwrap_or_default();
        let included = ["format/mod.rs", "reliability.rs"].contains(&source.name.as_str())
            && first.starts_with("#![doc = include_str!");
        assert!(first.starts_with("//!") || included, "src/{} has no header", source.name);
    }
}

#[test]
fn unsafe_code_and_the_file_system_stay_in_their_places() {
    for source in sources().iter().filter(|s| !s.is_test()) {
        let kernel = source.name.starts_with("vector/kernel/");
        let may_be_unsafe = kernel || source.name == "disk/map.rs";
        let may_use_files = source.name.starts_with("disk/");
        for (line, text) in source.statements() {
            let words = || text.split(|c: char| !c.is_alphanumeric() && c != '_');
            let place = format!("src/{}:{line}", source.name);
            assert!(may_be_unsafe || !words().any(|w| w == "unsafe"), "{place} is unsafe");
            let files = text.contains("std::fs") || text.contains("memmap2");
            assert!(may_use_files || !files, "{place} uses files past the disk layer");
        }
    }
}

#[test]
fn the_reader_of_names_reads() {
    let only = |text| -> Vec<&str> { names(text).into_iter().map(|(_, name)| name).collect() };
    assert_eq!(only("use crate::disk::{Disk, read_all};"), ["disk"]);
    assert_eq!(only("use crate::{\n    Error,\n    disk::Disk,\n};")[..2], ["Error", "disk"]);
    assert_eq!(only("crate::store::b(crate::log::c)"), ["store", "log"]);
    assert_eq!(only("pub(crate) fn"), [""; 0]);
}
