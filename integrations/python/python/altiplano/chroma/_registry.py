"""Owns the registry: tenants, databases, and what is known of each collection.

The registry is a collection of dimension 1 in the same store. Each entry is one memory, with a key
of its own and its JSON as the text. All of it is also in RAM; a write goes to the store first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Optional
from uuid import UUID

from altiplano import Batch, Collection, Memory, MemoryId, Store
from chromadb.config import DEFAULT_DATABASE, DEFAULT_TENANT
from chromadb.types import Collection as CollectionModel

from ._schema import configuration_json, vector_config

_NAME = "chroma.registry"
_PREFIX = "chroma.collection."


@dataclass
class Record:
    """A collection of Chroma."""

    id: str
    name: str
    tenant: str
    database: str
    metadata: Optional[dict[str, Any]]
    schema: dict[str, Any]
    dimension: Optional[int]
    #: Whether zero vectors were ever stored under cosine.
    zeros: bool
    #: Collections are listed in the order of this.
    number: int

    @property
    def space(self) -> str:
        """`l2`, `cosine` or `ip`."""
        return str(vector_config(self.schema)["space"])

    @property
    def stored_as(self) -> str:
        """The name of the collection of the store that has the records."""
        return _PREFIX + self.id

    def model(self) -> CollectionModel:
        """Returns the collection as Chroma describes it."""
        return CollectionModel(
            id=UUID(self.id),
            name=self.name,
            configuration_json=configuration_json(self.schema),
            serialized_schema=json.loads(json.dumps(self.schema)),
            metadata=dict(self.metadata) if self.metadata is not None else None,
            dimension=self.dimension,
            tenant=self.tenant,
            database=self.database,
        )


def _key(kind: str, *names: str) -> str:
    # The names are hashed, because a key has at most 1,024 bytes.
    return f"{kind}/{MemoryId.from_key(json.dumps(names))}"


class Registry:
    """The registry of one store. The caller holds a lock around every write."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.tenants: set[str] = set()
        self.databases: dict[tuple[str, str], str] = {}
        self.collections: dict[str, Record] = {}
        self.by_name: dict[tuple[str, str, str], Record] = {}

    def load(self) -> None:
        """Reads everything anew."""
        held = self._store.get_collection(_NAME)
        tenants: set[str] = set()
        databases: dict[tuple[str, str], str] = {}
        records: list[Record] = []
        for memory in held.scan(fields="payload") if held is not None else ():
            value = json.loads(memory.text or "{}")
            if memory.kind == "tenant":
                tenants.add(value["name"])
            elif memory.kind == "database":
                databases[value["tenant"], value["name"]] = value["id"]
            elif memory.kind == "collection":
                records.append(Record(**value))
        records.sort(key=lambda record: record.number)
        self.tenants, self.databases = tenants, databases
        self.collections = {record.id: record for record in records}
        self.by_name = {(r.tenant, r.database, r.name): r for r in records}

    def begin(self) -> None:
        """Makes the first tenant and database, and drops what an interrupted delete left."""
        if not self.tenants:
            self.add_tenant(DEFAULT_TENANT)
            self.add_database(DEFAULT_TENANT, DEFAULT_DATABASE, str(UUID(int=0)))
        known = {record.stored_as for record in self.collections.values()}
        for name in self._store.collection_names():
            if name.startswith(_PREFIX) and name not in known:
                self._store.drop_collection(name)

    def _held(self) -> Collection:
        return self._store.collection(_NAME, 1, "l2")

    def _memory(self, kind: str, key: str, value: dict[str, Any]) -> Memory:
        return Memory([0.0], key=key, kind=kind, text=json.dumps(value))

    def add_tenant(self, name: str) -> None:
        """Adds a tenant."""
        self._held().insert(self._memory("tenant", _key("tenant", name), {"name": name}))
        self.tenants.add(name)

    def add_database(self, tenant: str, name: str, id: str) -> None:
        """Adds a database."""
        value = {"tenant": tenant, "name": name, "id": id}
        self._held().insert(self._memory("database", _key("database", tenant, name), value))
        self.databases[tenant, name] = id

    def put(self, record: Record) -> None:
        """Adds a collection, or writes what changed of it."""
        key = _key("collection", record.id)
        self._held().insert(self._memory("collection", key, asdict(record)))
        before = self.collections.get(record.id)
        if before is not None:
            self.by_name.pop((before.tenant, before.database, before.name), None)
        self.collections[record.id] = record
        self.by_name[record.tenant, record.database, record.name] = record

    def of_database(self, tenant: str, database: str) -> list[Record]:
        """Returns the collections of a database in the order of their creation."""
        every = self.collections.values()
        found = [r for r in list(every) if r.tenant == tenant and r.database == database]
        return sorted(found, key=lambda record: record.number)

    def next_number(self) -> int:
        """Returns the number of the next collection."""
        return max((record.number for record in self.collections.values()), default=0) + 1

    def remove(self, records: Iterable[Record], database: tuple[str, str] | None = None) -> None:
        """Removes collections with their bytes, and with them a database, if one is given."""
        gone = list(records)
        batch = Batch()
        for record in gone:
            batch.delete(MemoryId.from_key(_key("collection", record.id)))
        if database is not None:
            batch.delete(MemoryId.from_key(_key("database", *database)))
            self.databases.pop(database, None)
        self._held().apply(batch)
        for record in gone:
            self.collections.pop(record.id, None)
            self.by_name.pop((record.tenant, record.database, record.name), None)
            self._store.drop_collection(record.stored_as)

    def clear(self) -> None:
        """Removes everything, and begins anew."""
        self.remove(list(self.collections.values()))
        self._store.drop_collection(_NAME)
        self.load()
        self.begin()
