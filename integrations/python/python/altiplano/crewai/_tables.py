"""Owns the collection of the records and its dimension.

The dimension is that of the first embedding. Records without one may come before it. They wait in
a collection of their own, of dimension 1, and move when the dimension is known.

Invariant: all records are in one collection, except while they move. A move that was cut short
goes on at the next use.
"""

from __future__ import annotations

import threading

from crewai.memory.storage.backend import EmbeddingDimensionMismatchError

from altiplano import Batch, Collection
from altiplano._shared_store import StoreRef
from altiplano.crewai._records import placeholder

_WAITING = ".unembedded"
_BATCH_ROWS = 256


class Tables:
    """Finds the collection of the records, and makes it."""

    def __init__(self, ref: StoreRef, name: str, dimension: int | None) -> None:
        self._ref = ref
        self._name = name
        self._dimension = dimension
        self._lock = threading.Lock()

    def reading(self) -> Collection | None:
        """Returns the collection; `None` before the first record."""
        main = self._ref.store.get_collection(self._name)
        waiting = self._ref.store.get_collection(self._name + _WAITING)
        if main is None or waiting is None:
            return main or waiting
        with self._lock:
            self._move(main)
        return main

    def writing(self, dimension: int | None) -> Collection:
        """Returns the collection for records with embeddings of this dimension, if any."""
        with self._lock:
            store = self._ref.store
            main = store.get_collection(self._name)
            wanted = dimension or self._dimension
            if main is None and wanted is None:
                return store.collection(self._name + _WAITING, 1)
            if main is None and wanted is not None:
                main = store.collection(self._name, wanted)
            assert main is not None
            if dimension is not None and dimension != main.dimension:
                raise EmbeddingDimensionMismatchError(main.dimension, dimension)
            self._move(main)
            return main

    def check(self, dimension: int) -> None:
        """Refuses a query of another dimension than that of the records."""
        main = self._ref.store.get_collection(self._name)
        if main is not None and main.dimension != dimension:
            raise EmbeddingDimensionMismatchError(main.dimension, dimension)

    def drop(self) -> None:
        """Deletes all records and forgets the dimension."""
        with self._lock:
            self._ref.store.drop_collection(self._name)
            self._ref.store.drop_collection(self._name + _WAITING)

    def _move(self, main: Collection) -> None:
        waiting = self._ref.store.get_collection(self._name + _WAITING)
        if waiting is None:
            return
        memories = list(waiting.scan(fields="all"))
        for start in range(0, len(memories), _BATCH_ROWS):
            batch = Batch()
            for memory in memories[start : start + _BATCH_ROWS]:
                memory.vector = placeholder(main.dimension)
                batch.insert(memory).delete(memory.id, into=waiting)
            main.apply(batch)
        self._ref.store.drop_collection(self._name + _WAITING)
