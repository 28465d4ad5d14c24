"""Fixtures of the tests of `altiplano.langgraph`."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from langgraph_support import DIMS, START, Make, embed

from altiplano import ManualClock
from altiplano.langgraph import AltiplanoStore

FULL = os.environ.get("ALTIPLANO_INTEGRATIONS") == "full"
settings.register_profile(
    "altiplano",
    deadline=None,
    derandomize=not FULL,
    max_examples=2000 if FULL else 60,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("altiplano")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def make(clock: ManualClock) -> Iterator[Make]:
    """Makes stores in RAM that follow the clock of the test."""
    with ExitStack() as stack:

        def make(**options: Any) -> AltiplanoStore:
            return stack.enter_context(AltiplanoStore.temporary(clock=clock, **options))

        yield make


@pytest.fixture
def index() -> dict[str, Any]:
    return {"dims": DIMS, "embed": embed, "fields": ["text"]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory.alt"
