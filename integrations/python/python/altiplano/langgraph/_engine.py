"""The collections of a store, and the writes to them.

A batch of operations is at most one atomic batch of writes, unless it is larger than the store
takes at once. Writes and refreshes of one store hold a lock of this process, so that what a write
finds about the item before it is still true when it is applied.
"""

import math
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from weakref import WeakValueDictionary

import numpy as np
from langgraph.store.base import PutOp, Result

from altiplano import Batch, Collection, Filter, Memory, MemoryId, Patch, Reader, Store

from . import _names, _search
from ._config import Index
from ._layout import PART, Row, Vector, item_id, rows_of, seconds
from ._plan import Embedded, Place, Plan

MAX_BATCH_BYTES = 32 << 20
"""Half of what the store takes: a row can have a megabyte."""
REFRESH_DELAY = timedelta(seconds=1)
"""A refresh that a power failure loses within this time makes an item expire when it would have
expired without. That is no reason to make every read wait for the disk."""
_NO_GRAPH = 2**32 - 1


class Shared:
    """What all objects on the same collections of one store share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.has_parts: bool | None = None
        """Whether some item has several vectors; `None` before anyone has looked."""


_shared: "WeakValueDictionary[tuple[str, str], Shared]" = WeakValueDictionary()
_shared_lock = threading.Lock()


class View(NamedTuple):
    """The collections at one moment."""

    plain: Reader
    vectors: Reader | None


class Engine:
    """The two collections of a store."""

    def __init__(
        self,
        store: Store,
        name: str,
        index: Index | None,
        *,
        in_memory: bool = False,
        durability: str | None = None,
    ) -> None:
        self.store = store
        self.index = index
        self.names = (name, f"{name}-vectors")
        words = index.text_index if index is not None else None
        self.plain = store.collection(
            self.names[0],
            1,
            "l2",
            graph_min_rows=_NO_GRAPH,
            in_memory=in_memory,
            durability=durability,
            text_index=words if index is not None and index.dims is None else None,
        )
        self.vectors: Collection | None = store.get_collection(self.names[1])
        if index is not None and index.dims is not None:
            self.vectors = store.collection(
                self.names[1],
                index.dims,
                "cosine",
                quantization=index.quantization,
                in_memory=in_memory,
                durability=durability,
                text_index=words or None,
            )
        with _shared_lock:
            self.shared = _shared.setdefault((store.path, name), Shared())

    def run(self, plan: Plan, embedded: Embedded) -> list[Result]:
        """Does what a plan says. Reads come first, and see nothing of the writes."""
        results: list[Result] = [None] * plan.count
        touched: dict[MemoryId, Row] = {}
        if plan.gets or plan.searches or plan.lists:
            view = self._view()
            self._gets(view, plan, results, touched)
            for at, search in plan.searches:
                query = embedded.queries.get(search.query or "")
                found = _search.run(view, search, self.index, query, self._has_parts)
                results[at] = [row.search_item(score) for row, score in found]
                if search.refresh_ttl:
                    touched.update((row.memory.id, row) for row, _ in found)
            for at, listing in plan.lists:
                results[at] = _names.run(view.plain, view.vectors, listing)
        expiring = [row for row in touched.values() if row.ttl is not None]
        if expiring:
            self._refresh(expiring)
        if plan.puts:
            self._write(plan, embedded.documents)
        return results

    def expired_rows(self) -> int:
        """Returns how many rows have expired and still take space on disk."""
        collections = [self.plain, *([self.vectors] if self.vectors is not None else [])]
        return sum(int(collection.stats().expired_rows) for collection in collections)

    def _view(self) -> View:
        if self.vectors is None:
            return View(self.plain, None)
        # Both of one moment: an item that moves from one to the other is seen exactly once.
        snapshot = self.store.snapshot()
        plain = snapshot.collection(self.names[0])
        assert plain is not None, "the collection was opened with the store"
        return View(plain, snapshot.collection(self.names[1]))

    def _has_parts(self) -> bool:
        has_parts = self.shared.has_parts
        if has_parts is None:
            # Held, so that a write cannot say in between that there are some.
            with self.shared.lock:
                count = self.vectors.count(Filter.kind(PART)) if self.vectors is not None else 0
                has_parts = self.shared.has_parts = count > 0
        return has_parts

    def _gets(
        self, view: View, plan: Plan, results: list[Result], touched: dict[MemoryId, Row]
    ) -> None:
        asked = [(at, op) for at, op in plan.gets if op.namespace]
        ids = [item_id(op.namespace, str(op.key)) for _, op in asked]
        for (at, op), row in zip(asked, _rows(view, ids)):
            if row is not None:
                results[at] = row.item()
                if op.refresh_ttl:
                    touched[row.memory.id] = row

    def _refresh(self, rows: Iterable[Row]) -> None:
        """Lets items live for their TTL from now on. What has expired meanwhile stays gone."""
        batch, to = Batch(), self._home(True)
        with self.shared.lock:
            for row in rows:
                assert row.ttl is not None
                collection, ttl = self._home(row.has_vector), seconds(row.ttl)
                if row.vectors > 1:
                    # The parts have versions of their own, so the item is asked again.
                    current = collection.get(row.memory.id)
                    if current is None or current.version != row.memory.version:
                        continue
                patch = Patch(ttl=ttl, if_version=row.memory.version or 0)
                batch.patch(row.memory.id, patch, into=collection)
                for part in row.part_ids:
                    batch.patch(part, Patch(ttl=ttl), into=collection)
            if len(batch):
                to.apply(batch, durability=REFRESH_DELAY)

    def _write(self, plan: Plan, vectors: Mapping[str, Vector]) -> None:
        places = list(plan.puts)
        ids = [item_id(namespace, key) for namespace, key in places]
        to = self._home(True)
        with self.shared.lock:
            now = self.store.now()
            view = View(self.plain, self.vectors)
            batch = Batch()
            for place, item, old in zip(places, ids, _rows(view, ids)):
                self._put(batch, place, item, plan, vectors, old, now)
                if batch.nbytes > MAX_BATCH_BYTES:
                    to.apply(batch)
                    batch = Batch()
            if len(batch):
                to.apply(batch)

    def _put(
        self,
        batch: Batch,
        place: Place,
        item: MemoryId,
        plan: Plan,
        vectors: Mapping[str, Vector],
        old: Row | None,
        now: datetime,
    ) -> None:
        """Adds what turns the item from what it was into what the operation says."""
        op = plan.puts[place]
        rows: list[Memory] = []
        has_vector = False
        if op.value is not None:
            rows, has_vector = self._new_rows(
                place, op, plan.texts.get(place, []), vectors, old, now
            )
        target = self._home(has_vector)
        if old is not None:
            was = self._home(old.has_vector)
            stays = bool(rows) and was is target
            gone = old.part_ids[len(rows) - 1 :] if stays else [item, *old.part_ids]
            for each in gone:
                batch.delete(each, into=was)
        for row in rows:
            batch.insert(row, into=target)
        if len(rows) > 1:
            self.shared.has_parts = True

    def _home(self, has_vector: bool) -> Collection:
        return self.vectors if has_vector and self.vectors is not None else self.plain

    def _new_rows(
        self,
        place: Place,
        op: PutOp,
        texts: list[str],
        vectors: Mapping[str, Vector],
        old: Row | None,
        now: datetime,
    ) -> tuple[list[Memory], bool]:
        # A vector of zeros has no direction, so nothing is near to it.
        embedded = [(text, vectors[text]) for text in texts if text in vectors]
        embedded = [(text, vector) for text, vector in embedded if np.any(vector)]
        words: list[str | None] = []
        if self.index is not None and self.index.text_index:
            words = [text for text, _ in embedded] or ["\n".join(texts) or None]
        rows = rows_of(
            *place,
            op.value or {},
            vectors=[vector for _, vector in embedded],
            texts=words,
            ttl=None if op.ttl is None or math.isinf(op.ttl) else float(op.ttl),
            created_at=now if old is None else old.created_at,
            updated_at=now,
        )
        return rows, bool(embedded)


def _rows(view: View, ids: list[MemoryId]) -> list[Row | None]:
    """Returns the items with these ids, wherever they are."""
    found: list[Row | None] = [None] * len(ids)
    for collection, has_vector in ((view.vectors, True), (view.plain, False)):
        missing = [at for at, row in enumerate(found) if row is None]
        if collection is None or not missing:
            continue
        memories = collection.get_many([ids[at] for at in missing])
        for at, memory in zip(missing, memories):
            if memory is not None:
                found[at] = Row(memory, has_vector=has_vector)
    return found
