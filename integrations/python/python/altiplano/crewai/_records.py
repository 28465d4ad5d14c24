"""Owns how a record of CrewAI becomes a memory, and a memory a record again.

| record | memory |
|---|---|
| `id` | the key, and the id made of it |
| `content` | the text |
| `scope` `/a/b` | the namespace `a/b`; none for `/` |
| `categories` | the tags |
| `importance`, `created_at` | the same |
| `embedding` | the vector; without one, a placeholder and the kind `unembedded` |

The data of the memory is the record as JSON, and its metadata what filters ask for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from crewai.memory.types import MemoryRecord

from altiplano import Filter, Memory
from altiplano import _python_filters as python

EMBEDDED = "memory"
UNEMBEDDED = "unembedded"
FIELDS = "m"
"""The key of the metadata of the record in the metadata of the memory."""
MICROS = "t"
"""The key of the time of creation in microseconds. The store's own times are milliseconds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def micros(at: datetime) -> int:
    """Returns microseconds since 1970. CrewAI's times are in UTC and often do not say so."""
    aware = at if at.tzinfo is not None else at.replace(tzinfo=timezone.utc)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def aware(at: datetime) -> datetime:
    """Returns the same moment with a time zone."""
    return at if at.tzinfo is not None else at.replace(tzinfo=timezone.utc)


def namespace_of(scope: str | None) -> str:
    """Returns the namespace of a scope; empty for the root."""
    return "/".join(label for label in (scope or "").split("/") if label)


def has_vector(embedding: Sequence[float] | None) -> bool:
    """Returns true for an embedding that has a direction."""
    return bool(embedding) and any(embedding or ())


def placeholder(dimension: int) -> list[float]:
    """Returns the vector of records without one. Searches leave these out."""
    return [1.0] + [0.0] * (dimension - 1)


def to_memory(record: MemoryRecord, dimension: int, ttl: float | None) -> Memory:
    """Returns the memory of a record."""
    content = record.model_dump(exclude={"content", "embedding", "created_at", "last_accessed"})
    content["created_at"] = record.created_at.isoformat()
    content["last_accessed"] = record.last_accessed.isoformat()
    encoded = json.dumps(content, ensure_ascii=False)
    fields = python.json_safe(json.loads(encoded)["metadata"])
    embedded = has_vector(record.embedding)
    return Memory(
        record.embedding if embedded and record.embedding else placeholder(dimension),
        id=python.id_of(record.id),
        key=python.key_of(record.id),
        text=record.content,
        data=encoded.encode(),
        metadata={FIELDS: fields, MICROS: micros(record.created_at)},
        namespace=namespace_of(record.scope) or None,
        kind=EMBEDDED if embedded else UNEMBEDDED,
        tags=list(dict.fromkeys(record.categories)),
        importance=record.importance,
        created_at=aware(record.created_at),
        ttl=ttl,
    )


def to_record(memory: Memory, embedding: Sequence[float] | None = None) -> MemoryRecord:
    """Returns the record of a memory, with its embedding if that is given."""
    content: dict[str, Any] = json.loads(memory.data or b"{}")
    content["content"] = memory.text or ""
    for name in ("created_at", "last_accessed"):
        content[name] = datetime.fromisoformat(content[name])
    if memory.kind == EMBEDDED and embedding is not None:
        content["embedding"] = [float(one) for one in embedding]
    return MemoryRecord(**content)


def created_micros(memory: Memory) -> int:
    """Returns when the record was created, in microseconds."""
    at: int = (memory.metadata or {})[MICROS]
    return at


def metadata_of(memory: Memory) -> dict[str, Any]:
    """Returns the metadata of a record."""
    found: dict[str, Any] = json.loads(memory.data or b"{}").get("metadata", {})
    return found


def fields_filter(wanted: Mapping[str, Any]) -> tuple[Filter, bool]:
    """Returns a filter for `metadata.get(key) == value` of all, and whether it is exact.

    One that is not exact also holds for records that `fields_test` refuses.
    """
    bound, exact = Filter.all(), True
    for key, value in wanted.items():
        path = python.path_of(FIELDS, key)
        if path is None or not python.is_plain(value):
            exact = False
        elif value is None:
            bound = bound & python.is_none(path)
        else:
            bound = bound & python.equal(path, value)
    return bound, exact


def fields_test(metadata: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Returns what `fields_filter` stands for."""
    return all(metadata.get(key) == value for key, value in wanted.items())
