"""The asyncio form of altiplano: the same methods, to be awaited. They run on threads.

    from altiplano import Memory, aio

    async with aio.open("agent.alt") as store:
        notes = await store.collection("notes", 384)
        await notes.insert(Memory(vector, text="likes tea"))
        hits = await notes.search(query, k=5)
        async for memory in notes.scan():
            ...

`aio.agent(path, embedder)` opens the memory of an agent in the same way.

Every call leaves the event loop free, and releases the lock of the interpreter while it works. All
handles may be shared by any number of tasks.

A cancelled await does not stop the call, whose thread carries it out as a whole: a write is there
or not, and never in part. Awaiting nothing, as `scope` and properties do, needs no `await`.
Functions that are handed in, such as `where` and the change of `update`, are called on the thread.
"""

from altiplano.aio._agent import (
    AgentOpening,
    AsyncAgent,
    AsyncSession,
    SessionOpening,
    agent,
)
from altiplano.aio._collection import (
    AsyncCollection,
    AsyncCollectionSnapshot,
    AsyncReader,
    AsyncScope,
    AsyncScopeSnapshot,
    AsyncWriter,
)
from altiplano.aio._store import AsyncStore, AsyncStoreSnapshot, Opening, open

__all__ = [
    "AgentOpening",
    "AsyncAgent",
    "AsyncCollection",
    "AsyncCollectionSnapshot",
    "AsyncReader",
    "AsyncScope",
    "AsyncScopeSnapshot",
    "AsyncSession",
    "AsyncStore",
    "AsyncStoreSnapshot",
    "AsyncWriter",
    "Opening",
    "SessionOpening",
    "agent",
    "open",
]
