"""Owns the asyncio form of stores: opening, closing, and their snapshots."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Executor
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

from altiplano import Collection, Store, StoreSnapshot
from altiplano.aio._calls import Wrapper, awaits, on_thread, open_whole
from altiplano.aio._collection import AsyncCollection, AsyncCollectionSnapshot

P = ParamSpec("P")
R = TypeVar("R")


class AsyncStoreSnapshot(Wrapper[StoreSnapshot]):
    """All collections as of one moment."""

    collection_names = awaits(StoreSnapshot.collection_names)

    @property
    def time(self) -> datetime:
        """The moment."""
        return self.native.time

    @property
    def age(self) -> timedelta:
        """How long ago the moment was."""
        return self.native.age

    async def collection(self, name: str) -> AsyncCollectionSnapshot | None:
        """Returns a collection of the snapshot, or `None`."""
        held = await self._run(self.native.collection, name)
        return None if held is None else AsyncCollectionSnapshot(held, executor=self._executor)


def _gives_collection(
    method: Callable[Concatenate[Store, P], Collection],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, AsyncCollection]]:
    async def call(self: Wrapper[Store], /, *args: P.args, **kwargs: P.kwargs) -> AsyncCollection:
        made = await on_thread(self._executor, method, self.native, *args, **kwargs)
        return AsyncCollection(made, executor=self._executor)

    call.__name__ = call.__qualname__ = "collection"
    call.__doc__ = method.__doc__
    return call


def _static(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return await on_thread(None, function, *args, **kwargs)

    call.__doc__ = function.__doc__
    return call


class AsyncStore(Wrapper[Store]):
    """An open store: `async with aio.open(path) as store`, or `AsyncStore(store)` of one that is
    open, with an `executor` of your own if you like. Leaving the block closes the store."""

    collection = _gives_collection(Store.collection)
    collection_names = awaits(Store.collection_names)
    drop_collection = awaits(Store.drop_collection)
    rename_collection = awaits(Store.rename_collection)
    swap_collections = awaits(Store.swap_collections)
    stats = awaits(Store.stats)
    now = awaits(Store.now)
    trust_clock = awaits(Store.trust_clock)
    sync = awaits(Store.sync)
    forget = awaits(Store.forget)
    purge = awaits(Store.purge)
    compact = awaits(Store.compact)
    run_pending_tasks = awaits(Store.run_pending_tasks)
    wait_idle = awaits(Store.wait_idle)
    pause_background = awaits(Store.pause_background)
    resume_background = awaits(Store.resume_background)
    cancel_background = awaits(Store.cancel_background)
    refresh = awaits(Store.refresh)
    verify = awaits(Store.verify)
    backup = awaits(Store.backup)
    restore = staticmethod(_static(Store.restore))
    repair = staticmethod(_static(Store.repair))

    @property
    def path(self) -> str:
        """The directory of the store."""
        return self.native.path

    @property
    def closed(self) -> bool:
        """Whether the store is closed."""
        return self.native.closed

    @property
    def is_background_paused(self) -> bool:
        """Whether the background is paused."""
        return self.native.is_background_paused

    async def get_collection(self, name: str) -> AsyncCollection | None:
        """Returns a collection, or `None`."""
        found = await self._run(self.native.get_collection, name)
        return None if found is None else AsyncCollection(found, executor=self._executor)

    async def contains(self, name: str) -> bool:
        """Returns whether there is a collection: `name in store`."""
        return await self._run(self.native.__contains__, name)

    async def snapshot(self) -> AsyncStoreSnapshot:
        """Returns all collections as of now."""
        held = await self._run(self.native.snapshot)
        return AsyncStoreSnapshot(held, executor=self._executor)

    async def plan(self, collection: AsyncCollection) -> dict[str, Any]:
        """Returns what the compactor would do with a collection."""
        return await self._run(self.native.plan, collection.native)

    async def close(self) -> None:
        """Closes the store. A cancelled await does not stop it."""
        await asyncio.shield(self._run(self.native.close))

    async def __aenter__(self) -> AsyncStore:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class Opening(Awaitable[AsyncStore]):
    """A store that is about to be opened: `await` it, or enter it by `async with`."""

    def __init__(self, work: Callable[[], Store]) -> None:
        self._work = work
        self._executor: Executor | None = None
        self._store: AsyncStore | None = None

    def using(self, executor: Executor) -> Opening:
        """Runs the calls of the store on an executor, instead of the default one of the loop."""
        self._executor = executor
        return self

    async def _open(self) -> AsyncStore:
        store = await open_whole(self._executor, self._work, lambda store: store.close())
        return AsyncStore(store, executor=self._executor)

    def __await__(self) -> Generator[Any, None, AsyncStore]:
        return self._open().__await__()

    async def __aenter__(self) -> AsyncStore:
        self._store = await self._open()
        return self._store

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._store is not None:
            await self._store.close()


def _opens(make: Callable[P, Store]) -> Callable[P, Opening]:
    def open(*args: P.args, **kwargs: P.kwargs) -> Opening:
        """Opens a store, with the options of `altiplano.open`."""
        return Opening(functools.partial(make, *args, **kwargs))

    return open


open = _opens(Store)
