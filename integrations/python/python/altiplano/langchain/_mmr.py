"""Owns the choice by maximal marginal relevance.

Source: J. Carbonell and J. Goldstein, "The use of MMR, diversity-based reranking for reordering
documents and producing summaries", SIGIR 1998. Both similarities are cosines.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def choose(query: ArrayLike, vectors: ArrayLike, k: int, lambda_mult: float) -> list[int]:
    """Returns the positions of at most `k` vectors, the best first.

    Each choice has the largest `lambda_mult * cos(query, v) - (1 - lambda_mult) * s`, where `s` is
    the largest cosine of `v` and a vector that was chosen before. The first is the nearest to the
    query. Of equal ones, the earlier vector is taken. O(k * rows * dimension).
    """
    rows = _unit(np.atleast_2d(np.asarray(vectors, dtype=np.float64)))
    count = min(k, len(rows))
    if rows.size == 0 or count <= 0:
        return []
    relevance = rows @ _unit(np.atleast_2d(np.asarray(query, dtype=np.float64)))[0]
    chosen = [int(np.argmax(relevance))]
    nearest = rows @ rows[chosen[0]]
    left = np.ones(len(rows), dtype=bool)
    left[chosen[0]] = False
    while len(chosen) < count:
        scores = lambda_mult * relevance - (1.0 - lambda_mult) * nearest
        scores[~left] = -np.inf
        best = int(np.argmax(scores))
        chosen.append(best)
        left[best] = False
        np.maximum(nearest, rows @ rows[best], out=nearest)
    return chosen


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the rows with length 1. A zero row stays zero: its cosine counts as 0."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float64] = rows / np.where(lengths == 0.0, 1.0, lengths)
    return unit
