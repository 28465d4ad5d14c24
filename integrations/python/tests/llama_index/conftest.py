"""Owns what the tests share: stores in temporary folders, and how many examples are tried."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from altiplano.llama_index import AltiplanoVectorStore

FULL = os.environ.get("ALTIPLANO_INTEGRATIONS") == "full"

settings.register_profile(
    "altiplano",
    deadline=None,
    phases=[one for one in Phase if FULL or one != Phase.shrink],
    report_multiple_bugs=False,
    max_examples=1000 if FULL else 60,
    stateful_step_count=40 if FULL else 20,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("altiplano")


@pytest.fixture
def path(tmp_path: Path) -> str:
    """The path of a store that does not exist yet."""
    return str(tmp_path / "agent.alt")


@pytest.fixture
def vector_store(path: str) -> Iterator[AltiplanoVectorStore]:
    """A vector store that is closed at the end."""
    store = AltiplanoVectorStore(path)
    yield store
    store.close()
