"""Owns what all formats share: options, reports, and the error about a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

from altiplano.errors import Error

if TYPE_CHECKING:
    from altiplano import Collection, CollectionSnapshot, Scope, ScopeSnapshot
    from altiplano.types import DurabilityLevel, FilterLike

    Readable: TypeAlias = Collection | Scope | CollectionSnapshot | ScopeSnapshot
    """What can be exported."""
    Writable: TypeAlias = Collection | Scope
    """What can be imported into."""

Progress: TypeAlias = Callable[[int, "int | None"], object]
"""Called as `progress(rows_done, rows_in_all)`. The total is `None` where it is not known.

An exception that it raises ends the work and reaches the caller. An export leaves no file then. An
import keeps the batches that are written: run it again to go on.
"""

MAX_PROBLEMS = 100
"""Number of skipped rows that a report describes. More would take memory without a bound."""


class FormatError(Error, ValueError):
    """A file or a row of it cannot be imported.

    Attributes: `source`, the name of the file; `row`, its number; `column`; `reason`, which says
    the way out. `row` counts from 0, or from 1 where `unit` is "line". Each may be `None`.
    """

    def __init__(
        self,
        source: str,
        reason: str,
        *,
        row: int | None = None,
        column: str | None = None,
        unit: str = "row",
    ) -> None:
        place = [source]
        if row is not None:
            place.append(f"{unit} {row}")
        if column is not None:
            place.append(f"column {column!r}")
        super().__init__(f"{', '.join(place)}: {reason}")
        self.source = source
        self.row = row
        self.column = column
        self.reason = reason
        self.unit = unit


class RowError(Exception):
    """A value of a row is wrong. `FormatError` adds where."""

    def __init__(self, column: str | None, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


@dataclass
class ExportReport:
    """What an export wrote."""

    rows: int
    """Rows written."""
    files: list[str] = field(default_factory=list)
    """The paths of the files. Empty for an object that was written to."""


@dataclass
class ImportReport:
    """What an import did."""

    rows: int = 0
    """Rows read."""
    inserted: int = 0
    """Memories that are new."""
    replaced: int = 0
    """Memories that took the place of one with the same id."""
    existing: int = 0
    """Rows left out because their id was there, under `existing="keep"`."""
    expired: int = 0
    """Rows left out because their end of life has passed."""
    skipped: int = 0
    """Rows left out because they are invalid, under `on_bad_row="skip"`."""
    problems: list[str] = field(default_factory=list)
    """Why rows were skipped: the first 100 of them."""


class ImportOptions(TypedDict, total=False):
    """The options of every import."""

    namespace: str
    """The namespace of rows that name none. Rows that name another keep theirs."""
    existing: Literal["replace", "keep"]
    """What becomes of a memory with the same id: `"replace"`, the default, or `"keep"`."""
    on_bad_row: Literal["raise", "skip"]
    """`"raise"`, the default, ends the import at an invalid row. `"skip"` reports and skips it."""
    batch_rows: int
    """Rows of one atomic batch, at most. Default 1,000. A batch also ends at 8 MiB."""
    durability: DurabilityLevel
    """What a batch waits for. The default is the setting of the collection."""
    progress: Progress
    """Called after every batch."""


class ExportOptions(TypedDict, total=False):
    """The options of every export."""

    filter: FilterLike
    """Which memories. Default: all."""
    progress: Progress
    """Called about every 1,000 rows."""
