"""Owns the way from the regular expressions of Chroma to those of Python.

Chroma reads patterns as the Rust crate `regex` does. Most patterns mean the same in Python; what
differs is rewritten here: `$` and `\\z`, flags in the middle, `(?<name>...)`, `\\x{...}`, and
POSIX and Unicode classes. What Rust refuses (look-around, back references) is refused here too.
"""

from __future__ import annotations

import re
from functools import lru_cache

from chromadb.errors import InvalidArgumentError

_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7F",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1F\x7F",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_FLAGS = re.compile(r"\(\?([a-zA-Z]*)(-[a-zA-Z]+)?([:)])")
_CODE = re.compile(r"\\[xuU]\{([0-9A-Fa-f]+)\}")
_POSIX_CLASS = re.compile(r"\[:(\^?)([a-z]+):\]")
_LETTERS = {r"\p{L}": r"[^\W\d_]", r"\pL": r"[^\W\d_]", r"\p{N}": r"\d", r"\pN": r"\d"}


@lru_cache(maxsize=256)
def compile_regex(pattern: str) -> re.Pattern[str]:
    """Returns a pattern of Chroma as one of Python.

    Raises `InvalidArgumentError` for a pattern that Chroma refuses, or that Python has no word for.
    """
    try:
        return re.compile(_Reader(pattern).translate())
    except re.error as error:
        raise _refused(pattern, str(error)) from None


def _refused(pattern: str, reason: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"Regex syntax error in {pattern!r}: {reason}")


class _Reader:
    """Walks through a pattern once, and writes it for Python."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.out: list[str] = []
        # For each open group: the groups of flags that were opened inside it.
        self.opened: list[list[str]] = [[]]
        self.many_lines = [False]

    def translate(self) -> str:
        while self.at < len(self.pattern):
            self.step()
        if len(self.opened) != 1:
            raise _refused(self.pattern, "unclosed group")
        return "".join(self.out) + ")" * len(self.opened[0])

    def take(self, text: str, length: int) -> None:
        self.out.append(text)
        self.at += length

    def step(self) -> None:
        char = self.pattern[self.at]
        if char == "\\":
            self.escape(in_class=False)
        elif char == "[":
            self.char_class()
        elif char == "(":
            self.group()
        elif char == ")":
            self.take(")" * (len(self.opened.pop()) + 1), 1)
            self.many_lines.pop()
            if not self.opened:
                raise _refused(self.pattern, "unopened group")
        elif char == "$":
            self.take("$" if self.many_lines[-1] else r"\Z", 1)
        elif char == "|":
            # A flag holds to the end of its group, also in the next alternatives.
            flags = self.opened[-1]
            self.take(")" * len(flags) + "|" + "".join(flags), 1)
        else:
            self.take(char, 1)

    def escape(self, in_class: bool) -> None:
        rest = self.pattern[self.at :]
        code = _CODE.match(rest)
        if code:
            self.take(re.escape(chr(int(code[1], 16))), code.end())
        elif rest[1:2] == "z" and not in_class:
            self.take(r"\Z", 2)
        elif rest[1:2] in ("p", "P"):
            self.unicode_class(rest, in_class)
        elif rest[1:2].isdigit():
            raise _refused(self.pattern, "backreferences are not supported")
        else:
            self.take(rest[:2], 2)

    def unicode_class(self, rest: str, in_class: bool) -> None:
        for name, written in _LETTERS.items():
            if rest.startswith(name) and not in_class:
                self.take(written, len(name))
                return
        raise _refused(self.pattern, "of the Unicode classes, only \\p{L} and \\p{N} are supported")

    def group(self) -> None:
        rest = self.pattern[self.at :]
        if rest.startswith(("(?=", "(?!", "(?<=", "(?<!")):
            raise _refused(self.pattern, "look-around is not supported")
        flags = _FLAGS.match(rest)
        if flags:
            self.flags(flags)
        elif rest.startswith("(?<"):
            self.open("(?P<", 3)
        elif rest.startswith("(?P<"):
            self.open("(?P<", 4)
        elif rest.startswith("(?"):
            raise _refused(self.pattern, "unrecognized flag")
        else:
            self.open("(", 1)

    def open(self, text: str, length: int) -> None:
        self.take(text, length)
        self.opened.append([])
        self.many_lines.append(self.many_lines[-1])

    def flags(self, found: re.Match[str]) -> None:
        on, off = found[1].replace("u", ""), (found[2] or "").replace("u", "")
        if set(on) - set("imsx") or set(off) - set("-imsx"):
            raise _refused(self.pattern, "of the flags, i, m, s, u and x are supported")
        many = ("m" in on) or (self.many_lines[-1] and "m" not in off)
        text = f"(?{on}{off if len(off) > 1 else ''}:"
        if found[3] == ":":
            self.open(text, found.end())
        else:
            self.take(text, found.end())
            self.opened[-1].append(text)
        self.many_lines[-1] = many

    def char_class(self) -> None:
        """Writes a class of characters; classes inside it are known names only."""
        start = self.at
        self.take("[", 1)
        if self.pattern.startswith("^", self.at):
            self.take("^", 1)
        if self.pattern.startswith("]", self.at):
            self.take(r"\]", 1)
        while self.at < len(self.pattern):
            rest = self.pattern[self.at :]
            if rest[0] == "]":
                self.take("]", 1)
                return
            if rest[0] == "\\":
                self.escape(in_class=True)
            elif rest[0] == "[":
                self.posix(rest)
            elif rest[:2] in ("&&", "--", "~~"):
                raise _refused(self.pattern, f"{rest[:2]} in a class is not supported")
            else:
                self.take(rest[0], 1)
        raise _refused(self.pattern, f"unclosed character class at {start}")

    def posix(self, rest: str) -> None:
        named = _POSIX_CLASS.match(rest)
        if not named or named[1] or named[2] not in _POSIX:
            raise _refused(self.pattern, "a class in a class is not supported")
        self.take(_POSIX[named[2]], named.end())
