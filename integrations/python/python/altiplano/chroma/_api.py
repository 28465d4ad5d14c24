"""Owns `AltiplanoAPI`, which serves Chroma's clients from a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, Optional
from uuid import UUID

from altiplano import Memory
from altiplano.types import FieldsName
from chromadb.api.models.AttachedFunction import AttachedFunction
from chromadb.api.types import (
    DeleteResult,
    Documents,
    Embeddings,
    GetResult,
    IDs,
    Include,
    IncludeMetadataDocuments,
    IncludeMetadataDocumentsDistances,
    IncludeMetadataDocumentsEmbeddings,
    IndexingStatus,
    Metadatas,
    QueryResult,
    ReadLevel,
    SearchResult,
    URIs,
    Where,
    WhereDocument,
)
from chromadb.config import DEFAULT_DATABASE, DEFAULT_TENANT
from chromadb.errors import InternalError
from chromadb.execution.expression.plan import Search
from chromadb.types import Collection as CollectionModel
from overrides import override

from . import _records as records
from . import _rows as rows
from ._catalog import MAX_BATCH, Catalog, checked_count
from ._schema import check_where


def _fields(include: Include) -> FieldsName:
    if "embeddings" in include:
        return "all"
    return "payload" if "documents" in include else "attributes"


def _hosted_only(what: str) -> NoReturn:
    raise NotImplementedError(f"{what} is part of hosted Chroma; a local store does not have it")


class _Columns:
    """The columns of a result, as far as they are asked for."""

    def __init__(self, include: Include) -> None:
        self.include = include

    def column(self, name: str, found: Sequence[Memory]) -> Optional[list[Any]]:
        """Returns a column of some records; `None` if it is not asked for."""
        if name not in self.include:
            return None
        read: Any = {
            "embeddings": records.vector_of,
            "documents": lambda memory: memory.text,
            "metadatas": records.metadata_of,
            "uris": records.uri_of,
        }[name]
        return [read(memory) for memory in found]


class AltiplanoAPI(Catalog):
    """Chroma's local API on a store of altiplano.

    Give its name in the settings, `Settings(chroma_api_impl="altiplano.chroma.AltiplanoAPI", ...)`,
    or use `altiplano.chroma.PersistentClient`.
    """

    @override
    def _count(
        self,
        collection_id: UUID,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
        read_level: ReadLevel = ReadLevel.INDEX_AND_WAL,
    ) -> int:
        held = self.engine.data(self.record(collection_id))
        return 0 if held is None else len(held)

    @override
    def _peek(
        self,
        collection_id: UUID,
        n: int = 10,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> GetResult:
        return self._get(collection_id, limit=n, include=IncludeMetadataDocumentsEmbeddings)

    @override
    def _get(
        self,
        collection_id: UUID,
        ids: Optional[IDs] = None,
        where: Optional[Where] = None,
        limit: Optional[int] = None,
        offset: Optional[int] = None,
        where_document: Optional[WhereDocument] = None,
        include: Include = IncludeMetadataDocuments,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> GetResult:
        record = self.record(collection_id)
        check_where(record.schema, where, where_document)
        limit, offset = checked_count("limit", limit), checked_count("offset", offset) or 0
        held = self.engine.data(record)
        with records.chroma_errors():
            found = (
                rows.get(held, ids, where, where_document, limit, offset, _fields(include))
                if held is not None
                else []
            )
        columns = _Columns(include)
        return GetResult(
            ids=[records.id_of(memory) for memory in found],
            embeddings=columns.column("embeddings", found),
            documents=columns.column("documents", found),
            uris=columns.column("uris", found),
            included=include,
            data=None,
            metadatas=columns.column("metadatas", found),
        )

    @override
    def _query(
        self,
        collection_id: UUID,
        query_embeddings: Embeddings,
        ids: Optional[IDs] = None,
        n_results: int = 10,
        where: Optional[Where] = None,
        where_document: Optional[WhereDocument] = None,
        include: Include = IncludeMetadataDocumentsDistances,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> QueryResult:
        record = self.record(collection_id)
        check_where(record.schema, where, where_document)
        vectors = records.matrix(query_embeddings, record.dimension)
        held = self.engine.data(record)
        found = [rows.Hits([], []) for _ in vectors]
        if held is not None:
            fields = _fields(include)
            with records.chroma_errors():
                found = rows.query(
                    held, record, vectors, ids, n_results, where, where_document, fields
                )
        columns = _Columns(include)

        def column(name: str) -> Any:
            every = [columns.column(name, hits.memories) for hits in found]
            return every if name in include else None

        return QueryResult(
            ids=[[records.id_of(memory) for memory in hits.memories] for hits in found],
            embeddings=column("embeddings"),
            documents=column("documents"),
            uris=column("uris"),
            included=include,
            data=None,
            metadatas=column("metadatas"),
            distances=[hits.distances for hits in found] if "distances" in include else None,
        )

    def _write(self, collection_id: UUID, given: rows.Input, *, insert: bool, change: bool) -> bool:
        if len(given.ids) > MAX_BATCH:
            raise InternalError(
                f"ValueError: Batch size of {len(given.ids)} is greater than max batch size of "
                f"{MAX_BATCH}"
            )
        writer = rows.Writer(self.engine, self.record(collection_id))
        writer.write(given, insert=insert, change=change)
        return True

    @override
    def _add(
        self,
        ids: IDs,
        collection_id: UUID,
        embeddings: Embeddings,
        metadatas: Optional[Metadatas] = None,
        documents: Optional[Documents] = None,
        uris: Optional[URIs] = None,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> bool:
        given = rows.Input(ids, embeddings, metadatas, documents, uris)
        return self._write(collection_id, given, insert=True, change=False)

    @override
    def _update(
        self,
        collection_id: UUID,
        ids: IDs,
        embeddings: Optional[Embeddings] = None,
        metadatas: Optional[Metadatas] = None,
        documents: Optional[Documents] = None,
        uris: Optional[URIs] = None,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> bool:
        given = rows.Input(ids, embeddings, metadatas, documents, uris)
        return self._write(collection_id, given, insert=False, change=True)

    @override
    def _upsert(
        self,
        collection_id: UUID,
        ids: IDs,
        embeddings: Embeddings,
        metadatas: Optional[Metadatas] = None,
        documents: Optional[Documents] = None,
        uris: Optional[URIs] = None,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> bool:
        given = rows.Input(ids, embeddings, metadatas, documents, uris)
        return self._write(collection_id, given, insert=True, change=True)

    @override
    def _delete(
        self,
        collection_id: UUID,
        ids: Optional[IDs] = None,
        where: Optional[Where] = None,
        where_document: Optional[WhereDocument] = None,
        limit: Optional[int] = None,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> DeleteResult:
        record = self.record(collection_id)
        check_where(record.schema, where, where_document)
        writer = rows.Writer(self.engine, record)
        return DeleteResult(deleted=writer.delete(ids, where, where_document, limit))

    @override
    def _search(
        self,
        collection_id: UUID,
        searches: list[Search],
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
        read_level: ReadLevel = ReadLevel.INDEX_AND_WAL,
    ) -> SearchResult:
        _hosted_only("Search")

    @override
    def _fork(
        self,
        collection_id: UUID,
        new_name: str,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> CollectionModel:
        _hosted_only("Forking a collection")

    @override
    def _fork_count(
        self,
        collection_id: UUID,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> int:
        _hosted_only("Forking a collection")

    @override
    def _get_indexing_status(
        self,
        collection_id: UUID,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> IndexingStatus:
        _hosted_only("The indexing status")

    @override
    def attach_function(
        self,
        function_id: str,
        name: str,
        input_collection_id: UUID,
        output_collection: str,
        params: Optional[dict[str, Any]] = None,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> tuple[AttachedFunction, bool]:
        _hosted_only("Attaching a function")

    @override
    def get_attached_function(
        self,
        name: str,
        input_collection_id: UUID,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> AttachedFunction:
        _hosted_only("Attaching a function")

    @override
    def detach_function(
        self,
        name: str,
        input_collection_id: UUID,
        delete_output: bool = False,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> bool:
        _hosted_only("Attaching a function")
