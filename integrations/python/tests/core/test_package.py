"""The package as a whole: its types, its help, its pages."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import altiplano

HERE = Path(__file__).resolve().parents[2]


def public() -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for name in altiplano.__all__:
        value = getattr(altiplano, name)
        found.append((name, value))
        if inspect.isclass(value) and value.__module__.startswith("altiplano"):
            members = ((n, m) for n, m in vars(value).items() if not n.startswith("_"))
            found.extend((f"{name}.{n}", m) for n, m in members)
    return found


def test_everything_has_help() -> None:
    missing = [
        name for name, value in public()
        if not isinstance(value, str) and not inspect.isclass(value) and not inspect.getdoc(value)
    ]
    assert missing == []
    assert "Args:" in (inspect.getdoc(altiplano.Store) or "")


def test_the_types_are_those_of_the_module() -> None:
    command = [
        sys.executable, "-m", "mypy.stubtest", "altiplano._native", "altiplano.errors",
        "altiplano._stats", "altiplano.types", "--allowlist", str(HERE / "tests/stubtest.allow"),
        "--ignore-unused-allowlist",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_programs_are_checked_by_the_types(tmp_path: Path) -> None:
    good = tmp_path / "good.py"
    good.write_text(
        "from datetime import timedelta\n"
        "import altiplano\n"
        "from altiplano import Memory, field\n"
        "with altiplano.open('a') as store:\n"
        "    notes = store.collection('notes', 3, 'cosine', default_ttl=timedelta(days=1))\n"
        "    notes.insert(Memory([1.0, 0.0, 0.0], key='k', metadata={'n': 1}))\n"
        "    for hit in notes.search([1.0, 0.0, 0.0], k=3, filter=field('n') > 0):\n"
        "        print(hit.score + 1.0, hit.text)\n"
    )
    bad = tmp_path / "bad.py"
    bad.write_text("import altiplano\naltiplano.open('a').collection('n', 3, 'manhattan')\n")
    strict = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache")]
    done = subprocess.run([*strict, str(good)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    done = subprocess.run([*strict, str(bad)], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "manhattan" in done.stdout


@pytest.mark.parametrize("block", range(2))
def test_the_programs_of_the_readme_run(tmp_path: Path, block: int) -> None:
    text = (HERE / "README.md").read_text()
    programs = re.findall(r"```python\n(.*?)```", text, re.S)
    assert len(programs) >= 2
    done = subprocess.run(
        [sys.executable, "-c", programs[block]], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_every_error_is_a_class() -> None:
    source = HERE.parents[1] / "src/error/mod.rs"
    if not source.exists():
        pytest.skip("the sources of the crate are not beside the package")
    body = source.read_text().split("pub enum Error {")[1].split("\n}\n")[0]
    variants = re.findall(r"^    (\w+)(?: \{|,)", body, re.M)
    assert len(variants) > 20
    for variant in variants:
        name = variant if variant.endswith("Error") else f"{variant}Error"
        assert issubclass(getattr(altiplano.errors, name), altiplano.Error), name
