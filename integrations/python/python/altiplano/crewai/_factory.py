"""Owns the factory that makes `Memory(storage="altiplano")` mean this backend."""

from __future__ import annotations

from collections.abc import Callable

from altiplano._shared_store import StoreLike
from altiplano.crewai._storage import AltiplanoStorage

_NAME = "altiplano"


def storage_factory(
    store: StoreLike | None = None, *, ttl: float | None = None
) -> Callable[[str], AltiplanoStorage | None]:
    """Returns a factory for CrewAI's `set_memory_storage_factory`.

    It takes the names `altiplano` for the given store or the default path, and `altiplano:PATH`
    for another one. Every other name is left to CrewAI.

    ```python
    from crewai.memory.storage.factory import set_memory_storage_factory

    set_memory_storage_factory(storage_factory("crew.alt"))
    memory = Memory(storage="altiplano")
    ```
    """

    def factory(spec: str) -> AltiplanoStorage | None:
        name, _, path = spec.partition(":")
        if name != _NAME:
            return None
        return AltiplanoStorage(path or store, ttl=ttl)

    return factory
