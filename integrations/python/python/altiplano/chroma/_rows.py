"""Owns what is done with the records of a collection: write, get, query and delete."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Optional

import numpy as np
from altiplano import Batch, Collection, Filter, Memory, MemoryId
from altiplano.errors import InvalidOptionError
from altiplano.types import FieldsName
from chromadb.errors import InternalError, InvalidArgumentError, NotFoundError
from numpy.typing import NDArray

from . import _records as records
from ._engine import Engine
from ._registry import Record
from ._schema import discover, vector_config
from ._where import Plan, full_test, plan

#: Records of a page, where a list is read page by page.
_PAGE = 4096
#: A batch is written when it has this many bytes; the store takes 64 MiB at once.
_BATCH_BYTES = 32 << 20
_MOST_RESULTS = 1 << 20


class Input(NamedTuple):
    """The arguments of a write, one element per record."""

    ids: Sequence[str]
    embeddings: Optional[Any]
    metadatas: Optional[Sequence[Optional[Mapping[str, Any]]]]
    documents: Optional[Sequence[Optional[str]]]
    uris: Optional[Sequence[Optional[str]]]


class Row(NamedTuple):
    """One record of a write."""

    key: str
    vector: Optional[NDArray[np.float32]]
    change: dict[str, Any]
    document: Optional[str]


class Hits(NamedTuple):
    """The results of one query."""

    memories: list[Memory]
    distances: list[float]


def _rows(given: Input, vectors: Optional[NDArray[np.float32]]) -> list[Row]:
    made = []
    for at, id in enumerate(given.ids):
        key = records.key_of(id)
        metadata = given.metadatas[at] if given.metadatas is not None else None
        change = records.checked_metadata(metadata) if metadata else {}
        uri = given.uris[at] if given.uris is not None else None
        if uri is not None:
            change[records.URI] = uri
        if key != id:
            change[records.LONG_ID] = id
        vector = vectors[at] if vectors is not None else None
        document = given.documents[at] if given.documents is not None else None
        made.append(Row(key, vector, change, document))
    return made


class Writer:
    """The writes of one collection. Every write holds the lock of the collection."""

    def __init__(self, engine: Engine, record: Record) -> None:
        self.engine = engine
        self.record = record

    def write(self, given: Input, *, insert: bool, change: bool) -> None:
        """Inserts records that are new, and changes those that exist, as told."""
        with self.engine.lock_of(self.record), records.chroma_errors():
            self.record = self._current()
            vectors = None
            if given.embeddings is not None:
                vectors = records.matrix(given.embeddings, self.record.dimension)
            rows = _rows(given, vectors)
            if rows:
                self._learn(rows, vectors)
                if self.record.dimension is not None:
                    self._apply(rows, insert=insert, change=change)

    def _current(self) -> Record:
        """Returns what is known of the collection by now."""
        record = self.engine.registry.collections.get(self.record.id)
        if record is None:
            raise NotFoundError(f"Collection [{self.record.id}] does not exist.")
        return record

    def _learn(self, rows: list[Row], vectors: Optional[NDArray[np.float32]]) -> None:
        """Notes what the registry knows of all records: dimension, zero vectors, keys."""
        with self.engine.lock:
            record = self._current()
            schema = {**record.schema, "keys": dict(record.schema["keys"])}
            # All keys have to be looked at.
            new_keys = [discover(schema, row.change) for row in rows]
            learned = replace(record, schema=schema if any(new_keys) else record.schema)
            if vectors is not None:
                learned.dimension = vectors.shape[1]
                if record.space == "cosine" and not vectors.any(axis=1).all():
                    learned.zeros = True
            if learned != record:
                self.engine.registry.put(learned)
            self.record = learned

    def _apply(self, rows: list[Row], *, insert: bool, change: bool) -> None:
        held = self.engine.make_data(self.record)
        found = held.get_many([MemoryId.from_key(row.key) for row in rows])
        batch, size = Batch(), 0
        for row, memory in zip(rows, found):
            if memory is None and insert:
                memory = self._new(held, row)
            elif memory is not None and change:
                self._change(memory, row)
            else:
                continue
            batch.insert(memory)
            size += self._size(memory, row.change)
            if size >= _BATCH_BYTES:
                held.apply(batch)
                batch, size = Batch(), 0
        if len(batch):
            held.apply(batch)

    def _new(self, held: Collection, row: Row) -> Memory:
        if row.vector is None:
            raise InvalidArgumentError(f"the new record {row.key!r} needs an embedding")
        memory = Memory(
            records.unit(len(row.vector)),
            key=row.key,
            text=row.document,
            metadata=records.merged(None, row.change) or None,
            event_time=self.engine.next_place(self.record, held),
        )
        records.set_vector(memory, row.vector, self.record.space)
        return memory

    def _size(self, memory: Memory, change: Mapping[str, Any]) -> int:
        """Returns about how many bytes a record adds to a batch."""
        values = sum(len(value) for value in change.values() if isinstance(value, (str, list)))
        text = len(memory.text or "")
        return 4 * (self.record.dimension or 0) + 4 * text + 12 * values + 1024

    def _change(self, memory: Memory, row: Row) -> None:
        if row.vector is not None:
            records.set_vector(memory, row.vector, self.record.space)
        if row.document is not None:
            memory.text = row.document
        if row.change:
            memory.metadata = records.merged(memory.metadata, row.change) or None

    def delete(
        self,
        ids: Sequence[str] | None,
        where: Mapping[str, Any] | None,
        where_document: Any,
        limit: int | None,
    ) -> int:
        """Deletes records. Returns how many there were."""
        held = self.engine.data(self.record)
        if held is None:
            return 0
        with self.engine.lock_of(self.record), records.chroma_errors():
            if ids is not None and not where and not where_document:
                return held.delete_many([MemoryId.from_key(records.key_of(id)) for id in ids])
            asked = plan(where, where_document)
            if ids is None and limit is None and asked.test is None and asked.filter is not None:
                try:
                    return held.delete_where(asked.filter)
                except InvalidOptionError:
                    # The store refuses a filter that holds for everything.
                    pass
            found = get(held, ids, where, where_document, limit, 0, "payload")
            return held.delete_many([memory.id for memory in found])


def get(
    held: Collection,
    ids: Sequence[str] | None,
    where: Mapping[str, Any] | None,
    where_document: Any,
    limit: int | None,
    offset: int,
    fields: FieldsName,
) -> list[Memory]:
    """Returns records in the order of their insertion."""
    stop = None if limit is None else offset + limit
    if ids is not None:
        test = full_test(where, where_document)
        wanted = [MemoryId.from_key(records.key_of(id)) for id in dict.fromkeys(ids)]
        found = [memory for memory in held.get_many(wanted) if memory is not None]
        if test is not None:
            found = [memory for memory in found if test(memory.metadata or {}, memory.text)]
        return sorted(found, key=records.place_of)[offset:stop]
    asked = plan(where, where_document)
    if asked.test is not None and fields == "attributes":
        fields = "payload"
    if stop is None:
        every = held.scan(asked.filter, fields=fields)
        found = [memory for memory in every if asked.passes(memory)]
        return sorted(found, key=records.place_of)[offset:]
    if stop <= offset:
        return []
    ordered = _in_order(held, asked, fields, stop)
    return list(itertools.islice(ordered, offset, stop))


def _in_order(held: Collection, asked: Plan, fields: FieldsName, most: int) -> Iterator[Memory]:
    after = None
    page_size = min(most, _PAGE) if asked.test is None else _PAGE
    while True:
        page = held.list(
            filter=asked.filter,
            order="event_time",
            descending=False,
            limit=page_size,
            after=after,
            fields=fields,
        )
        yield from (memory for memory in page if asked.passes(memory))
        after = page.next
        if after is None:
            return


def query(
    held: Collection,
    record: Record,
    vectors: NDArray[np.float32],
    ids: Sequence[str] | None,
    n_results: int,
    where: Mapping[str, Any] | None,
    where_document: Any,
    fields: FieldsName,
) -> list[Hits]:
    """Returns the nearest records of each query, the nearest first."""
    asked = plan(where, where_document)
    filter = asked.filter
    if ids is not None:
        wanted = {MemoryId.from_key(records.key_of(id)) for id in ids}
        chosen = Filter.ids(wanted)
        if held.count(chosen) != len(wanted):
            # The words of Chroma, which refuses this as well.
            raise InternalError("Error executing plan: Internal error: Error finding id")
        filter = chosen if filter is None else filter & chosen
    if asked.test is not None:
        passing = [m.id for m in held.scan(filter, fields="payload") if asked.passes(m)]
        filter = Filter.ids(passing)
    k = min(n_results, len(held), _MOST_RESULTS)
    if k == 0:
        return [Hits([], []) for _ in vectors]
    zeros: list[Memory] = []
    if record.zeros:
        apart = Filter.kind(records.ZERO)
        both = apart if filter is None else filter & apart
        page = held.list(filter=both, order="event_time", descending=False, limit=k, fields=fields)
        zeros = page.memories
        filter = ~apart if filter is None else filter & ~apart
    search = _Search(held, record, filter, k, fields)
    return search.run(vectors, zeros)


class _Search:
    """One search of several queries."""

    def __init__(
        self, held: Collection, record: Record, filter: Filter | None, k: int, fields: FieldsName
    ) -> None:
        self.held, self.space, self.filter, self.k, self.fields = (
            held,
            record.space,
            filter,
            k,
            fields,
        )
        ef = int(vector_config(record.schema)["hnsw"]["ef_search"])
        self.ef = None if ef == 100 else max(ef, k)

    def run(self, vectors: NDArray[np.float32], zeros: list[Memory]) -> list[Hits]:
        lengths = np.asarray(vectors.any(axis=1))
        if self.space == "cosine" and not lengths.all():
            return [
                self.run(vectors[at : at + 1], zeros)[0] if some else self._all_equal(zeros)
                for at, some in enumerate(lengths.tolist())
            ]
        found = self.held.search_batch(
            vectors, self.k, filter=self.filter, ef=self.ef, fields=self.fields
        )
        shift = 1.0 if self.space == "ip" else 0.0
        results = []
        for hits in found:
            pairs = [(hit.distance + shift, hit.memory) for hit in hits]
            pairs += [(1.0, memory) for memory in zeros]
            if zeros:
                pairs = sorted(pairs, key=lambda pair: pair[0])[: self.k]
            memories = [memory for _, memory in pairs if memory is not None]
            results.append(Hits(memories, [distance for distance, _ in pairs]))
        return results

    def _all_equal(self, zeros: list[Memory]) -> Hits:
        """Under cosine, all records have the distance 1 from a zero vector."""
        page = self.held.list(
            filter=self.filter,
            order="event_time",
            descending=False,
            limit=self.k,
            fields=self.fields,
        )
        every = sorted([*page.memories, *zeros], key=records.place_of)[: self.k]
        return Hits(every, [1.0] * len(every))
