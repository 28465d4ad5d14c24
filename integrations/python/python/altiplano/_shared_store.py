"""Owns `StoreRef`: one open store of a path, shared by the adapters of a process.

A store has one writer. A vector store and a memory block that name the same path must therefore
use the same `Store`. Invariant: a store that was opened here stays open until the last reference
is closed.
"""

from __future__ import annotations

import os
import threading
from os import PathLike
from typing import Union

from altiplano import Store

StoreLike = Union[Store, str, "PathLike[str]"]
"""An open store, or the path of one."""

_lock = threading.Lock()
_open: dict[str, tuple[Store, int]] = {}


class StoreRef:
    """A store that is opened at the first use, and again at the first use after `close`."""

    def __init__(self, store: StoreLike) -> None:
        self._given = store if isinstance(store, Store) else None
        self._path = "" if isinstance(store, Store) else os.path.realpath(os.fspath(store))
        self._held: Store | None = None

    def __reduce__(self) -> tuple[type[StoreRef], tuple[str]]:
        # A process that unpickles it opens the store by its path.
        return StoreRef, (self.path,)

    def __deepcopy__(self, memo: object) -> StoreRef:
        return self

    @property
    def path(self) -> str:
        """The path of the store."""
        return self._given.path if self._given is not None else self._path

    @property
    def store(self) -> Store:
        """The open store."""
        if self._given is not None:
            return self._given
        held = self._held
        if held is not None and not held.closed:
            return held
        with _lock:
            return self._acquire()

    def _acquire(self) -> Store:
        if self._held is not None and not self._held.closed:
            return self._held
        store, users = _open.get(self._path, (None, 0))
        if store is None or store.closed:
            parent = os.path.dirname(self._path)
            os.makedirs(parent, exist_ok=True)
            store, users = Store(self._path), 0
        _open[self._path] = (store, users + 1)
        self._held = store
        return store

    def close(self) -> None:
        """Gives the store back. The last one closes it. A store that was given stays open."""
        with _lock:
            held, self._held = self._held, None
            store, users = _open.get(self._path, (None, 0))
            if held is None or store is not held:
                return
            if users > 1:
                _open[self._path] = (held, users - 1)
                return
            del _open[self._path]
        held.close()
