"""Owns a small view of the documents in the form of a Chroma collection.

Some frameworks list the documents of any LangChain vector store by `store._collection.get(where,
limit)`, as if it were Chroma; mem0 does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from altiplano.langchain import _filters
from altiplano.langchain._table import Table, id_of


class CollectionView:
    """What is read of a Chroma collection."""

    def __init__(self, table: Table) -> None:
        self._table = table

    @property
    def name(self) -> str:
        """The name of the collection."""
        return self._table.name

    def count(self) -> int:
        """Returns the number of documents."""
        return self._table.count()

    def get(
        self,
        ids: str | Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> dict[str, list[Any]]:
        """Returns ids, texts and metadata of documents, newest first."""
        if ids is not None and where:
            raise ValueError("give ids or where, not both")
        if ids is not None:
            found = self._table.get([ids] if isinstance(ids, str) else ids)[:limit]
        else:
            found = list(self._table.newest(_filters.stored(where), limit))
        return {
            "ids": [id_of(memory) for memory in found],
            "documents": [memory.text or "" for memory in found],
            "metadatas": [memory.metadata or {} for memory in found],
        }
