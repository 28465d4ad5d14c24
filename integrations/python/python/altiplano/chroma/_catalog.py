"""Owns the part of the API about tenants, databases and collections."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Optional
from uuid import UUID, uuid4

from chromadb.api import ServerAPI
from chromadb.api.collection_configuration import (
    CreateCollectionConfiguration,
    UpdateCollectionConfiguration,
)
from chromadb.api.types import CollectionMetadata, Schema
from chromadb.auth import UserIdentity
from chromadb.config import DEFAULT_DATABASE, DEFAULT_TENANT, Settings, System
from chromadb.errors import (
    AuthorizationError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    UniqueConstraintError,
)
from chromadb.types import Collection as CollectionModel
from chromadb.types import Database, Tenant
from overrides import override

from ._engine import Engine, acquire, release
from ._registry import Record
from ._schema import check_name, new_schema, updated_schema
from ._where import number

#: As many as Chroma takes at once.
MAX_BATCH = 5461


class AlreadyExistsError(UniqueConstraintError, InternalError):
    """The name is taken. Chroma's local API raises `InternalError`, its server the other one."""

    @override
    def code(self) -> int:
        return 409

    @classmethod
    @override
    def name(cls) -> str:
        return "UniqueConstraintError"


def _cut(items: Sequence[Any], limit: Optional[int], offset: Optional[int]) -> list[Any]:
    start = checked_count("offset", offset) or 0
    length = checked_count("limit", limit)
    return list(items[start : None if length is None else start + length])


def _collection_metadata(metadata: CollectionMetadata) -> dict[str, Any]:
    """Returns the metadata of a collection; only scalars may be in it."""
    for key, value in metadata.items():
        if not isinstance(value, (str, int, float, bool)):
            raise TypeError(
                "Cannot convert Python object to MetadataValue: in the metadata of a collection, "
                f"{key!r} must be a str, int, float or bool"
            )
    return {key: number(value) for key, value in metadata.items()}


def checked_count(name: str, value: Optional[int]) -> Optional[int]:
    """Refuses a negative limit or offset."""
    if value is not None and value < 0:
        raise InvalidArgumentError(f"{name} must not be negative, got {value}")
    return value


def _directory(settings: Settings) -> Optional[str]:
    """Returns where the settings say that data is kept; `None` for a client that keeps nothing.

    Chroma wants `is_persistent` as well. A directory that is given alone counts as persistent, so
    that no data is lost.
    """
    given = settings.model_fields_set
    named = "persist_directory" in given and "is_persistent" not in given
    if settings.is_persistent or (named and settings.persist_directory):
        return settings.persist_directory
    return None


class Catalog(ServerAPI):
    """Tenants, databases and collections of Chroma in a store."""

    _engine: Optional[Engine]

    def __init__(self, system: System) -> None:
        super().__init__(system)
        self._engine = None

    @override
    def start(self) -> None:
        super().start()
        if self._engine is None:
            self._engine = acquire(_directory(self._system.settings))

    @override
    def stop(self) -> None:
        super().stop()
        engine, self._engine = self._engine, None
        if engine is not None:
            release(engine)

    def __del__(self) -> None:
        # A client that is dropped without a close gives its store back as well.
        engine = getattr(self, "_engine", None)
        if engine is not None:
            self._engine = None
            release(engine)

    @property
    def engine(self) -> Engine:
        """The open store."""
        if self._engine is None:
            raise RuntimeError("the client is closed; make a new one")
        return self._engine

    def _synced(self) -> Engine:
        engine = self.engine
        engine.sync()
        return engine

    def record(self, collection_id: UUID) -> Record:
        """Returns what is known of a collection."""
        record = self._synced().registry.collections.get(str(collection_id))
        if record is None:
            raise NotFoundError(f"Collection [{collection_id}] does not exist.")
        return record

    @override
    def create_tenant(self, name: str) -> None:
        if len(name) < 3:
            raise InvalidArgumentError("Validation error: name: a tenant has at least 3 characters")
        engine = self._synced()
        with engine.lock:
            if name in engine.registry.tenants:
                raise AlreadyExistsError(f"Tenant [{name}] already exists")
            engine.registry.add_tenant(name)

    @override
    def get_tenant(self, name: str) -> Tenant:
        if name not in self._synced().registry.tenants:
            raise NotFoundError(f"Tenant [{name}] not found")
        return Tenant(name=name)

    @override
    def create_database(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        if len(name) < 3:
            raise InvalidArgumentError("database name must be at least 3 characters")
        engine = self._synced()
        with engine.lock:
            if tenant not in engine.registry.tenants:
                raise NotFoundError(f"Tenant [{tenant}] not found")
            if (tenant, name) in engine.registry.databases:
                raise AlreadyExistsError(f"Database [{name}] already exists")
            engine.registry.add_database(tenant, name, str(uuid4()))

    @override
    def get_database(self, name: str, tenant: str = DEFAULT_TENANT) -> Database:
        id = self._synced().registry.databases.get((tenant, name))
        if id is None:
            raise NotFoundError(f"Database [{name}] not found. Are you sure it exists?")
        return Database(id=UUID(id), name=name, tenant=tenant)

    @override
    def delete_database(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        engine = self._synced()
        with engine.lock:
            if (tenant, name) not in engine.registry.databases:
                raise NotFoundError(f"Database [{name}] not found")
            engine.registry.remove(engine.registry.of_database(tenant, name), (tenant, name))
            engine.forget()

    @override
    def list_databases(
        self,
        limit: Optional[int] = None,
        offset: Optional[int] = None,
        tenant: str = DEFAULT_TENANT,
    ) -> Sequence[Database]:
        every = list(self._synced().registry.databases.items())
        found = [
            Database(id=UUID(id), name=name, tenant=owner)
            for (owner, name), id in every
            if owner == tenant
        ]
        return _cut(sorted(found, key=lambda each: each["name"]), limit, offset)

    @override
    def heartbeat(self) -> int:
        return time.time_ns()

    @override
    def count_collections(
        self, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE
    ) -> int:
        return len(self._synced().registry.of_database(tenant, database))

    @override
    def list_collections(
        self,
        limit: Optional[int] = None,
        offset: Optional[int] = None,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> Sequence[CollectionModel]:
        found = _cut(self._synced().registry.of_database(tenant, database), limit, offset)
        return [record.model() for record in found]

    @override
    def create_collection(
        self,
        name: str,
        schema: Optional[Schema] = None,
        configuration: Optional[CreateCollectionConfiguration] = None,
        metadata: Optional[CollectionMetadata] = None,
        get_or_create: bool = False,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> CollectionModel:
        check_name(name)
        if metadata is not None and not metadata:
            raise InvalidArgumentError("Validation error: metadata: Metadata cannot be empty")
        engine = self._synced()
        with engine.lock:
            registry = engine.registry
            existing = registry.by_name.get((tenant, database, name))
            if existing is not None:
                if get_or_create:
                    return existing.model()
                raise AlreadyExistsError(f"Collection [{name}] already exists")
            if (tenant, database) not in registry.databases:
                raise InvalidArgumentError(f"Database [{database}] does not exist")
            record = Record(
                id=str(uuid4()),
                name=name,
                tenant=tenant,
                database=database,
                metadata=_collection_metadata(metadata) if metadata is not None else None,
                schema=new_schema(schema, configuration, metadata),
                dimension=None,
                zeros=False,
                number=registry.next_number(),
            )
            registry.put(record)
            return record.model()

    @override
    def get_or_create_collection(
        self,
        name: str,
        schema: Optional[Schema] = None,
        configuration: Optional[CreateCollectionConfiguration] = None,
        metadata: Optional[CollectionMetadata] = None,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> CollectionModel:
        return self.create_collection(name, schema, configuration, metadata, True, tenant, database)

    @override
    def get_collection(
        self,
        name: str,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> CollectionModel:
        return self._named(name, tenant, database).model()

    def _named(self, name: str, tenant: str, database: str) -> Record:
        record = self._synced().registry.by_name.get((tenant, database, name))
        if record is None:
            raise NotFoundError(f"Collection [{name}] does not exist")
        return record

    @override
    def get_collection_by_id(
        self,
        collection_id: UUID,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> CollectionModel:
        record = self._synced().registry.collections.get(str(collection_id))
        if record is None or (record.tenant, record.database) != (tenant, database):
            raise NotFoundError(f"Collection [{collection_id}] does not exist")
        return record.model()

    @override
    def delete_collection(
        self,
        name: str,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> None:
        engine = self.engine
        record = self._named(name, tenant, database)
        with engine.lock_of(record), engine.lock:
            engine.registry.remove([self._named(name, tenant, database)])
            engine.forget()

    @override
    def _modify(
        self,
        id: UUID,
        new_name: Optional[str] = None,
        new_metadata: Optional[CollectionMetadata] = None,
        new_configuration: Optional[UpdateCollectionConfiguration] = None,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> None:
        with self.engine.lock:
            record = replace(self.record(id))
            if new_name is not None and new_name != record.name:
                check_name(new_name)
                if (record.tenant, record.database, new_name) in self.engine.registry.by_name:
                    raise AlreadyExistsError(f"Collection [{new_name}] already exists")
                record.name = new_name
            if new_metadata is not None:
                kept = {key: value for key, value in new_metadata.items() if value is not None}
                record.metadata = _collection_metadata(kept)
            if new_configuration is not None:
                record.schema = updated_schema(record.schema, new_configuration)
            self.engine.registry.put(record)

    @override
    def reset(self) -> bool:
        if not self._system.settings.allow_reset:
            raise AuthorizationError("Reset is disabled by config: set allow_reset in the settings")
        engine = self.engine
        with engine.lock:
            engine.registry.clear()
            engine.forget()
        return True

    @override
    def reset_state(self) -> None:
        if self._engine is not None:
            self.reset()

    @override
    def get_version(self) -> str:
        import chromadb

        return chromadb.__version__

    @override
    def get_settings(self) -> Settings:
        return self._system.settings

    @override
    def get_max_batch_size(self) -> int:
        return MAX_BATCH

    @override
    def get_user_identity(self) -> UserIdentity:
        return UserIdentity(user_id="", tenant=DEFAULT_TENANT, databases=[DEFAULT_DATABASE])
