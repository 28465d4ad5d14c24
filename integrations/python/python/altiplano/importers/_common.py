"""Owns what all importers share: where rows go, how names become keys, and pages with progress."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from altiplano import Collection, Scope, Store
from altiplano.io._row import COLUMNS, Row
from altiplano.io._types import FormatError
from altiplano.io._write import Sink

if TYPE_CHECKING:
    from altiplano.io import ImportOptions
    from altiplano.types import MetricName

    Into: TypeAlias = Collection | Scope | Store
    """Where rows go. In a store, the collection is made if it is missing."""

Labels: TypeAlias = Literal["id", "key"]
"""What the number of a vector becomes: the id of the memory, or its key."""
Attributes: TypeAlias = (
    "Mapping[int, Mapping[str, Any]] | Callable[[int], Mapping[str, Any] | None] | None"
)
"""Attributes by the number of a vector, such as `{7: {"text": ..., "metadata": {...}}}`."""

PAGE = 500
"""Rows that are read at a time."""
MAX_KEY = 1024
"""Largest key, in bytes."""


def sink(
    into: Into,
    source: str,
    options: ImportOptions,
    *,
    name: str,
    dimension: int | None,
    metric: MetricName | None,
    total: int | None,
) -> Sink:
    """Returns the writing side of an import.

    `name`, `dimension` and `metric` are those of the source. A store gets a collection of them.
    """
    if isinstance(into, Store):
        found = into.get_collection(name)
        if found is None:
            if dimension is None:
                reason = "the dimension is not known; import into a collection, not a store"
                raise FormatError(source, reason)
            if metric is None:
                reason = "it has no metric that altiplano has: give metric='cosine', 'l2' or 'dot'"
                raise FormatError(source, reason)
            found = into.collection(name, dimension, metric)
        into = found
    if isinstance(into, Collection) and dimension not in (None, into.dimension):
        reason = f"its vectors have {dimension} numbers, and collection {into.name!r} has dimension"
        raise FormatError(source, f"{reason} {into.dimension}; import into another collection")
    return Sink(into, source, options, total=total)


def keyed(name: str, row: Row) -> Row:
    """Gives a row a name as its key. A name that is too long for a key is hashed, and goes into the
    metadata as `source_id`."""
    if len(name.encode("utf-8")) <= MAX_KEY:
        row["key"] = name
        return row
    row["key"] = "sha256:" + hashlib.sha256(name.encode("utf-8")).hexdigest()
    row["metadata"] = {**(row.get("metadata") or {}), "source_id": name}
    return row


def numbered(
    source: str, label: int, vector: Any, attributes: Attributes, labels: Labels
) -> Row:
    """Returns the row of a vector that has a number instead of a name."""
    row: Row = {"vector": vector}
    known = attributes(label) if callable(attributes) else (attributes or {}).get(label)
    for name, value in (known or {}).items():
        if name not in COLUMNS or name == "vector":
            reason = f"attributes: {name!r} is none of {', '.join(COLUMNS)}"
            raise FormatError(source, reason, row=label)
        row[name] = value
    if "id" in row or "key" in row:
        return row
    if labels == "key":
        row["key"] = str(label)
    elif label < 0:
        reason = f"{label} cannot be an id, which has no sign; labels='key' makes it the key"
        raise FormatError(source, reason)
    else:
        row["id"] = label
    return row


def check_labels(labels: Labels) -> None:
    """Checks the option."""
    if labels not in ("id", "key"):
        raise ValueError(f"labels is 'id' or 'key', not {labels!r}")


def pages(values: Sequence[Any] | np.ndarray[Any, Any]) -> Iterator[Any]:
    """Returns slices of a sequence, a page each."""
    for start in range(0, len(values), PAGE):
        yield values[start : start + PAGE]


def missing(package: str, error: ImportError) -> ImportError:
    """Returns the error about a package that is not installed."""
    return ImportError(f"this importer needs {package}: pip install {package} ({error})")
