"""Owns the reading side of an export: one moment of a collection, with its size and progress."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from altiplano import Collection, CollectionSnapshot, Memory, Scope, ScopeSnapshot

if TYPE_CHECKING:
    from altiplano.io._types import Progress, Readable
    from altiplano.types import FilterLike

EVERY = 1_000
"""Rows between two calls of `progress`."""


class Moment:
    """The memories of one moment. Writes that come later are not in it."""

    def __init__(
        self,
        source: Readable,
        filter: FilterLike | None = None,
        progress: Progress | None = None,
    ) -> None:
        if not isinstance(source, (Collection, Scope, CollectionSnapshot, ScopeSnapshot)):
            raise TypeError(
                f"expected a collection, a scope or a snapshot of one, not {type(source).__name__}"
            )
        held = source.snapshot() if isinstance(source, (Collection, Scope)) else source
        self._held: CollectionSnapshot | ScopeSnapshot = held
        self._filter = filter
        self._progress = progress
        self.total = held.count(filter)
        self.done = 0
        self.settings = _settings(source)

    def __iter__(self) -> Iterator[Memory]:
        for memory in self._held.scan(self._filter, fields="all"):
            yield memory
            self.done += 1
            if self._progress is not None and self.done % EVERY == 0:
                self._progress(self.done, self.total)
        if self._progress is not None and (self.done % EVERY or not self.done):
            self._progress(self.done, self.total)

    @property
    def dimension(self) -> int:
        """The dimension. Snapshots and scopes do not say it, so a memory is read; 1 if none is."""
        if "dimension" not in self.settings:
            first = next(iter(self._held.scan(self._filter, fields="all")), None)
            self.settings["dimension"] = 1 if first is None else len(first.vector)
        return int(self.settings["dimension"])


def _settings(source: Readable) -> dict[str, Any]:
    """Returns what a file says of where it came from."""
    if isinstance(source, Collection):
        settings = source.settings
        wanted = ("dimension", "metric", "embedding_space")
        named = {name: settings[name] for name in wanted if settings.get(name) is not None}
        named["metric"] = str(named["metric"]).lower()
        return {"collection": source.name, **named}
    if isinstance(source, CollectionSnapshot):
        return {"collection": source.name}
    return {"collection": source.collection_name, "namespace": source.namespace}
