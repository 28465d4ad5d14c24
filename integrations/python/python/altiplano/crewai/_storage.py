"""Owns `AltiplanoStorage`, a `StorageBackend` of CrewAI's `Memory`.

Invariant: a record is one memory, whose id is made of the id of the record.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from crewai.memory.storage.backend import EmbeddingDimensionMismatchError
from crewai.memory.types import MemoryRecord, ScopeInfo

from altiplano import Batch, Collection, Filter, Memory, Store, field
from altiplano import _python_filters as python
from altiplano._shared_store import StoreLike, StoreRef
from altiplano.crewai import _records as records_of
from altiplano.crewai._records import MICROS, UNEMBEDDED
from altiplano.crewai._tables import Tables

_PAGE = 500
_TOUCHED = 65_536


def default_path() -> Path:
    """Returns where CrewAI keeps the memory of this project."""
    directory = os.environ.get("CREWAI_STORAGE_DIR")
    if directory is None:
        from crewai_core.paths import db_storage_path

        directory = str(db_storage_path())
    return Path(directory) / "memory" / "altiplano"


class AltiplanoStorage:
    """Keeps the records of a `Memory` in one store of this machine, without a server.

    Args:
        store: The path of a store, or an open `altiplano.Store`. By default the path that CrewAI
            uses for its own backends, with `altiplano` at its end.
        collection_name: The collection for the records.
        vector_dim: The dimension. By default that of the first embedding.
        ttl: The lifetime of records in seconds. `None` keeps them for ever.

    Scores are cosines. Scopes are prefixes at the border of a label: `/a` takes `/a/b`, not `/ab`.
    """

    def __init__(
        self,
        store: StoreLike | None = None,
        *,
        collection_name: str = "memories",
        vector_dim: int | None = None,
        ttl: float | None = None,
    ) -> None:
        """Names the store. It is opened at the first use."""
        self._ref = StoreRef(default_path() if store is None else store)
        self._tables = Tables(self._ref, collection_name, vector_dim)
        self._ttl = ttl
        self._touched: OrderedDict[str, datetime] = OrderedDict()

    @property
    def client(self) -> Store:
        """The open store."""
        return self._ref.store

    def close(self) -> None:
        """Closes the store, unless it was given open or others use it. The next use opens it."""
        self._ref.close()

    def save(self, records: list[MemoryRecord]) -> None:
        """Stores records, all or none. A record with a known id is replaced."""
        if not records:
            return
        dimensions = [len(one.embedding) for one in records if one.embedding]
        for dimension in dimensions:
            if dimension != dimensions[0]:
                raise EmbeddingDimensionMismatchError(dimensions[0], dimension)
        collection = self._tables.writing(dimensions[0] if dimensions else None)
        batch = Batch()
        for record in records:
            batch.insert(records_of.to_memory(record, collection.dimension, self._ttl))
            self._touched.pop(record.id, None)
        collection.apply(batch)

    def update(self, record: MemoryRecord) -> None:
        """Replaces the record with this id, or stores it."""
        self.save([record])

    def search(
        self,
        query_embedding: list[float],
        scope_prefix: str | None = None,
        categories: list[str] | None = None,
        metadata_filter: dict[str, Any] | None = None,
        limit: int = 10,
        min_score: float = 0.0,
    ) -> list[tuple[MemoryRecord, float]]:
        """Returns the nearest records with their cosine. Records without embedding are not found.

        Filters are part of the search, so `limit` records are found if so many match.
        """
        self._tables.check(len(query_embedding))
        collection = self._tables.reading()
        if collection is None or limit < 1 or not records_of.has_vector(query_embedding):
            return []
        if collection.dimension != len(query_embedding):
            return []
        fields, exact = records_of.fields_filter(metadata_filter or {})
        wanted = _scoped(scope_prefix) & _tagged(categories) & fields & ~Filter.kind(UNEMBEDDED)
        asked: dict[str, Any] = {}
        if not exact:
            asked["where"] = lambda memory: records_of.fields_test(
                records_of.metadata_of(memory), metadata_filter or {}
            )
        hits = collection.search(
            query_embedding, limit, filter=wanted, min_score=min_score, fields="all", **asked
        )
        found = [(hit.memory, hit.score) for hit in hits]
        return [(self._record(one, one.vector), score) for one, score in found if one is not None]

    def delete(
        self,
        scope_prefix: str | None = None,
        categories: list[str] | None = None,
        record_ids: list[str] | None = None,
        older_than: datetime | None = None,
        metadata_filter: dict[str, Any] | None = None,
    ) -> int:
        """Deletes the records that all criteria hold for, and returns how many there were.

        Without a criterion all records go. An empty `record_ids` names none.
        """
        collection = self._tables.reading()
        if collection is None:
            return 0
        fields, exact = records_of.fields_filter(metadata_filter or {})
        wanted = _scoped(scope_prefix) & _tagged(categories) & fields
        if record_ids is not None:
            wanted = wanted & Filter.ids([python.id_of(one) for one in record_ids])
        if older_than is not None:
            wanted = wanted & (field(MICROS) < records_of.micros(older_than))
        if exact:
            return collection.delete_where(wanted)
        wanted_fields = metadata_filter or {}
        ids = [
            memory.id
            for memory in collection.scan(wanted, fields="payload")
            if records_of.fields_test(records_of.metadata_of(memory), wanted_fields)
        ]
        return collection.delete_many(ids)

    def get_record(self, record_id: str) -> MemoryRecord | None:
        """Returns a record; `None` if there is none with this id."""
        collection = self._tables.reading()
        memory = None if collection is None else collection.get(python.id_of(record_id))
        return None if memory is None else self._record(memory, memory.vector)

    def list_records(
        self, scope_prefix: str | None = None, limit: int = 200, offset: int = 0
    ) -> list[MemoryRecord]:
        """Returns the records of a scope, the newest first. O(offset + limit)."""
        collection = self._tables.reading()
        if collection is None or limit < 1 or offset < 0:
            return []
        memories = _by_time(collection, _scoped(scope_prefix), offset + limit, newest=True)
        window = memories[offset : offset + limit]
        whole = collection.get_many([memory.id for memory in window])
        return [self._record(one, one.vector) for one in whole if one is not None]

    def get_scope_info(self, scope: str) -> ScopeInfo:
        """Returns the number, the categories, the times and the child scopes of a scope."""
        path = scope.rstrip("/") or "/"
        collection = self._tables.reading()
        count = 0 if collection is None else collection.count(_scoped(scope))
        if collection is None or count == 0:
            return ScopeInfo(path=path)
        ends = [
            _by_time(collection, _scoped(scope), 1, newest=newest)[0] for newest in (False, True)
        ]
        oldest, newest = (records_of.to_record(memory).created_at for memory in ends)
        return ScopeInfo(
            path=path,
            record_count=count,
            categories=sorted(self.list_categories(scope)),
            oldest_record=oldest,
            newest_record=newest,
            child_scopes=self.list_scopes(scope),
        )

    def list_scopes(self, parent: str = "/") -> list[str]:
        """Returns the child scopes of a scope that have records, sorted."""
        collection = self._tables.reading()
        if collection is None:
            return []
        prefix = records_of.namespace_of(parent)
        names = collection.namespaces(prefix, depth=1)
        return sorted(f"/{name}" for name in names if name not in ("", prefix))

    def list_categories(self, scope_prefix: str | None = None) -> dict[str, int]:
        """Returns the categories of a scope, with the number of records of each."""
        collection = self._tables.reading()
        if collection is None:
            return {}
        if not records_of.namespace_of(scope_prefix):
            return collection.tags()
        counts: Counter[str] = Counter()
        for memory in collection.scan(_scoped(scope_prefix), fields="attributes"):
            counts.update(memory.tags)
        return dict(counts)

    def count(self, scope_prefix: str | None = None) -> int:
        """Returns the number of records in a scope and below it."""
        collection = self._tables.reading()
        return 0 if collection is None else collection.count(_scoped(scope_prefix))

    def reset(self, scope_prefix: str | None = None) -> None:
        """Deletes the records of a scope. Without a scope the dimension is forgotten as well."""
        if not records_of.namespace_of(scope_prefix):
            self._tables.drop()
            self._touched.clear()
            return
        self.delete(scope_prefix=scope_prefix)

    def touch_records(self, record_ids: list[str]) -> None:
        """Sets `last_accessed` to now. Written by the background, to the second, within seconds.

        What is not written yet is lost if the process dies. This process sees it at once.
        """
        collection = self._tables.reading()
        if collection is None:
            return
        now = datetime.now(timezone.utc).replace(tzinfo=None)
        for record_id in record_ids:
            self._touched.pop(record_id, None)
            self._touched[record_id] = now
        while len(self._touched) > _TOUCHED:
            self._touched.popitem(last=False)
        collection.note_uses([python.id_of(one) for one in record_ids])

    async def asave(self, records: list[MemoryRecord]) -> None:
        """Same as `save`, in a thread."""
        await asyncio.to_thread(self.save, records)

    async def asearch(
        self,
        query_embedding: list[float],
        scope_prefix: str | None = None,
        categories: list[str] | None = None,
        metadata_filter: dict[str, Any] | None = None,
        limit: int = 10,
        min_score: float = 0.0,
    ) -> list[tuple[MemoryRecord, float]]:
        """Same as `search`, in a thread."""
        return await asyncio.to_thread(
            self.search,
            query_embedding,
            scope_prefix,
            categories,
            metadata_filter,
            limit,
            min_score,
        )

    async def adelete(
        self,
        scope_prefix: str | None = None,
        categories: list[str] | None = None,
        record_ids: list[str] | None = None,
        older_than: datetime | None = None,
        metadata_filter: dict[str, Any] | None = None,
    ) -> int:
        """Same as `delete`, in a thread."""
        return await asyncio.to_thread(
            self.delete, scope_prefix, categories, record_ids, older_than, metadata_filter
        )

    def _record(self, memory: Memory, vector: Iterable[float]) -> MemoryRecord:
        """Returns the record of a memory, with the last access that is known."""
        record = records_of.to_record(memory, list(vector))
        used = [self._touched.get(record.id)]
        if memory.last_used is not None:
            used.append(memory.last_used.astimezone(timezone.utc).replace(tzinfo=None))
        for at in used:
            if at is not None and records_of.micros(at) > records_of.micros(record.last_accessed):
                record.last_accessed = at
        return record


def _scoped(scope: str | None) -> Filter:
    namespace = records_of.namespace_of(scope)
    return Filter.namespace_under(namespace) if namespace else Filter.all()


def _tagged(categories: Sequence[str] | None) -> Filter:
    return Filter.tags_any(categories) if categories else Filter.all()


def _by_time(collection: Collection, wanted: Filter, least: int, *, newest: bool) -> list[Memory]:
    """Returns at least this many memories by time, if there are so many.

    The list of the store has milliseconds. All of the last one are read, and sorted by
    microseconds.
    """
    memories: list[Memory] = []
    after: str | None = None
    while True:
        page = collection.list(
            filter=wanted, descending=newest, limit=min(_PAGE, least + 1), after=after
        )
        memories.extend(page)
        after = page.next
        full = len(memories) >= least and (
            memories[-1].created_at != memories[least - 1].created_at
        )
        if after is None or full:
            break
    memories.sort(key=records_of.created_micros, reverse=newest)
    return memories
