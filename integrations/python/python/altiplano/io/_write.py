"""Owns the writing side of an import: rows become memories, and memories atomic batches.

What a batch cannot hold is explained by the row that is to blame.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from altiplano import Batch, Collection, Memory, Scope
from altiplano.errors import (
    DimensionError,
    Error,
    IdTakenError,
    InvalidOptionError,
    InvalidVectorError,
    KeyTakenError,
    LimitExceededError,
)
from altiplano.io._row import Row, memory_of
from altiplano.io._types import MAX_PROBLEMS, FormatError, ImportReport, RowError

if TYPE_CHECKING:
    from altiplano.io._types import ImportOptions, Writable

BATCH_BYTES = 8 << 20
"""Bytes of a batch, about: few enough for memory, and enough that a sync hardly counts."""


class Sink:
    """Takes rows one by one and writes them in batches."""

    def __init__(
        self,
        into: Writable,
        source: str,
        options: ImportOptions,
        *,
        total: int | None = None,
        unit: str = "row",
    ) -> None:
        if not isinstance(into, (Collection, Scope)):
            raise TypeError(
                f"expected a collection or a scope to import into, not {type(into).__name__}"
            )
        self._into = into
        self._source = source
        self._unit = unit
        self._total = total
        self._dimension = into.dimension if isinstance(into, Collection) else None
        metric = into.settings["metric"] if isinstance(into, Collection) else ""
        self._refuses_zero = str(metric).lower() == "cosine"
        self._namespace = into.namespace if isinstance(into, Scope) else None
        self._read(options)
        self._pending: list[tuple[int, Memory]] = []
        self._bytes = 0
        self._told = -1  # rows of the last call of `progress`
        self.report = ImportReport()

    def _read(self, options: ImportOptions) -> None:
        known = {"namespace", "existing", "on_bad_row", "batch_rows", "durability", "progress"}
        for name in options:
            if name not in known:
                raise TypeError(f"there is no option {name!r}; those of an import are {known}")
        self._namespace = options.get("namespace", self._namespace)
        self._keep = _one_of("existing", options.get("existing", "replace"), ("replace", "keep"))
        self._skip = _one_of("on_bad_row", options.get("on_bad_row", "raise"), ("raise", "skip"))
        self._batch_rows = options.get("batch_rows", 1_000)
        if self._batch_rows < 1:
            raise ValueError("batch_rows is at least 1")
        self._durability = options.get("durability")
        self._progress = options.get("progress")

    def add(self, number: int, row: Row) -> None:
        """Takes the row with a number. The vector is an array of float32, or a list."""
        self.report.rows += 1
        try:
            row["vector"] = vector = self._checked(row.get("vector"))
            memory = memory_of(row, self._namespace)
        except RowError as error:
            self.bad(number, error.column, error.reason, error)
            return
        self._pending.append((number, memory))
        self._bytes += vector.nbytes + len(row.get("text") or "") + len(row.get("data") or b"")
        if len(self._pending) >= self._batch_rows or self._bytes >= BATCH_BYTES:
            self.flush()

    def bad(
        self, number: int, column: str | None, reason: str, cause: Exception | None = None
    ) -> None:
        """Skips an invalid row, or ends the import."""
        error = FormatError(self._source, reason, row=number, column=column, unit=self._unit)
        if not self._skip:
            raise error from cause
        self.report.skipped += 1
        if len(self.report.problems) < MAX_PROBLEMS:
            self.report.problems.append(str(error))

    def finish(self) -> ImportReport:
        """Writes what is left, and returns the report."""
        if self._pending or self._told != self.report.rows:
            self.flush()
        return self.report

    def flush(self) -> None:
        """Writes the pending rows as one batch."""
        while self._pending:
            batch = Batch()
            for _, memory in self._pending:
                if self._keep:
                    batch.insert_new(memory)
                else:
                    batch.insert(memory)
            try:
                applied = self._into.apply(batch, durability=self._durability)
            except (IdTakenError, KeyTakenError, ValueError) as error:
                self._drop_culprit(error)
                continue
            self.report.inserted += applied.inserted
            self.report.replaced += applied.replaced
            self.report.existing += applied.existing
            self.report.expired += applied.expired
            break
        self._pending.clear()
        self._bytes = 0
        self._told = self.report.rows
        if self._progress is not None:
            self._progress(self.report.rows, self._total)

    def _drop_culprit(self, error: Exception) -> None:
        """Takes out the row for which the store refused the batch; nothing of it is written."""
        scope = self._into.namespace if isinstance(self._into, Scope) else None
        at = _culprit(error, self._pending, scope)
        if at is None:
            first, last = self._pending[0][0], self._pending[-1][0]
            reason = f"{self._unit}s {first} to {last} were refused: {error}"
            raise FormatError(self._source, reason) from error
        number, _ = self._pending.pop(at)
        self.bad(number, None, str(error), error)

    def _checked(self, value: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Returns a vector as float32, with the dimension of the collection and finite numbers."""
        if value is None:
            raise RowError("vector", "there is no vector; every memory needs one")
        try:
            with np.errstate(over="ignore"):
                vector = np.asarray(value, dtype=np.float32)
        except (TypeError, ValueError, OverflowError) as error:
            raise RowError("vector", f"expected numbers: {error}") from error
        if vector.ndim != 1:
            raise RowError("vector", f"expected a list of numbers, got the shape {vector.shape}")
        if self._dimension is not None and len(vector) != self._dimension:
            reason = (
                f"it has {len(vector)} numbers, and the collection has dimension "
                f"{self._dimension}; import into a collection of dimension {len(vector)}"
            )
            raise RowError("vector", reason)
        if not np.isfinite(vector).all():
            at = int(np.flatnonzero(~np.isfinite(vector))[0])
            reason = f"number {at} is {vector[at]}; every number must be finite in float32"
            raise RowError("vector", f"{reason}. on_bad_row='skip' leaves such rows out")
        if self._refuses_zero and not vector.any():
            reason = "it is zero, and has no direction under cosine; the metrics l2 and dot take it"
            raise RowError("vector", f"{reason}. on_bad_row='skip' leaves such rows out")
        return vector


def _one_of(name: str, value: object, allowed: tuple[str, str]) -> bool:
    """Returns whether an option has the second of its two values."""
    if value not in allowed:
        raise ValueError(f"{name} is {allowed[0]!r} or {allowed[1]!r}, not {value!r}")
    return value == allowed[1]


def _culprit(
    error: Exception, pending: list[tuple[int, Memory]], scope: str | None
) -> int | None:
    """Returns the place of the memory that an error is about."""
    for at, (_, memory) in enumerate(pending):
        if _is_about(error, memory, scope):
            return at
    return 0 if len(pending) == 1 and isinstance(error, Error) else None


def _is_about(error: Exception, memory: Memory, scope: str | None) -> bool:
    if isinstance(error, (InvalidVectorError, IdTakenError)):
        return memory.id == error.id
    if isinstance(error, KeyTakenError):
        return memory.key == error.key
    if isinstance(error, DimensionError):
        return len(memory.vector) != error.expected
    if isinstance(error, LimitExceededError):
        return _exceeds(memory, error.limit, error.what)
    if isinstance(error, InvalidOptionError):
        begin, end = memory.valid_from, memory.valid_to
        if begin is not None and end is not None and begin > end:
            return True
        return scope is not None and memory.namespace != scope
    return False


def _exceeds(memory: Memory, limit: int, what: str) -> bool:
    """Returns whether a memory exceeds a limit, by the words of the error."""
    sizes = {
        "the text": len((memory.text or "").encode()) + len(memory.data or b""),
        "the list of tags": len(memory.tags),
        "the list of sources": len(memory.derived_from),
        "the metadata": len(json.dumps(memory.metadata, ensure_ascii=False).encode()),
    }
    names = (memory.key, memory.namespace, memory.session, memory.kind, *memory.tags)
    size = sizes.get(what)
    return size > limit if size is not None else any(
        len((name or "").encode()) > limit for name in names
    )
