"""Owns what the tests of importers share: rows with clusters, exact neighbors, and a comparison."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from conftest import ROWS

from altiplano import Collection, Memory

DIMENSION = 48
Matrix = np.ndarray[Any, np.dtype[np.float32]]


def rows(seed: int = 0, count: int = ROWS) -> Matrix:
    """Returns vectors around 50 centers, as texts of 50 topics have."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((50, DIMENSION))
    noise = 0.5 * rng.standard_normal((count, DIMENSION))
    return (centers[rng.integers(0, 50, count)] + noise).astype(np.float32)


def unit(vectors: Matrix) -> Matrix:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def nearest(vectors: Matrix, query: Matrix, metric: str, k: int = 10) -> list[int]:
    """Returns the exact neighbors of a query, by numpy in float64."""
    wide, query = vectors.astype(np.float64), query.astype(np.float64)
    if metric == "l2":
        distance = ((wide - query) ** 2).sum(axis=1)
    else:
        distance = -(wide @ query)
        if metric == "cosine":
            distance = distance / np.linalg.norm(wide, axis=1)
    return [int(row) for row in np.argsort(distance, kind="stable")[:k]]


def overlap(
    into: Collection, vectors: Matrix, metric: str, row_of: Callable[[Memory], int]
) -> float:
    """Returns the share of the ten exact neighbors of 50 queries that searches find."""
    found = 0
    for query in rows(seed=99, count=50):
        hits = into.search(query, k=10, fields="payload")
        got = {row_of(hit.memory) for hit in hits if hit.memory is not None}
        found += len(got & set(nearest(vectors, query, metric)))
    return found / 500


def close(left: Matrix, right: Matrix, tolerance: float = 0.0) -> None:
    """Asserts that vectors are the same, or as near as the source keeps them."""
    if tolerance == 0.0:
        assert left.tobytes() == right.tobytes()
    else:
        assert np.abs(left - right).max() <= tolerance
