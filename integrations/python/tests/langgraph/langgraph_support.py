"""What the tests of `altiplano.langgraph` share: an embedding, and names for types."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timezone

import numpy as np

from altiplano.langgraph import AltiplanoStore

DIMS = 24
START = datetime(2030, 1, 1, tzinfo=timezone.utc)
Make = Callable[..., AltiplanoStore]


def embed(texts: Sequence[str]) -> list[list[float]]:
    """Embeds texts by their words: texts that share words are near to each other."""
    return [_embed(text) for text in texts]


def _embed(text: str) -> list[float]:
    total = np.zeros(DIMS)
    for word in text.lower().split():
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
        total += np.random.default_rng(seed).standard_normal(DIMS)
    return [float(x) for x in total]
