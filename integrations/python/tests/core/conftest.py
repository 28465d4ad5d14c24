"""What the tests of the package itself share."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

import altiplano

#: When the clocks of the tests begin.
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def clock() -> altiplano.ManualClock:
    return altiplano.ManualClock(START)


@pytest.fixture
def store(tmp_path: Path, clock: altiplano.ManualClock) -> Iterator[altiplano.Store]:
    with altiplano.open(tmp_path / "store", clock=clock, seed=7) as store:
        yield store


@pytest.fixture
def notes(store: altiplano.Store) -> altiplano.Collection:
    return store.collection("notes", 4, "l2", text_index="english")


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(7)
