"""Many threads and many tasks on one store."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.store.base import BaseStore, PutOp
from langgraph_support import embed
from typing_extensions import TypedDict

from altiplano.langgraph import AltiplanoStore, AsyncAltiplanoStore, _engine

NS = ("users", "ada")


def test_readers_see_all_of_a_batch_or_nothing(path: Path, index: dict[str, Any]) -> None:
    """Each round moves every item between the collections, so a torn read would miss some."""
    items, rounds, done = 12, 40, threading.Event()

    def ops(round_: int) -> list[PutOp]:
        value = {"text": "tea", "round": round_}
        return [
            PutOp(NS, f"k{at}", value, index=None if (at + round_) % 2 else False)
            for at in range(items)
        ]

    with AltiplanoStore.from_conn_string(path, index=index) as store:
        store.batch(ops(0))

        def read() -> int:
            seen = set()
            while not done.is_set():
                for how in ({}, {"query": "tea"}):
                    found = store.search(NS, limit=100, **how)
                    assert len({item.key for item in found}) == len(found) == items
                    assert len({item.value["round"] for item in found}) == 1
                    seen.add(found[0].value["round"])
            return len(seen)

        with ThreadPoolExecutor(3) as pool:
            readers = [pool.submit(read) for _ in range(3)]
            for round_ in range(1, rounds):
                store.batch(ops(round_))
            done.set()
            assert all(reader.result() >= 1 for reader in readers)
        assert {item.value["round"] for item in store.search(NS, limit=100)} == {rounds - 1}


def test_writers_of_one_key_leave_one_whole_item(
    path: Path, index: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = _engine._rows

    def slowly(*args: Any) -> Any:
        found = read(*args)
        time.sleep(0.002)  # Time for another writer to come between, if nothing keeps it out.
        return found

    monkeypatch.setattr(_engine, "_rows", slowly)
    index = {**index, "fields": ["notes[*]"]}
    with AltiplanoStore.from_conn_string(path, index=index) as store:
        # A second object on the same store shares its lock.
        other = AltiplanoStore(store.store, index=index)  # type: ignore[arg-type]

        def write(worker: int) -> None:
            for at in range(20):
                notes = [f"note {worker} {part}" for part in range((worker + at) % 4)]
                value = {"worker": worker, "notes": notes}
                (store, other)[at % 2].put(NS, "k", value, ttl=60)
                store.get(NS, "k")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(4)))
        found = store.get(NS, "k")
        assert found is not None
        vectors = len(store.store["langgraph-vectors"])
        assert vectors == len(found.value["notes"]), "no vector of another write is left"
        assert len(store.store["langgraph"]) == (0 if vectors else 1)


async def test_fifty_tasks_work_at_once(path: Path, index: dict[str, Any]) -> None:
    async with AsyncAltiplanoStore.from_conn_string(path, index=index) as store:
        await store.setup()

        async def work(task: int) -> None:
            mine = ("tasks", f"t{task}")
            for at in range(6):
                await store.aput(mine, f"k{at}", {"text": f"tea {task} {at}"})
            await store.adelete(mine, "k0")
            found = await store.asearch(mine, query=f"tea {task} 3", limit=10)
            assert [item.key for item in found][0] == "k3"
            assert len(found) == 5
            assert (await store.aget(mine, "k1")).value == {"text": f"tea {task} 1"}  # type: ignore[union-attr]

        await asyncio.gather(*(work(task) for task in range(50)))
        assert len(await store.alist_namespaces(prefix=("tasks",))) == 50
        assert len(await store.asearch(("tasks",), limit=1000)) == 250


@pytest.mark.parametrize("how", ["sync store", "batched store"])
async def test_an_embedding_that_waits_does_not_block_the_loop(
    path: Path, index: dict[str, Any], how: str
) -> None:
    started, go = asyncio.Event(), asyncio.Event()

    async def slow(texts: list[str]) -> list[list[float]]:
        started.set()
        await go.wait()
        return embed(texts)

    inner = AltiplanoStore(path, index={**index, "embed": slow})  # type: ignore[arg-type]
    store: BaseStore = inner if how == "sync store" else AsyncAltiplanoStore(inner)
    put = asyncio.create_task(store.aput(NS, "k", {"text": "tea"}))
    await started.wait()
    go.set()
    await put
    found = await store.asearch(NS, query="tea")
    assert found[0].score == pytest.approx(1.0, abs=1e-3)
    inner.close()


async def test_what_is_wrong_with_one_task_is_told_to_it_alone(index: dict[str, Any]) -> None:
    async with AsyncAltiplanoStore.from_conn_string(":memory:", index=index) as store:
        good = store.aput(NS, "k", {"text": "tea"})
        bad = store.aput(("a.b",), "k", {"text": "tea"})
        results = await asyncio.gather(good, bad, return_exceptions=True)
        assert results[0] is None and isinstance(results[1], ValueError)
        assert await store.aget(NS, "k") is not None


async def test_the_task_that_sweeps_starts_and_stops() -> None:
    ttl: Any = {"default_ttl": 1, "sweep_interval_minutes": 1}
    async with AsyncAltiplanoStore.from_conn_string(":memory:", ttl=ttl) as store:
        task = await store.start_ttl_sweeper()
        assert await store.start_ttl_sweeper() is task
        assert await store.stop_ttl_sweeper()
        assert task.done()
        assert await store.sweep_ttl() == 0


class Turn(TypedDict):
    user: str
    said: str
    known: list[str]


Node = Callable[..., Turn] | Callable[..., Awaitable[Turn]]


def graph(node: Node, store: BaseStore) -> Any:
    builder = StateGraph(Turn)
    builder.add_node("remember", node)
    builder.add_edge(START, "remember")
    builder.add_edge("remember", END)
    return builder.compile(store=store)


def test_a_graph_remembers_across_processes(path: Path, index: dict[str, Any]) -> None:
    def remember(state: Turn, *, store: BaseStore) -> Turn:
        mine = ("users", state["user"])
        known = [item.value["text"] for item in store.search(mine, query=state["said"], limit=2)]
        store.put(mine, str(len(state["said"])), {"text": state["said"]})
        return {**state, "known": known}

    def say(user: str, said: str) -> list[str]:
        with AltiplanoStore.from_conn_string(path, index=index) as store:
            told = graph(remember, store).invoke({"user": user, "said": said, "known": []})
            return list(told["known"])

    assert say("ada", "i like green tea") == []
    assert say("bob", "green tea is bitter") == []
    assert say("ada", "which tea") == ["i like green tea"]


async def test_a_graph_remembers_asynchronously(index: dict[str, Any]) -> None:
    async def remember(state: Turn, *, store: BaseStore) -> Turn:
        mine = ("users", state["user"])
        found = await store.asearch(mine, query=state["said"], limit=2)
        await store.aput(mine, state["said"], {"text": state["said"]})
        return {**state, "known": [item.key for item in found]}

    async with AsyncAltiplanoStore.from_conn_string(":memory:", index=index) as store:
        run = graph(remember, store)
        for said, known in (("green tea", []), ("black tea", ["green tea"])):
            told = await run.ainvoke({"user": "ada", "said": said, "known": []})
            assert told["known"] == known
