"""The exceptions of altiplano: one class for each error of the store, below `Error`.

The message says what happened and the way out. The values in it are attributes as well, such as
`error.path`. Errors about an argument are `ValueError`s too, and a missing memory or collection is
a `KeyError`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from altiplano._native import MemoryId


class Error(Exception):
    """The base of all errors of altiplano."""

    def __str__(self) -> str:
        # A KeyError would show the representation of its argument.
        return str(self.args[0]) if self.args else type(self).__name__


class IoError(Error, OSError):
    """The system refused an operation on a file. Attributes: `op`, `path`, `code`."""

    op: str
    path: str
    code: int | None


class CorruptError(Error):
    """A file is damaged. Attributes: `path`, `offset`, `reason`. See `Store.repair`."""

    path: str
    offset: int
    reason: str


class LockedError(Error):
    """The store is open already, here or in another process. Attribute: `path`."""

    path: str


class ReadOnlyError(Error):
    """The store was opened read-only, or the directory cannot be written. Attribute: `path`."""

    path: str


class NotFoundError(Error, FileNotFoundError):
    """There is no store at `path`."""

    path: str


class NotAStoreError(Error):
    """The directory holds something else. Attributes: `path`, `found`."""

    path: str
    found: str


class DiskFullError(Error):
    """No space is left. Attribute: `path`."""

    path: str


class OverBudgetError(Error):
    """A write would exceed a budget. Attributes: `budget`, `needed`, `limit`, `free`, in bytes."""

    budget: str
    needed: int
    limit: int
    free: int


class CommitUnknownError(Error):
    """A sync failed, so the operation `seq` may or may not be durable."""

    seq: int


class PoisonedError(Error):
    """Writes stopped after an earlier failure. Attribute: `reason`."""

    reason: str


class ForkedError(Error):
    """The store was opened before a fork. Attributes: `opened_by`, `process`."""

    opened_by: int
    process: int


class UnsupportedFormatError(Error):
    """The store is of a newer version. Attributes: `path`, `found`, `supported`."""

    path: str
    found: int
    supported: int


class DimensionError(Error, ValueError):
    """A vector has another dimension. Attributes: `expected`, `got`."""

    expected: int
    got: int


class InvalidVectorError(Error, ValueError):
    """A vector is not finite, or is zero under cosine. Attributes: `id`, `reason`."""

    id: MemoryId | None
    reason: str


class NoMemoryError(Error, KeyError):
    """There is no such memory. Attributes: `collection`, `id`."""

    collection: str
    id: MemoryId


class NoCollectionError(Error, KeyError):
    """There is no such collection. Attribute: `name`."""

    name: str


class NameTakenError(Error):
    """There is a collection of that name already. Attribute: `name`."""

    name: str


class InvalidOptionError(Error, ValueError):
    """An argument has a value that is not allowed. Attributes: `name`, `reason`."""

    name: str
    reason: str


class EmbeddingSpaceError(Error):
    """The collection holds vectors of another model. Attributes: `expected`, `got`."""

    expected: str
    got: str


class LimitExceededError(Error, ValueError):
    """Something is too large. Attributes: `what`, `got`, `unit`, `limit`."""

    what: str
    got: int
    unit: str
    limit: int


class MetadataError(Error, ValueError):
    """Metadata cannot be stored or read. Attribute: `reason`."""

    reason: str


class IdTakenError(Error):
    """The id belongs to a memory of another namespace or key. Attribute: `id`."""

    id: MemoryId


class KeyTakenError(Error):
    """The key belongs to another memory. Attributes: `key`, `id`."""

    key: str
    id: MemoryId


class SnapshotExpiredError(Error):
    """The snapshot is too old. Attributes: `age`, `limit`."""

    age: timedelta
    limit: timedelta


class ClosedError(Error):
    """The store was closed, or the collection was dropped."""


class CallbackError(Error):
    """A function of the caller failed, and nothing was changed. Attribute: `part`."""

    part: str


class InternalError(Error):
    """A fault of altiplano itself. Please report it."""


__all__ = [
    "Error",
    "IoError",
    "CorruptError",
    "LockedError",
    "ReadOnlyError",
    "NotFoundError",
    "NotAStoreError",
    "DiskFullError",
    "OverBudgetError",
    "CommitUnknownError",
    "PoisonedError",
    "ForkedError",
    "UnsupportedFormatError",
    "DimensionError",
    "InvalidVectorError",
    "NoMemoryError",
    "NoCollectionError",
    "NameTakenError",
    "InvalidOptionError",
    "EmbeddingSpaceError",
    "LimitExceededError",
    "MetadataError",
    "IdTakenError",
    "KeyTakenError",
    "SnapshotExpiredError",
    "ClosedError",
    "CallbackError",
    "InternalError",
]
