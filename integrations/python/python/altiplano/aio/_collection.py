"""Owns the asyncio form of collections, scopes and their snapshots."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from altiplano import (
    Collection,
    CollectionSnapshot,
    Memory,
    Reader,
    Scope,
    ScopeSnapshot,
    Writer,
)
from altiplano.aio._calls import Wrapper, awaits

if TYPE_CHECKING:
    from altiplano import Patch
    from altiplano.types import FieldsName, FilterLike, IdLike, OutcomeName

_AHEAD = 128
"""Memories that one hop to a thread reads."""

ReaderT = TypeVar("ReaderT", bound=Reader)
WriterT = TypeVar("WriterT", bound=Writer)


class AsyncReader(Wrapper[ReaderT]):
    """What can be read: the base of collections, scopes and their snapshots.

    `native` is the handle without asyncio.
    """

    get = awaits(Reader.get)
    get_by_key = awaits(Reader.get_by_key)
    get_many = awaits(Reader.get_many)
    search = awaits(Reader.search)
    search_groups = awaits(Reader.search_groups)
    explain = awaits(Reader.explain)
    list = awaits(Reader.list)
    recent = awaits(Reader.recent)
    count = awaits(Reader.count)
    sessions = awaits(Reader.sessions)
    tags = awaits(Reader.tags)
    kinds = awaits(Reader.kinds)

    async def contains(self, id: IdLike) -> bool:
        """Returns whether a memory is there: `id in reader`."""
        return await self._run(self.native.__contains__, id)

    async def size(self) -> int:
        """Returns the number of memories: `len(reader)`."""
        return await self._run(self.native.__len__)

    async def scan(
        self, filter: FilterLike | None = None, *, fields: FieldsName = "all"
    ) -> AsyncIterator[Memory]:
        """Iterates over the memories that match, in no order: `async for memory in ...scan()`.

        Memory stays bounded. The iterator shows the moment of its first step.
        """
        memories = await self._run(self.native.scan, filter, fields=fields)
        while read := await self._run(_some, memories):
            for memory in read:
                yield memory

    def __aiter__(self) -> AsyncIterator[Memory]:
        return self.scan()


def _some(memories: Any) -> list[Memory]:
    return [*islice(memories, _AHEAD)]


class AsyncWriter(AsyncReader[WriterT]):
    """What can also be changed: the base of collections and scopes."""

    insert = awaits(Writer.insert)
    insert_new = awaits(Writer.insert_new)
    add = awaits(Writer.add)
    delete = awaits(Writer.delete)
    delete_many = awaits(Writer.delete_many)
    delete_where = awaits(Writer.delete_where)
    delete_by_key = awaits(Writer.delete_by_key)
    update = awaits(Writer.update)
    touch = awaits(Writer.touch)
    touch_where = awaits(Writer.touch_where)
    supersede = awaits(Writer.supersede)
    note_uses = awaits(Writer.note_uses)
    apply = awaits(Writer.apply)

    async def patch(self, id: IdLike, patch: Patch | None = None, **changes: Any) -> OutcomeName:
        """Changes some attributes of a memory."""
        return await self._run(self.native.patch, id, patch, **changes)

    async def update_where(
        self, filter: FilterLike, patch: Patch | None = None, **changes: Any
    ) -> int:
        """Changes some attributes of all memories that match."""
        return await self._run(self.native.update_where, filter, patch, **changes)


class AsyncCollection(AsyncWriter[Collection]):
    """The handle of a collection. In a `Batch`, name it by `into=collection.native`."""

    search_batch = awaits(Collection.search_batch)
    vectors = awaits(Collection.vectors)
    namespaces = awaits(Collection.namespaces)
    stats = awaits(Collection.stats)
    plan = awaits(Collection.plan)
    compact = awaits(Collection.compact)
    purge = awaits(Collection.purge)
    sync = awaits(Collection.sync)

    @property
    def name(self) -> str:
        """The name."""
        return self.native.name

    @property
    def settings(self) -> dict[str, Any]:
        """The settings."""
        return self.native.settings

    @property
    def dimension(self) -> int:
        """The number of floats of a vector."""
        return self.native.dimension

    def scope(self, namespace: str) -> AsyncScope:
        """Returns the handle of one namespace. It does no work, so there is nothing to await."""
        return AsyncScope(self.native.scope(namespace), executor=self._executor)

    async def snapshot(self) -> AsyncCollectionSnapshot:
        """Returns the collection as of now."""
        held = await self._run(self.native.snapshot)
        return AsyncCollectionSnapshot(held, executor=self._executor)


class AsyncScope(AsyncWriter[Scope]):
    """One namespace of a collection. Nothing outside it can be read or changed."""

    @property
    def namespace(self) -> str:
        """The namespace."""
        return self.native.namespace

    @property
    def collection_name(self) -> str:
        """The name of the collection."""
        return self.native.collection_name

    async def snapshot(self) -> AsyncScopeSnapshot:
        """Returns the namespace as of now."""
        held = await self._run(self.native.snapshot)
        return AsyncScopeSnapshot(held, executor=self._executor)


class AsyncCollectionSnapshot(AsyncReader[CollectionSnapshot]):
    """A collection as of one moment."""

    namespaces = awaits(CollectionSnapshot.namespaces)

    @property
    def name(self) -> str:
        """The name of the collection."""
        return self.native.name

    @property
    def time(self) -> datetime:
        """The moment."""
        return self.native.time

    @property
    def age(self) -> timedelta:
        """How long ago the moment was."""
        return self.native.age

    def scope(self, namespace: str) -> AsyncScopeSnapshot:
        """Returns one namespace of the snapshot."""
        return AsyncScopeSnapshot(self.native.scope(namespace), executor=self._executor)


class AsyncScopeSnapshot(AsyncReader[ScopeSnapshot]):
    """A namespace as of one moment."""

    @property
    def namespace(self) -> str:
        """The namespace."""
        return self.native.namespace

    @property
    def collection_name(self) -> str:
        """The name of the collection."""
        return self.native.collection_name

    @property
    def time(self) -> datetime:
        """The moment."""
        return self.native.time

    @property
    def age(self) -> timedelta:
        """How long ago the moment was."""
        return self.native.age
