//! Owns the graph of the files of a crate, whose edges say which file names an item of which other
//! file, and the circles in it. A re-exported item counts for the file that defines it.

use std::collections::{BTreeMap, BTreeSet};

use crate::files::{Import, Scope, read};

/// From one file to another, with the first name of an item and its line.
pub(crate) type Edges = BTreeMap<(String, String), (String, usize)>;

/// A module: its file, and its index among the file's scopes.
type Place = (String, usize);

/// The meaning of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Module(Vec<String>),
    /// An item, in the file that defines it.
    Item(String),
}

/// Longest chain of re-exports that is followed.
const MAX_STEPS: usize = 12;

struct Crate<'a> {
    files: &'a BTreeMap<String, String>,
    /// The scopes of each file.
    scopes: BTreeMap<String, Vec<Scope>>,
    modules: BTreeMap<Vec<String>, Place>,
}

/// Adds the edges of the crate that begins at `root`. `files` has the text of every file by name.
pub(crate) fn add_edges(files: &BTreeMap<String, String>, root: &str, edges: &mut Edges) {
    let mut all = Crate { files, scopes: BTreeMap::new(), modules: BTreeMap::new() };
    all.mount(root, &[], true);
    for (module, (file, scope)) in &all.modules {
        for (to, name, line) in all.names_of(module, &all.scopes[file][*scope]) {
            if to != *file {
                edges.entry((file.clone(), to)).or_insert((name, line));
            }
        }
    }
}

/// Returns the circles: sets of files each of which leads to all others of its set.
pub(crate) fn circles(edges: &Edges) -> Vec<Vec<String>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in edges.keys() {
        next.entry(from).or_default().push(to);
    }
    let reach = |start: &str| -> BTreeSet<&str> {
        let (mut seen, mut waiting) = (BTreeSet::new(), vec![start]);
        while let Some(file) = waiting.pop() {
            for to in next.get(file).into_iter().flatten() {
                if seen.insert(*to) {
                    waiting.push(to);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> = next.keys().map(|f| (*f, reach(f))).collect();
    let mut found = BTreeSet::new();
    for (file, to) in reached.iter().filter(|(file, to)| to.contains(**file)) {
        let mutual =
            to.iter().filter(|other| reached.get(**other).is_some_and(|r| r.contains(file)));
        found.insert(mutual.map(|f| (*f).to_owned()).collect::<Vec<String>>());
    }
    found.into_iter().collect()
}

impl Crate<'_> {
    /// Parses a file as the module `path`, and the files of its modules.
    fn mount(&mut self, file: &str, path: &[String], is_root: bool) {
        let Some(text) = self.files.get(file) else { return };
        if !self.scopes.contains_key(file) {
            self.scopes.insert(file.to_owned(), read(text));
        }
        let dir = file.rsplit_once('/').map_or("", |(dir, _)| dir);
        let name = file.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
        let own = if is_root || name == "mod" { dir.to_owned() } else { format!("{dir}/{name}") };
        let mut below = Vec::new();
        for (at, scope) in self.scopes[file].iter().enumerate() {
            let module: Vec<String> = path.iter().chain(&scope.path).cloned().collect();
            for (name, given) in &scope.modules {
                let within: String = scope.path.iter().map(|p| format!("/{p}")).collect();
                let candidates = match given {
                    Some(given) => vec![normal(&format!("{dir}/{given}"))],
                    None => vec![
                        format!("{own}{within}/{name}.rs"),
                        format!("{own}{within}/{name}/mod.rs"),
                    ],
                };
                let child: Vec<String> = module.iter().chain([name]).cloned().collect();
                below.extend(candidates.into_iter().map(|file| (file, child.clone())));
            }
            self.modules.insert(module, (file.to_owned(), at));
        }
        for (file, child) in below {
            if self.files.contains_key(&file) {
                self.mount(&file, &child, file.ends_with("/mod.rs"));
            }
        }
    }

    /// Returns the files that a module's code names, with the names and their lines.
    fn names_of(&self, module: &[String], scope: &Scope) -> Vec<(String, String, usize)> {
        let mut found = Vec::new();
        let mut add = |target: Option<Target>, name: String, line| {
            if let Some(Target::Item(file)) = target {
                found.push((file, name, line));
            }
        };
        for import in scope.imports.iter().filter(|i| !i.is_glob) {
            // A name that is only re-exported is not used.
            if !import.is_public || scope.words.contains(&import.name) {
                let target = self.resolve(module, &import.path, 0);
                add(target, import.path.join("::"), import.line);
            }
        }
        for named in &scope.paths {
            let target = match named.path.len() {
                1 => self.through_globs(module, &named.path[0], false, 0),
                _ => self.resolve(module, &named.path, 0),
            };
            add(target, named.path.join("::"), named.line);
        }
        found
    }

    /// Returns the meaning of a path in a module.
    fn resolve(&self, module: &[String], path: &[String], steps: usize) -> Option<Target> {
        let mut at = module.to_vec();
        let mut rest = path;
        while let [first, others @ ..] = rest {
            match first.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => drop(at.pop()),
                _ => break,
            }
            rest = others;
        }
        let mut target = Target::Module(at);
        for (at, name) in rest.iter().enumerate() {
            let is_last = at + 1 == rest.len();
            match target {
                Target::Module(at) => target = self.look_up(&at, name, is_last, steps)?,
                // The names behind an item belong to the item.
                Target::Item(_) => break,
            }
        }
        Some(target)
    }

    fn scope(&self, module: &[String]) -> Option<(&str, &Scope)> {
        let (file, at) = self.modules.get(module)?;
        Some((file, &self.scopes[file][*at]))
    }

    /// Returns the meaning of a name within a module. If an item and a module share the name, it
    /// means the module only if another name follows.
    fn look_up(
        &self,
        module: &[String],
        name: &str,
        is_last: bool,
        steps: usize,
    ) -> Option<Target> {
        if steps > MAX_STEPS {
            return None;
        }
        let (file, scope) = self.scope(module)?;
        let leads_on = |import: &&Import| !import.is_glob && import.name == name;
        let import = scope.imports.iter().find(leads_on);
        let child: Vec<String> = module.iter().cloned().chain([name.to_owned()]).collect();
        let is_module = self.modules.contains_key(&child);
        if is_module && !(is_last && (scope.items.contains(name) || import.is_some())) {
            return Some(Target::Module(child));
        }
        if scope.items.contains(name) {
            return Some(Target::Item(file.to_owned()));
        }
        // An import whose path is its own name leads out of the crate.
        match import {
            Some(import) if import.path[..] == [name.to_owned()] => None,
            Some(import) => self.resolve(module, &import.path, steps + 1),
            None => self.through_globs(module, name, true, steps),
        }
    }

    /// Returns the meaning of a name by a glob of a module. With `own`, the module's own items hide
    /// it.
    fn through_globs(
        &self,
        module: &[String],
        name: &str,
        own: bool,
        steps: usize,
    ) -> Option<Target> {
        let (_, scope) = self.scope(module)?;
        let hidden = scope.items.contains(name) || scope.imports.iter().any(|i| i.name == name);
        if steps > MAX_STEPS || (hidden && !own) {
            return None;
        }
        scope.imports.iter().filter(|import| import.is_glob).find_map(|import| {
            match self.resolve(module, &import.path, steps + 1)? {
                Target::Module(other) if other != module => {
                    self.look_up(&other, name, true, steps + 1)
                }
                _ => None,
            }
        })
    }
}

/// Returns a path without `..`.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(files: &[(&str, &str)]) -> Edges {
        let files = files.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
        let mut edges = Edges::new();
        add_edges(&files, "src/lib.rs", &mut edges);
        edges
    }

    fn pairs(files: &[(&str, &str)]) -> Vec<(String, String)> {
        edges(files).into_keys().map(|(from, to)| (short(&from), short(&to))).collect()
    }

    fn short(file: &str) -> String {
        file.trim_start_matches("src/").trim_end_matches(".rs").to_owned()
    }

    fn pair(from: &str, to: &str) -> (String, String) {
        (from.to_owned(), to.to_owned())
    }

    #[test]
    fn a_circle_of_two_files_is_found_and_a_line_of_three_is_none() {
        let mut files = vec![
            ("src/lib.rs", "mod a; mod b; mod c;"),
            ("src/a.rs", "use crate::b::B; pub struct A;"),
            ("src/b.rs", "use crate::c::C; pub struct B;"),
            ("src/c.rs", "pub struct C;"),
        ];
        assert!(circles(&edges(&files)).is_empty());
        files[3].1 = "pub struct C; fn c(_: &crate::b::B) {}";
        assert_eq!(circles(&edges(&files)), [["src/b.rs", "src/c.rs"]]);
        files[3].1 = "pub struct C; fn c(_: &crate::a::A) {}";
        assert_eq!(circles(&edges(&files)), [["src/a.rs", "src/b.rs", "src/c.rs"]]);
    }

    #[test]
    fn what_is_re_exported_counts_for_the_file_that_defines_it() {
        let files = [
            ("src/lib.rs", "mod a; mod b; pub use a::Deep as Renamed;"),
            ("src/a/mod.rs", "mod deep; pub(crate) use deep::Deep;"),
            ("src/a/deep.rs", "pub(crate) struct Deep;"),
            ("src/b.rs", "use crate::{a::Deep, Renamed};"),
        ];
        assert_eq!(pairs(&files), [pair("b", "a/deep")]);
    }

    #[test]
    fn a_module_that_uses_what_it_re_exports_names_it() {
        let files = [
            ("src/lib.rs", "mod a;"),
            ("src/a/mod.rs", "mod deep; pub(crate) use deep::Deep; fn f(_: Deep) {}"),
            ("src/a/deep.rs", "use super::f; pub(crate) struct Deep;"),
        ];
        assert_eq!(pairs(&files), [pair("a/deep", "a/mod"), pair("a/mod", "a/deep")]);
    }

    #[test]
    fn paths_through_modules_globs_and_inline_modules_are_followed() {
        let files = [
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a/mod.rs", "mod x; mod y; pub(crate) use x::*; pub(crate) const Z: u8 = 0;"),
            ("src/a/x.rs", "pub(crate) fn go() {}"),
            ("src/a/y.rs", "use super::*; fn y() { go(); }"),
            ("src/b.rs", "use crate::a; mod inner { fn f() { super::a::go(); } }"),
        ];
        assert_eq!(pairs(&files), [pair("a/y", "a/x"), pair("b", "a/x")]);
    }

    #[test]
    fn a_file_may_be_given_by_its_path() {
        let files = [
            ("src/lib.rs", "#[path = \"parts/../parts/p.rs\"] mod p; use p::P;"),
            ("src/parts/p.rs", "pub struct P;"),
        ];
        assert_eq!(pairs(&files), [pair("lib", "parts/p")]);
    }
}
