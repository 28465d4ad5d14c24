"""Runs the tests that chromadb ships, unmodified and in place, against `altiplano.chroma`.

Wherever a test asks for Chroma's own local API, by its settings or by default, it gets ours. What
is left out: two checks of the size of Chroma's own SQLite queue, which we do not have.

With `ALTIPLANO_CHROMA_RESULTS` a file is written: a line for each test, with its outcome.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from chromadb.config import Settings

from altiplano.chroma import API_IMPL

THEIRS = "chromadb.api.rust.RustBindingsAPI"
RESULTS: dict[str, str] = {}
_made_by_chroma = Settings.__init__


def _made_by_us(self: Settings, *args: Any, **values: Any) -> None:
    _made_by_chroma(self, *args, **values)
    if self.chroma_api_impl == THEIRS:
        self.chroma_api_impl = API_IMPL


Settings.__init__ = _made_by_us  # type: ignore[method-assign]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems() -> None:
    from chromadb.test.property import invariants

    invariants.log_size_below_max = lambda *_: None
    invariants.log_size_for_collections_match_expected = lambda *_: None


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    name = report.nodeid[report.nodeid.index("chromadb/test/") :]
    if report.outcome != "passed" or report.when == "call":
        if hasattr(report, "wasxfail"):
            outcome = "xpassed" if report.outcome == "passed" else "xfailed"
        else:
            outcome = report.outcome
        if RESULTS.get(name) != "failed":
            RESULTS[name] = outcome


def pytest_sessionfinish() -> None:
    path = os.environ.get("ALTIPLANO_CHROMA_RESULTS")
    if path:
        with open(path, "a") as file:
            file.writelines(f"{outcome} {name}\n" for name, outcome in sorted(RESULTS.items()))
