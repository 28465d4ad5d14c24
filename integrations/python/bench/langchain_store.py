"""Measures one store through LangChain's interface, in a process of its own.

    python langchain_store.py --store altiplano --rows 2000

Prints lines of JSON: add, query, filtered, churn (30 rounds that replace 10 %), ttl, and reopen.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import common
from common import K, Data, Live, Timer, batches, disk, memory, recall, show
from langchain_peers import PEERS, Peer

BATCH = 500
FILTER_TOPIC = 7


class Run:
    """One store and the rows that it should have."""

    def __init__(self, peer: Peer, data: Data) -> None:
        self.peer, self.data, self.live = peer, data, Live(data)
        self.queries = [query.tolist() for query in data.queries]

    def add(self, count: int, timer: Timer, **options: Any) -> None:
        for rows in batches(self.live.new(count), BATCH):
            # The lists are made outside of the measured call, for every store.
            self.peer.model.next = [row.vector.tolist() for row in rows]
            texts, metadatas = [row.text for row in rows], [row.metadata for row in rows]
            ids = [self.id(row.id) for row in rows]
            timer(lambda: self.peer.store.add_texts(texts, metadatas, ids=ids, **options))

    def id(self, name: str) -> Any:
        # Qdrant takes no other ids than UUIDs and numbers.
        if type(self.peer).__name__ == "Qdrant":
            return int(name.removeprefix("doc-"))
        return name

    def delete(self, count: int, timer: Timer) -> None:
        for names in batches(self.live.oldest(count), BATCH):
            ids = [self.id(name) for name in names]
            timer(lambda: self.peer.store.delete(ids))

    def settle(self) -> float:
        begun = time.perf_counter()
        self.peer.settle()
        return time.perf_counter() - begun

    def query(self, topic: int | None = None, passes: int = 1) -> dict[str, float]:
        """Times queries, and checks the answers against an exact search."""
        options = {} if topic is None else self.peer.filter(topic)
        search, timer = self.peer.store.similarity_search_by_vector, Timer()
        found: list[set[int]] = []
        for _ in range(passes):
            found = []
            for query in self.queries:
                documents = timer(lambda: search(query, k=K, **options))
                found.append({int(document.metadata["number"]) for document in documents})
        exact = self.live.exact(self.data.queries, topic)
        return {**timer.report(), "recall": recall(found, exact)}


def churn(run: Run, args: argparse.Namespace) -> None:
    turnover = args.rows // 10
    adds, deletes, settles = Timer(), Timer(), 0.0
    for number in range(1, args.rounds + 1):
        run.delete(turnover, deletes)
        run.add(turnover, adds)
        settles += run.settle()
        if number % 5 == 0 or number == args.rounds:
            run.peer.save()
            show(
                phase="round", round=number, disk_mib=disk(run.peer.folder),
                **memory(run.peer.folder),
            )
    show(phase="delete", **deletes.report(turnover * args.rounds))
    show(phase="add_in_churn", settle_s=settles, **adds.report(turnover * args.rounds))
    show(phase="query_after_churn", **run.query(passes=args.passes))
    show(phase="filtered_after_churn", **run.query(FILTER_TOPIC, passes=args.passes))
    run.peer.save()
    show(phase="after_churn", disk_mib=disk(run.peer.folder), **memory(run.peer.folder))


def expire(run: Run, args: argparse.Namespace) -> None:
    """Adds rows that go away after a second. Stores without lifetimes delete them by their ids,
    which is the cheapest way: to find what has expired would cost more."""
    count, adds, removes = max(10, args.rows // 20), Timer(), Timer()
    first = run.live.end
    run.add(count, adds, **run.peer.ttl(1.0))
    if run.peer.has_ttl:
        time.sleep(1.05)
        run.live.end = first
        removes.seconds.append(0.0)
    else:
        names = [f"doc-{number}" for number in range(first, run.live.end)]
        run.live.end = first
        for part in batches(names, BATCH):
            removes(lambda: run.peer.store.delete([run.id(name) for name in part]))
    after = run.query()
    show(
        phase="ttl", rows=count, emulated=not run.peer.has_ttl,
        remove_s=sum(removes.seconds), query_p50_ms=after["p50_ms"], recall=after["recall"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=sorted(PEERS), required=True)
    parser.add_argument("--data", help="a folder of arrays; without it, synthetic data")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--passes", type=int, default=3)
    args = parser.parse_args()
    # Each round brings rows that were not there before.
    pool = args.rows + args.rows // 10 * args.rounds + args.rows // 20 + 1
    data = common.load(args.data, pool, args.queries)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(PEERS[args.store](Path(folder), data.dimension), data)
        show(
            phase="start", store=args.store, note=run.peer.note, lives_in=run.peer.lives_in,
            data=data.name, rows=args.rows, dimension=data.dimension, rounds=args.rounds,
            **memory(run.peer.folder),
        )
        adds = Timer()
        run.add(args.rows, adds)
        settled = run.settle()
        run.peer.save()
        show(
            phase="add", settle_s=settled, disk_mib=disk(run.peer.folder),
            **adds.report(args.rows), **memory(run.peer.folder),
        )
        show(phase="query", **run.query(passes=args.passes))
        show(phase="filtered", **run.query(FILTER_TOPIC, passes=args.passes))
        churn(run, args)
        run.peer.save()
        run.peer.close()
        begun = time.perf_counter()
        run.peer = PEERS[args.store](Path(folder), data.dimension)
        run.peer.store.similarity_search_by_vector(run.queries[0], k=K)
        show(phase="reopen", seconds=time.perf_counter() - begun)
        expire(run, args)
        run.peer.close()


if __name__ == "__main__":
    main()
