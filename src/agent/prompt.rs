//! Owns `PromptTemplate`: how memories are written for a model to read.
//!
//! Invariants: a memory takes one line, unless the caller asks for its line breaks. What a memory
//! holds is never read as a placeholder.

use std::fmt::Write;

use super::candidate::Recalled;
use crate::{Error, MemoryId, Result, Timestamp};

/// How memories are written for a model to read: a header, a line for each memory, a footer.
///
/// The line is text with placeholders: `{id}`, `{date}`, `{tier}`, `{kind}`, `{text}` and
/// `{score}`. `{{` and `}}` stand for braces.
///
/// - `{id}` is the id, which [`MemoryId`] parses: a decimal number, or a UUID from 2^64 on.
/// - `{date}` is the day on which it happened, or else was made, in UTC: `2026-03-01`.
/// - `{kind}` is the kind, or nothing.
/// - `{score}` is [`Recalled::score`] with two decimals.
///
/// Line breaks, other control characters and runs of spaces in a text, a tier or a kind become one
/// space. So a text cannot pretend to be another memory on a line of its own. That is no protection
/// from what a text says: a model may still take it for an instruction.
///
/// ```
/// use altiplano::agent::{PromptTemplate, Recalled};
/// use altiplano::{Memory, Timestamp};
///
/// let at: Timestamp = "2026-03-01T09:30:00Z".parse()?;
/// let memory = Memory::new(42, [1.0]).text("likes\ntea").created_at(at);
/// let items = [Recalled::new(memory, "working", 0.1, 0.9)];
/// let prompt = "Memories, most useful first:\n- [2026-03-01, working, 42] likes tea";
/// assert_eq!(PromptTemplate::default().render(&items), prompt);
///
/// let template = PromptTemplate::default().header("You know:").item("* {text} ({score})")?;
/// assert_eq!(template.render(&items), "You know:\n* likes tea (0.90)");
/// assert!(template.item("{name}").is_err());
/// # Ok::<(), altiplano::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptTemplate {
    header: String,
    item: Vec<Piece>,
    footer: String,
    keeps_line_breaks: bool,
}

/// A part of the line of a memory.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Id,
    Date,
    Tier,
    Kind,
    Text,
    Score,
}

impl Default for PromptTemplate {
    /// Returns a plain block: `Memories, most useful first:`, and a line
    /// `- [{date}, {tier}, {id}] {text}` for each memory.
    fn default() -> Self {
        let literal = |text: &str| Piece::Literal(text.to_owned());
        let item = vec![
            literal("- ["),
            Piece::Date,
            literal(", "),
            Piece::Tier,
            literal(", "),
            Piece::Id,
            literal("] "),
            Piece::Text,
        ];
        Self {
            header: "Memories, most useful first:".to_owned(),
            item,
            footer: String::new(),
            keeps_line_breaks: false,
        }
    }
}

impl PromptTemplate {
    /// Sets what stands above the memories. "" leaves the header out.
    #[must_use]
    pub fn header(self, header: impl Into<String>) -> Self {
        Self { header: header.into(), ..self }
    }

    /// Sets the line of a memory.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for a placeholder that does not exist, and for a single brace.
    pub fn item(self, line: &str) -> Result<Self> {
        Ok(Self { item: pieces(line)?, ..self })
    }

    /// Sets what stands below the memories. "", the default, leaves the footer out.
    #[must_use]
    pub fn footer(self, footer: impl Into<String>) -> Self {
        Self { footer: footer.into(), ..self }
    }

    /// Keeps the line breaks of texts. Default = false. With them, a text can look like several
    /// memories. Other names stay on one line.
    #[must_use]
    pub const fn keep_line_breaks(mut self, keeps: bool) -> Self {
        self.keeps_line_breaks = keeps;
        self
    }

    /// Returns the prompt: header, memories and footer, each on a line of its own. "" if there are
    /// no memories. O(length of the prompt).
    pub fn render(&self, items: &[Recalled]) -> String {
        self.render_each(items.iter())
    }

    /// Renders as [`PromptTemplate::render`] does.
    pub(super) fn render_each<'a>(&self, items: impl Iterator<Item = &'a Recalled>) -> String {
        let mut lines = String::new();
        for item in items {
            lines += &self.line(item);
            lines.push('\n');
        }
        if lines.is_empty() {
            return lines;
        }
        let mut prompt = self.top() + &lines + &self.footer;
        if self.footer.is_empty() {
            prompt.pop();
        }
        prompt
    }

    /// Returns the header with the end of its line.
    pub(super) fn top(&self) -> String {
        if self.header.is_empty() { String::new() } else { format!("{}\n", self.header) }
    }

    /// Returns the footer.
    pub(super) fn bottom(&self) -> &str {
        &self.footer
    }

    /// Returns the line of one memory, without the end of the line.
    pub(super) fn line(&self, item: &Recalled) -> String {
        let memory = &item.memory;
        let mut line = String::new();
        for piece in &self.item {
            match piece {
                Piece::Literal(text) => line += text,
                Piece::Id => line += &id(memory.id),
                Piece::Date => line += &date(memory.event_time.or(memory.created_at)),
                Piece::Tier => add_on_one_line(&mut line, &item.tier),
                Piece::Kind => add_on_one_line(&mut line, memory.kind.as_deref().unwrap_or("")),
                Piece::Text if self.keeps_line_breaks => line += item.text(),
                Piece::Text => add_on_one_line(&mut line, item.text()),
                Piece::Score => _ = write!(line, "{:.2}", item.score),
            }
        }
        line
    }
}

/// Reads the line of a template.
fn pieces(line: &str) -> Result<Vec<Piece>> {
    let (mut pieces, mut literal) = (Vec::new(), String::new());
    let mut rest = line;
    while let Some(at) = rest.find(['{', '}']) {
        literal += &rest[..at];
        let brace = &rest[at..];
        if brace.starts_with("{{") || brace.starts_with("}}") {
            literal += &brace[..1];
            rest = &brace[2..];
            continue;
        }
        let end = brace.find('}').filter(|end| *end > 0);
        let Some(end) = end else {
            return Err(refused(format!("{line:?} has a single brace: write {{{{ or }}}}")));
        };
        let piece = match &brace[1..end] {
            "id" => Piece::Id,
            "date" => Piece::Date,
            "tier" => Piece::Tier,
            "kind" => Piece::Kind,
            "text" => Piece::Text,
            "score" => Piece::Score,
            name => {
                let known = "id, date, tier, kind, text and score";
                return Err(refused(format!("there is no placeholder {name:?}, but {known}")));
            }
        };
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        pieces.push(piece);
        rest = &brace[end + 1..];
    }
    literal += rest;
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

fn refused(reason: String) -> Error {
    Error::option("prompt_template", reason)
}

/// Returns the shorter form of an id.
fn id(id: MemoryId) -> String {
    match u64::try_from(id) {
        Ok(number) => number.to_string(),
        Err(_) => id.to_uuid_string(),
    }
}

/// Returns the day of a moment. A moment in a year of more than four digits is a number.
fn date(at: Option<Timestamp>) -> String {
    let text = at.map(|at| at.to_string()).unwrap_or_default();
    text.split('T').next().unwrap_or_default().to_owned()
}

/// Adds a text, in which spaces and control characters are single spaces.
fn add_on_one_line(line: &mut String, text: &str) {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    for (at, word) in words.filter(|word| !word.is_empty()).enumerate() {
        if at > 0 {
            line.push(' ');
        }
        line.push_str(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memory;
    use proptest::prelude::*;

    fn item(text: &str) -> Recalled {
        Recalled::new(Memory::new(1, [1.0]).text(text).kind("a\nb"), "t\u{2028}x", 0.1, 0.5)
    }

    fn render(line: &str, text: &str) -> String {
        let template = PromptTemplate::default().header("").item(line).unwrap();
        template.render(&[item(text)])
    }

    #[test]
    fn placeholders_are_replaced_once_and_braces_are_kept() {
        assert_eq!(render("{{{id}}} {kind}|{tier}|{text}", "{id} {x"), "{1} a b|t x|{id} {x");
        assert_eq!(render("{date}{score}", ""), "0.50");
    }

    #[test]
    fn what_is_no_placeholder_is_refused() {
        for line in ["{", "}", "{}", "{Text}", "{text", "a } b", "{te{xt}", "{text }"] {
            let error = PromptTemplate::default().item(line).unwrap_err();
            assert!(matches!(error, Error::InvalidOption { .. }), "{line}");
        }
    }

    #[test]
    fn line_breaks_of_texts_are_kept_on_request_only() {
        let template = PromptTemplate::default().header("").item("{kind}: {text}").unwrap();
        assert_eq!(template.render(&[item("a\r\n\n b")]), "a b: a b");
        let template = template.keep_line_breaks(true);
        assert_eq!(template.render(&[item("a\nb")]), "a b: a\nb");
    }

    #[test]
    fn ids_are_shown_in_a_form_that_is_parsed() {
        for number in [0, u128::from(u64::MAX), 1 << 64, u128::MAX] {
            let shown = id(MemoryId::from_u128(number));
            assert_eq!(shown.parse::<MemoryId>().unwrap().as_u128(), number);
        }
    }

    proptest! {
        #[test]
        fn each_memory_takes_one_line(texts in prop::collection::vec("(?s).{0,40}", 1..6)) {
            let items: Vec<Recalled> = texts.iter().map(|text| item(text)).collect();
            let template = PromptTemplate::default().footer("end");
            let prompt = template.render(&items);
            let lines: Vec<&str> = prompt.split(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}',
                '\u{2029}']).collect();
            prop_assert_eq!(lines.len(), items.len() + 2);
            prop_assert!(lines[1..=items.len()].iter().all(|line| line.starts_with("- [, t x, 1]")));
        }

        #[test]
        fn no_line_of_a_template_panics(line in "[a-z{} ]{0,20}|\\{(id|text)\\}.{0,9}") {
            let _ = PromptTemplate::default().item(&line);
        }
    }
}
