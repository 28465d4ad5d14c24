//! Owns `Path`: the name of a field, its syntax, and its one canonical form. Syntax and meaning are
//! documented at `Filter::field`.

use std::fmt;

use super::{MAX_DEPTH, MAX_PATH_BYTES};

/// One step from a value to a value inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// To the value of this key of an object.
    Key(String),
    /// To every element of a list.
    Any,
    /// To the element of a list at this position.
    At(usize),
}

/// A path that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

/// Why a text is not a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathFault {
    /// The text has this many bytes.
    Long(usize),
    /// The character at this column, from 1 on, is not what is expected there.
    Syntax { column: usize, expected: &'static str },
}

impl Path {
    pub(crate) fn parse(text: &str) -> Result<Self, PathFault> {
        if text.len() > MAX_PATH_BYTES {
            return Err(PathFault::Long(text.len()));
        }
        let mut reader = Reader { text, at: 0 };
        let mut steps = vec![reader.first()?];
        while let Some(next) = reader.peek() {
            steps.push(reader.step(next)?);
        }
        Ok(Self(steps))
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Returns the keys of the path; `None` if it names elements of a list.
    pub(crate) fn keys(&self) -> Option<Vec<&str>> {
        let keys = self.0.iter().map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Any | Step::At(_) => None,
        });
        keys.collect()
    }

    /// Returns true if the path may name several values: it has a step to every element.
    pub(crate) fn names_many(&self) -> bool {
        self.0.contains(&Step::Any)
    }

    /// Returns the path to every element of the list at this path.
    pub(crate) fn elements(mut self) -> Self {
        self.0.push(Step::Any);
        self
    }

    /// Returns the columns that have the values of this path. `None` if columns do not go so deep.
    pub(crate) fn columns(&self) -> Option<Columns> {
        if self.0.len() > MAX_DEPTH {
            return None;
        }
        let mut own = String::new();
        for step in &self.0 {
            match step {
                Step::Key(key) => push_key(&mut own, key),
                Step::Any | Step::At(_) => own.push_str(ANY),
            }
        }
        let exact = !self.0.iter().any(|step| matches!(step, Step::At(_)));
        let elements = [&own, ANY].concat();
        let short = elements.len() <= MAX_PATH_BYTES && self.0.len() < MAX_DEPTH;
        Some(Columns { own, elements: short.then_some(elements), exact })
    }
}

/// The canonical paths of columns that have all values of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    /// The column of the values.
    pub(crate) own: String,
    /// The column of the elements of lists; `None` if columns do not go so deep.
    pub(crate) elements: Option<String>,
    /// False if the columns have other values as well, because the path names positions.
    pub(crate) exact: bool,
}

/// The step to every element.
pub(super) const ANY: &str = "[*]";

/// Returns the canonical path of these keys.
pub(crate) fn path_of_keys(keys: &[&str]) -> String {
    let mut path = String::new();
    keys.iter().for_each(|key| push_key(&mut path, key));
    path
}

/// Appends a step to the canonical form of a path. Two paths have the same form only if they have
/// the same steps, and no form begins with a dot.
pub(super) fn push_key(path: &mut String, key: &str) {
    if !key.is_empty() && !key.contains(is_special) {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
        return;
    }
    path.push_str("[\"");
    for c in key.chars() {
        if matches!(c, '"' | '\\') {
            path.push('\\');
        }
        path.push(c);
    }
    path.push_str("\"]");
}

/// Returns true if a key with this character must be quoted.
const fn is_special(c: char) -> bool {
    matches!(c, '.' | '[' | ']' | '"' | '\\')
}

struct Reader<'a> {
    text: &'a str,
    /// In bytes.
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn fault(&self, expected: &'static str) -> PathFault {
        let before = self.text.get(..self.at).unwrap_or_default();
        PathFault::Syntax { column: before.chars().count() + 1, expected }
    }

    fn take(&mut self, wanted: char, expected: &'static str) -> Result<(), PathFault> {
        match self.peek() {
            Some(c) if c == wanted => {
                self.at += c.len_utf8();
                Ok(())
            }
            _ => Err(self.fault(expected)),
        }
    }

    fn first(&mut self) -> Result<Step, PathFault> {
        if self.peek() != Some('[') {
            return self.key();
        }
        self.at += 1;
        match self.peek() {
            Some('"') => self.quoted(),
            _ => Err(self.fault("a key in quotes: a path begins with a key")),
        }
    }

    fn step(&mut self, next: char) -> Result<Step, PathFault> {
        if next != '[' {
            self.take('.', "a dot, a bracket, or the end")?;
            return self.key();
        }
        self.at += 1;
        match self.peek() {
            Some('"') => self.quoted(),
            Some('*') => {
                self.at += 1;
                self.take(']', "a closing bracket")?;
                Ok(Step::Any)
            }
            Some('0'..='9') => self.position(),
            _ => Err(self.fault("`*`, a position, or a key in quotes")),
        }
    }

    fn position(&mut self) -> Result<Step, PathFault> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        let digits = self.text.get(start..self.at).unwrap_or_default();
        let Ok(position) = digits.parse() else {
            self.at = start;
            return Err(self.fault("a position below 2^64"));
        };
        self.take(']', "a closing bracket")?;
        Ok(Step::At(position))
    }

    fn key(&mut self) -> Result<Step, PathFault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let key = rest.split(is_special).next().unwrap_or_default();
        if key.is_empty() {
            return Err(self.fault("a key; quote one that is empty or has dots: [\"a.b\"]"));
        }
        self.at += key.len();
        Ok(Step::Key(key.to_owned()))
    }

    /// Reads a key from its opening quote to its closing bracket.
    fn quoted(&mut self) -> Result<Step, PathFault> {
        self.at += 1;
        let mut key = String::new();
        loop {
            let Some(c) = self.peek() else {
                return Err(self.fault("a closing quote"));
            };
            self.at += c.len_utf8();
            match c {
                '"' => break,
                '\\' => match self.peek() {
                    Some(c @ ('"' | '\\')) => {
                        key.push(c);
                        self.at += 1;
                    }
                    _ => return Err(self.fault("a quote or a backslash after a backslash")),
                },
                c => key.push(c),
            }
        }
        self.take(']', "a closing bracket")?;
        Ok(Step::Key(key))
    }
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long(bytes) => write!(f, "{bytes} bytes, at most {MAX_PATH_BYTES} are allowed"),
            Self::Syntax { column, expected } => write!(f, "column {column}: expected {expected}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Step {
        Step::Key(name.to_owned())
    }

    #[test]
    fn paths_are_read_and_have_one_canonical_form() {
        let steps = |text: &str| Path::parse(text).unwrap().0;
        assert_eq!(steps("a"), [key("a")]);
        assert_eq!(steps("a.b"), [key("a"), key("b")]);
        assert_eq!(steps("tags[*]"), [key("tags"), Step::Any]);
        assert_eq!(steps("a[7][*].b"), [key("a"), Step::At(7), Step::Any, key("b")]);
        assert_eq!(steps(r#"a["x.y"].b"#), [key("a"), key("x.y"), key("b")]);
        assert_eq!(steps(r#"["q\"\\"]"#), [key("q\"\\")]);
        assert_eq!(steps("ä ö.-1"), [key("ä ö"), key("-1")]);
        let columns = |text: &str| Path::parse(text).unwrap().columns().unwrap();
        let column = |text: &str| (columns(text).own, columns(text).exact);
        assert_eq!(columns("a[1]").elements.as_deref(), Some("a[*][*]"));
        for (text, name, exact) in [
            ("a.b", "a.b", true),
            (r#"["a"]["b"]"#, "a.b", true),
            (r#"a["x.y"][*].c"#, r#"a["x.y"][*].c"#, true),
            (r#"[""].a"#, r#"[""].a"#, true),
            ("a[3].b", "a[*].b", false),
        ] {
            assert_eq!(column(text), (name.to_owned(), exact));
            assert_eq!(column(name), (name.to_owned(), true));
        }
        let deep = |levels: usize| format!("a{}", "[*]".repeat(levels - 1));
        assert!(columns(&deep(MAX_DEPTH - 1)).elements.is_some());
        assert!(columns(&deep(MAX_DEPTH)).elements.is_none());
        assert!(Path::parse(&deep(MAX_DEPTH + 1)).unwrap().columns().is_none());
        assert!(columns(&"a".repeat(MAX_PATH_BYTES - 2)).elements.is_none());
    }

    #[test]
    fn a_fault_is_told_by_its_column() {
        for (text, column) in [
            ("", 1),
            (".a", 1),
            ("a.", 3),
            ("a..b", 3),
            ("ä..b", 3),
            ("[0]", 2),
            ("[*]", 2),
            ("a[", 3),
            ("a[-1]", 3),
            ("a[1", 4),
            ("a[*", 4),
            ("a[x]", 3),
            ("a]", 2),
            ("a\"b\"", 2),
            ("a[\"x", 5),
            ("a[\"x\"", 6),
            ("a[\"\\x\"]", 5),
            ("a[*]b", 5),
            ("a[99999999999999999999999]", 3),
        ] {
            match Path::parse(text) {
                Err(PathFault::Syntax { column: found, .. }) => assert_eq!(found, column, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(Path::parse(&"a".repeat(MAX_PATH_BYTES)).is_ok());
        let long = Path::parse(&"a".repeat(MAX_PATH_BYTES + 1));
        assert_eq!(long, Err(PathFault::Long(MAX_PATH_BYTES + 1)));
    }
}
