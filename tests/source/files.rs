//! Owns the content of one source file: its modules, the items that it defines, its imports, and
//! the paths that it names. Code of `#[cfg(test)] mod` is left out.

use std::collections::BTreeSet;

use crate::tokens::{Token, tokens};

/// A module of a file: the file itself, or an inline module.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// Names of the inline modules that contain it, within the file.
    pub(crate) path: Vec<String>,
    /// Modules in other files, with the file that a `#[path]` names.
    pub(crate) modules: Vec<(String, Option<String>)>,
    pub(crate) inline: Vec<String>,
    pub(crate) items: BTreeSet<String>,
    pub(crate) imports: Vec<Import>,
    /// Paths of at least two names outside of imports, and single names.
    pub(crate) paths: Vec<Named>,
    pub(crate) words: BTreeSet<String>,
}

/// One name that a `use` imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) name: String,
    pub(crate) path: Vec<String>,
    pub(crate) is_public: bool,
    pub(crate) is_glob: bool,
    pub(crate) line: usize,
}

/// A path in the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}

/// Parses a file. The first scope is the file's own.
pub(crate) fn read(text: &str) -> Vec<Scope> {
    let tokens = tokens(text);
    let mut reader = Reader { tokens: &tokens, scopes: vec![Scope::default()] };
    reader.block(0, 0);
    reader.scopes
}

const ITEMS: [&str; 8] = ["fn", "struct", "enum", "trait", "type", "const", "static", "union"];

struct Reader<'a> {
    tokens: &'a [Token],
    scopes: Vec<Scope>,
}

impl Reader<'_> {
    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| token.text.as_str())
    }

    fn line(&self, at: usize) -> usize {
        self.tokens.get(at).map_or(0, |token| token.line)
    }

    /// Parses the content of a scope, up to the brace that ends it.
    fn block(&mut self, mut at: usize, scope: usize) -> usize {
        let mut depth = 0;
        let (mut is_test, mut file) = (false, None);
        while at < self.tokens.len() {
            let before = self.text(at.wrapping_sub(1)).to_owned();
            match self.text(at) {
                "}" if depth == 0 => return at + 1,
                "{" => (depth, at) = (depth + 1, at + 1),
                "}" => (depth, at) = (depth - 1, at + 1),
                "#" if self.text(at + 1) == "[" => {
                    let end = self.matching(at + 1, "[", "]");
                    let words: Vec<&str> = (at + 2..end).map(|i| self.text(i)).collect();
                    is_test |= words == ["cfg", "(", "test", ")", "]"];
                    if let ["path", "=", name, "]"] = words[..] {
                        file = Some(name.trim_matches('"').to_owned());
                    }
                    at = end;
                    continue;
                }
                "mod" if self.text(at + 2) == ";" => {
                    if !is_test {
                        let module = (self.text(at + 1).to_owned(), file.take());
                        self.scopes[scope].modules.push(module);
                    }
                    at += 3;
                }
                "mod" if self.text(at + 2) == "{" && is_test => {
                    at = self.matching(at + 2, "{", "}")
                }
                "mod" if self.text(at + 2) == "{" => at = self.inline(at, scope),
                "use" => at = self.import(at, scope, before == "pub" || before == ")"),
                "macro_rules" => {
                    let name = self.text(at + 2).to_owned();
                    self.scopes[scope].items.insert(name);
                    at = self.matching(at + 3, "{", "}");
                }
                word if depth == 0 && ITEMS.contains(&word) => {
                    let name = self.text(at + 1).to_owned();
                    self.scopes[scope].items.insert(name);
                    at += 1;
                }
                _ => at = self.path(at, scope),
            }
            // Visibility stands between an attribute and its item.
            if !["pub", "(", "crate", "super", ")"].contains(&self.text(at - 1)) {
                (is_test, file) = (false, None);
            }
        }
        at
    }

    fn inline(&mut self, at: usize, scope: usize) -> usize {
        let name = self.text(at + 1).to_owned();
        let mut path = self.scopes[scope].path.clone();
        path.push(name.clone());
        self.scopes[scope].inline.push(name);
        self.scopes.push(Scope { path, ..Scope::default() });
        self.block(at + 3, self.scopes.len() - 1)
    }

    /// Returns the position behind the bracket that closes the one at `at`.
    fn matching(&self, mut at: usize, open: &str, close: &str) -> usize {
        let mut depth = 0;
        while at < self.tokens.len() {
            depth += i32::from(self.text(at) == open) - i32::from(self.text(at) == close);
            at += 1;
            if depth == 0 {
                break;
            }
        }
        at
    }

    fn is_word(&self, at: usize) -> bool {
        self.text(at).starts_with(|c: char| c.is_alphabetic() || c == '_')
            && !self.text(at).ends_with('"')
    }

    /// Parses a path, or skips one token.
    fn path(&mut self, at: usize, scope: usize) -> usize {
        if !self.is_word(at) {
            return at + 1;
        }
        let mut path = vec![self.text(at).to_owned()];
        let mut end = at + 1;
        while self.text(end) == "::" && self.is_word(end + 1) {
            path.push(self.text(end + 1).to_owned());
            end += 2;
        }
        // A field, a method or the rest of a path is not a name of the scope.
        let before = self.text(at.wrapping_sub(1));
        if before != "." && before != "::" {
            let line = self.line(at);
            self.scopes[scope].words.insert(path[0].clone());
            self.scopes[scope].paths.push(Named { path, line });
        }
        end
    }

    fn import(&mut self, at: usize, scope: usize, is_public: bool) -> usize {
        let end = (at..self.tokens.len()).find(|i| self.text(*i) == ";").unwrap_or(at);
        // `impl Trait + use<'a>` is not an import.
        if self.text(at + 1) == "<" {
            return at + 1;
        }
        let mut found = Vec::new();
        self.tree(at + 1, &[], is_public, &mut found);
        self.scopes[scope].imports.extend(found);
        end + 1
    }

    /// Parses one branch of a `use`, up to its comma, brace or semicolon.
    fn tree(
        &self,
        mut at: usize,
        front: &[String],
        is_public: bool,
        all: &mut Vec<Import>,
    ) -> usize {
        let mut path = front.to_vec();
        let line = self.line(at);
        let mut name = None;
        loop {
            match self.text(at) {
                "{" => {
                    at += 1;
                    while self.text(at) != "}" && at < self.tokens.len() {
                        at = self.tree(at, &path, is_public, all);
                        at += usize::from(self.text(at) == ",");
                    }
                    return at + 1;
                }
                "*" => {
                    let name = String::new();
                    all.push(Import { name, path, is_public, is_glob: true, line });
                    return at + 1;
                }
                "::" => at += 1,
                "as" => {
                    name = Some(self.text(at + 1).to_owned());
                    at += 2;
                }
                "," | "}" | ";" | "" => break,
                word => {
                    path.push(word.to_owned());
                    at += 1;
                }
            }
        }
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
        }
        let name = name.or_else(|| path.last().cloned()).unwrap_or_default();
        all.push(Import { name, path, is_public, is_glob: false, line });
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(text: &str) -> Vec<(String, String)> {
        let scopes = read(text);
        scopes[0].imports.iter().map(|i| (i.name.clone(), i.path.join("::"))).collect()
    }

    #[test]
    fn imports_are_read_with_their_lists_and_new_names() {
        let text = "pub(crate) use a::{b, c::{self, D as E}};\nuse super::*;";
        let names = imports(text);
        let found: Vec<(&str, &str)> =
            names.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(found, [("b", "a::b"), ("c", "a::c"), ("E", "a::c::D"), ("", "super")]);
        let scopes = read(text);
        assert!(scopes[0].imports[0].is_public && !scopes[0].imports[3].is_public);
        assert!(scopes[0].imports[3].is_glob);
    }

    #[test]
    fn modules_for_tests_are_left_out_and_others_are_not() {
        let text = "mod a;\n#[cfg(test)]\nmod b;\n#[path = \"x/c.rs\"]\npub(crate) mod c;\n\
                    #[cfg(test)]\nmod tests { use q::r; }\nmod d { fn e() { f::g(); } }";
        let scopes = read(text);
        let path = |name: &str| Some(name.to_owned());
        assert_eq!(scopes[0].modules, [("a".into(), None), ("c".into(), path("x/c.rs"))]);
        assert!(scopes[0].imports.is_empty());
        assert_eq!((scopes[0].inline[0].as_str(), scopes[1].path.join("::")), ("d", "d".into()));
        assert_eq!(scopes[1].paths.iter().filter(|p| p.path.len() > 1).count(), 1);
    }

    #[test]
    fn items_are_those_of_the_module_and_not_of_functions() {
        let scopes =
            read("pub fn a() { const B: u8 = c::D; }\nstruct E;\nmacro_rules! f { () => {} }");
        let items: Vec<&str> = scopes[0].items.iter().map(String::as_str).collect();
        assert_eq!(items, ["E", "a", "f"]);
        assert!(scopes[0].paths.iter().any(|p| p.path == ["c", "D"] && p.line == 1));
    }
}
