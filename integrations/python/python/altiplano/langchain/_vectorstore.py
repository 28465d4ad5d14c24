"""Owns `AltiplanoVectorStore`: LangChain's vector store on a collection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar
from uuid import uuid4

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.runnables.config import run_in_executor
from numpy.typing import ArrayLike

from altiplano import Hit, Memory, Store
from altiplano.langchain import _filters, _mmr
from altiplano.langchain._async import AsyncVectorStore
from altiplano.langchain._chroma import CollectionView
from altiplano.langchain._filters import DocumentFilter
from altiplano.langchain._open import Opened, PathLike
from altiplano.langchain._table import Table, Ttl, id_of, matrix_of

V = TypeVar("V", bound="AltiplanoVectorStore")


class AltiplanoVectorStore(AsyncVectorStore):
    """Documents and their vectors in a store of Altiplano.

    Args:
        embedding: the model. Without one, only methods that take vectors work.
        path: the directory of the store. It is made if it is not there. Objects on the same path
            share one open store.
        store: an open `altiplano.Store`, in place of a path. It stays open.
        collection: the name of the collection. It is made by the first document, with the
            dimension of its vector.
        namespace: a user, a tenant, an agent. Nothing outside of it is read or changed. Without
            one, the whole collection is read and deleted from, with all its namespaces.
        metric: "cosine" (default), "l2" or "dot".
        default_ttl: how long documents live that are added without a `ttl`.
        text_index: index the words of the texts for `hybrid=True`: `True`, or a language for
            stems, such as "english".
        durability: "sync" (default), or "buffered:50ms".
        embedding_space: the name of the model. A store of another name is refused.
        relevance_score_fn: turns a score into a relevance from 0 to 1.
        collection_options: further options of `Store.collection`.
        store_options: options of `altiplano.Store`, for a path.

    Example:
        >>> store = AltiplanoVectorStore(embedding, "agent.alt")
        >>> store.add_texts(["Ada likes tea"], [{"user": "ada"}], ttl=86400)
        >>> store.similarity_search("What does Ada drink?", k=1, filter={"user": "ada"})
    """

    def __init__(
        self,
        embedding: Embeddings | None = None,
        path: PathLike | None = None,
        *,
        store: Store | None = None,
        collection: str = "documents",
        namespace: str | None = None,
        metric: str | None = None,
        default_ttl: Ttl | None = None,
        text_index: bool | str | None = None,
        durability: Any = None,
        embedding_space: str | None = None,
        relevance_score_fn: Callable[[float], float] | None = None,
        collection_options: Mapping[str, Any] | None = None,
        store_options: Mapping[str, Any] | None = None,
    ) -> None:
        given = {
            "default_ttl": default_ttl,
            "text_index": text_index,
            "durability": durability,
            "embedding_space": embedding_space,
        }
        options = {name: value for name, value in given.items() if value is not None}
        options.update(collection_options or {})
        opened = Opened(path, store, store_options)
        try:
            self._table = Table(opened, collection, namespace, metric, options)
        except BaseException:
            opened.close()
            raise
        self._embedding = embedding
        self._relevance = relevance_score_fn or _clamped

    @property
    def embeddings(self) -> Embeddings | None:
        """The model."""
        return self._embedding

    @property
    def store(self) -> Store:
        """The open store."""
        return self._table.store

    @property
    def _collection(self) -> CollectionView:
        return CollectionView(self._table)

    def _model(self) -> Embeddings:
        if self._embedding is None:
            raise ValueError(
                "this vector store has no embedding model: pass one to AltiplanoVectorStore, "
                "or use the methods that take vectors"
            )
        return self._embedding

    # Writing.

    # Further keywords are refused: a slip in the name of a filter would else be lost.
    def add_texts(  # type: ignore[override]
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        ttl: Ttl | None = None,
        batch_size: int | None = None,
    ) -> list[str]:
        """Adds texts as documents, as one atomic batch. Returns their ids.

        Args:
            texts: the texts.
            metadatas: one dict for each text, of what JSON can hold.
            ids: one for each text. A document with the same id is replaced. `None` makes new ones.
            ttl: a `timedelta` or seconds until the documents expire.
            batch_size: accepted for LangChain's indexing, and of no effect.
        """
        texts = list(texts)
        embeddings = self._model().embed_documents(texts) if texts else []
        return self.add_embeddings(embeddings, metadatas, ids=ids, texts=texts, ttl=ttl)

    def add_embeddings(
        self,
        embeddings: ArrayLike,
        metadatas: Sequence[Mapping[str, Any] | None] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        texts: Sequence[str] | None = None,
        ttl: Ttl | None = None,
    ) -> list[str]:
        """Adds documents whose vectors are known, as one atomic batch. Returns their ids.

        Args:
            embeddings: an array of shape (rows, dimension), or a list of lists.
            metadatas, ids, ttl: as for `add_texts`.
            texts: one for each vector. Without them, documents have an empty text.
        """
        count = len(embeddings)  # type: ignore[arg-type]
        for name, values in (("metadatas", metadatas), ("ids", ids), ("texts", texts)):
            if values and len(values) != count:
                raise ValueError(f"{count} vectors and {len(values)} {name}: give one for each")
        if count == 0:
            return []
        made = [id if id else str(uuid4()) for id in ids or [None] * count]
        self._table.add(
            matrix_of(embeddings),
            made,
            [text or None for text in texts or [""] * count],
            [metadata or None for metadata in metadatas or [None] * count],
            ttl,
        )
        return made

    def delete(  # type: ignore[override]
        self,
        ids: Sequence[str] | None = None,
        *,
        filter: DocumentFilter | None = None,
    ) -> bool:
        """Deletes documents by id, or by a filter, or without both all of them. Returns true.

        Ids that are not there are passed over.
        """
        if ids is not None and filter is not None:
            raise ValueError("give ids or a filter, not both")
        if ids is not None:
            self._table.delete([ids] if isinstance(ids, str) else ids)
        else:
            self._table.delete_where(_filters.stored(filter))
        return True

    def delete_collection(self) -> None:
        """Drops the collection. With a namespace, deletes what is in the namespace."""
        self._table.drop()

    # Reading.

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Returns the documents with these ids, in their order, without those that are missing."""
        return [_document(memory) for memory in self._table.get(ids)]

    def count(self, filter: DocumentFilter | None = None) -> int:
        """Returns how many documents there are, or how many match a filter."""
        return self._table.count(None if filter is None else _filters.stored(filter))

    def _hits(
        self,
        query: str | None,
        embedding: ArrayLike,
        k: int,
        fields: str = "payload",
        *,
        filter: DocumentFilter | None = None,
        hybrid: bool = False,
        text_weight: float | None = None,
        exact: bool = False,
        target_recall: float | None = None,
        ef: int | None = None,
    ) -> list[Hit]:
        if hybrid and query is None:
            raise ValueError("hybrid=True needs the text of the query: search by text")
        found, test = _filters.read(filter)
        options: dict[str, Any] = {"fields": fields}
        if found is not None:
            options["filter"] = found
        if test is not None:
            options["where"] = lambda memory: test(_document(memory))
        if hybrid and text_weight is not None:
            options["text_weight"] = text_weight
        if exact:
            options["exact"] = True
        if target_recall is not None:
            options["target_recall"] = target_recall
        if ef is not None:
            options["ef"] = ef
        return self._table.search(embedding, k, query if hybrid else None, **options)

    def _scored(
        self, query: str | None, embedding: ArrayLike, k: int, **options: Any
    ) -> list[tuple[Document, float]]:
        hits = self._hits(query, embedding, k, **options)
        return [(_document(hit.memory), hit.score) for hit in hits if hit.memory is not None]

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Returns the `k` documents that are nearest to a text, nearest first.

        Args:
            query: the text.
            k: how many to return.
            filter: a dict such as `{"user": "ada", "year": {"$gte": 2000}}`, an
                `altiplano.Filter`, or a function of a document, which is slow.
            hybrid: also look for the words of the text.
            text_weight: the weight of the words, from 0 to 1. Default 0.4.
            exact: measure every document that matches.
            target_recall: the share of the true neighbors to find. Default 0.95.
            ef: the beam width of the graph search, in place of `target_recall`.
        """
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Returns documents and their scores, largest first. Options as in `similarity_search`.

        The score is the cosine, the dot product or 1 / (1 + d), with d the square of the Euclidean
        distance, as the metric says. Of a hybrid search, it is the joint score, from 0 to 1.
        """
        return self._scored(query, self._model().embed_query(query), k, **kwargs)

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """Returns the `k` documents that are nearest to a vector, nearest first."""
        return [document for document, _ in self._scored(None, embedding, k, **kwargs)]

    def similarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Returns documents near a vector and their scores: see `similarity_search_with_score`."""
        return self._scored(None, embedding, k, **kwargs)

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return self._relevance

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        """Returns documents that are near to a text and differ from each other.

        Args:
            query: the text.
            k: how many to return.
            fetch_k: how many of the nearest to choose from.
            lambda_mult: 1 weighs nearness alone, and 0 difference alone.
            filter: as in `similarity_search`, and so are further options.
        """
        embedding = self._model().embed_query(query)
        return self._diverse(query, embedding, k, fetch_k, lambda_mult, **kwargs)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        """Returns documents that are near to a vector and differ from each other."""
        return self._diverse(None, embedding, k, fetch_k, lambda_mult, **kwargs)

    def _diverse(
        self,
        query: str | None,
        embedding: ArrayLike,
        k: int,
        fetch_k: int,
        lambda_mult: float,
        **options: Any,
    ) -> list[Document]:
        hits = self._hits(query, embedding, max(k, fetch_k), "all", **options)
        found = [hit.memory for hit in hits if hit.memory is not None]
        if not found:
            return []
        vectors = np.stack([memory.vector for memory in found])
        order = _mmr.choose(embedding, vectors, k, lambda_mult)
        return [_document(found[at]) for at in order]

    # Making, and letting go.

    @classmethod
    def from_texts(
        cls: type[V],
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        ttl: Ttl | None = None,
        **kwargs: Any,
    ) -> V:
        """Opens a vector store and adds texts. `kwargs` are those of `AltiplanoVectorStore`."""
        made = cls(embedding, **kwargs)
        try:
            made.add_texts(texts, metadatas, ids=ids, ttl=ttl)
        except BaseException:
            made.close()
            raise
        return made

    @classmethod
    async def afrom_texts(
        cls: type[V],
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        ttl: Ttl | None = None,
        **kwargs: Any,
    ) -> V:
        """Opens a vector store and adds texts. See `from_texts`."""
        made = await run_in_executor(None, lambda: cls(embedding, **kwargs))
        try:
            await made.aadd_texts(texts, metadatas, ids=ids, ttl=ttl)
        except BaseException:
            made.close()
            raise
        return made

    def close(self) -> None:
        """Lets go of the store, and closes it if nobody else uses its path. May be called twice."""
        self._table.close()

    def __enter__(self: V) -> V:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _document(memory: Memory) -> Document:
    return Document(
        id=id_of(memory), page_content=memory.text or "", metadata=memory.metadata or {}
    )


def _clamped(score: float) -> float:
    return min(1.0, max(0.0, score))
