"""The pages of the documentation say what is there: their examples run, their commands parse."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from altiplano import importers
from altiplano.importers.__main__ import parser as importers_parser
from altiplano.io.__main__ import parser as io_parser

DOCS = Path(__file__).resolve().parents[2] / "docs"


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_examples_of_io_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {"__name__": "docs"}
    examples = blocks("io.md", "python")
    assert len(examples) >= 4
    for example in examples:
        exec(compile(example, "io.md", "exec"), space)
        printed = capsys.readouterr().out.splitlines()
        promised = re.findall(r"print\(.*\)\s+# (.*)", example)
        assert printed == promised


@pytest.mark.parametrize("page", ["io.md", "coming_from.md"])
def test_commands_parse(page: str) -> None:
    parsers = {"altiplano.io": io_parser(), "altiplano.importers": importers_parser()}
    count = 0
    for block in blocks(page, "sh"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[:2] == ["python", "-m"]:
                parsers[words[2]].parse_args(words[3:])
                count += 1
    assert count >= 2


def test_calls_of_coming_from_fit() -> None:
    import inspect

    seen = set()
    for block in blocks("coming_from.md", "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                function = getattr(importers, node.func.id, None)
                if function is not None:
                    names = {keyword.arg: None for keyword in node.keywords}
                    inspect.signature(function).bind(*node.args, **names)
                    seen.add(node.func.id)
    assert seen == set(importers.__all__)
