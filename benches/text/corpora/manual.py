"""Cuts this project's documentation into paragraphs: the texts of manual.tsv.

Owns: what counts as a paragraph of the documentation.
Not here: the questions (manual-questions.tsv) and the embeddings (embed.py).

    python manual.py > manual.tsv

The questions name paragraphs by number, so the table is not made again when the documentation
changes. README.md says which commit it was cut from.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGES = ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "src/guide", "src/format/format.md",
         "src/reliability.md")
PUBLIC_FOLDERS = {"clock", "collection", "error", "event", "filter", "ids", "memory", "options",
                  "report", "search", "stats", "store"}
INTERNAL = {"nesting", "survivors", "choose", "open"}
FEWEST, MOST = 8, 120  # words of a paragraph
FEWEST_API = 13  # of a doc comment: shorter ones mostly repeat the item's name
BULLET = re.compile(r"^\s*(?:[-*]|\d+\.)\s+")
# A link has a target, or is the name of an item; other brackets, as in `tags[*]`, are text.
LINK = re.compile(r"\[([^\[\]]*)\](?:\([^)]*\)|\[[^\]]*\])|\[(`[^`]*`)\]")
# What a doc comment stands before: a public item, a field of one, or a variant.
PUBLIC = re.compile(r"^\s*(?:pub\s+(?!\(|use |mod )|[A-Z]\w*\s*(?:[({,]|$))")
NAME = re.compile(r"(?:fn|struct|enum|trait|type|const(?! fn)|static)\s+(\w+)|^\s*(?:pub\s+)?(\w+)")


def paragraphs(lines):
    """(heading, text) of each paragraph and list entry, without code and tables."""
    heading, held, fenced = "", [], False
    for line in [*lines, ""]:
        bare = "" if line.lstrip().startswith("|") else line.strip()
        if bare.startswith("```"):
            fenced = not fenced
            bare = ""
        elif fenced:
            continue
        title = re.match(r"^#+ +(.*)", bare)
        starts = not bare or title or BULLET.match(line)
        if starts and held:
            yield heading, plain(" ".join(held))
            held = []
        if title:
            heading = plain(title.group(1))
        elif bare and not bare.startswith(("<", "![")) and not re.match(r"^\[[^\]]*\]:", bare):
            held.append(bare)


def plain(text):
    """Text on one line, without the marks of lists, links and bold type."""
    text = BULLET.sub("", text).strip()
    text = "" if LINK.fullmatch(text) else LINK.sub(lambda m: m[1] or m[2], text).replace("**", "")
    return " ".join(text.split())


def pages():
    for name in PAGES:
        path = ROOT / name
        for page in sorted(path.glob("*.md")) if path.is_dir() else [path]:
            lines = page.read_text(encoding="utf-8").splitlines()
            for heading, text in paragraphs(lines):
                yield f"{page.stem} > {heading}", page.stem.lower(), text


def doc_comments():
    for path in sorted((ROOT / "src").rglob("*.rs")):
        parts = {*path.relative_to(ROOT).parts, path.stem}
        if "test" in path.stem or "tests" in parts:
            continue
        if not PUBLIC_FOLDERS & parts or path.stem in INTERNAL:
            continue
        held = []
        for line in path.read_text(encoding="utf-8").splitlines():
            bare = line.strip()
            if bare.startswith("///"):
                held.append(bare[3:].removeprefix(" "))
                continue
            if held and not bare.startswith("#"):
                if PUBLIC.match(line):
                    name = next(filter(None, NAME.search(line).groups()))
                    for heading, text in paragraphs(held):
                        yield f"{path.stem} > {name} {heading}".strip(), "api", text
                held = []


def main():
    print("id\tsection\tkind\ttext")
    seen, rows = set(), 0
    for section, kind, text in [*pages(), *doc_comments()]:
        fewest = FEWEST_API if kind == "api" else FEWEST
        if fewest <= len(text.split()) <= MOST and text not in seen:
            seen.add(text)
            rows += 1
            print(f"m{rows:04}", section, kind, text, sep="\t")


if __name__ == "__main__":
    main()
