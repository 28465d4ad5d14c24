"""An embedded vector memory store that stays flat, for AI agents.

    import altiplano

    with altiplano.open("./memories") as store:
        turns = store.collection("turns", dimension=384)
        turns.insert(altiplano.Memory(vector, text="likes tea", ttl=timedelta(days=30)))
        for hit in turns.search(query, k=5):
            print(hit.score, hit.text)

The types are in `help(altiplano.Store)` and so on; errors are in `altiplano.errors`.
"""

from __future__ import annotations

# The compiled part needs it, and would not say so.
import numpy as _numpy  # noqa: F401

from altiplano import errors
from altiplano._native import (
    Agent,
    Answer,
    Applied,
    Batch,
    Collection,
    CollectionSnapshot,
    FieldRef,
    Filter,
    Group,
    HashingEmbedder,
    Hit,
    ManualClock,
    Memory,
    MemoryId,
    MemoryIterator,
    Page,
    Patch,
    Reader,
    Recalled,
    Remembered,
    Scope,
    ScopeSnapshot,
    Session,
    Store,
    StoreSnapshot,
    TextQuery,
    Tier,
    Writer,
    __version__,
    field,
)
from altiplano._stats import Stats
from altiplano.errors import Error

#: Opens the store in a directory: the same as `Store(path, ...)`.
open = Store

__all__ = [
    "Agent",
    "Answer",
    "Applied",
    "Batch",
    "Collection",
    "CollectionSnapshot",
    "Error",
    "FieldRef",
    "Filter",
    "Group",
    "HashingEmbedder",
    "Hit",
    "ManualClock",
    "Memory",
    "MemoryId",
    "MemoryIterator",
    "Page",
    "Patch",
    "Reader",
    "Recalled",
    "Remembered",
    "Scope",
    "ScopeSnapshot",
    "Session",
    "Stats",
    "Store",
    "StoreSnapshot",
    "TextQuery",
    "Tier",
    "Writer",
    "__version__",
    "errors",
    "field",
]
