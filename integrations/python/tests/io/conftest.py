"""Owns the fixtures of these tests, and memories that have every attribute."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

import altiplano
from altiplano import Collection, Memory, Store

FULL = os.environ.get("ALTIPLANO_INTEGRATIONS") == "full"
ROWS = 10_000 if FULL else 2_000
"""Rows of an imported store."""

for name in ("ANONYMIZED_TELEMETRY", "CHROMA_TELEMETRY", "LANGCHAIN_TRACING_V2"):
    os.environ[name] = "False"
os.environ["LANCEDB_TELEMETRY"] = "off"
os.environ["DO_NOT_TRACK"] = "1"

settings.register_profile(
    "altiplano",
    max_examples=150 if FULL else 40,
    deadline=None,
    derandomize=not FULL,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("altiplano")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with altiplano.open(tmp_path / "store", background=False) as opened:
        yield opened


@pytest.fixture
def make(store: Store) -> Callable[..., Collection]:
    """Makes collections with names of their own."""
    made = iter(range(1_000_000))

    def make(dimension: int = 3, metric: Any = "l2", **options: Any) -> Collection:
        return store.collection(f"c{next(made)}", dimension, metric, **options)

    return make


def whole(key: str = "k", seed: int = 0, dimension: int = 3) -> Memory:
    """Returns a memory that has every attribute."""
    day = datetime(2026, 5, 6, 7, 8, 9, 123000, tzinfo=timezone.utc)
    memory = Memory(
        np.random.default_rng(seed).standard_normal(dimension).astype(np.float32),
        key=key,
        text="likes tea ☕\nand \"quotes\"",
        data=b"\x00\xff\x10",
        metadata={"a": {"b": [1, 2.5, None, True, "x"]}, "c": -7},
        namespace="user:1/notes",
        session="s",
        kind="turn",
        tags=["x", "y z"],
        importance=0.8,
        pinned=True,
        created_at=day,
        event_time=day - timedelta(days=400),
        valid_from=day - timedelta(days=1),
        valid_to=day + timedelta(days=1),
        expires_at=datetime(2190, 1, 2, 3, 4, 5, 678000, tzinfo=timezone.utc),
        superseded_by=2**128 - 1,
        derived_from=[1, 2**64 + 5],
        tokens=12,
    )
    memory.uses = 4
    memory.last_used = day.replace(microsecond=0)
    return memory


_names = st.text(max_size=12)
_times = st.integers(-(10**12), 8 * 10**12).map(
    lambda ms: datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=ms)
)
_later = st.integers(5 * 10**12, 8 * 10**12).map(
    lambda ms: datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=ms)
)
_scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=8)
_values = st.recursive(
    _scalars | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3),
    max_leaves=6,
)
_vectors = st.lists(
    st.floats(-(2.0**40), 2.0**40, width=32), min_size=3, max_size=3
).map(lambda numbers: np.array(numbers, dtype=np.float32))
_ids = st.integers(0, 2**128 - 1)


@st.composite
def memories(draw: st.DrawFn) -> Memory:
    """Draws a memory with some of its attributes."""
    valid = sorted([draw(_times), draw(_times)])
    optional: dict[str, Any] = {
        "key": _names,
        "text": st.text(),
        "data": st.binary(max_size=20),
        "metadata": st.dictionaries(_names, _values, max_size=3),
        "namespace": _names,
        "session": _names,
        "kind": _names,
        "tags": st.lists(_names, max_size=3, unique=True),
        "created_at": _times,
        "event_time": _times,
        "valid_from": st.just(valid[0]),
        "valid_to": st.just(valid[1]),
        "expires_at": _later,
        "superseded_by": _ids,
        "derived_from": st.lists(_ids, max_size=3),
        "tokens": st.integers(0, 2**32 - 1),
        "importance": st.floats(0, 1, width=32),
        "pinned": st.booleans(),
        "id": _ids,
    }
    chosen = draw(st.sets(st.sampled_from(sorted(optional))))
    memory = Memory(draw(_vectors), **{name: draw(optional[name]) for name in sorted(chosen)})
    memory.uses = draw(st.integers(0, 1000))
    if memory.uses:
        memory.last_used = draw(_times).replace(microsecond=0)
    return memory


def same(left: Any, right: Any) -> None:
    """Asserts that two readers hold the same memories, every vector bit by bit."""
    assert len(left) == len(right)
    for memory in left:
        other = right.get(memory.id)
        assert other is not None, memory.id
        if other != memory:
            one, two = memory.to_dict(), other.to_dict()
            different = {name: (one[name], two[name]) for name in one if one[name] != two[name]}
            pytest.fail(f"{memory.id} differs: {different or (one, two)}")
        assert other.vector.tobytes() == memory.vector.tobytes()
