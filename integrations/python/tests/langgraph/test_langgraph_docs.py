"""The examples of `docs/langgraph.md` run, and what it says about limits is so."""

import asyncio
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
from langgraph_support import embed

from altiplano import Store
from altiplano.errors import LockedError
from altiplano.langgraph import AltiplanoStore

PAGE = Path(__file__).parents[2] / "docs" / "langgraph.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs(
    example: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    def wide(texts: list[str]) -> list[list[float]]:
        return [vector * 16 for vector in embed(texts)]

    names: dict[str, Any] = {"embed": wide, "AltiplanoStore": AltiplanoStore}
    exec("async def example():\n" + textwrap.indent(example, "    "), names)
    asyncio.run(names["example"]())
    assert (tmp_path / "memory.alt").is_dir()


def test_a_user_is_forgotten_everywhere(path: Path, index: dict[str, Any]) -> None:
    with AltiplanoStore.from_conn_string(path, index=index) as store:
        store.put(("users", "ada"), "a", {"text": "tea"})
        store.put(("users", "ada"), "b", {"text": "tea"}, index=False)
        store.put(("users", "bob"), "c", {"text": "tea"})
        store.store.forget("users/ada")
        assert [item.key for item in store.search(())] == ["c"]
        assert store.list_namespaces() == [("users", "bob")]


def test_one_megabyte_is_the_limit_of_a_value(path: Path) -> None:
    with AltiplanoStore.from_conn_string(path) as store:
        store.put(("a",), "k", {"x": "y" * ((1 << 20) - 100)})
        with pytest.raises(ValueError, match="metadata"):
            store.put(("a",), "k", {"x": "y" * (1 << 20)})
        assert store.get(("a",), "k") is not None


def test_a_second_opening_is_refused(path: Path) -> None:
    with Store(path), pytest.raises(LockedError):
        AltiplanoStore(path)
