"""Measures one store of LangGraph through `BaseStore`, in a process of its own.

    python langgraph_store.py --store altiplano --rows 2000

Prints the same lines of JSON as `langchain_store.py`. Items are put one by one, as agents do,
except for the first load, which comes in batches of 100.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

os.environ.update(LANGSMITH_TRACING="false")

from langgraph.store.base import BaseStore, PutOp

import common
from common import K, Data, Live, Row, Timer, batches, disk, memory, recall, show

NAMESPACE = ("bench", "notes")
FILTER_TOPIC = 7
NAMES = re.compile(r"(Note|Query) (\d+)")
NOTES = {
    "altiplano": "each put is synced to the disk",
    "altiplano-buffered": "a power cut may take the last 100 ms",
    "memory": "InMemoryStore: nothing on the disk, and no lifetimes",
    "sqlite": "SqliteStore with sqlite-vec, which measures every item; WAL as it sets it",
}


class Run:
    """One store and the rows that it should have."""

    def __init__(self, name: str, folder: Path, data: Data) -> None:
        self.name, self.folder, self.data, self.live = name, folder, data, Live(data)
        self.stack = ExitStack()
        self.store = self.open()

    def embed(self, texts: list[str] | tuple[str, ...]) -> list[list[float]]:
        """Returns the vectors of texts that name a row or a query. The same work for each store."""
        found = []
        for text in texts:
            named = NAMES.search(text)
            assert named is not None, text
            rows = self.data.base if named[1] == "Note" else self.data.queries
            found.append(rows[int(named[2]) % len(rows)].tolist())
        return found

    def open(self) -> BaseStore:
        index: Any = {"dims": self.data.dimension, "embed": self.embed, "fields": ["text"]}
        if self.name == "memory":
            from langgraph.store.memory import InMemoryStore

            return InMemoryStore(index=index)
        if self.name == "sqlite":
            import sqlite3

            from langgraph.store.sqlite import SqliteStore

            if not hasattr(sqlite3.Connection, "enable_load_extension"):
                sys.exit("this Python's sqlite3 loads no extensions, which sqlite-vec needs")
            path = str(self.folder / "store.db")
            sqlite = self.stack.enter_context(
                SqliteStore.from_conn_string(path, index=index, ttl={"refresh_on_read": False})
            )
            sqlite.setup()
            return sqlite
        from altiplano.langgraph import AltiplanoStore

        options = {"durability": "buffered:100ms"} if self.name.endswith("buffered") else {}
        path = str(self.folder / "store")
        return self.stack.enter_context(
            AltiplanoStore.from_conn_string(
                path, index=index, ttl={"refresh_on_read": False}, **options
            )
        )

    def close(self) -> None:
        self.stack.close()
        self.stack = ExitStack()

    def settle(self) -> float:
        begun = time.perf_counter()
        if self.name.startswith("altiplano"):
            self.store.store.wait_idle(600)  # type: ignore[attr-defined]
        return time.perf_counter() - begun

    @staticmethod
    def value(row: Row) -> dict[str, Any]:
        return {"text": row.text, **row.metadata}

    def load(self, count: int, timer: Timer) -> None:
        for rows in batches(self.live.new(count), 100):
            ops = [PutOp(NAMESPACE, row.id, self.value(row)) for row in rows]
            timer(lambda: self.store.batch(ops))

    def put(self, count: int, timer: Timer, **options: Any) -> None:
        for row in self.live.new(count):
            value = self.value(row)
            timer(lambda: self.store.put(NAMESPACE, row.id, value, **options))

    def delete(self, names: list[str], timer: Timer) -> None:
        for name in names:
            timer(lambda: self.store.delete(NAMESPACE, name))

    def query(self, topic: int | None = None, passes: int = 1) -> dict[str, float]:
        filter, timer = None if topic is None else {"topic": topic}, Timer()
        found: list[set[int]] = []
        for _ in range(passes):
            found = []
            for number in range(len(self.data.queries)):
                text = f"Query {number}"
                items = timer(
                    lambda: self.store.search(NAMESPACE, query=text, limit=K, filter=filter)
                )
                found.append({int(item.value["number"]) for item in items})
        exact = self.live.exact(self.data.queries, topic)
        return {**timer.report(), "recall": recall(found, exact)}


def churn(run: Run, args: argparse.Namespace) -> None:
    turnover, settles = args.rows // 10, 0.0
    puts, deletes = Timer(), Timer()
    for number in range(1, args.rounds + 1):
        run.delete(run.live.oldest(turnover), deletes)
        run.put(turnover, puts)
        settles += run.settle()
        if number % 5 == 0 or number == args.rounds:
            show(phase="round", round=number, disk_mib=disk(run.folder), **memory(run.folder))
    show(phase="delete", **deletes.report(turnover * args.rounds))
    show(phase="add_in_churn", settle_s=settles, **puts.report(turnover * args.rounds))
    show(phase="query_after_churn", **run.query(passes=args.passes))
    show(phase="filtered_after_churn", **run.query(FILTER_TOPIC, passes=args.passes))
    show(phase="after_churn", disk_mib=disk(run.folder), **memory(run.folder))


def expire(run: Run, args: argparse.Namespace) -> None:
    """Puts items that go away. What removes them is counted: a sweep, or deletes by key."""
    count, first, removes = max(10, args.rows // 20), run.live.end, Timer()
    emulated = run.name == "memory"
    run.put(count, Timer(), **({} if emulated else {"ttl": 1.0 / 60}))
    names = [f"doc-{number}" for number in range(first, run.live.end)]
    if emulated:
        run.delete(names, removes)
    else:
        time.sleep(1.05)
        sweep = run.store.sweep_ttl  # type: ignore[attr-defined]
        # Ours has hidden them already; SQLite shows them until it sweeps.
        removes(sweep if run.name == "sqlite" else lambda: None)
    run.live.end = first
    after = run.query()
    show(
        phase="ttl", rows=count, emulated=emulated, remove_s=sum(removes.seconds),
        query_p50_ms=after["p50_ms"], recall=after["recall"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=sorted(NOTES), required=True)
    parser.add_argument("--data", help="a folder of arrays; without it, synthetic data")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--passes", type=int, default=3)
    args = parser.parse_args()
    pool = args.rows + args.rows // 10 * args.rounds + args.rows // 20 + 1
    data = common.load(args.data, pool, args.queries)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(args.store, Path(folder), data)
        show(
            phase="start", store=args.store, note=NOTES[args.store], data=data.name,
            rows=args.rows, dimension=data.dimension, rounds=args.rounds, **memory(run.folder),
        )
        loads = Timer()
        run.load(args.rows, loads)
        settled = run.settle()
        show(
            phase="add", settle_s=settled, disk_mib=disk(run.folder),
            **loads.report(args.rows), **memory(run.folder),
        )
        show(phase="query", **run.query(passes=args.passes))
        show(phase="filtered", **run.query(FILTER_TOPIC, passes=args.passes))
        churn(run, args)
        expire(run, args)
        if args.store != "memory":
            run.close()
            begun = time.perf_counter()
            run.store = run.open()
            run.store.search(NAMESPACE, query="Query 0", limit=K)
            show(phase="reopen", seconds=time.perf_counter() - begun)
        run.close()


if __name__ == "__main__":
    main()
