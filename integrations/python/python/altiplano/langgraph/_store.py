"""`AltiplanoStore`: the store of LangGraph, synchronous and asynchronous."""

import asyncio
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from langgraph.store.base import (
    BaseStore,
    Embeddings,
    IndexConfig,
    Op,
    Result,
    TTLConfig,
)

from altiplano import ManualClock, Store

from ._config import AltiplanoIndexConfig, Index
from ._engine import Engine
from ._plan import Embedded, Plan, make_plan
from ._sweeper import DEFAULT_MINUTES, Sweeper

MEMORY = ":memory:"
"""The path of a store that is gone when it is closed, as in SQLite."""


class AltiplanoStore(BaseStore):
    """Long-term memory for LangGraph in an Altiplano store.

    Items whose TTL is over are in no answer from that instant on; reading one again before that
    starts its TTL anew, unless the configuration or the call says otherwise.

    Args:
        store: a store that is open, or the path of one to open. A store that is given stays open
            when this object is closed.
        collection: the name of the collection. Several of them can be in one store.
        index: how items are embedded and searched; LangGraph's `IndexConfig`, or more.
        ttl: lifetimes: `default_ttl` in minutes, `refresh_on_read`, `sweep_interval_minutes`.
        durability: when a write is safe from a power failure: `"sync"`, which is the default, or
            within a time, such as `"buffered:100ms"`.
        in_memory: keep items in RAM only.

    Raises:
        ValueError: for an index without `embed` and `dims`.
        altiplano.errors.LockedError: if another process has the store open.
    """

    supports_ttl = True

    def __init__(
        self,
        store: Store | str | PathLike[str],
        *,
        collection: str = "langgraph",
        index: AltiplanoIndexConfig | IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        durability: str | None = None,
        in_memory: bool = False,
    ) -> None:
        super().__init__()
        self._index = Index(index) if index else None
        self.ttl_config = ttl
        self._sweeper: Sweeper | None = None
        self._owned: Store | None = None
        if not isinstance(store, Store):
            store = self._owned = Store(store)
        self.store: Store = store
        """The store of Altiplano beneath: for backups, statistics and the rest."""
        try:
            self._engine = Engine(
                store, collection, self._index, in_memory=in_memory, durability=durability
            )
        except BaseException:
            if self._owned is not None:
                self._owned.close()
            raise

    @classmethod
    @contextmanager
    def from_conn_string(
        cls,
        conn_string: str | PathLike[str],
        *,
        index: AltiplanoIndexConfig | IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        **options: Any,
    ) -> "Iterator[AltiplanoStore]":
        """Opens the store at a path, and closes it at the end of the `with` block.

        `":memory:"` is a store that is gone afterwards. `options` are those of the class.
        """
        if fspath(conn_string) == MEMORY:
            store = cls.temporary(index=index, ttl=ttl, **options)
        else:
            store = cls(conn_string, index=index, ttl=ttl, **options)
        try:
            yield store
        finally:
            store.close()

    @classmethod
    def temporary(
        cls,
        *,
        index: AltiplanoIndexConfig | IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        clock: ManualClock | None = None,
        **options: Any,
    ) -> "AltiplanoStore":
        """Returns a store in RAM, for tests and trials. It is gone when it is closed.

        `clock` is a clock to move by hand, so that tests of TTLs need not wait.
        """
        folder = Path(tempfile.mkdtemp(prefix="altiplano-"))
        try:
            opened = Store(folder / "memory.alt", clock=clock)
            store = cls(opened, index=index, ttl=ttl, in_memory=True, **options)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        store._owned = opened
        weakref.finalize(store, _discard, opened, folder)
        return store

    @property
    def index_config(self) -> AltiplanoIndexConfig | None:
        """The configuration of the index, if there is one."""
        return self._index.config if self._index is not None else None

    @property
    def embeddings(self) -> Embeddings | None:
        """What embeds texts, if anything does."""
        return self._index.embeddings if self._index is not None else None

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Executes operations: first all reads, then all writes as one atomic batch.

        Writes of more than 32 MiB are several batches. Of several writes of one key the last one
        counts.
        """
        plan = make_plan(ops, self._index)
        embedded = Embedded()
        if self._index is not None:
            embedded = Embedded(
                self._index.embed(plan.documents), self._index.embed_queries(plan.queries)
            )
        return self._run(plan, embedded)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Executes operations like `batch`, without blocking the event loop.

        Texts are embedded with the asynchronous methods of `embed`, and the store works in a
        thread.
        """
        plan = make_plan(ops, self._index)
        embedded = Embedded()
        if self._index is not None:
            embedded = Embedded(
                await self._index.aembed(plan.documents),
                await self._index.aembed_queries(plan.queries),
            )
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, self._run, plan, embedded)

    def _run(self, plan: Plan, embedded: Embedded) -> list[Result]:
        return self._engine.run(plan, embedded)

    def setup(self) -> None:
        """Does nothing: collections are made when the store is opened. For LangGraph's other
        stores, which need it."""

    def sweep_ttl(self) -> int:
        """Returns how many rows have expired and still take space. Nothing needs to be swept: no
        answer has them, and the background of the store removes them.

        An item with several vectors is several rows.
        """
        return self._engine.expired_rows()

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> Future[None]:
        """Starts a thread that calls `sweep_ttl` and logs what it returns. Not needed for items to
        expire.

        Returns a future that ends with the thread; cancelling it stops the thread.
        """
        if not self.ttl_config:
            done: Future[None] = Future()
            done.set_result(None)
            return done
        if self._sweeper is None or not self._sweeper.is_running:
            minutes = sweep_interval_minutes or self.ttl_config.get("sweep_interval_minutes")
            self._sweeper = Sweeper(self._engine.expired_rows, float(minutes or DEFAULT_MINUTES))
            weakref.finalize(self, self._sweeper.future.cancel)
        return self._sweeper.future

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stops the thread of `start_ttl_sweeper`. Returns false if it is not over in `timeout`
        seconds."""
        if self._sweeper is None or self._sweeper.stop(timeout):
            self._sweeper = None
            return True
        return False

    def close(self) -> None:
        """Stops the sweeper, and closes the store if this object opened it. May be called twice."""
        self.stop_ttl_sweeper()
        if self._owned is not None and not self._owned.closed:
            self._owned.close()

    def __enter__(self) -> "AltiplanoStore":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"AltiplanoStore({self.store.path!r}, collection={self._engine.names[0]!r})"


def _discard(store: Store, folder: Path) -> None:
    store.close()
    shutil.rmtree(folder, ignore_errors=True)
