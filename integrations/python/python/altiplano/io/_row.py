"""Owns the columns of an export, and the ways between a memory and a row.

A row is a dict. A column that is not in it is absent: the store sets its default. A column that is
`None` is empty: an empty `expires_at` means for ever, whatever the default of the collection.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal, TypeAlias
from uuid import UUID

import numpy as np

from altiplano import Memory, MemoryId
from altiplano.io._types import RowError

Row: TypeAlias = dict[str, Any]
"""The values of one row by column."""

TIMES = ("created_at", "event_time", "valid_from", "valid_to", "expires_at", "last_used")
NAMES = ("text", "namespace", "session", "kind")
COLUMNS = (
    "id", "key", "vector", "text", "metadata", "namespace", "session", "kind", "tags",
    "importance", "pinned", "created_at", "event_time", "valid_from", "valid_to", "expires_at",
    "tokens", "derived_from", "superseded_by", "data", "uses", "last_used",
)  # fmt: skip
"""All columns, in their order."""

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLI = timedelta(milliseconds=1)


def millis(at: datetime | None) -> int | None:
    """Returns a time as milliseconds since 1970, to the nearest."""
    return None if at is None else (at - EPOCH + _MILLI // 2) // _MILLI


def of_millis(at: int | None) -> datetime | None:
    """Returns the time that is some milliseconds after 1970."""
    return None if at is None else EPOCH + timedelta(milliseconds=at)


def row_of(memory: Memory) -> Row:
    """Returns all columns of a memory. Ids are texts, times are datetimes, metadata is a dict."""
    superseded_by = memory.superseded_by
    return {
        "id": str(memory.id),
        "key": memory.key,
        "vector": memory.vector,
        "text": memory.text,
        "metadata": memory.metadata,
        "namespace": memory.namespace,
        "session": memory.session,
        "kind": memory.kind,
        "tags": memory.tags,
        "importance": memory.importance,
        "pinned": memory.pinned,
        "created_at": memory.created_at,
        "event_time": memory.event_time,
        "valid_from": memory.valid_from,
        "valid_to": memory.valid_to,
        "expires_at": memory.expires_at,
        "tokens": memory.tokens,
        "derived_from": [str(id) for id in memory.derived_from],
        "superseded_by": None if superseded_by is None else str(superseded_by),
        "data": memory.data,
        "uses": memory.uses,
        "last_used": memory.last_used,
    }


def arranged(
    raw: Mapping[str, Any], columns: Mapping[str, str], rest: Literal["metadata", "ignore"]
) -> Row:
    """Returns a row of a file under our columns. What is none of them goes into the metadata.

    `columns` says which column of the file one of ours is: `{"vector": "embedding"}`.
    """
    theirs = set(columns.values())
    row = {name: raw[name] for name in COLUMNS if name in raw and name not in theirs}
    for ours, name in columns.items():
        if name in raw:
            row[ours] = raw[name]
        else:
            row.pop(ours, None)
    if rest == "ignore":
        return row
    taken = theirs.union(name for name in COLUMNS if name not in columns)
    other = {name: raw[name] for name in raw if name not in taken and raw[name] is not None}
    if other:
        row["metadata"] = {**other, **(_metadata(row.get("metadata")) or {})}
    return row


def memory_of(row: Row, namespace: str | None = None) -> Memory:
    """Returns the memory of a row. `namespace` is for rows that name none.

    # Errors

    `RowError` for a value that no memory can have. It names the column.
    """
    if row.get("vector") is None:
        raise RowError("vector", "there is no vector; every memory needs one")
    fields: dict[str, Any] = {name: _string(name, row.get(name)) for name in NAMES}
    fields["key"] = key = _key(row.get("key"))
    fields["namespace"] = fields["namespace"] if fields["namespace"] is not None else namespace
    fields["metadata"] = _metadata(row.get("metadata"))
    fields["tags"] = _list("tags", row.get("tags"))
    fields["data"] = _data(row.get("data"))
    fields["derived_from"] = [_id("derived_from", id) for id in _items(row.get("derived_from"))]
    if row.get("superseded_by") is not None:
        fields["superseded_by"] = _id("superseded_by", row["superseded_by"])
    if row.get("importance") is not None:
        fields["importance"] = _importance(row["importance"])
    if row.get("pinned") is not None:
        fields["pinned"] = _bool("pinned", row["pinned"])
    fields["tokens"] = _count("tokens", row.get("tokens"))
    times = {name: _time(name, row.get(name)) for name in TIMES}
    used, end = times.pop("last_used"), times.pop("expires_at")
    fields.update(times)
    id = None if row.get("id") is None else _id("id", row["id"])
    try:
        if end is None:
            fields["never_expires"] = "expires_at" in row
            memory = Memory(row["vector"], id=id, **fields)
        else:
            if id is None:
                ours = MemoryId.unique() if key is None else None
                id = ours or MemoryId.from_key(key or "", namespace=fields["namespace"])
            memory = _with_end(id, end, row["vector"], fields)
        uses = _count("uses", row.get("uses"))
        if uses:
            memory.uses = uses
        if used is not None:
            memory.last_used = used
    except (TypeError, ValueError, OverflowError) as error:
        raise RowError(None, str(error)) from error
    return memory


def _with_end(id: MemoryId, end: datetime, vector: Any, fields: Row) -> Memory:
    """Returns a memory that counts as one read from a store: the store leaves it out where its end
    has passed, and refuses nothing."""
    stamp = end.astimezone(timezone.utc).isoformat(timespec="milliseconds")
    memory = Memory.from_dict({
        "id": str(id), "vector": [], "lifetime": {"Until": stamp.replace("+00:00", "Z")},
    })  # fmt: skip
    memory.vector = vector
    for name, value in fields.items():
        if value is not None and value != []:
            setattr(memory, name, value)
    return memory


def jsonable(value: Any) -> Any:
    """Returns a value that JSON can hold: times, UUIDs and decimals become texts, sets lists, the
    scalars and arrays of numpy plain values, and numbers that are not finite `None`.

    # Errors

    `TypeError` for anything else.
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): jsonable(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return [jsonable(item) for item in sorted(value, key=repr)]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, (UUID, Decimal)):
        return str(value)
    if isinstance(value, (np.generic, np.ndarray)):
        return jsonable(value.tolist())
    raise TypeError(f"metadata holds what JSON does, not {type(value).__name__}")


def _string(column: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise RowError(column, f"expected a text, got {value!r:.60}")


def _key(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, UUID):
        return str(value)
    return _string("key", value)


def _id(column: str, value: Any) -> MemoryId:
    if isinstance(value, bytes) and len(value) == 16:
        return MemoryId(UUID(bytes=value))
    try:
        return MemoryId(value)
    except (TypeError, ValueError, OverflowError) as error:
        way = "; for names of your own, import the column as the key: columns={'key': 'id'}"
        reason = f"{value!r:.60} is no id: a UUID, or a number from 0 to 2**128 - 1"
        raise RowError(column, reason + (way if column == "id" else "")) from error


def _metadata(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str):
        try:
            value = json.loads(value, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise RowError("metadata", f"this is not JSON: {error}") from error
    if isinstance(value, list):  # a map of Arrow
        value = dict(value) if all(isinstance(item, tuple) for item in value) else value
    if value is None:
        return None
    if not isinstance(value, dict):
        raise RowError("metadata", f"expected a JSON object, got {value!r:.60}")
    try:
        plain: dict[str, Any] = jsonable(value)
    except (TypeError, RecursionError) as error:
        raise RowError("metadata", str(error)) from error
    return plain


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON; use null")


def _items(value: Any) -> Iterable[Any]:
    if value is None:
        return ()
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise RowError("derived_from", f"expected a list of ids, got {value!r:.60}")
    return value


def _list(column: str, value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        items = list(value)
        if all(isinstance(item, str) for item in items):
            return items
    raise RowError(column, f"expected a list of texts, got {value!r:.60}")


def _data(value: Any) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise RowError("data", f"expected bytes, got {value!r:.60}")


def _importance(value: Any) -> float:
    if isinstance(value, (int, float, np.number)) and 0 <= value <= 1:
        return float(value)
    raise RowError("importance", f"expected a number from 0 to 1, got {value!r:.60}")


def _bool(column: str, value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise RowError(column, f"expected true or false, got {value!r:.60}")


def _count(column: str, value: Any) -> int | None:
    if value is None:
        return None
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if isinstance(value, float) and value.is_integer():
        whole = True
    if whole and 0 <= value < 1 << 32:
        return int(value)
    raise RowError(column, f"expected a whole number from 0 to 2**32 - 1, got {value!r:.60}")


def _time(column: str, value: Any) -> datetime | None:
    """Returns a time. Texts are ISO 8601, numbers milliseconds since 1970, naive times UTC."""
    if value is None:
        return None
    try:
        if isinstance(value, str):
            # Python 3.10 reads no "Z", and no fractions but of 3 or 6 digits.
            value = datetime.fromisoformat(value.replace("Z", "+00:00").replace("z", "+00:00"))
        elif isinstance(value, (int, np.integer)) and not isinstance(value, bool):
            value = of_millis(int(value))
    except (ValueError, OverflowError) as error:
        raise RowError(column, f"{value!r:.60} is no time: {error}") from error
    if not isinstance(value, datetime):
        raise RowError(column, f"expected a time, got {value!r:.60}")
    return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value
