"""Owns how a path becomes an open store.

A process can open a store once. Adapters on the same path therefore share one `Store`, which is
closed when the last of them is closed or collected.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping
from typing import Any, Union

from altiplano import Store

PathLike = Union[str, "os.PathLike[str]"]


class _Shared:
    """A store that was opened for a path, and who uses it."""

    def __init__(self, store: Store, options: dict[str, Any]) -> None:
        self.store = store
        self.options = options
        self.users: weakref.WeakSet[Opened] = weakref.WeakSet()


_lock = threading.Lock()
_shared: weakref.WeakValueDictionary[tuple[int, str], _Shared] = weakref.WeakValueDictionary()


class Opened:
    """An open store, on loan: `close` gives it back."""

    def __init__(
        self,
        path: PathLike | None,
        store: Store | None,
        options: Mapping[str, Any] | None,
    ) -> None:
        if (path is None) == (store is None):
            raise ValueError("give either a path or an open altiplano.Store")
        self._closed = False
        self._shared: _Shared | None = None
        if store is not None:
            if options:
                raise ValueError("store_options are for a path: this store is open already")
            self._store = store
            return
        assert path is not None
        # After a fork, the store of the parent is of no use to the child.
        key = (os.getpid(), os.path.realpath(path))
        wanted = dict(options or {})
        with _lock:
            shared = _shared.get(key)
            if shared is None or shared.store.closed:
                shared = _Shared(Store(path, **wanted), wanted)
                _shared[key] = shared
            elif wanted and wanted != shared.options:
                raise ValueError(
                    f"{os.fspath(path)!r} is open in this process with other store_options: "
                    "close the others first, or leave store_options out"
                )
            shared.users.add(self)
        self._shared = shared
        self._store = shared.store

    @property
    def store(self) -> Store:
        """The store. After `close`, using it raises `altiplano.errors.ClosedError`."""
        if self._closed:
            from altiplano.errors import ClosedError

            raise ClosedError("this object was closed: open it again")
        return self._store

    @property
    def closed(self) -> bool:
        """Whether it was given back."""
        return self._closed

    def close(self) -> None:
        """Gives the store back. One that was passed in open stays open."""
        if self._closed:
            return
        self._closed = True
        if self._shared is None:
            return
        with _lock:
            self._shared.users.discard(self)
            if not self._shared.users:
                self._shared.store.close()
