"""Owns the asynchronous methods of the vector store.

Embeddings are awaited, so that an asynchronous model does not hold a thread. The store itself works
in a thread: it releases the lock of the interpreter while it does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.runnables.config import run_in_executor
from langchain_core.vectorstores import VectorStore


class AsyncVectorStore(VectorStore):
    """The asynchronous half. The other half has `_model`, `add_embeddings` and `_scored`."""

    def _model(self) -> Embeddings:
        raise NotImplementedError

    def add_embeddings(
        self,
        embeddings: Any,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Any = None,
        texts: Any = None,
        ttl: Any = None,
    ) -> list[str]:
        raise NotImplementedError

    def _scored(
        self, query: str | None, embedding: Any, k: int, **options: Any
    ) -> list[tuple[Document, float]]:
        raise NotImplementedError

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Adds texts as documents. See `add_texts`."""
        texts = list(texts)
        embeddings = await self._model().aembed_documents(texts) if texts else []
        return await run_in_executor(
            None, self.add_embeddings, embeddings, metadatas, ids=ids, texts=texts, **kwargs
        )

    async def aadd_embeddings(
        self,
        embeddings: Any,
        metadatas: list[dict[str, Any]] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Adds documents whose vectors are known. See `add_embeddings`."""
        return await run_in_executor(None, self.add_embeddings, embeddings, metadatas, **kwargs)

    async def asimilarity_search(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """Returns the documents that are nearest to a text. See `similarity_search`."""
        found = await self.asimilarity_search_with_score(query, k=k, **kwargs)
        return [document for document, _ in found]

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Returns the nearest documents and their scores. See `similarity_search_with_score`."""
        embedding = await self._model().aembed_query(query)
        return await run_in_executor(None, self._scored, query, embedding, k, **kwargs)

    async def asimilarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Returns the documents nearest to a vector, with scores."""
        return await run_in_executor(None, self._scored, None, embedding, k, **kwargs)

    async def amax_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        """Returns documents that are near and differ. See `max_marginal_relevance_search`."""
        embedding = await self._model().aembed_query(query)
        return await self.amax_marginal_relevance_search_by_vector(
            embedding, k=k, fetch_k=fetch_k, lambda_mult=lambda_mult, **kwargs
        )
