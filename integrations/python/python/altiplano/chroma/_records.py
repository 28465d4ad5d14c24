"""Owns the way between Chroma's records and memories.

| Chroma | memory |
|---|---|
| id | key; an id of more than 1,024 bytes is hashed, and kept in the metadata |
| embedding | vector; a zero vector under cosine has the kind `zero` and another vector |
| document | text |
| metadata | metadata |
| uri | the key `chroma:uri` of the metadata |
| order of insertion | event time, in milliseconds since 1970 |
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Optional

import numpy as np
from altiplano import Memory, errors
from chromadb.errors import InvalidArgumentError, NotFoundError
from numpy.typing import NDArray

from ._where import number

URI = "chroma:uri"
LONG_ID = "chroma:id"
ZERO = "zero"
_HASHED = "chroma-sha256:"
_LONGEST_KEY = 1024


def key_of(id: str) -> str:
    """Returns the key of the record with this id."""
    if not isinstance(id, str) or not id:
        raise InvalidArgumentError("Empty ID, ID must have at least one character")
    try:
        data = id.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(f"the id {id!r} is no text: {error.reason}") from None
    if len(data) <= _LONGEST_KEY and not id.startswith(_HASHED):
        return id
    return _HASHED + hashlib.sha256(data).hexdigest()


def id_of(memory: Memory) -> str:
    """Returns the id of a record."""
    key = memory.key
    if key is not None and not key.startswith(_HASHED):
        return key
    return str((memory.metadata or {}).get(LONG_ID, key or memory.id))


def place_of(memory: Memory) -> tuple[bool, Any, int]:
    """Returns the place of a record in the order of insertion, to sort by."""
    return memory.event_time is None, memory.event_time, memory.seq or 0


def metadata_of(memory: Memory) -> Optional[dict[str, Any]]:
    """Returns the metadata as Chroma does: `None` if there is none."""
    held = memory.metadata
    if not held:
        return None
    own = {key: value for key, value in held.items() if key not in (URI, LONG_ID)}
    # Chroma keeps a URI in the metadata too; a record that has one has metadata, if empty.
    return own if own or URI in held else None


def uri_of(memory: Memory) -> Optional[str]:
    """Returns the URI of a record."""
    uri = (memory.metadata or {}).get(URI)
    return uri if isinstance(uri, str) else None


def vector_of(memory: Memory) -> NDArray[np.float64]:
    """Returns the embedding of a record, as floats of Python's width."""
    vector = memory.vector
    return (np.zeros_like(vector) if memory.kind == ZERO else vector).astype(np.float64)


def set_vector(memory: Memory, vector: NDArray[np.float32], space: str) -> bool:
    """Gives a record an embedding. Returns whether it is a zero vector under cosine.

    Such a vector has no direction, so the store refuses it; it stands apart under its kind.
    """
    zero = space == "cosine" and not vector.any()
    memory.kind = ZERO if zero else None
    memory.vector = unit(len(vector)) if zero else vector
    return zero


def unit(dimension: int) -> NDArray[np.float32]:
    """Returns the vector that stands for a zero vector."""
    vector = np.zeros(dimension, dtype=np.float32)
    vector[0] = 1.0
    return vector


def checked_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Returns metadata as it is stored; `None` values stay."""
    return {_checked_key(key): _checked_value(key, value) for key, value in metadata.items()}


def _checked_key(key: Any) -> str:
    if not isinstance(key, str) or not key:
        raise InvalidArgumentError("Validation error: metadatas: a key must be a non-empty str")
    return key


def _checked_value(key: str, value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (list, tuple)):
        return [_checked_value(key, each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidArgumentError(
            f"the metadata key {key!r} has the value {value}; use None or a string instead"
        )
    if value is None or isinstance(value, (bool, int, float, str)):
        return number(value)
    raise InvalidArgumentError(
        f"Cannot convert Python object to MetadataValue: the metadata key {key!r} holds a "
        f"{type(value).__name__}"
    )


def merged(before: Mapping[str, Any] | None, change: Mapping[str, Any]) -> dict[str, Any]:
    """Returns metadata after a change, in which `None` removes a key."""
    after = {**(before or {}), **change}
    return {key: value for key, value in after.items() if value is not None}


def matrix(embeddings: Any, dimension: int | None) -> NDArray[np.float32]:
    """Returns embeddings as a matrix of the dimension of their collection."""
    rows: Sequence[Any] = list(embeddings)
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        raise InvalidArgumentError("Inconsistent dimensions in provided embeddings")
    if not rows:
        return np.zeros((0, dimension or 0), dtype=np.float32)
    (length,) = lengths
    if dimension is not None and length != dimension:
        raise InvalidArgumentError(
            f"Collection expecting embedding with dimension of {dimension}, got {length}"
        )
    with np.errstate(over="ignore"):
        made = np.asarray(rows, dtype=np.float32)
    if not np.isfinite(made).all():
        raise InvalidArgumentError(
            "Validation error: embeddings: Embeddings must not contain NaN or Infinity values"
        )
    return made


@contextmanager
def chroma_errors() -> Iterator[None]:
    """Raises what the store refuses of the arguments as an error of Chroma."""
    try:
        yield
    except (
        errors.InvalidVectorError,
        errors.InvalidOptionError,
        errors.LimitExceededError,
        errors.MetadataError,
    ) as error:
        raise InvalidArgumentError(str(error)) from error
    except errors.NoCollectionError as error:
        raise NotFoundError(str(error)) from error
