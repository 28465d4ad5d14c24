"""Owns how documents are kept: as memories of a collection, one for each id.

- The id of a document is the key of its memory. An id that is too long for a key is kept beside
  a hash of it.
- A zero vector has no direction under cosine, so nothing can be near it. Documents with one are
  kept in a collection of their own, beside the first. There they are found by id and by filter,
  and no search ranks them. Both collections change in one atomic batch.

Invariant: an id is in at most one of both collections.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import ArrayLike, NDArray

from altiplano import Batch, Collection, Filter, Hit, Memory, MemoryId, Scope, Store
from altiplano.langchain._open import Opened

Ttl = timedelta | float
"""A time to live: a `timedelta`, or seconds."""

MAX_KEY_BYTES = 1024
_HASHED = "sha256:"


def key_of(id: str) -> str:
    """Returns the key of the memory of a document."""
    data = id.encode()
    if len(data) <= MAX_KEY_BYTES:
        return id
    return _HASHED + hashlib.sha256(data).hexdigest()


def id_of(memory: Memory) -> str:
    """Returns the id of the document of a memory."""
    key = memory.key
    if key is None:
        return str(memory.id)
    if key.startswith(_HASHED) and memory.data is not None:
        return memory.data.decode()
    return key


def metric_of(collection: Collection) -> Any:
    """Returns the metric of a collection, as options say it."""
    return str(collection.settings["metric"]).lower()


def matrix_of(vectors: ArrayLike) -> NDArray[np.float32]:
    """Returns vectors as rows of an array."""
    try:
        rows = np.asarray(vectors, dtype=np.float32)
    except ValueError as error:
        raise ValueError("embeddings are lists of numbers, all of one length") from error
    if rows.ndim != 2:
        raise ValueError(f"embeddings have two dimensions, rows and numbers, not {rows.ndim}")
    return rows


class Table:
    """The documents of a collection, or of one namespace of it."""

    def __init__(
        self,
        opened: Opened,
        name: str,
        namespace: str | None,
        metric: str | None,
        options: Mapping[str, Any],
    ) -> None:
        self._opened = opened
        self.name = name
        self.namespace = namespace
        self._metric: Any = metric
        self._options = dict(options)
        self._making = threading.Lock()
        found = opened.store.get_collection(name)
        if found is not None and (metric is not None or options):
            # Refuses what does not agree, and changes what can be changed.
            kept: Any = metric or metric_of(found)
            opened.store.collection(name, found.dimension, kept, **self._options)

    @property
    def store(self) -> Store:
        return self._opened.store

    # The names are looked up in each call: another object may have dropped the collection and made
    # it again.

    def collection(self) -> Collection | None:
        """The collection; `None` before the first document."""
        return self.store.get_collection(self.name)

    def _zeros(self) -> Collection | None:
        return self.store.get_collection(self._zeros_name)

    @property
    def _zeros_name(self) -> str:
        return f"{self.name}.zero"

    def _scoped(self, collection: Collection) -> Collection | Scope:
        return collection if self.namespace is None else collection.scope(self.namespace)

    def parts(self) -> list[Collection | Scope]:
        """Where documents are: the collection, and that of the zero vectors."""
        found = (self.collection(), self._zeros())
        return [self._scoped(collection) for collection in found if collection is not None]

    def _make(self, dimension: int) -> Collection:
        with self._making:
            found = self.collection()
            if found is None:
                found = self.store.collection(
                    self.name, dimension, self._metric or "cosine", **self._options
                )
            return found

    def _make_zeros(self, beside: Collection) -> Collection:
        # The same lifetimes as beside it, also where another object had set them.
        kept = {n: beside.settings[n] for n in ("default_ttl", "refresh_on_read", "in_memory")}
        if "durability" in self._options:
            kept["durability"] = self._options["durability"]
        with self._making:
            return self.store.collection(self._zeros_name, 1, "l2", **kept)

    # Writing.

    def add(
        self,
        vectors: NDArray[np.float32],
        ids: Sequence[str],
        texts: Sequence[str | None],
        metadatas: Sequence[Mapping[str, Any] | None],
        ttl: Ttl | None,
    ) -> None:
        """Adds documents, or replaces those with the same ids, as one atomic batch."""
        collection = self.collection() or self._make(vectors.shape[1])
        cosine = metric_of(collection) == "cosine"
        zero = [cosine and not vector.any() for vector in vectors]
        zeros = self._make_zeros(collection) if any(zero) else self._zeros()
        keys = [key_of(id) for id in ids]
        if zeros is None and keys == list(ids):
            self._scoped(collection).add(
                vectors, keys=keys, texts=texts, metadatas=metadatas, ttl=ttl
            )
            return
        batch = Batch()
        for at, key in enumerate(keys):
            memory = Memory(
                np.zeros(1, dtype=np.float32) if zero[at] else vectors[at],
                key=key,
                data=None if key == ids[at] else ids[at].encode(),
                text=texts[at],
                metadata=metadatas[at],
                namespace=self.namespace,
                ttl=ttl,
            )
            batch.insert(memory, into=zeros if zero[at] else collection)
            if zeros is not None:
                batch.delete(memory.id, into=collection if zero[at] else zeros)
        collection.apply(batch)

    def delete(self, ids: Sequence[str]) -> None:
        """Deletes documents. Ids that are not there are passed over."""
        for part in self.parts():
            found: list[MemoryId] = []
            for id in dict.fromkeys(ids):
                made = self._memory_id(id)
                if made in part:
                    found.append(made)
                elif (memory := self._other(part, id)) is not None:
                    found.append(memory.id)
            if found:
                part.delete_many(found)

    def delete_where(self, filter: Filter) -> None:
        """Deletes the documents that match."""
        for part in self.parts():
            part.delete_where(filter)

    def drop(self) -> None:
        """Drops the collection, or with a namespace what is in it."""
        if self.namespace is not None:
            self.delete_where(Filter.all())
            return
        self.store.drop_collection(self.name)
        self.store.drop_collection(self._zeros_name)

    # Reading.

    def get(self, ids: Sequence[str]) -> list[Memory]:
        """Returns the documents with these ids, in the order of the ids, without those missing."""
        found: dict[str, Memory] = {}
        for part in self.parts():
            wanted = [id for id in dict.fromkeys(ids) if id not in found]
            memories = part.get_many([self._memory_id(id) for id in wanted])
            for id, memory in zip(wanted, memories, strict=True):
                memory = memory or self._other(part, id)
                if memory is not None:
                    found[id] = memory
        return [found[id] for id in dict.fromkeys(ids) if id in found]

    def search(self, query: ArrayLike, k: int, text: str | None, **options: Any) -> list[Hit]:
        """Returns the nearest documents, nearest first.

        A zero query under cosine is near to nothing: only words find documents then.
        """
        collection = self.collection()
        if collection is None or k <= 0:
            return []
        vector = np.asarray(query, dtype=np.float32)
        part = self._scoped(collection)
        if text is not None and not text.strip():
            text = None
        if not vector.any() and metric_of(collection) == "cosine":
            return [] if text is None else part.search(k=k, text=text, **options)
        return part.search(vector, k, text=text, **options)

    def count(self, filter: Filter | None = None) -> int:
        """Returns how many documents match."""
        return sum(part.count(filter) for part in self.parts())

    def newest(self, filter: Filter | None, limit: int | None) -> Iterator[Memory]:
        """Returns the documents that match, newest first. Those with zero vectors come last."""
        left = limit
        for part in self.parts():
            after: str | None = None
            while left is None or left > 0:
                size = 1000 if left is None else min(left, 1000)
                page = part.list(filter=filter, limit=size, after=after)
                yield from page
                left = None if left is None else left - len(page)
                after = page.next
                if after is None:
                    break

    def _memory_id(self, id: str) -> MemoryId:
        return MemoryId.from_key(key_of(id), namespace=self.namespace)

    def _other(self, part: Collection | Scope, id: str) -> Memory | None:
        """Returns a document whose memory id is not made of its key here: one of another namespace
        for a table of the whole collection, or one that was written without a key."""
        if self.namespace is None:
            memory = part.get_by_key(key_of(id))
            if memory is not None:
                return memory
        try:
            uuid = UUID(id)
        except ValueError:
            return None
        if str(uuid) != id:
            return None
        memory = part.get(uuid)
        return memory if memory is not None and memory.key is None else None

    def close(self) -> None:
        self._opened.close()
