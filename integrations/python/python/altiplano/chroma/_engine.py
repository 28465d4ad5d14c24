"""Owns the open stores: one for each directory and process, shared by all who use the directory.

A store has one writer. A second process that opens the same directory reads it: every call then
sees what the writer has written by now, and writes raise `altiplano.errors.ReadOnlyError`.
"""

from __future__ import annotations

import gc
import os
import tempfile
import threading
import weakref
from datetime import datetime, timedelta, timezone

from altiplano import Collection, Store
from altiplano.errors import LockedError
from altiplano.types import MetricName

from ._registry import Record, Registry
from ._schema import vector_config

_OPEN: weakref.WeakValueDictionary[str, Engine] = weakref.WeakValueDictionary()
# Reentrant: while it is held, a client may be collected as garbage, which gives its store back.
_OPEN_LOCK = threading.RLock()
_METRICS: dict[str, MetricName] = {"l2": "l2", "cosine": "cosine", "ip": "dot"}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_STEP = timedelta(milliseconds=1)


class Engine:
    """An open store with its registry."""

    def __init__(self, path: str, temporary: tempfile.TemporaryDirectory[str] | None) -> None:
        self.path = path
        self.read_only = False
        self.users = 0
        self.lock = threading.RLock()
        self._locks: dict[str, threading.RLock] = {}
        self._next: dict[str, datetime] = {}
        self._temporary = temporary
        self.store = self._open()
        self.registry = Registry(self.store)
        self.registry.load()
        if not self.read_only:
            self.registry.begin()

    def _open(self) -> Store:
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        try:
            return Store(self.path)
        except LockedError:
            gc.collect()
        try:
            return Store(self.path)
        except LockedError:
            self.read_only = True
            return Store(self.path, create=False, read_only=True)

    def sync(self) -> None:
        """Moves a reader forward to what the writer has written."""
        if self.read_only:
            with self.lock:
                self.store.refresh()
                self.registry.load()

    def lock_of(self, record: Record) -> threading.RLock:
        """Returns the lock that every write of a collection holds. Taken before `lock`."""
        with self.lock:
            return self._locks.setdefault(record.id, threading.RLock())

    def data(self, record: Record) -> Collection | None:
        """Returns the records of a collection; `None` before the first."""
        return self.store.get_collection(record.stored_as)

    def make_data(self, record: Record) -> Collection:
        """Returns the records of a collection, and makes room for them before the first."""
        held = self.data(record)
        if held is not None:
            return held
        with self.lock:
            assert record.dimension is not None
            hnsw = vector_config(record.schema)["hnsw"]
            m = min(max(hnsw["max_neighbors"], 4), 128)
            built = min(max(hnsw["ef_construction"], m), 4096)
            return self.store.collection(
                record.stored_as,
                record.dimension,
                _METRICS[record.space],
                # Chroma's defaults say nothing; the store has its own.
                m=None if m == 16 else m,
                ef_construction=None if m == 16 and built == 100 else built,
                durability="buffered:100ms" if self._temporary is not None else None,
            )

    def next_place(self, record: Record, held: Collection) -> datetime:
        """Returns the place of a new record in the order of insertion, as an event time."""
        place = self._next.get(record.id)
        if place is None:
            page = held.list(order="event_time", descending=True, limit=1, fields="attributes")
            last = page.memories[0].event_time if len(page) else None
            place = last + _STEP if last is not None else _EPOCH
        self._next[record.id] = place + _STEP
        return place

    def forget(self) -> None:
        """Forgets what is known of collections that are gone."""
        for id in [id for id in self._locks if id not in self.registry.collections]:
            self._locks.pop(id, None)
            self._next.pop(id, None)

    def close(self) -> None:
        """Closes the store, and removes a temporary one."""
        self.store.close()
        if self._temporary is not None:
            self._temporary.cleanup()


def acquire(directory: str | None) -> Engine:
    """Returns the open store of a directory; without one, a new store that goes with its users."""
    if directory is None:
        temporary = tempfile.TemporaryDirectory(prefix="altiplano-chroma-")
        engine = Engine(os.path.join(temporary.name, "altiplano"), temporary)
        engine.users = 1
        return engine
    path = os.path.join(os.path.realpath(directory), "altiplano")
    with _OPEN_LOCK:
        shared = _OPEN.get(path)
        if shared is not None:
            shared.users += 1
            if os.path.isdir(path) and not shared.store.closed:
                return shared
            shared.users -= 1
        opened = _OPEN[path] = Engine(path, None)
        opened.users = 1
        return opened


def release(engine: Engine) -> None:
    """Gives an open store back. The last one closes it."""
    with _OPEN_LOCK:
        engine.users -= 1
        if engine.users > 0:
            return
        if _OPEN.get(engine.path) is engine:
            del _OPEN[engine.path]
    engine.close()
