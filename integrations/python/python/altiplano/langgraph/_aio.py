"""`AsyncAltiplanoStore`: a store that joins the operations of one turn of the event loop."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from os import PathLike, fspath
from typing import Any

from langgraph.store.base import Embeddings, IndexConfig, Op, Result, TTLConfig
from langgraph.store.base.batch import AsyncBatchedBaseStore

from altiplano import Store

from ._config import AltiplanoIndexConfig
from ._store import MEMORY, AltiplanoStore
from ._sweeper import DEFAULT_MINUTES, logger


class AsyncAltiplanoStore(AsyncBatchedBaseStore):
    """`AltiplanoStore` for graphs that run with `ainvoke` in one event loop.

    Operations that tasks start in the same turn of the loop become one batch, so writes share one
    commit. Must be made inside of the loop that uses it. Synchronous methods work from other
    threads only, and raise `asyncio.InvalidStateError` in the loop's own.

    Args:
        store: an `AltiplanoStore`, or what it is made of: an open store, or a path.
        options: those of `AltiplanoStore`.
    """

    supports_ttl = True

    def __init__(self, store: AltiplanoStore | Store | str | PathLike[str], **options: Any) -> None:
        super().__init__()
        if isinstance(store, AltiplanoStore):
            if options:
                raise TypeError("the options were given to the AltiplanoStore already")
            self.inner = store
        else:
            self.inner = AltiplanoStore(store, **options)
        self.ttl_config = self.inner.ttl_config
        self._sweeper: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def from_conn_string(
        cls,
        conn_string: str | PathLike[str],
        *,
        index: AltiplanoIndexConfig | IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        **options: Any,
    ) -> "AsyncIterator[AsyncAltiplanoStore]":
        """Opens the store at a path, and closes it at the end of the `async with` block.

        `":memory:"` is a store that is gone afterwards.
        """

        def opened() -> AltiplanoStore:
            if fspath(conn_string) == MEMORY:
                return AltiplanoStore.temporary(index=index, ttl=ttl, **options)
            return AltiplanoStore(conn_string, index=index, ttl=ttl, **options)

        store = cls(await asyncio.to_thread(opened))
        try:
            yield store
        finally:
            await store.aclose()

    @property
    def store(self) -> Store:
        """The store of Altiplano beneath."""
        return self.inner.store

    @property
    def index_config(self) -> AltiplanoIndexConfig | None:
        """The configuration of the index, if there is one."""
        return self.inner.index_config

    @property
    def embeddings(self) -> Embeddings | None:
        """What embeds texts, if anything does."""
        return self.inner.embeddings

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Executes operations: first all reads, then all writes as one atomic batch."""
        return await self.inner.abatch(ops)

    async def setup(self) -> None:
        """Does nothing: collections are made when the store is opened."""

    async def sweep_ttl(self) -> int:
        """Returns how many rows have expired and still take space: see `AltiplanoStore`."""
        return await asyncio.to_thread(self.inner.sweep_ttl)

    async def start_ttl_sweeper(
        self, sweep_interval_minutes: float | None = None
    ) -> "asyncio.Task[None]":
        """Starts a task that calls `sweep_ttl` and logs what it returns. Not needed for items to
        expire."""
        if not self.ttl_config:
            return asyncio.create_task(asyncio.sleep(0))
        if self._sweeper is None or self._sweeper.done():
            minutes = sweep_interval_minutes or self.ttl_config.get("sweep_interval_minutes")
            self._sweeper = asyncio.create_task(self._sweep(float(minutes or DEFAULT_MINUTES)))
        return self._sweeper

    async def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stops the task of `start_ttl_sweeper`. Returns false if it is not over in `timeout`
        seconds."""
        task, self._sweeper = self._sweeper, None
        if task is None or task.done():
            return True
        task.cancel()
        await asyncio.wait([task], timeout=timeout)
        return task.done()

    async def _sweep(self, minutes: float) -> None:
        while True:
            await asyncio.sleep(minutes * 60.0)
            try:
                count = await self.sweep_ttl()
            except Exception:
                logger.exception("a sweep of expired items failed")
                continue
            if count:
                logger.info("%d expired items wait for the background to remove them", count)

    async def aclose(self) -> None:
        """Stops the tasks, and closes the store if this object or its `inner` opened it."""
        await self.stop_ttl_sweeper()
        if self._task is not None:
            self._task.cancel()
        await asyncio.to_thread(self.inner.close)

    async def __aenter__(self) -> "AsyncAltiplanoStore":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()
