"""Runs the tests that chromadb ships, unmodified and in place, against `altiplano.chroma`.

Wherever a test asks for Chroma's own local API, by its settings or by default, it gets ours. Two
things stand in for what is not there: the default embedding function needs no download, and two
checks of the size of Chroma's own SQLite queue, which we do not have, are left out.

With `ALTIPLANO_CHROMA_RESULTS` a file is written: a line for each test that used our API, with its
outcome. A test that goes on with a system that it stopped gets it started again.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any

import numpy as np
import pytest
from altiplano.chroma import API_IMPL, AltiplanoAPI
from chromadb.api.shared_system_client import SharedSystemClient
from chromadb.config import Settings, System
from chromadb.utils.embedding_functions.onnx_mini_lm_l6_v2 import ONNXMiniLM_L6_V2

THEIRS = "chromadb.api.rust.RustBindingsAPI"
RESULTS: dict[str, str] = {}
#: Tests during which our API was started.
USED: set[str] = set()
_current = ""
_made_by_chroma = Settings.__init__
_start = AltiplanoAPI.start
_populate = SharedSystemClient._populate_data_from_system


def _made_by_us(self: Settings, *args: Any, **values: Any) -> None:
    _made_by_chroma(self, *args, **values)
    if self.chroma_api_impl == THEIRS:
        self.chroma_api_impl = API_IMPL


def _populate_from_running(system: System) -> str:
    if not system._running:
        system.start()
    return _populate(system)


def _noted_start(self: AltiplanoAPI) -> None:
    USED.add(_current)
    _start(self)


def _embed(self: ONNXMiniLM_L6_V2, input: list[str]) -> list[Any]:
    """Returns embeddings of the default function's dimension, made of the words' hashes."""
    made = []
    for text in input:
        vector = np.zeros(384, dtype=np.float32)
        for word in text.lower().split() or [""]:
            seed = hashlib.sha256(word.encode()).digest()
            vector += np.random.default_rng(list(seed)).standard_normal(384).astype(np.float32)
        made.append(vector / np.linalg.norm(vector))
    return made


SharedSystemClient._populate_data_from_system = staticmethod(  # type: ignore[method-assign]
    _populate_from_running
)
AltiplanoAPI.start = _noted_start  # type: ignore[method-assign]
ONNXMiniLM_L6_V2.__call__ = _embed  # type: ignore[method-assign]
Settings.__init__ = _made_by_us  # type: ignore[method-assign]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems() -> None:
    from chromadb.test.property import invariants

    invariants.log_size_below_max = lambda *_: None
    invariants.log_size_for_collections_match_expected = lambda *_: None


def _name(nodeid: str) -> str:
    return nodeid[nodeid.index("chromadb/test/") :]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    global _current
    _current = _name(item.nodeid)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    name = _name(report.nodeid)
    if report.outcome != "passed" or report.when == "call":
        outcome: str = report.outcome
        if hasattr(report, "wasxfail"):
            outcome = "xpassed" if outcome == "passed" else "xfailed"
        if RESULTS.get(name) != "failed":
            RESULTS[name] = outcome


def pytest_sessionfinish() -> None:
    path = os.environ.get("ALTIPLANO_CHROMA_RESULTS")
    if path:
        lines = [f"{RESULTS[name]} {name}\n" for name in sorted(RESULTS) if name in USED]
        with open(path, "w") as file:
            file.writelines(lines)
