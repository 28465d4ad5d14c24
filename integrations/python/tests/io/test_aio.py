"""The asyncio form: every method of the native classes is there, and tasks may be cancelled."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from conftest import FULL

import altiplano
from altiplano import (
    Agent,
    Batch,
    Collection,
    CollectionSnapshot,
    Filter,
    HashingEmbedder,
    Memory,
    Scope,
    ScopeSnapshot,
    Session,
    Store,
    StoreSnapshot,
    aio,
)

T = TypeVar("T")
TASKS = 50
STEPS = 40 if FULL else 8


def run(main: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(main, 120))


PAIRS = [
    (aio.AsyncStore, Store),
    (aio.AsyncCollection, Collection),
    (aio.AsyncScope, Scope),
    (aio.AsyncCollectionSnapshot, CollectionSnapshot),
    (aio.AsyncScopeSnapshot, ScopeSnapshot),
    (aio.AsyncStoreSnapshot, StoreSnapshot),
    (aio.AsyncAgent, Agent),
    (aio.AsyncSession, Session),
]
# What needs no thread, or is not a coroutine because it is iterated.
PLAIN = {"scope", "scan", "session"}
# The way of asyncio for what Python calls by itself.
SPECIAL = {
    "__contains__": "contains",
    "__len__": "size",
    "__iter__": "__aiter__",
    "__enter__": "__aenter__",
    "__exit__": "__aexit__",
    "__getitem__": "get",
}


@pytest.mark.parametrize(("wrapper", "native"), PAIRS)
def test_every_method_is_there(wrapper: type, native: type) -> None:
    checked = 0
    for name in dir(native):
        if name.startswith("_"):
            continue
        assert hasattr(wrapper, name), f"{wrapper.__name__} lacks {name}"
        theirs, ours = getattr(native, name), getattr(wrapper, name)
        if not callable(theirs):
            assert isinstance(ours, property), name
        elif name not in PLAIN:
            assert inspect.iscoroutinefunction(ours), f"{wrapper.__name__}.{name} is not async"
        checked += 1
    assert checked > 1
    for special, name in SPECIAL.items():
        if special == "__getitem__" and native is Store:
            name = "get_collection"
        if special == "__iter__" and native is Store:
            name = "collection_names"
        if special in vars(native) or special in dir(native):
            assert hasattr(wrapper, name), f"{wrapper.__name__} lacks {name} for {special}"


def test_a_day(tmp_path: Path) -> None:
    async def main() -> None:
        async with aio.open(tmp_path / "s", background=False) as store:
            notes = await store.collection("notes", 3, metric="l2")
            assert (notes.name, notes.dimension) == ("notes", 3)
            assert await notes.insert(Memory([1, 2, 3], id=1, text="tea")) == "inserted"
            ids = await notes.add(np.eye(3), keys=["a", "b", "c"], namespace="n")
            assert await notes.size() == 4 and await notes.contains(ids[0])
            scope = notes.scope("n")
            assert scope.namespace == "n" and scope.collection_name == "notes"
            assert await scope.count() == 3
            held, moment = await notes.snapshot(), await store.snapshot()
            hits = await scope.search([1, 0, 0], k=1)
            assert hits[0].key == "a"
            assert await notes.patch(1, text="coffee") == "updated"
            assert await notes.update_where(Filter.namespace("n"), importance=1.0) == 3
            assert await scope.delete_by_key("a") == 1
            assert await held.size() == 4 and await held.scope("n").size() == 3
            then = await moment.collection("notes")
            assert then is not None and await then.size() == 4
            assert await moment.collection("nope") is None
            assert {m.text async for m in notes if m.text} == {"coffee"}
            keys = [memory.key async for memory in notes.scan(Filter.namespace("n"))]
            assert sorted(key or "" for key in keys) == ["b", "c"]
            assert (await store.get_collection("notes")) is not None
            assert (await store.get_collection("nope")) is None
            assert await store.contains("notes") and not await store.contains("nope")
            assert "steps" in await store.plan(notes)
            other = await store.collection("other", 3)
            batch = Batch().insert(Memory([1, 1, 1], id=9), into=other.native)
            assert (await notes.apply(batch)).inserted == 1
            assert await other.contains(9)
            await store.sync()
            assert "Store" in repr(store)
        assert store.closed
        with pytest.raises(altiplano.errors.ClosedError):
            await notes.size()
        with pytest.raises(altiplano.errors.DimensionError):
            async with aio.open(tmp_path / "s") as again:
                await (await again.collection("notes", 3, "l2")).search([1])
        store = await aio.open(tmp_path / "s")
        await store.close()

    run(main())


def test_an_agent(tmp_path: Path) -> None:
    async def main() -> None:
        async with aio.agent(tmp_path / "a", HashingEmbedder(64)) as agent:
            async with agent.session("monday", end_policy="drop") as session:
                assert session.id == "monday"
                await session.remember("Ada has trouble with fractions")
                assert len(await session.recent(turns=5)) == 1
                assert await agent.open_sessions() == {"monday": "drop"}
                answer = await session.recall("What is hard for Ada?", k=1)
                assert "fractions" in answer.to_prompt()
            kept = await agent.remember("likes green tea", importance=0.9)
            await asyncio.gather(*(agent.remember(f"note {n}") for n in range(TASKS)))
            answer = await agent.recall("green tea", k=1)
            assert "green tea" in answer.to_prompt()
            assert await agent.patch(kept.id, pinned=True) == "updated"
            held = await agent.collection("working")
            assert await held.contains(kept.id)
            assert await held.size() == TASKS + 1
            assert await agent.forget(kept.id)
            assert await agent.get(kept.id) is None
            begun = await agent.session("tuesday")
            await begun.end()
            assert await agent.open_sessions() == {}
        agent = await aio.agent(tmp_path / "a", HashingEmbedder(64))
        await agent.close()

    run(main())


def test_errors_reach_the_task(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(altiplano.errors.NotFoundError):
            await aio.open(tmp_path / "nope", create=False)
        async with aio.open(tmp_path / "s") as store:
            with pytest.raises(altiplano.errors.LockedError):
                await aio.open(tmp_path / "s")
            notes = await store.collection("notes", 3)

            def fail(memory: Memory) -> None:
                raise KeyError("mine")

            await notes.insert(Memory([1, 2, 3], id=1))
            with pytest.raises((KeyError, altiplano.errors.CallbackError)):
                await notes.update(1, fail)

    run(main())


def test_the_loop_stays_free(tmp_path: Path) -> None:
    """A slow call of one task does not keep another from running."""

    async def main() -> None:
        async with aio.open(tmp_path / "s") as store:
            notes = await store.collection("notes", 3)
            await notes.insert(Memory([1, 2, 3], id=1))
            other_ran = threading.Event()
            loop_thread = threading.current_thread()

            def wait(memory: Memory) -> bool:
                assert threading.current_thread() is not loop_thread
                return other_ran.wait(30)

            async def other() -> None:
                other_ran.set()

            hits, _ = await asyncio.gather(notes.search([1, 2, 3], where=wait), other())
            assert len(hits) == 1

    run(main())


def test_executor_and_context(tmp_path: Path) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    seen: list[tuple[str, str]] = []

    def look(memory: Memory) -> bool:
        seen.append((threading.current_thread().name, variable.get()))
        return True

    async def main() -> None:
        variable.set("task")
        with ThreadPoolExecutor(2, thread_name_prefix="mine") as pool:
            async with aio.open(tmp_path / "s").using(pool) as store:
                notes = await store.collection("notes", 3)
                await notes.insert(Memory([1, 2, 3]))
                await notes.scope("a").search([1, 2, 3], where=look)
                await notes.search([1, 2, 3], where=look)
                snapshot = await notes.snapshot()
                await snapshot.search([1, 2, 3], where=look)

    run(main())
    assert len(seen) == 2
    assert all(name.startswith("mine") and value == "task" for name, value in seen)


def test_fifty_tasks(tmp_path: Path) -> None:
    """All writes of 50 tasks are there, and each task reads its own."""

    async def task(notes: aio.AsyncCollection, number: int) -> None:
        scope = notes.scope(f"t{number}")
        rng = np.random.default_rng(number)
        for step in range(STEPS):
            vector = rng.standard_normal(8)
            await scope.insert(Memory(vector, key=str(step), metadata={"step": step}))
            hits = await scope.search(vector, k=1)
            assert hits[0].key == str(step)
            if step % 3 == 2:
                assert await scope.delete_by_key(str(step - 1)) == 1
            assert await scope.count() == step + 1 - (step + 1) // 3
        found = [memory async for memory in scope.scan()]
        assert all(memory.namespace == f"t{number}" for memory in found)

    async def main() -> None:
        async with aio.open(tmp_path / "s") as store:
            notes = await store.collection("notes", 8, durability="buffered:20ms")
            await asyncio.gather(*(task(notes, number) for number in range(TASKS)))
            assert await notes.size() == TASKS * (STEPS - STEPS // 3)
            spaces = await notes.namespaces()
            assert len(spaces) == TASKS

    run(main())


def test_cancelled_writes_are_whole(tmp_path: Path) -> None:
    """Of a cancelled batch, all rows are there or none, and the store goes on."""
    rows = 50

    async def write(notes: aio.AsyncCollection, number: int) -> None:
        batch = Batch()
        for row in range(rows):
            batch.insert(Memory([number, row, 1], key=f"{number}-{row}", session=str(number)))
        await notes.apply(batch)

    async def main() -> None:
        rng = np.random.default_rng(7)
        async with aio.open(tmp_path / "s") as store:
            notes = await store.collection("notes", 3, "l2")
            tasks = [asyncio.create_task(write(notes, number)) for number in range(TASKS)]
            for number in rng.permutation(TASKS)[: TASKS // 2]:
                await asyncio.sleep(0)
                tasks[number].cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            cancelled = [isinstance(result, asyncio.CancelledError) for result in done]
            assert sum(cancelled) > 0
            assert all(result is None for result, c in zip(done, cancelled, strict=True) if not c)
            # The threads of cancelled tasks may still be at work: closing waits for them.
        async with aio.open(tmp_path / "s") as store:
            notes = await store.collection("notes", 3, "l2")
            sessions = await notes.sessions()
            assert set(sessions.values()) == {rows}
            for number in range(TASKS):
                assert cancelled[number] or str(number) in sessions
            assert (await store.verify("full"))["problems"] == []
            await write(notes, 1000)
            assert await notes.count(Filter.session("1000")) == rows

    run(main())


def test_cancelled_scan_and_close(tmp_path: Path) -> None:
    async def main() -> None:
        store = await aio.open(tmp_path / "s")
        notes = await store.collection("notes", 3)
        await notes.add(np.ones((1000, 3)))

        async def scan() -> None:
            async for _ in notes.scan():
                await asyncio.sleep(0.001)

        scanning = asyncio.create_task(scan())
        await asyncio.sleep(0.01)
        scanning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await scanning
        assert await notes.size() == 1000
        closing = asyncio.create_task(store.close())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        # The close goes on without its task.
        while not store.closed:
            await asyncio.sleep(0.01)

    run(main())


def test_a_store_that_opens_too_late_is_closed() -> None:
    class Late:
        closed = threading.Event()

        def close(self) -> None:
            self.closed.set()

    go = threading.Event()

    def work() -> Any:
        go.wait(30)
        return Late()

    async def main() -> None:
        opening = asyncio.ensure_future(aio.Opening(work))
        await asyncio.sleep(0.01)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert not Late.closed.is_set()
        go.set()
        assert await asyncio.to_thread(Late.closed.wait, 30)

    run(main())


def test_a_cancelled_open_leaves_no_lock(tmp_path: Path) -> None:
    async def main() -> None:
        async def enter() -> None:
            async with aio.open(tmp_path / "s"):
                await asyncio.sleep(60)

        for yields in range(4):
            opening = asyncio.create_task(enter())
            for _ in range(yields):
                await asyncio.sleep(0)
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
        for _ in range(1000):
            try:
                store = await aio.open(tmp_path / "s")
                break
            except altiplano.errors.LockedError:
                await asyncio.sleep(0.01)
        await store.close()

    run(main())
