"""How items lie in the store: names, ids and rows.

An item is one row, in one of two collections of the same store. With vectors it lies in the
collection of vectors, with the first of them. Without, it lies in the collection of plain items,
whose one dimension is always 0. Each further vector is a row of its own, a part: it has a copy of
the metadata, so that filters hold for it, and names the item in `derived_from`. The item and its
parts are written, refreshed and deleted in one batch.

| of the item | in the row |
|---|---|
| namespace | `namespace`: the labels with `/` between them; `%` and `/` in labels are escaped |
| key | `key`, which makes the id; long keys are hashed, and are then in `metadata["k"]` |
| value | `metadata["v"]` |
| TTL in minutes | `metadata["t"]`, and the lifetime of the row |
| number of vectors, from 2 on | `metadata["n"]` |
| created, updated | `created_at`, `event_time` |
| item or part | `kind` |
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from langgraph.store.base import Item, SearchItem
from numpy.typing import NDArray

from altiplano import Memory, MemoryId

from ._filters import VALUE

ITEM = "item"
PART = "part"
NO_VECTOR: NDArray[np.float32] = np.zeros(1, dtype=np.float32)
MAX_KEY_BYTES = 1024
_HASHED = "sha256-"

Namespace = tuple[str, ...]
Vector = NDArray[np.float32]


def encode_namespace(labels: Sequence[str]) -> str:
    """Returns the namespace of these labels in the store."""
    return "/".join(label.replace("%", "%25").replace("/", "%2F") for label in labels)


def decode_namespace(name: str) -> Namespace:
    """Returns the labels that `encode_namespace` was given."""
    return tuple(part.replace("%2F", "/").replace("%25", "%") for part in name.split("/"))


def stored_key(key: str) -> str:
    """Returns the key of the row: the same, or its hash if a row cannot have it."""
    raw = key.encode("utf-8")
    if 0 < len(raw) <= MAX_KEY_BYTES and not key.startswith(_HASHED):
        return key
    return _HASHED + hashlib.sha256(raw).hexdigest()


def item_id(namespace: Sequence[str], key: str) -> MemoryId:
    """Returns the id of an item."""
    return MemoryId.from_key(stored_key(key), namespace=encode_namespace(namespace))


def part_id(item: MemoryId, index: int) -> MemoryId:
    """Returns the id of a further vector of an item, from 1 on."""
    raw = int(item).to_bytes(16, "big") + index.to_bytes(4, "big")
    return MemoryId(int.from_bytes(hashlib.blake2b(raw, digest_size=16).digest(), "big"))


class Row:
    """An item as it was read."""

    __slots__ = ("memory", "value", "ttl", "vectors", "key", "has_vector")

    def __init__(self, memory: Memory, *, has_vector: bool) -> None:
        metadata = memory.metadata or {}
        self.memory = memory
        self.value: dict[str, Any] = metadata.get(VALUE) or {}
        self.ttl: float | None = metadata.get("t")
        self.vectors: int = metadata.get("n", 1 if has_vector else 0)
        self.key: str = metadata.get("k", memory.key or "")
        self.has_vector = has_vector

    @property
    def namespace(self) -> Namespace:
        return decode_namespace(self.memory.namespace or "")

    @property
    def created_at(self) -> datetime:
        at = self.memory.created_at
        return at if at is not None else self.updated_at

    @property
    def updated_at(self) -> datetime:
        at = self.memory.event_time
        assert at is not None, "every item is written with the time of its update"
        return at

    @property
    def part_ids(self) -> list[MemoryId]:
        return [part_id(self.memory.id, index) for index in range(1, self.vectors)]

    def item(self) -> Item:
        return Item(
            value=self.value,
            key=self.key,
            namespace=self.namespace,
            created_at=self.created_at,
            updated_at=self.updated_at,
        )

    def search_item(self, score: float | None) -> SearchItem:
        return SearchItem(
            namespace=self.namespace,
            key=self.key,
            value=self.value,
            created_at=self.created_at,
            updated_at=self.updated_at,
            score=score,
        )


def rows_of(
    namespace: Sequence[str],
    key: str,
    value: Mapping[str, Any],
    *,
    vectors: Sequence[Vector],
    texts: Sequence[str | None],
    ttl: float | None,
    created_at: datetime,
    updated_at: datetime,
) -> list[Memory]:
    """Returns the rows of an item: the item itself, then its parts.

    `texts` are the words of each row for the text index.
    """
    name, own_key = encode_namespace(namespace), stored_key(key)
    metadata: dict[str, Any] = {VALUE: dict(value)}
    if ttl is not None:
        metadata["t"] = ttl
    if len(vectors) > 1:
        metadata["n"] = len(vectors)
    if own_key != key:
        metadata["k"] = key
    head = item_id(namespace, key)
    rows = []
    for index, vector in enumerate(vectors or [NO_VECTOR]):
        is_item = index == 0
        rows.append(
            Memory(
                vector,
                id=head if is_item else part_id(head, index),
                key=own_key if is_item else None,
                text=texts[index] if index < len(texts) else None,
                metadata=metadata,
                namespace=name,
                kind=ITEM if is_item else PART,
                created_at=created_at,
                event_time=updated_at,
                ttl=None if ttl is None else seconds(ttl),
                never_expires=ttl is None,
                derived_from=() if is_item else (head,),
            )
        )
    return rows


def seconds(ttl: float) -> float:
    """Returns minutes as seconds, and at least the millisecond that the store counts in."""
    return max(ttl * 60.0, 0.001)
