//! Owns the tests of the source itself. Files name only lower layers and never each other in a
//! circle. They have a header and a bounded length. Dangerous code stays where it belongs.
//! Documents name files that exist. The tests read the source and run none of it.
#![allow(clippy::disallowed_methods, reason = "a test of the source reads the source")]

mod files;
mod graph;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use graph::{Edges, add_edges, circles};

/// Most lines of a file, without its tests.
const MAX_LINES: usize = 400;

/// Most characters of a line that is a comment.
const MAX_COMMENT: usize = 100;

/// The layers, lowest first. A module may name modules of lower layers only.
const LAYERS: &[&[&str]] = &[
    &["sabotage", "splitmix", "sync", "value_error"],
    &["clock", "quantization"],
    &["ids"],
    &["error", "report"],
    &["poison", "stats", "fields", "words"],
    &["event", "worker"],
    &["memory", "options", "filter"],
    &["format", "disk"],
    &["map_vec"],
    &["dir"],
    &["vector", "log", "manifest", "section"],
    &["index"],
    &["segment"],
    &["snapshot"],
    &["engine"],
    &["compaction", "search"],
    &["collection"],
    &["store"],
    &["agent"],
    &["testing", "reliability", "guide"],
];

/// Allowed names upward or sideways, and the reasons.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// Files that are longer for now, with the length that is allowed until they are split.
const LONG: &[(&str, usize)] = &[];

/// Known circles of files, by one file of each.
const CIRCLES: &[&str] = &[];

/// Known files beside a folder of their name.
const BESIDE: &[&str] = &[];

/// Modules with comments that are too wide for now.
const WIDE: &[&str] = &[];

struct Source {
    /// The path from the root of the repository, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// Returns the path relative to `src`.
    fn name(&self) -> &str {
        self.path.strip_prefix("src/").unwrap_or(&self.path)
    }

    /// Returns the top-level module that it belongs to.
    fn module(&self) -> &str {
        let first = self.name().split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Returns true if the whole file is compiled for tests only.
    fn is_test(&self) -> bool {
        let name = self.name();
        name.ends_with("/tests.rs")
            || name.contains("/tests/")
            || name == "testing/fault.rs"
            || name.starts_with("testing/sim/")
    }

    /// Returns the lines before the tests at its end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut lines: Vec<&str> = self.text.lines().collect();
        let tests = lines
            .windows(2)
            .position(|w| w[0].trim() == "#[cfg(test)]" && w[1].contains("mod tests"));
        lines.truncate(tests.unwrap_or(lines.len()));
        (1..).zip(lines)
    }

    /// Returns the lines of code without comments.
    fn statements(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code().map(|(n, line)| (n, line.split("//").next().unwrap_or_default()))
    }
}

/// Returns the files below a folder of the repository whose names end with `end`, in order.
fn sources(folder: &str, end: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut waiting, mut all) = (vec![root.join(folder)], Vec::new());
    while let Some(dir) = waiting.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.to_string_lossy().ends_with(end) {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
                all.push(Source { path: name, text: std::fs::read_to_string(&path).unwrap() });
            }
        }
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

fn src() -> Vec<Source> {
    let all = sources("src", ".rs");
    assert!(all.len() > 50, "the source is not where it was");
    all
}

/// Returns the edges between the files of a folder, over all crates that begin there.
fn edges(folder: &str) -> Edges {
    let all = sources(folder, ".rs").into_iter().map(|s| (s.path, s.text));
    let all: BTreeMap<String, String> = all.collect();
    let is_root = |path: &&String| {
        let rest = path.strip_prefix(folder).unwrap_or_default();
        let name = rest.rsplit('/').next().unwrap_or_default();
        let below = rest.matches('/').count();
        ["lib.rs", "main.rs"].contains(&name) || below == 1 || rest.contains("/bin/")
    };
    let roots = all.keys().filter(|path| match folder {
        "src" => *path == "src/lib.rs",
        _ => is_root(path),
    });
    let mut edges = Edges::new();
    roots.for_each(|root| add_edges(&all, root, &mut edges));
    assert!(!edges.is_empty(), "{folder} is not where it was");
    edges
}

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn module(path: &str) -> &str {
    let first = path.trim_start_matches("src/").split('/').next().unwrap_or_default();
    first.strip_suffix(".rs").unwrap_or(first)
}

#[test]
fn every_module_has_a_layer() {
    for source in src() {
        let module = source.module();
        assert!(
            module == "lib" || rank(module).is_some(),
            "{} belongs to no layer: give it one in this test and in ARCHITECTURE.md",
            source.path
        );
    }
}

#[test]
fn modules_name_only_lower_layers() {
    let mut wrong = Vec::new();
    let mut used: BTreeSet<(&str, &str)> = BTreeSet::new();
    let edges = edges("src");
    for ((from, to), (name, line)) in &edges {
        let (here, there) = (module(from), module(to));
        if here == there || here == "lib" {
            continue;
        }
        if rank(there).is_some_and(|there| there < rank(here).unwrap()) {
            continue;
        }
        match EXCEPTIONS.iter().find(|e| (e.0, e.1) == (here, there)) {
            Some(exception) => drop(used.insert((exception.0, exception.1))),
            None => wrong.push(format!("{from}:{line} names {name} of {to}")),
        }
    }
    assert!(wrong.is_empty(), "upward or sideways:\n{}", wrong.join("\n"));
    for (from, to, why) in EXCEPTIONS {
        let still = used.contains(&(from, to));
        assert!(still, "{from} names {to} no more ({why}): take it out");
    }
}

/// Reports new circles of a folder, and known ones that are gone.
fn check_circles(folder: &str) {
    let edges = edges(folder);
    let found = circles(&edges);
    let is_known = |circle: &Vec<String>| circle.iter().any(|f| CIRCLES.contains(&f.as_str()));
    let mut wrong = String::new();
    for circle in found.iter().filter(|circle| !is_known(circle)) {
        wrong += &format!("a circle of {} files:\n", circle.len());
        for ((from, to), (name, line)) in &edges {
            if circle.contains(from) && circle.contains(to) {
                wrong += &format!("  {from}:{line} names {name} of {to}\n");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    for known in CIRCLES.iter().filter(|known| known.starts_with(folder)) {
        let still = found.iter().any(|circle| circle.iter().any(|file| file == known));
        assert!(still, "{known} is in no circle any more: take it out");
    }
}

#[test]
fn no_circle_of_files_is_in_the_source() {
    check_circles("src");
}

#[test]
fn no_circle_of_files_is_in_the_tests() {
    check_circles("tests");
}

#[test]
fn no_circle_of_files_is_in_the_benchmarks() {
    check_circles("benches");
}

/// `super` must not be a way to skip a layer unnoticed.
#[test]
fn no_module_names_its_neighbours_through_super() {
    for source in src().iter().filter(|s| !s.is_test()) {
        let name = source.name();
        let top =
            !name.contains('/') || name.matches('/').count() == 1 && name.ends_with("/mod.rs");
        for (line, text) in source.statements() {
            let up = text.contains("super::super::") || (top && text.contains("super::"));
            assert!(!up, "{}:{line} reaches up", source.path);
        }
    }
}

/// What an agent does, a program can do by itself.
#[test]
fn the_layer_for_agents_names_the_public_api_only() {
    let own: Vec<Source> = src().into_iter().filter(|s| s.module() == "agent").collect();
    assert!(own.len() > 20, "the layer is not where it was");
    for source in own.iter().filter(|s| !s.is_test()) {
        for (line, text) in source.statements() {
            // Public items are named from the root; the modules behind them have small letters.
            for part in text.split("crate::").skip(1).filter(|_| !text.contains("(in crate::")) {
                let is_inside = part.starts_with(|c: char| c.is_ascii_lowercase());
                let is_own = part.starts_with("agent::");
                assert!(!is_inside || is_own, "{}:{line} names {part}", source.path);
            }
        }
    }
}

#[test]
fn files_are_short_enough_to_read() {
    let mut wrong = Vec::new();
    for source in src().iter().filter(|s| !s.is_test()) {
        let lines = source.code().count();
        let listed = LONG.iter().find(|(name, _)| *name == source.name());
        let limit = listed.map_or(MAX_LINES, |(_, limit)| *limit);
        if lines > limit {
            wrong.push(format!("{} has {lines} lines of {limit}", source.path));
        }
        if listed.is_some() && lines <= MAX_LINES {
            wrong.push(format!("{} is short: take it out of LONG", source.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_owns() {
    for source in src() {
        let first = source.text.lines().next().unwrap_or_default();
        let included = ["format/mod.rs", "reliability.rs"].contains(&source.name())
            && first.starts_with("#![doc = include_str!");
        assert!(first.starts_with("//!") || included, "{} has no header", source.path);
    }
}

/// A module with files of its own is their `mod.rs`.
#[test]
fn no_module_is_a_file_beside_a_folder() {
    let all = src();
    let wrong: Vec<&str> = all
        .iter()
        .filter(|source| {
            let folder = format!("{}/", source.path.trim_end_matches(".rs"));
            all.iter().any(|other| other.path.starts_with(&folder))
        })
        .map(|source| source.path.as_str())
        .collect();
    let unknown: Vec<&&str> = wrong.iter().filter(|path| !BESIDE.contains(path)).collect();
    assert!(unknown.is_empty(), "beside a folder of its name: {unknown:?}");
    let gone: Vec<&&str> = BESIDE.iter().filter(|path| !wrong.contains(path)).collect();
    assert!(gone.is_empty(), "no more beside a folder, take them out: {gone:?}");
}

#[test]
fn lines_of_comments_are_short_enough_to_read() {
    let mut wrong = Vec::new();
    for source in src().iter().filter(|source| !WIDE.contains(&source.module())) {
        let comments = (1..).zip(source.text.lines()).filter(|(_, l)| l.trim().starts_with("//"));
        for (line, text) in comments.filter(|(_, text)| text.chars().count() > MAX_COMMENT) {
            wrong.push(format!("{}:{line} has {} characters", source.path, text.chars().count()));
        }
    }
    assert!(wrong.is_empty(), "{} lines:\n{}", wrong.len(), wrong.join("\n"));
}

/// Returns the paths of files that a document names in backticks.
fn named_paths(text: &str) -> Vec<&str> {
    let roots = ["src/", "tests/", "benches/", "examples/", ".ci/"];
    let quoted = text.split('`').skip(1).step_by(2);
    // `src/main.rs` is the reader's own file.
    let whole = quoted
        .filter(|path| roots.iter().any(|root| path.starts_with(root)) && *path != "src/main.rs");
    // Not a pattern for several files, nor the beginning of a command.
    whole.filter(|path| !path.contains(['*', '<', '{', ' ', '\n'])).collect()
}

#[test]
fn documents_name_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = sources("src", ".md");
    for path in ["README.md", "ARCHITECTURE.md"] {
        let text = std::fs::read_to_string(root.join(path)).unwrap();
        all.push(Source { path: path.to_owned(), text });
    }
    let mut wrong = Vec::new();
    for document in &all {
        for path in named_paths(&document.text).into_iter().filter(|p| !root.join(p).exists()) {
            wrong.push(format!("{} names {path}", document.path));
        }
    }
    assert!(wrong.is_empty(), "there is no such file:\n{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_and_the_file_system_stay_in_their_places() {
    for source in src().iter().filter(|s| !s.is_test()) {
        let kernel = source.name().starts_with("vector/kernel/");
        let may_be_unsafe = kernel || source.name() == "disk/map.rs";
        let may_use_files = source.name().starts_with("disk/");
        for (line, text) in source.statements() {
            let words = || text.split(|c: char| !c.is_alphanumeric() && c != '_');
            let place = format!("{}:{line}", source.path);
            assert!(may_be_unsafe || !words().any(|w| w == "unsafe"), "{place} is unsafe");
            let files = text.contains("std::fs") || text.contains("memmap2");
            assert!(may_use_files || !files, "{place} uses files past the disk layer");
        }
    }
}

#[test]
fn the_reader_of_documents_finds_paths_and_nothing_else() {
    let text = "See `src/a.rs` and `tests/`, `b.rs`, `src/*.rs`, `tests/x --flag`, src/c.rs.";
    assert_eq!(named_paths(text), ["src/a.rs", "tests/"]);
}
