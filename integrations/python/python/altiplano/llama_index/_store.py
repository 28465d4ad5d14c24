"""Owns `AltiplanoVectorStore`, a vector store of LlamaIndex.

Invariant: a node is one memory, whose id is made of the id of the node, so adding a node again
replaces it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from altiplano import Batch, Collection, Filter, Hit, Memory, Scope, Store, errors
from altiplano import _python_filters as python
from altiplano._shared_store import StoreLike, StoreRef
from altiplano.llama_index import _nodes as nodes_of
from altiplano.llama_index._filters import FIELDS, Selection, select

_BATCH_BYTES = 8 << 20
_MMR_LEAST = 256
_TINY = 1e-300
_REF_DOC = f'["{FIELDS}"]["ref_doc_id"]'
_TEXT_MODES = (VectorStoreQueryMode.TEXT_SEARCH, VectorStoreQueryMode.SPARSE)
_MODES = (
    VectorStoreQueryMode.DEFAULT,
    VectorStoreQueryMode.MMR,
    VectorStoreQueryMode.HYBRID,
    *_TEXT_MODES,
)


class AltiplanoVectorStore(BasePydanticVectorStore):
    """A vector store in a file of this machine, without a server.

    Args:
        store: The path of a store, or an open `altiplano.Store`. Adapters of one process that
            name the same path share the store.
        collection_name: The collection for the nodes.
        namespace: Keeps the nodes apart from those of other namespaces of the collection.
        metric: `cosine`, `l2` or `dot`, for a collection that is new.
        text_index: The language of the texts, such as `"english"`, `True` for words without
            stemming, or `False` for no search by words. For a collection that is new.
        ttl: The lifetime of nodes in seconds. `None` keeps them for ever.

    The dimension is that of the first node. Vectors of zeros are refused under `cosine`.
    """

    stores_text: bool = True
    is_embedding_query: bool = True
    path: str = Field(default="", description="The path of the store.")
    collection_name: str = "llama_index"
    namespace: str | None = None
    metric: str = "cosine"
    text_index: bool | str = True
    ttl: float | None = None

    _ref: StoreRef = PrivateAttr()

    def __init__(
        self,
        store: StoreLike | None = None,
        *,
        collection_name: str = "llama_index",
        namespace: str | None = None,
        metric: str = "cosine",
        text_index: bool | str = True,
        ttl: float | None = None,
        **kwargs: Any,
    ) -> None:
        """Names the store. It is opened at the first use."""
        where = store if store is not None else kwargs.pop("path", None)
        if not where:
            raise ValueError("store is missing: give a path, or an open altiplano.Store")
        ref = StoreRef(where)
        fields: dict[str, Any] = {
            "path": ref.path,
            "collection_name": collection_name,
            "namespace": namespace,
            "metric": metric,
            "text_index": text_index,
            "ttl": ttl,
            "stores_text": True,
        }
        super().__init__(**fields)
        self._ref = ref

    @classmethod
    def class_name(cls) -> str:
        """Returns the name under which LlamaIndex serialises the store."""
        return "AltiplanoVectorStore"

    @property
    def client(self) -> Store:
        """The open store."""
        return self._ref.store

    def close(self) -> None:
        """Closes the store, unless it was given open or others use it. The next use opens it."""
        self._ref.close()

    def _reader(self) -> Collection | Scope | None:
        collection = self.client.get_collection(self.collection_name)
        if collection is None or self.namespace is None:
            return collection
        return collection.scope(self.namespace)

    def _writer(self, dimension: int) -> Collection | Scope:
        if self.client.get_collection(self.collection_name) is None:
            self.client.collection(
                self.collection_name,
                dimension,
                self.metric,  # type: ignore[arg-type]
                text_index=self.text_index,
            )
        found = self._reader()
        if found is None:
            raise errors.NoCollectionError(f"{self.collection_name} was dropped meanwhile")
        return found

    def add(self, nodes: Sequence[BaseNode], **add_kwargs: Any) -> list[str]:
        """Adds nodes with embeddings and returns their ids. Known ids are replaced.

        About 8 MiB at a time become visible and durable together. `ttl` in seconds overrides that
        of the store.
        """
        if not nodes:
            return []
        ttl = add_kwargs.get("ttl", self.ttl)
        memories = [nodes_of.to_memory(node, self.namespace, ttl) for node in nodes]
        writer = self._writer(len(nodes[0].get_embedding()))
        batch = Batch()
        for memory in memories:
            batch.insert(memory)
            if batch.nbytes >= _BATCH_BYTES:
                writer.apply(batch)
                batch = Batch()
        if len(batch):
            writer.apply(batch)
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Deletes the nodes of a document."""
        found = self._reader()
        if found is not None:
            found.delete_where(python.equal(_REF_DOC, ref_doc_id))

    def delete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """Deletes the nodes with these ids that the filters hold for; all without either."""
        found = self._reader()
        if found is None:
            return
        selection = select(filters)
        wanted = self._with_ids(selection.bound, node_ids)
        if selection.test is None:
            try:
                found.delete_where(wanted)
                return
            except errors.InvalidOptionError:
                # A filter that holds for every memory is refused, unless it says so.
                pass
        found.delete_many([memory.id for memory in self._scan(found, wanted, selection)])

    def clear(self) -> None:
        """Deletes all nodes. Without a namespace the dimension is forgotten as well."""
        if self.namespace is None:
            self.client.drop_collection(self.collection_name)
            return
        found = self._reader()
        if found is not None:
            found.delete_where(Filter.all())

    def get(self, text_id: str) -> list[float]:
        """Returns the embedding of a node; `KeyError` if there is none."""
        found = self._reader()
        memory = None if found is None else found.get(python.id_of(text_id, self.namespace))
        if memory is None:
            raise KeyError(text_id)
        return [float(one) for one in memory.vector]

    def get_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
    ) -> list[BaseNode]:
        """Returns nodes in the order in which they were added, or in that of `node_ids`."""
        found = self._reader()
        if found is None:
            return []
        selection = select(filters)
        memories = self._scan(found, self._with_ids(selection.bound, node_ids), selection)
        if node_ids is None:
            memories.sort(key=lambda memory: memory.seq or 0)
        else:
            place = {python.id_of(name, self.namespace): at for at, name in enumerate(node_ids)}
            memories.sort(key=lambda memory: place[memory.id])
        return [nodes_of.to_node(memory) for memory in memories]

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Returns the best nodes.

        Modes: `default`, `mmr`, `hybrid`, `text_search` and `sparse`, which is the same. Under
        `hybrid`, `alpha` is the weight of the vector, 0 to 1. Keyword arguments: `exact=True`
        measures every node; `mmr_threshold` and `mmr_prefetch_k` are for `mmr`.
        """
        if query.mode not in _MODES:
            names = ", ".join(mode.value for mode in _MODES)
            raise ValueError(f"the mode {query.mode} is not offered; these are: {names}")
        found = self._reader()
        k = query.similarity_top_k
        if query.mode == VectorStoreQueryMode.HYBRID and query.hybrid_top_k:
            k = query.hybrid_top_k
        if found is None or k < 1 or len(found) == 0:
            return VectorStoreQueryResult(nodes=[], similarities=[], ids=[])
        selection = select(query.filters)
        # An index of a store with texts asks with an empty list of ids when it means all.
        wanted = self._with_ids(selection.bound, query.node_ids or None)
        if query.doc_ids:
            wanted = wanted & python.one_of(_REF_DOC, query.doc_ids)
        asked = self._asked(query, wanted, selection)
        asked["exact"] = bool(kwargs.get("exact", False))
        if query.mode == VectorStoreQueryMode.MMR:
            threshold = kwargs.get("mmr_threshold", query.mmr_threshold)
            pool = kwargs.get("mmr_prefetch_k") or max(4 * k, _MMR_LEAST)
            hits = found.search(k=max(pool, k), fields="all", **asked)
            return _result(_diverse(asked["query"], hits, k, threshold))
        hits = found.search(k=k, **asked)
        return _result([(hit, hit.score) for hit in hits])

    def persist(self, persist_path: str = "", fs: Any = None) -> None:
        """Waits until all nodes are durable. They are in the store, so the path has no effect."""
        self.client.sync()

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Same as `add`, in a thread."""
        return await asyncio.to_thread(self.add, nodes, **kwargs)

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Same as `delete`, in a thread."""
        await asyncio.to_thread(self.delete, ref_doc_id, **delete_kwargs)

    async def adelete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """Same as `delete_nodes`, in a thread."""
        await asyncio.to_thread(self.delete_nodes, node_ids, filters, **delete_kwargs)

    async def aclear(self) -> None:
        """Same as `clear`, in a thread."""
        await asyncio.to_thread(self.clear)

    async def aget_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
    ) -> list[BaseNode]:
        """Same as `get_nodes`, in a thread."""
        return await asyncio.to_thread(self.get_nodes, node_ids, filters)

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Same as `query`, in a thread."""
        return await asyncio.to_thread(self.query, query, **kwargs)

    def _with_ids(self, bound: Filter, node_ids: Sequence[str] | None) -> Filter:
        if node_ids is None:
            return bound
        return bound & Filter.ids([python.id_of(name, self.namespace) for name in node_ids])

    def _scan(
        self, found: Collection | Scope, wanted: Filter, selection: Selection
    ) -> list[Memory]:
        test = selection.test
        memories = found.scan(wanted, fields="payload")
        return [one for one in memories if test is None or test(nodes_of.fields_of(one))]

    def _asked(
        self, query: VectorStoreQuery, wanted: Filter, selection: Selection
    ) -> dict[str, Any]:
        """Returns the arguments of the search."""
        asked: dict[str, Any] = {"filter": wanted}
        test = selection.test
        if test is not None:
            asked["where"] = lambda memory: test(nodes_of.fields_of(memory))
        if query.mode not in _TEXT_MODES and query.query_embedding is not None:
            asked["query"] = query.query_embedding
        if query.mode in (*_TEXT_MODES, VectorStoreQueryMode.HYBRID) and query.query_str:
            asked["text"] = query.query_str
            if "query" in asked and query.alpha is not None:
                asked["text_weight"] = 1.0 - query.alpha
        needed: tuple[str, ...] = ("text",) if query.mode in _TEXT_MODES else ("query",)
        if query.mode == VectorStoreQueryMode.HYBRID:
            needed = ("query", "text")
        if not any(one in asked for one in needed):
            names = {"query": "query_embedding", "text": "query_str"}
            missing = " or ".join(names[one] for one in needed)
            raise ValueError(f"the mode {query.mode.value} needs {missing}")
        return asked


def _result(ranked: Sequence[tuple[Hit, float]]) -> VectorStoreQueryResult:
    memories = [(hit.memory, score) for hit, score in ranked if hit.memory is not None]
    nodes = [nodes_of.to_node(memory) for memory, _ in memories]
    return VectorStoreQueryResult(
        nodes=nodes,
        similarities=[float(score) for _, score in memories],
        ids=[node.node_id for node in nodes],
    )


def _diverse(
    query: Sequence[float], hits: Sequence[Hit], k: int, threshold: float | None
) -> list[tuple[Hit, float]]:
    """Returns `k` hits as LlamaIndex's `get_top_k_mmr_embeddings` chooses them.

    The score of a hit is `t * cosine to the query - (1 - t) * cosine to the hit chosen before`.
    """
    t = 0.5 if threshold is None else threshold
    rows = [(hit, hit.memory.vector) for hit in hits if hit.memory is not None]
    if not rows:
        return []
    matrix = np.asarray([vector for _, vector in rows], dtype=np.float64)
    # Zeros, which `l2` and `dot` allow, have a cosine of 0 to everything.
    matrix /= np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), _TINY)
    asked = np.asarray(query, dtype=np.float64)
    near = t * (matrix @ (asked / max(float(np.linalg.norm(asked)), _TINY)))
    scores = near.copy()
    chosen: list[tuple[Hit, float]] = []
    left = np.ones(len(rows), dtype=bool)
    while len(chosen) < min(k, len(rows)):
        best = int(np.argmax(np.where(left, scores, -np.inf)))
        chosen.append((rows[best][0], float(scores[best])))
        left[best] = False
        scores = near - (1.0 - t) * (matrix @ matrix[best])
    return chosen
